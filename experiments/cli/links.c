#include "experiments/cli/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/link_mpi.h"
#include "net/link_secure.h"

enum link_key { KEY_LOCAL = 'l', KEY_TIMEOUT = 'T', KEY_PARTIES = 'P', KEY_IDENTITY = 'I', KEY_PLAINTEXT = 'X' };

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "How the parties are connected:", 1},
    {"local", KEY_LOCAL, NULL, 0, "Run the three parties as threads of this process, without mpirun", 0},
    {"parties", KEY_PARTIES, "FILE", 0,
     "The parties file: who the parties are and what they own. Needed when they are on several hosts", 0},
    {"identity", KEY_IDENTITY, "DIR", 0, "This party's key and certificate, as trefoil keygen made them", 0},
    {"plaintext-links", KEY_PLAINTEXT, NULL, 0, "Do not encrypt what the parties send each other, to measure", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long to wait for a silent party (30)", 0},
    {0},
};

static tf_status read_seconds(const char *text, double *seconds) {
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *end || !(*seconds > 0 && *seconds <= 1e6))
        return tf_fail(TF_INVALID, "--timeout '%s' is not a number of seconds above 0", text);
    return TF_OK;
}

static error_t on_link_option(int key, char *value, struct argp_state *state) {
    link_input *input = state->input;
    link_options *o = input->options;
    switch (key) {
    case KEY_LOCAL: o->local = true; return 0;
    case KEY_PARTIES: o->parties = value; return 0;
    case KEY_IDENTITY: o->identity = value; return 0;
    case KEY_PLAINTEXT: o->plaintext = true; return 0;
    case KEY_TIMEOUT: input->status = read_seconds(value, &o->timeout); return input->status == TF_OK ? 0 : EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp link_argp = {.options = table, .parser = on_link_option};

link_options link_options_default(void) {
    return (link_options){.timeout = 30};
}

tf_status link_options_finish(link_options *o) {
    if (o->local && (o->parties || o->identity || o->plaintext))
        return tf_fail(TF_INVALID, "--local connects threads of one process: it goes without --parties, --identity and "
                                   "--plaintext-links");
    if (o->plaintext && (o->parties || o->identity))
        return tf_fail(TF_INVALID, "--plaintext-links proves no identities: leave --parties and --identity out");
    if (!o->parties != !o->identity)
        return tf_fail(TF_INVALID, "--parties and --identity belong together (see trefoil keygen --help)");
    return o->parties ? tf_parties_read(o->parties, &o->file) : TF_OK;
}

/** What the three must have in common before they talk: the version, who they are, and who owns what. */
static tf_status describe(const link_options *o, tf_config_digest *digest) {
    char text[512], fingerprint[TF_FINGERPRINT_TEXT];
    int used = snprintf(text, sizeof text, "trefoil %s", TREFOIL_VERSION);
    for (int i = 0; i < TF_PARTIES && o->parties; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "\n%s%s%s",
                         tf_fingerprint_text(&o->file.fingerprint[i], fingerprint),
                         i == o->file.model_owner ? " model owner" : "", i == o->file.data_owner ? " data owner" : "");
    return tf_config_digest_of(text, (size_t)used, digest);
}

tf_status links_secure(const link_options *o, tf_link *inner, tf_link **link) {
    tf_secure_options secure = {.fingerprints = o->parties ? o->file.fingerprint : NULL};
    tf_identity *identity = NULL;
    tf_status status = o->identity ? tf_identity_read(o->identity, &identity) : tf_identity_make(&identity);
    if (status == TF_OK) status = describe(o, &secure.config);
    secure.identity = identity;
    if (status == TF_OK) {
        status = tf_link_secure(inner, &secure, link);
    } else {
        tf_link_announce_failure(inner,
                                 "no secure link could be made"); // nobody could tell whether this party wrote it
        tf_link_close(inner);
    }
    tf_identity_free(identity);
    return status;
}

static tf_status open_mpi(const link_options *o, tf_link **link) {
    tf_link *inner;
    TF_TRY(tf_link_mpi(&inner));
    tf_link_set_deadline(inner, o->timeout);
    if (o->plaintext) {
        if (tf_link_party(inner) == 0)
            fputs("trefoil: warning: --plaintext-links: whoever can read or change what the parties send each other "
                  "learns and controls everything\n",
                  stderr);
        *link = inner;
        return TF_OK;
    }
    if (tf_mpi_on_one_host() || o->parties) return links_secure(o, inner, link);
    tf_link_close(inner); // all three have found the same
    return tf_fail(TF_INVALID, "the parties are on several hosts and have to know each other: make a key for each "
                               "(trefoil keygen), list the fingerprints in a parties file, and give each party "
                               "--parties FILE --identity DIR");
}

tf_status links_open(const link_options *o, tf_link *links[TF_PARTIES]) {
    tf_link *link;
    for (int i = 0; i < TF_PARTIES; i++) links[i] = NULL;
    if (o->local) {
        TF_TRY(tf_link_memory(links));
        for (int i = 0; i < TF_PARTIES; i++) tf_link_set_deadline(links[i], o->timeout);
        return TF_OK;
    }
    if (!tf_mpi_launched())
        return tf_fail(TF_INVALID, "three parties are needed: start it with mpirun -n 3, or give --local");
    TF_TRY(open_mpi(o, &link));
    links[tf_link_party(link)] = link;
    return TF_OK;
}
