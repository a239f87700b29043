#include "experiments/app/parties/meet.h"

#include <stdio.h>
#include <string.h>

#include "experiments/app/log/log.h"
#include "experiments/app/parties/secure.h"
#include "net/link_secure.h"
#include "net/link_tcp.h"

enum { PORT_TEXT = 6 };

static void print_progress(void *context, const char *line) {
    (void)context;
    log_line(LOG_INFO, "%s", line);
}

/** Splits HOST:PORT or [HOST]:PORT in `copy`. */
static tf_status split_address(const char *text, char copy[TF_HOST_TEXT + PORT_TEXT], tf_tcp_address *address) {
    if (strlen(text) >= TF_HOST_TEXT) return tf_fail(TF_INVALID, "--listen: the address is too long");
    snprintf(copy, TF_HOST_TEXT, "%s", text);
    char *colon = strrchr(copy, ':'), *host = copy;
    if (colon) {
        *colon = '\0';
        size_t length = strlen(host);
        if (host[0] == '[' && host[length - 1] == ']') {
            host[length - 1] = '\0';
            host++;
        }
        *address = (tf_tcp_address){.host = host, .port = colon + 1};
        size_t digits = strspn(address->port, "0123456789");
        if (host[0] && digits && !address->port[digits]) return TF_OK;
    }
    return tf_fail(TF_INVALID, "--listen '%s' is not HOST:PORT, such as 0.0.0.0:7300", text);
}

/** A name of the run that all three can compute: who they are, so that parties of different files do not mix. */
static tf_status name_run(const link_settings *o, unsigned char run[TF_TCP_RUN]) {
    tf_config_digest digest;
    TF_TRY(tf_config_digest_of(o->file.fingerprint, sizeof o->file.fingerprint, &digest));
    memcpy(run, digest.byte, TF_TCP_RUN);
    return TF_OK;
}

tf_status links_meet(const link_settings *o, tf_link **link) {
    char port[TF_PARTIES][PORT_TEXT], copy[TF_HOST_TEXT + PORT_TEXT];
    tf_tcp_options tcp = {.party = o->id, .wait = o->wait, .silence = o->timeout, .progress = print_progress};
    for (int i = 0; i < TF_PARTIES; i++) {
        snprintf(port[i], sizeof port[i], "%u", (unsigned)o->file.party[i].port);
        tcp.address[i] = (tf_tcp_address){o->file.party[i].host, port[i]};
    }
    if (o->listen) TF_TRY(split_address(o->listen, copy, &tcp.listen));
    TF_TRY(name_run(o, tcp.run));
    tf_identity *identity;
    tf_link *inner;
    TF_TRY(tf_identity_read(o->identity, &identity));
    tcp.identity = identity;
    tcp.fingerprints = o->file.fingerprint;
    tf_status met = tf_link_tcp(&tcp, &inner);
    tf_identity_free(identity);
    TF_TRY(met);
    tf_link_set_deadline(inner, o->timeout);
    tf_status status = links_secure(o, inner, link);
    return tf_fail_doing(status, "proving who is who");
}
