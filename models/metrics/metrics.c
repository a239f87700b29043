#include "models/metrics/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double tf_accuracy(const size_t *truth, const size_t *predicted, size_t count) {
    size_t right = 0;
    for (size_t i = 0; i < count; i++) right += truth[i] == predicted[i];
    return (double)right / (double)count;
}

double tf_f1(const size_t *truth, const size_t *predicted, size_t count) {
    size_t hits = 0, claims = 0; /* true positives; positives on either side */
    for (size_t i = 0; i < count; i++) {
        hits += truth[i] == 1 && predicted[i] == 1;
        claims += (truth[i] == 1) + (predicted[i] == 1);
    }
    return claims ? 2 * (double)hits / (double)claims : 0;
}

double tf_matthews(const size_t *truth, const size_t *predicted, size_t count, size_t labels) {
    double *true_count = calloc(labels, sizeof *true_count), *predicted_count = calloc(labels, sizeof *predicted_count);
    double n = (double)count, right = 0, value = NAN;
    if (true_count && predicted_count) {
        for (size_t i = 0; i < count; i++) {
            true_count[truth[i]]++;
            predicted_count[predicted[i]]++;
            right += truth[i] == predicted[i];
        }
        double both = 0, true_square = 0, predicted_square = 0;
        for (size_t k = 0; k < labels; k++) {
            both += true_count[k] * predicted_count[k];
            true_square += true_count[k] * true_count[k];
            predicted_square += predicted_count[k] * predicted_count[k];
        }
        double square = (n * n - predicted_square) * (n * n - true_square);
        value = square > 0 ? (right * n - both) / sqrt(square) : 0;
    }
    free(true_count);
    free(predicted_count);
    return value;
}

double tf_pearson(const double *x, const double *y, size_t count) {
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < count; i++) {
        mean_x += x[i] / (double)count;
        mean_y += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

double tf_macro_f1(const size_t *truth, const size_t *predicted, size_t count, size_t labels) {
    double *hits = calloc(labels, sizeof *hits), *claims = calloc(labels, sizeof *claims), sum = 0, seen = 0;
    for (size_t i = 0; i < count && hits && claims; i++) {
        hits[truth[i]] += truth[i] == predicted[i];
        claims[truth[i]]++;
        claims[predicted[i]]++;
    }
    for (size_t k = 0; k < labels && hits && claims; k++) {
        if (claims[k] == 0) continue;
        sum += 2 * hits[k] / claims[k];
        seen++;
    }
    double value = hits && claims ? sum / seen : NAN;
    free(hits);
    free(claims);
    return value;
}

tf_set_scores tf_compare_sets(const bool *truth, const bool *predicted, size_t count, size_t labels) {
    double hits = 0, claims = 0, sum = 0, same = 0;
    for (size_t k = 0; k < labels; k++) {
        double label_hits = 0, label_claims = 0;
        for (size_t i = 0; i < count; i++) {
            bool t = truth[i * labels + k], p = predicted[i * labels + k];
            label_hits += t && p;
            label_claims += t + p;
        }
        sum += label_claims > 0 ? 2 * label_hits / label_claims : 0;
        hits += label_hits;
        claims += label_claims;
    }
    for (size_t i = 0; i < count; i++) same += !memcmp(truth + i * labels, predicted + i * labels, labels);
    return (tf_set_scores){.micro_f1 = claims > 0 ? 2 * hits / claims : 0,
                           .macro_f1 = sum / (double)labels,
                           .exact = same / (double)count};
}

typedef struct ranked {
    double value;
    size_t place;
} ranked;

static int by_value(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

/* The ranks of the values, to `rank`; `room` is for sorting. */
static void rank_all(const double *value, size_t count, ranked *room, double *rank) {
    for (size_t i = 0; i < count; i++) room[i] = (ranked){value[i], i};
    qsort(room, count, sizeof *room, by_value);
    for (size_t i = 0, to; i < count; i = to) {
        for (to = i + 1; to < count && room[to].value == room[i].value;) to++;
        for (size_t k = i; k < to; k++) rank[room[k].place] = (double)(i + to - 1) / 2;
    }
}

double tf_spearman(const double *x, const double *y, size_t count) {
    ranked *room = calloc(count, sizeof *room);
    double *of_x = calloc(count, sizeof *of_x), *of_y = calloc(count, sizeof *of_y), value = NAN;
    if (room && of_x && of_y) {
        rank_all(x, count, room, of_x);
        rank_all(y, count, room, of_y);
        value = tf_pearson(of_x, of_y, count);
    }
    free(room);
    free(of_x);
    free(of_y);
    return value;
}
