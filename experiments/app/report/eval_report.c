#include "experiments/app/report/eval_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/metrics.h"

static const char *const names[] = {
    [METRIC_ACCURACY] = "accuracy",    [METRIC_F1] = "f1",           [METRIC_MACRO_F1] = "macro_f1",
    [METRIC_MATTHEWS] = "matthews",    [METRIC_PEARSON] = "pearson", [METRIC_SPEARMAN] = "spearman",
    [METRIC_PERPLEXITY] = "perplexity"};
enum { METRICS = sizeof names / sizeof *names };

static bool read_number(const char *text, double *number) {
    char *end;
    *number = strtod(text, &end);
    return end != text && !*end && isfinite(*number);
}

static bool is_of_values(eval_metric metric) {
    return metric >= METRIC_PEARSON;
}

static tf_status check_labels(const tf_config *config, const text_list *texts, eval_metric metric) {
    char place[4200];
    double number;
    for (size_t i = 0; i < texts->count; i++) {
        const char *label = texts->item[i].label;
        if (is_of_values(metric) && !read_number(label, &number))
            return tf_fail(TF_FORMAT, "%s: the label '%.60s' is no number, which %s needs",
                           text_place(texts, i, place, sizeof place), label, names[metric]);
        if (!is_of_values(metric) && tf_model_find_label(config, label) == config->labels)
            return tf_fail(TF_FORMAT, "%s: the label '%.60s' is none of the model's %zu",
                           text_place(texts, i, place, sizeof place), label, config->labels);
    }
    return TF_OK;
}

tf_status eval_metric_find(const char *name, const model_files *model, const text_list *texts, eval_metric *metric) {
    const tf_config *config = &model->config;
    *metric = METRIC_PERPLEXITY;
    if (config->head == TF_HEAD_CAUSAL) {
        if (!name || !strcmp(name, names[METRIC_PERPLEXITY])) return TF_OK;
        return tf_fail(TF_INVALID, "--metric %.40s is for classifiers; %s generates text: use perplexity", name,
                       model->directory);
    }
    if (config->head != TF_HEAD_CLASSIFIER)
        return tf_fail(TF_INVALID, "%s has no classifier to evaluate: it gives embeddings", model->directory);
    int found = config->labels == 1 ? METRIC_PEARSON : METRIC_ACCURACY;
    if (name)
        for (found = 0; found < METRICS && strcmp(name, names[found]) != 0;) found++;
    if (found == METRICS)
        return tf_fail(TF_INVALID,
                       "--metric '%s' is unknown; known are accuracy, f1, macro_f1, matthews, pearson, spearman and "
                       "perplexity",
                       name);
    if (found == METRIC_PERPLEXITY)
        return tf_fail(TF_INVALID, "--metric perplexity is for models that generate text; %s is a classifier",
                       model->directory);
    *metric = (eval_metric)found;
    if (*metric == METRIC_F1 && config->labels != 2)
        return tf_fail(TF_INVALID, "--metric f1 is for two labels; the model has %zu", config->labels);
    if (is_of_values(*metric) && config->labels > 2)
        return tf_fail(TF_INVALID,
                       "--metric %s is for one value, or the score of label 1 of two; the model has %zu labels",
                       names[*metric], config->labels);
    if (!is_of_values(*metric) && config->labels == 1)
        return tf_fail(TF_INVALID, "--metric %s is for labels; the model gives one value: use pearson or spearman",
                       names[*metric]);
    return check_labels(config, texts, *metric);
}

static size_t top(const float *values, size_t width) {
    size_t best = 0;
    for (size_t k = 1; k < width; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

static tf_status measure_scores(const eval_store *store, eval_metric metric, const float *values, double *value) {
    size_t count = store->texts->count, width = store->width;
    double *truth = malloc(count * sizeof *truth), *given = malloc(count * sizeof *given);
    tf_status status = truth && given ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        const float *row = values + i * width;
        truth[i] = strtod(store->texts->item[i].label, NULL);
        given[i] = width == 1 ? (double)row[0] : 1 / (1 + exp((double)row[0] - (double)row[1]));
    }
    if (status == TF_OK) *value = (metric == METRIC_SPEARMAN ? tf_spearman : tf_pearson)(truth, given, count);
    free(truth);
    free(given);
    return status;
}

/* exp of the mean negative log-likelihood of a token, over all texts. */
static double perplexity(const eval_store *store, const float *values) {
    double sum = 0, tokens = 0;
    for (size_t i = 0; i < store->texts->count; i++) {
        sum += (double)values[i * EVAL_LIKELIHOOD];
        tokens += (double)values[i * EVAL_LIKELIHOOD + 1];
    }
    return exp(sum / tokens);
}

static tf_status measure(const eval_store *store, eval_metric metric, const float *values, double *value) {
    if (metric == METRIC_PERPLEXITY) {
        *value = perplexity(store, values);
        return TF_OK;
    }
    if (is_of_values(metric)) return measure_scores(store, metric, values, value);
    size_t count = store->texts->count, labels = store->config->labels;
    size_t *truth = malloc(count * sizeof *truth), *given = malloc(count * sizeof *given);
    tf_status status = truth && given ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        truth[i] = tf_model_find_label(store->config, store->texts->item[i].label);
        given[i] = top(values + i * store->width, store->width);
    }
    if (status == TF_OK)
        *value = metric == METRIC_F1         ? tf_f1(truth, given, count)
                 : metric == METRIC_MACRO_F1 ? tf_macro_f1(truth, given, count, labels)
                 : metric == METRIC_MATTHEWS ? tf_matthews(truth, given, count, labels)
                                             : tf_accuracy(truth, given, count);
    free(truth);
    free(given);
    return status;
}

/* How close both models are. */
typedef struct comparison {
    double plain, difference; /* the plain model's metric; the largest difference of any two logits */
    size_t agreeing;
} comparison;

static tf_status compare(const eval_store *store, eval_metric metric, comparison *out) {
    *out = (comparison){0};
    size_t width = store->width;
    for (size_t i = 0; i < store->texts->count; i++) {
        const float *a = store->values + i * width, *b = store->plain + i * width;
        out->agreeing += top(a, width) == top(b, width);
        for (size_t k = 0; k < width; k++) out->difference = fmax(out->difference, fabs((double)a[k] - (double)b[k]));
    }
    return measure(store, metric, store->plain, &out->plain);
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static tf_status print_json(const report_form *form, const eval_store *store, const eval_report *r, double value,
                            const comparison *both) {
    const char *name = names[r->metric];
    const run_report *spent = &store->spent;
    json_t *object = json_pack("{s:I,s:I,s:s,s:o,s:{s:f,s:f,s:f}}", "examples", (json_int_t)store->texts->count,
                               "computed", (json_int_t)r->computed, "metric", name, "value", number_or_null(value),
                               "seconds", "total", spent->seconds_setup + spent->seconds_online, "setup",
                               spent->seconds_setup, "online", spent->seconds_online);
    if (r->private) {
        json_object_set_new(object, "groups", json_integer(r->groups));
        json_t *bytes = json_bytes(spent->links);
        json_object_set_new(bytes, "setup", json_integer((json_int_t)r->run.bytes_setup));
        json_object_set_new(object, "bytes", bytes);
        json_object_set_new(object, "rounds", json_integer((json_int_t)spent->rounds));
    }
    if (both) {
        json_object_set_new(object, "plain_value", number_or_null(both->plain));
        if (r->metric != METRIC_PERPLEXITY)
            json_object_set_new(object, "agreement", json_real((double)both->agreeing / (double)store->texts->count));
        json_object_set_new(object, "max_abs_error", json_real(both->difference));
    }
    return form_print(form, object);
}

static tf_status print_lines(const eval_store *store, const eval_report *r, double value, const comparison *both) {
    const char *name = names[r->metric];
    const run_report *spent = &store->spent;
    size_t count = store->texts->count;
    char moved[32], setup[32];
    printf("%s %.4f on %zu examples of %s\n", name, value, count, store->texts->file);
    if (both) {
        printf("%s %.4f of the plain model", name, both->plain);
        if (store->width > 1 && r->metric != METRIC_PERPLEXITY)
            printf(", which agrees on %zu of %zu (%.2f%%)", both->agreeing, count,
                   100 * (double)both->agreeing / (double)count);
        printf("; largest difference of a %s %.6f\n",
               r->metric == METRIC_PERPLEXITY ? "text's log-likelihood" : "logit", both->difference);
    }
    printf("%zu computed now; in all %.2f s (set-up %.2f s, online %.2f s)", r->computed,
           spent->seconds_setup + spent->seconds_online, spent->seconds_setup, spent->seconds_online);
    if (r->private)
        printf(", %s in %llu rounds, and %s for this run's set-up", bytes_text(links_total(spent->links), moved),
               (unsigned long long)spent->rounds, bytes_text(r->run.bytes_setup, setup));
    if (r->groups > 1) printf(", summed over %d groups", r->groups);
    printf("\nresults in %s\n", store->path);
    return finish_output();
}

tf_status eval_report_print(const report_form *form, const eval_store *store, const eval_report *report) {
    double value;
    comparison both;
    TF_TRY(measure(store, report->metric, store->values, &value));
    if (store->plain) TF_TRY(compare(store, report->metric, &both));
    const comparison *compared = store->plain ? &both : NULL;
    return form->json ? print_json(form, store, report, value, compared) : print_lines(store, report, value, compared);
}

tf_status eval_plan_print(const report_form *form, const eval_plan *plan) {
    const cost_report *cost = &plan->cost;
    char moved[32], memory[32];
    if (form->json)
        return form_print(form, json_pack("{s:I,s:I,s:I,s:s,s:o,s:I,s:I}", "examples", (json_int_t)plan->examples,
                                          "batches", (json_int_t)plan->batches, "longest", (json_int_t)plan->longest,
                                          "metric", names[plan->metric], "bytes", json_bytes(cost->links), "rounds",
                                          (json_int_t)cost->rounds, "memory", (json_int_t)cost->memory));
    printf(
        "%zu examples in %zu batches of at most %zu tokens, for %s: %s in %llu rounds; at most %s of memory a party\n",
        plan->examples, plan->batches, plan->longest, names[plan->metric], bytes_text(links_total(cost->links), moved),
        (unsigned long long)cost->rounds, bytes_text(cost->memory, memory));
    return finish_output();
}
