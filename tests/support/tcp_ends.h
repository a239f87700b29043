/** Three ends of a TCP link in one process, for tests. */
#ifndef TF_TEST_TCP_ENDS_H
#define TF_TEST_TCP_ENDS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/link_tcp.h"
#include "tests/support/three_ends.h"

/** How one party of a test joins, and what came of it. */
typedef struct tcp_end {
    tf_tcp_options options;
    double delay; /**< seconds until it starts */
    tf_link *link;
    tf_status status;
    char error[1024], lines[8192]; /**< what it was told of the progress */
} tcp_end;

/** Ports that nobody listens at, of the loopback address of a family. */
static inline void free_ports(int family, char port[TF_PARTIES][8]) {
    int sockets[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) {
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
        struct sockaddr_in *four = (struct sockaddr_in *)&address;
        if (family == AF_INET)
            *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        sockets[i] = socket(family, SOCK_STREAM, 0);
        cr_assert(bind(sockets[i], (struct sockaddr *)&address, size) == 0);
        cr_assert(getsockname(sockets[i], (struct sockaddr *)&address, &size) == 0);
        snprintf(port[i], sizeof port[i], "%d", ntohs(family == AF_INET ? four->sin_port : address.sin6_port));
    }
    for (int i = 0; i < TF_PARTIES; i++) close(sockets[i]);
}

static inline void keep_line(void *context, const char *line) {
    char *lines = context;
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof((tcp_end *)0)->lines - used, "%s\n", line);
}

/** Options for three parties at `host`; the ports stay in static memory. */
static inline void prepare_ends(tcp_end ends[TF_PARTIES], const char *host, double wait) {
    static char port[TF_PARTIES][8];
    free_ports(strchr(host, ':') ? AF_INET6 : AF_INET, port);
    for (int i = 0; i < TF_PARTIES; i++) {
        memset(&ends[i], 0, sizeof ends[i]);
        tf_tcp_options *o = &ends[i].options;
        *o = (tf_tcp_options){.party = i, .wait = wait, .silence = 30, .progress = keep_line, .context = ends[i].lines};
        for (int j = 0; j < TF_PARTIES; j++) o->address[j] = (tf_tcp_address){host, port[j]};
    }
}

static void *join_as(void *argument) {
    tcp_end *end = argument;
    sleep_seconds(end->delay);
    end->status = tf_link_tcp(&end->options, &end->link);
    snprintf(end->error, sizeof end->error, "%s", end->status == TF_OK ? "" : tf_error());
    return NULL;
}

static inline void join_ends(tcp_end ends[TF_PARTIES]) {
    pthread_t threads[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) cr_assert_eq(pthread_create(&threads[i], NULL, join_as, &ends[i]), 0);
    for (int i = 0; i < TF_PARTIES; i++) pthread_join(threads[i], NULL);
}

/** Three connected ends. */
static inline void connect_ends(tf_link *links[TF_PARTIES]) {
    static tcp_end ends[TF_PARTIES];
    prepare_ends(ends, "127.0.0.1", 20);
    join_ends(ends);
    for (int i = 0; i < TF_PARTIES; i++) {
        cr_assert_eq(ends[i].status, TF_OK, "party %d: %s", i, ends[i].error);
        links[i] = ends[i].link;
    }
}

/** Calls a port of this host; the connection, or -1. */
static inline int call_port(const char *port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&address, sizeof address) == 0) return s;
    close(s);
    return -1;
}

#endif
