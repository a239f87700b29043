#include "models/decoding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t tf_head_dim(const tf_config *c) {
    return c->head_dim ? c->head_dim : c->hidden / c->heads;
}

/* Grattafiori et al. 2024 (LLaMA 3): slow rotations are slowed down by the factor, fast ones not, those between
 * partly. */
static double llama3_speed(const tf_config *c, double speed) {
    double turns = (double)c->rope_original_positions * speed / (2 * M_PI); /* within the original context */
    if (turns < c->rope_low_freq_factor) return speed / c->rope_factor;
    if (turns > c->rope_high_freq_factor) return speed;
    double kept = (turns - c->rope_low_freq_factor) / (c->rope_high_freq_factor - c->rope_low_freq_factor);
    return (1 - kept) * speed / c->rope_factor + kept * speed;
}

/* Peng et al. 2023 (YaRN), 3.2: the same as a ramp over the number of the rotation, from beta_fast
 * turns to beta_slow. */
static double yarn_edge(const tf_config *c, double turns) {
    double depth = (double)tf_head_dim(c);
    return depth * log((double)c->rope_original_positions / (turns * 2 * M_PI)) / (2 * log(c->rope_theta));
}

static double yarn_speed(const tf_config *c, size_t i, double speed) {
    double low = fmax(floor(yarn_edge(c, c->rope_beta_fast)), 0);
    double high = fmin(ceil(yarn_edge(c, c->rope_beta_slow)), (double)tf_head_dim(c) - 1);
    if (high <= low) high = low + 1e-3;
    double slowed = fmin(fmax(((double)i - low) / (high - low), 0), 1);
    return slowed * speed / c->rope_factor + (1 - slowed) * speed;
}

double tf_rotary_speeds(const tf_config *c, double *speed) {
    size_t half = tf_head_dim(c) / 2;
    bool linear = !strcmp(c->rope_scaling, "linear"), yarn = !strcmp(c->rope_scaling, "yarn");
    for (size_t i = 0; i < half; i++) {
        speed[i] = pow(c->rope_theta, -(double)i / (double)half);
        if (linear)
            speed[i] /= c->rope_factor;
        else if (yarn)
            speed[i] = yarn_speed(c, i, speed[i]);
        else if (!strcmp(c->rope_scaling, "llama3"))
            speed[i] = llama3_speed(c, speed[i]);
    }
    if (!yarn) return 1;
    return c->rope_attention_factor > 0 ? c->rope_attention_factor : 0.1 * log(fmax(c->rope_factor, 1)) + 1;
}

tf_status tf_decoding_make(const tf_config *c, size_t texts, size_t rows, size_t capacity, tf_decoding *d) {
    size_t tokens, cells;
    *d = (tf_decoding){.texts = texts, .rows = rows, .capacity = capacity};
    if (!texts || !rows || rows > capacity)
        return tf_fail(TF_INVALID, "%zu texts with %zu tokens do not fit a context of %zu", texts, rows, capacity);
    if (capacity > c->positions)
        return tf_fail(TF_INVALID, "a context of %zu tokens is asked for; the model has %zu positions", capacity,
                       c->positions);
    if (__builtin_mul_overflow(texts, rows, &tokens) || __builtin_mul_overflow(tokens, capacity, &cells))
        return tf_fail(TF_INVALID, "too many texts");
    d->mask = calloc(cells, sizeof *d->mask);
    d->last_mask = calloc(texts * capacity, sizeof *d->last_mask);
    d->counted = calloc(tokens, sizeof *d->counted);
    d->last_counted = calloc(texts, sizeof *d->last_counted);
    d->positions = calloc(tokens, sizeof *d->positions);
    if (c->rope_theta > 0) d->angles = calloc(tokens * tf_head_dim(c), sizeof *d->angles);
    if (d->mask && d->last_mask && d->counted && d->last_counted && d->positions && (d->angles || !(c->rope_theta > 0)))
        return TF_OK;
    tf_decoding_free(d);
    return tf_fail(TF_NOMEM, "no memory for %zu texts with a context of %zu tokens", texts, capacity);
}

void tf_decoding_free(tf_decoding *d) {
    free(d->mask);
    free(d->last_mask);
    free(d->counted);
    free(d->last_counted);
    free(d->angles);
    free(d->positions);
    *d = (tf_decoding){.texts = 0};
}

static void set_angles(const tf_config *c, int32_t position, float *out) {
    size_t half = tf_head_dim(c) / 2;
    double speed[TF_MAX_HEAD_DIM / 2], factor = tf_rotary_speeds(c, speed);
    for (size_t i = 0; i < half; i++) {
        out[i] = (float)(factor * cos(position * speed[i]));
        out[half + i] = (float)(factor * sin(position * speed[i]));
    }
}

/* Which keys the token at `at` of its text looks at. */
static void set_mask(const tf_config *c, const tf_decoding *d, size_t padding, size_t at, float *mask) {
    size_t first = padding;
    if (d->evicted) {
        size_t real = d->kept + d->evicted - padding; /* tokens of the prompt */
        for (size_t key = 0; key < d->capacity; key++) mask[key] = key <= at && (key < real || key >= d->kept);
        return;
    }
    if (c->window && at + 1 > first + c->window) first = at + 1 - c->window;
    for (size_t key = 0; key < d->capacity; key++) mask[key] = key == at || (key >= first && key < at);
}

void tf_decoding_set(const tf_config *c, tf_decoding *d, const size_t *padding, size_t length) {
    for (size_t text = 0; text < d->texts; text++) d->last_counted[text] = 1;
    for (size_t text = 0; text < d->texts; text++)
        for (size_t row = 0; row < d->rows; row++) {
            size_t token = text * d->rows + row, at = length + row, place = at + d->evicted;
            float *mask = d->mask + token * d->capacity;
            set_mask(c, d, padding[text], at, mask);
            d->counted[token] = place >= padding[text] && row + TF_COUNTED >= d->rows;
            d->positions[token] = place < padding[text] ? 0 : (int32_t)(place - padding[text]);
            if (d->angles) set_angles(c, d->positions[token], d->angles + token * tf_head_dim(c));
            if (row + 1 == d->rows) memcpy(d->last_mask + text * d->capacity, mask, d->capacity * sizeof *mask);
        }
}
