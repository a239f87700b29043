#include "experiments/app/commands/link_options.h"

#include <stdlib.h>

enum link_key {
    KEY_LOCAL = 'l',
    KEY_TIMEOUT = 'T',
    KEY_PARTIES = 'P',
    KEY_IDENTITY = 'I',
    KEY_PLAINTEXT = 'X',
    KEY_SHAPE = 'H',
    KEY_THREADS = 'J'
};

enum { MOST_THREADS = 1024 };

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "How the parties are connected:", 1},
    {"local", KEY_LOCAL, NULL, 0, "Run the three parties as threads of this process, without mpirun", 0},
    {"parties", KEY_PARTIES, "FILE", 0,
     "The parties file: who the parties are and what they own. Needed when they are on several hosts", 0},
    {"identity", KEY_IDENTITY, "DIR", 0, "This party's key and certificate, as trefoil keygen made them", 0},
    {"plaintext-links", KEY_PLAINTEXT, NULL, 0, "Do not encrypt what the parties send each other, to measure", 0},
    {"shape", KEY_SHAPE, "NETWORK", 0,
     "Play a network: lan (1 ms, 5 Gbit/s), wan (40 ms, 400 Mbit/s) or DELAYms,RATEmbit; round-trip time, and rate of "
     "each direction of each pair. On one machine only",
     0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long to wait for a silent party (30)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads of each party (this host's cores, divided among the parties on it)", 0},
    {0},
};

tf_status link_read_seconds(const char *name, const char *text, double *seconds) {
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *end || !(*seconds > 0 && *seconds <= 1e6))
        return tf_fail(TF_INVALID, "--%s '%s' is not a number of seconds above 0", name, text);
    return TF_OK;
}

static tf_status read_threads(const char *text, int *threads) {
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < 1 || value > MOST_THREADS)
        return tf_fail(TF_INVALID, "--threads '%s' is not a number from 1 to %d", text, MOST_THREADS);
    *threads = (int)value;
    return TF_OK;
}

static error_t on_link_option(int key, char *value, struct argp_state *state) {
    link_input *input = state->input;
    link_settings *o = input->options;
    switch (key) {
    case KEY_LOCAL: o->local = true; return 0;
    case KEY_PARTIES: o->parties = value; return 0;
    case KEY_IDENTITY: o->identity = value; return 0;
    case KEY_PLAINTEXT: o->plaintext = true; return 0;
    case KEY_SHAPE:
        o->shaped = true;
        input->status = tf_network_parse("shape", value, &o->network);
        return input->status == TF_OK ? 0 : EINVAL;
    case KEY_THREADS: input->status = read_threads(value, &o->threads); return input->status == TF_OK ? 0 : EINVAL;
    case KEY_TIMEOUT:
        input->status = link_read_seconds("timeout", value, &o->timeout);
        return input->status == TF_OK ? 0 : EINVAL;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp link_argp = {.options = table, .parser = on_link_option};

link_settings link_settings_default(void) {
    return (link_settings){.timeout = 30, .id = -1};
}

tf_status link_settings_finish(link_settings *o) {
    if (o->local && (o->parties || o->identity || o->plaintext))
        return tf_fail(TF_INVALID, "--local connects threads of one process: it goes without --parties, --identity and "
                                   "--plaintext-links");
    if (o->plaintext && (o->parties || o->identity))
        return tf_fail(TF_INVALID, "--plaintext-links proves no identities: leave --parties and --identity out");
    if (!o->parties != !o->identity)
        return tf_fail(TF_INVALID, "--parties and --identity belong together (see trefoil keygen --help)");
    return o->parties ? tf_parties_read(o->parties, &o->file) : TF_OK;
}
