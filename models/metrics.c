#include "models/metrics.h"

#include <math.h>
#include <stdlib.h>

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
