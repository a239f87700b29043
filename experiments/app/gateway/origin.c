#include "experiments/app/gateway/origin.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HOST_TEXT = 256 };

tf_status origin_split(const char *address, char host[HOST_TEXT], const char **port) {
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    bool bracketed = length > 2 && address[0] == '[' && address[length - 1] == ']';
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!length || length >= HOST_TEXT || !digits || colon[1 + digits] || (!bracketed && memchr(address, ':', length)))
        return tf_fail(TF_INVALID, "--http '%.100s' is not HOST:PORT, such as 127.0.0.1:7380 or [::1]:7380", address);
    snprintf(host, HOST_TEXT, "%.*s", (int)(length - 2 * bracketed), address + bracketed);
    *port = colon + 1;
    return TF_OK;
}

bool origin_is_local(const struct sockaddr *address) {
    if (address->sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    return address->sa_family == AF_INET && ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

bool origin_is_loopback(const char *host) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"}, digits[] = "0123456789";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        const char *port = host + length;
        if (!strncasecmp(host, names[i], length) && (!*port || (*port == ':' && !port[1 + strspn(port + 1, digits)])))
            return true;
    }
    return false;
}

bool origin_is_same(const char *origin, const char *host) {
    const char *slashes = strstr(origin, "://");
    return slashes && host && !strcasecmp(slashes + 3, host);
}
