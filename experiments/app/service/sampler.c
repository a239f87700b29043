#include "experiments/app/service/sampler.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    double logit;
    int32_t token;
} candidate;

struct sampler {
    sampler_settings settings;
    size_t vocabulary;
    candidate *candidate;
    double *sorted;
    bool *seen;
    uint64_t state;
};

tf_status sampler_open(const sampler_settings *settings, size_t vocabulary, sampler **out) {
    sampler *s = calloc(1, sizeof *s);
    if (!s) return tf_fail(TF_NOMEM, "no memory to choose tokens");
    *s = (sampler){.settings = *settings, .vocabulary = vocabulary, .state = settings->seed};
    s->candidate = calloc(vocabulary, sizeof *s->candidate);
    s->seen = calloc(vocabulary, sizeof *s->seen);
    s->sorted = calloc(vocabulary, sizeof *s->sorted);
    if (s->candidate && s->seen && s->sorted) {
        *out = s;
        return TF_OK;
    }
    sampler_close(s);
    return tf_fail(TF_NOMEM, "no memory to choose among %zu tokens", vocabulary);
}

void sampler_use(sampler *s, const sampler_settings *settings) {
    s->settings = *settings;
}

void sampler_close(sampler *s) {
    if (!s) return;
    free(s->candidate);
    free(s->sorted);
    free(s->seen);
    free(s);
}

/* Uniform in [0, 1): splitmix64 (Steele, Lea and Flood 2014) of a seed, or the system's random numbers. */
static tf_status uniform(sampler *s, double *out) {
    uint64_t bits;
    if (s->settings.seeded) {
        bits = s->state += 0x9e3779b97f4a7c15;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
        bits ^= bits >> 31;
    } else if (RAND_bytes((unsigned char *)&bits, sizeof bits) != 1) {
        return tf_fail(TF_INTERNAL, "no random numbers to choose a token");
    }
    *out = (double)(bits >> 11) * 0x1p-53;
    return TF_OK;
}

static int better(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token; /* of equal ones the first, so that seeds repeat */
}

static void penalise(sampler *s, const int32_t *text, size_t length) {
    double penalty = s->settings.repeat_penalty;
    if (penalty == 1) return;
    memset(s->seen, 0, s->vocabulary * sizeof *s->seen);
    for (size_t i = 0; i < length; i++) s->seen[text[i]] = true;
    for (size_t i = 0; i < s->vocabulary; i++) {
        double *logit = &s->candidate[i].logit;
        if (s->seen[i]) *logit = *logit > 0 ? *logit / penalty : *logit * penalty;
    }
}

tf_status sampler_choose(sampler *s, const double *logits, const int32_t *text, size_t length, int32_t *token) {
    size_t best = 0;
    for (size_t i = 0; i < s->vocabulary; i++) {
        if (!isfinite(logits[i])) return tf_fail(TF_RANGE, "a logit is not a number");
        s->candidate[i] = (candidate){logits[i], (int32_t)i};
    }
    penalise(s, text, length);
    const tf_sampling *o = &s->settings.sampling;
    if (o->temperature == 0) {
        for (size_t i = 1; i < s->vocabulary; i++)
            if (s->candidate[i].logit > s->candidate[best].logit) best = i;
        *token = s->candidate[best].token;
        return TF_OK;
    }
    size_t count = tf_sampling_candidates(o, s->vocabulary);
    double at = 0, total = 0, highest;
    for (size_t i = 0; i < s->vocabulary; i++) s->candidate[i].logit /= o->temperature;
    qsort(s->candidate, s->vocabulary, sizeof *s->candidate, better);
    for (size_t i = 0; i < count; i++) s->sorted[i] = s->candidate[i].logit;
    size_t kept = tf_sampling_kept(o, s->sorted, count);
    highest = s->sorted[0];
    TF_TRY(uniform(s, &at));
    for (size_t i = 0; i < kept; i++) total += s->sorted[i] = exp(s->sorted[i] - highest);
    at *= total;
    for (size_t i = 0; i < kept; i++) {
        *token = s->candidate[i].token;
        if (at < s->sorted[i]) break;
        at -= s->sorted[i];
    }
    return TF_OK;
}

static double log_total(const sampler *s, const double *logits) {
    double best = logits[0], sum = 0;
    for (size_t i = 1; i < s->vocabulary; i++) best = fmax(best, logits[i]);
    for (size_t i = 0; i < s->vocabulary; i++) sum += exp(logits[i] - best);
    return best + log(sum);
}

void sampler_likeliest(sampler *s, const double *logits, size_t count, token_chance *out) {
    double total = log_total(s, logits);
    for (size_t i = 0; i < s->vocabulary; i++) s->candidate[i] = (candidate){logits[i], (int32_t)i};
    qsort(s->candidate, s->vocabulary, sizeof *s->candidate, better);
    for (size_t i = 0; i < count && i < s->vocabulary; i++)
        out[i] = (token_chance){s->candidate[i].token, s->candidate[i].logit - total};
}

double sampler_log_probability(const sampler *s, const double *logits, int32_t token) {
    return logits[token] - log_total(s, logits);
}
