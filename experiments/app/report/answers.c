#include "experiments/app/report/answers.h"

#include <ctype.h>
#include <math.h>

enum { LONGEST_ANSWER = 15 };

/* Puts an answer among the best, which are sorted. Of equal ones the first comes first. */
static void offer(const answer *new, size_t top, answer *out, size_t *count) {
    size_t at = *count;
    if (at == top && (!top || out[top - 1].score >= new->score)) return;
    if (at == top)
        at--;
    else
        ++*count;
    for (; at > 0 && out[at - 1].score < new->score; at--) out[at] = out[at - 1];
    out[at] = *new;
}

/* Whether a token may be where an answer starts or ends; the first one stands for none. */
static bool may_answer(const encoded_text *tokens, size_t i) {
    return i == 0 || tokens->place[i].text == 1;
}

/* The factor that makes probabilities of exponentials, and the largest logit. */
static double normaliser(const encoded_text *tokens, const float *logits, double *largest) {
    double sum = 0;
    *largest = -INFINITY;
    for (size_t i = 0; i < tokens->length; i++)
        if (may_answer(tokens, i)) *largest = fmax(*largest, (double)logits[2 * i]);
    for (size_t i = 0; i < tokens->length; i++)
        if (may_answer(tokens, i)) sum += exp((double)logits[2 * i] - *largest);
    return 1 / sum;
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* A token may be part of a word: the answer is the whole of it. */
static void widen(const text_item *text, answer *span) {
    const char *context = text->second;
    while (span->start > 0 && span->start < span->end && in_word(context[span->start]) &&
           in_word(context[span->start - 1]))
        span->start--;
    while (span->end > span->start && span->end < text->second_length && in_word(context[span->end - 1]) &&
           in_word(context[span->end]))
        span->end++;
}

void answers_find(const text_item *text, const encoded_text *tokens, const float *logits, size_t top, answer *out,
                  size_t *count, double *none) {
    double start_top, end_top;
    double start_factor = normaliser(tokens, logits, &start_top), end_factor = normaliser(tokens, logits + 1, &end_top);
    double factor = start_factor * end_factor;
    *count = 0;
    *none = factor * exp((double)logits[0] - start_top + (double)logits[1] - end_top);
    for (size_t i = 1; i < tokens->length; i++) {
        if (!may_answer(tokens, i)) continue;
        for (size_t j = i; j < tokens->length && j < i + LONGEST_ANSWER && may_answer(tokens, j); j++) {
            double score = factor * exp((double)logits[2 * i] - start_top + (double)logits[2 * j + 1] - end_top);
            offer(&(answer){score, tokens->place[i].start, tokens->place[j].end, i}, top, out, count);
        }
    }
    for (size_t i = 0; i < *count; i++) widen(text, &out[i]);
}

void tokens_find(const float *logits, size_t vocabulary, size_t top, answer *out, size_t *count) {
    double largest = -INFINITY, sum = 0;
    *count = 0;
    for (size_t i = 0; i < vocabulary; i++) largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < vocabulary; i++) {
        double score = exp((double)logits[i] - largest);
        sum += score;
        offer(&(answer){.score = score, .token = i}, top, out, count);
    }
    for (size_t i = 0; i < *count; i++) out[i].score /= sum;
}
