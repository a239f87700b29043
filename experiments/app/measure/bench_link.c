#include "experiments/app/measure/bench_link.h"

#include <stdlib.h>

#include "net/base/clock.h"
#include "net/base/gcm.h"

enum { ROUNDS = 1000, WORD = 8, RECORD = 128 << 10, DEFAULT_BYTES = 64 << 20 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/** Every party sends both others `size` bytes and waits for theirs. */
static tf_status swap_all(tf_link *link, const unsigned char *out, unsigned char *in[2], uint64_t size) {
    tf_ticket sent[2], received[2];
    for (int k = 0; k < 2; k++) {
        int self = tf_link_party(link), peer = k ? tf_previous(self) : tf_next(self);
        TF_TRY(tf_link_receive(link, peer, in[k], size, &received[k]));
        TF_TRY(tf_link_send(link, peer, out, size, &sent[k]));
    }
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, received[k]));
    for (int k = 0; k < 2; k++) TF_TRY(tf_link_wait(link, sent[k]));
    return TF_OK;
}

/** Party 0 sends party 1 `size` bytes, which answers when it has them. */
static tf_status send_one_way(tf_link *link, unsigned char *out, unsigned char *in, uint64_t size) {
    tf_ticket data, answer;
    int party = tf_link_party(link);
    if (party == 2) return TF_OK;
    if (party == 0) {
        TF_TRY(tf_link_receive(link, 1, in, 1, &answer));
        TF_TRY(tf_link_send(link, 1, out, size, &data));
        TF_TRY(tf_link_wait(link, data));
        return tf_link_wait(link, answer);
    }
    TF_TRY(tf_link_receive(link, 0, in, size, &data));
    TF_TRY(tf_link_wait(link, data));
    TF_TRY(tf_link_send(link, 0, out, 1, &answer));
    return tf_link_wait(link, answer);
}

/** Seconds that AES-128-GCM takes for `size` bytes on one core, in pieces of a record's size. */
static double encrypt(const unsigned char *data, uint64_t size, unsigned char *out) {
    const unsigned char key[TF_GCM_KEY] = {0}, nonce[TF_GCM_NONCE] = {0};
    unsigned char tag[TF_GCM_TAG];
    tf_gcm *cipher = tf_gcm_new(true);
    bool good = cipher && tf_gcm_set_key(cipher, key);
    double start = tf_clock();
    for (uint64_t at = 0; at + RECORD <= size && good; at += RECORD)
        good = tf_gcm_seal(cipher, nonce, (tf_gcm_extra){0}, data + at, RECORD, out, tag);
    double seconds = tf_clock() - start;
    tf_gcm_free(cipher);
    return good ? seconds : 0;
}

static tf_status measure(tf_link *link, uint64_t size, size_t runs, unsigned char *out, unsigned char *in[2],
                         double *seconds[4]) {
    for (size_t run = 0; run < runs; run++) {
        TF_TRY(swap_all(link, out, in, 1)); // all are here
        double start = tf_clock();
        TF_TRY(send_one_way(link, out, in[0], size));
        seconds[0][run] = tf_clock() - start;
        TF_TRY(swap_all(link, out, in, 1));
        start = tf_clock();
        TF_TRY(swap_all(link, out, in, size));
        seconds[1][run] = tf_clock() - start;
        start = tf_clock();
        for (int round = 0; round < ROUNDS; round++) TF_TRY(swap_all(link, out, in, WORD));
        seconds[2][run] = (tf_clock() - start) / ROUNDS;
        if (tf_link_party(link) == 0) seconds[3][run] = encrypt(out, size, in[0]);
    }
    return TF_OK;
}

tf_status bench_link(tf_link *link, uint64_t bytes, size_t runs, bench_report *report) {
    uint64_t size = bytes ? bytes : DEFAULT_BYTES;
    unsigned char *out = calloc(1, size), *in[2] = {calloc(1, size), calloc(1, size)};
    double *seconds[4], median[4];
    bool complete = out && in[0] && in[1];
    for (int i = 0; i < 4; i++) complete &= (seconds[i] = calloc(runs, sizeof *seconds[i])) != NULL;
    tf_status status = complete ? measure(link, size, runs, out, in, seconds)
                                : tf_fail(TF_NOMEM, "no memory for three times %llu bytes", (unsigned long long)size);
    for (int i = 0; i < 4; i++) {
        if (status == TF_OK) {
            qsort(seconds[i], runs, sizeof *seconds[i], by_value);
            median[i] = seconds[i][runs / 2];
        }
        free(seconds[i]);
    }
    // after a failure the link may still hold what is queued: that memory is given up, not freed
    if (status == TF_OK) {
        free(out), free(in[0]), free(in[1]);
        double pieces = (double)(size / RECORD * RECORD);
        report->link = (link_report){.bytes = size,
                                     .one_way = (double)size / median[0],
                                     .all_ways = 2 * (double)size / median[1],
                                     .round_seconds = median[2],
                                     .cipher = median[3] > 0 ? pieces / median[3] : 0};
    }
    return status;
}
