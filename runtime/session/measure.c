#include "runtime/session/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"

/*
 * Of a protocol's work for a byte, whichever wire it takes, as much as of making so many bytes of keystream and adding
 * them up at each party: comparisons of BERT-base in more bytes and fewer rounds took 11 ns a byte on two cores of a
 * Zen 1, where that took so long at three parties at once.
 */
static const double STREAMS_A_BYTE = 30;

enum { ROUNDS = 9, SMALLEST = 64 << 10, LARGEST = 2 << 20, STREAM_BYTES = 32 << 20, BLOCK_WORDS = 2048 };

tf_status tf_session_on_one_host(tf_session *session, bool *one) {
    char boot[64] = "";
    tf_digest own, other[2];
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    bool known = file && fgets(boot, sizeof boot, file);
    if (file) fclose(file);
    own = tf_digest_of(boot, sizeof boot);
    if (!known) TF_TRY(tf_digest_random(&own));
    TF_TRY(tf_swap_public(session->party.link, &own, (void *[]){&other[0], &other[1]}, sizeof own));
    *one = tf_digest_equal(&own, &other[0]) && tf_digest_equal(&own, &other[1]);
    return TF_OK;
}

tf_status tf_agree_middle(tf_link *link, double *figure) {
    double octaves = 2 * log2(fmin(fmax(*figure, 0x1p-60), 0x1p60));
    int8_t own = (int8_t)lrint(octaves), other[2];
    TF_TRY(tf_swap_public(link, &own, (void *[]){&other[0], &other[1]}, sizeof own));
    int low = other[0] < other[1] ? other[0] : other[1], high = other[0] < other[1] ? other[1] : other[0];
    *figure = exp2((own < low ? low : own > high ? high : own) / 2.0);
    return TF_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/** How long a round takes: the median of some. */
static tf_status time_rounds(tf_link *link, double *seconds) {
    double took[ROUNDS];
    char word[3][8] = {{0}};
    for (int i = -1; i < ROUNDS; i++) { /* after the first all are here */
        double start = tf_clock();
        TF_TRY(tf_swap_public(link, word[0], (void *[]){word[1], word[2]}, sizeof *word));
        if (i >= 0) took[i] = tf_clock() - start;
    }
    qsort(took, ROUNDS, sizeof *took, by_value);
    *seconds = took[ROUNDS / 2];
    return TF_OK;
}

/** Bursts, each twice the one before, until one takes longer than its delay, on which all agree: how long a byte takes
 * at best. The buffers are the party's, as of a run: whoever gives up leaves them to the link. */
static tf_status time_bytes(tf_party *party, double delay, double *seconds) {
    tf_buffer *to = &party->message[0][0][party->id],
              *from[2] = {&party->message[1][0][tf_next(party->id)], &party->message[1][0][tf_previous(party->id)]};
    TF_TRY(tf_buffer_reserve(to, LARGEST));
    memset(to->data, 0, LARGEST);
    for (int k = 0; k < 2; k++) TF_TRY(tf_buffer_reserve(from[k], LARGEST));
    *seconds = INFINITY;
    for (size_t size = SMALLEST;; size *= 2) {
        double start = tf_clock();
        TF_TRY(tf_swap_public(party->link, to->data, (void *[]){from[0]->data, from[1]->data}, size));
        double took = tf_clock() - start, middle = took;
        *seconds = fmin(*seconds, fmax(took - delay, 0.1 * took) / (double)size);
        TF_TRY(tf_agree_middle(party->link, &middle));
        if (size == LARGEST || middle > 3 * delay + 10e-3) return TF_OK;
    }
}

/** A worker's part of the work that is measured. */
static void make_stream(void *context, int k) {
    const tf_prf *prf = context;
    uint64_t word[BLOCK_WORDS], sum[BLOCK_WORDS] = {0};
    volatile uint64_t kept;
    for (size_t at = 0; at < STREAM_BYTES / sizeof *word; at += BLOCK_WORDS) {
        if (!tf_prf_words(prf, (uint64_t)k, 0, at, word, BLOCK_WORDS)) return;
        for (size_t i = 0; i < BLOCK_WORDS; i++) sum[i] += word[i];
    }
    kept = sum[0];
    (void)kept;
}

tf_status tf_stream_time(tf_workers *workers, double *seconds) {
    static const unsigned char key[TF_KEY_BYTES] = {0}; /* nobody's: what comes of it masks nothing */
    int threads = workers ? tf_workers_count(workers) : 1;
    tf_prf *prf = tf_prf_new(key);
    if (!prf) return tf_fail(TF_NOMEM, "no memory for a keystream");
    double start = tf_clock();
    if (workers)
        tf_workers_run(workers, make_stream, prf);
    else
        make_stream(prf, 0);
    *seconds = (tf_clock() - start) / ((double)STREAM_BYTES * threads);
    tf_prf_free(prf);
    return TF_OK;
}

static tf_status measure(tf_party *party, tf_network *network) {
    double round, byte, work;
    TF_TRY(time_rounds(party->link, &round));
    TF_TRY(tf_agree_middle(party->link, &round)); /* how many bursts there are depends on it */
    TF_TRY(time_bytes(party, round, &byte));
    TF_TRY(tf_stream_time(party->workers, &work));
    work *= STREAMS_A_BYTE;
    TF_TRY(tf_agree_middle(party->link, &byte));
    TF_TRY(tf_agree_middle(party->link, &work));
    *network = (tf_network){.round_trip = fmin(2 * round, 10), .rate = 1 / byte, .work = work};
    return TF_OK;
}

tf_status tf_session_measure(tf_session *session) {
    tf_network network;
    char text[TF_NETWORK_TEXT];
    tf_status status = measure(&session->party, &network);
    if (status) {
        session->party.abandoned = true;
        return status;
    }
    /* what is planned for is what the text says, so that it can be told again */
    TF_TRY(tf_network_parse("network", tf_network_text(&network, text), &network));
    tf_fact fact = tf_fact_of("the network that they measured", text);
    TF_TRY(tf_session_agree(session, &fact, 1));
    session->network = network;
    return TF_OK;
}
