#include "experiments/app/report/eval_metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/choices.h"
#include "models/metrics/metrics.h"
#include "models/metrics/text_metrics.h"

#define BIT(kind) (1u << (kind))

/* For which tasks each metric is. */
static const struct {
    const char *name;
    unsigned tasks;
} table[METRICS] = {
    [METRIC_ACCURACY] = {"accuracy", BIT(EVAL_LABEL) | BIT(EVAL_WORDS) | BIT(EVAL_CHOICE)},
    [METRIC_F1] = {"f1", BIT(EVAL_LABEL) | BIT(EVAL_WORDS) | BIT(EVAL_ANSWER)},
    [METRIC_PRECISION] = {"precision", BIT(EVAL_WORDS)},
    [METRIC_RECALL] = {"recall", BIT(EVAL_WORDS)},
    [METRIC_MACRO_F1] = {"macro_f1", BIT(EVAL_LABEL) | BIT(EVAL_SET)},
    [METRIC_MICRO_F1] = {"micro_f1", BIT(EVAL_SET)},
    [METRIC_EXACT_MATCH] = {"exact_match", BIT(EVAL_SET) | BIT(EVAL_ANSWER)},
    [METRIC_MATTHEWS] = {"matthews", BIT(EVAL_LABEL)},
    [METRIC_PEARSON] = {"pearson", BIT(EVAL_LABEL) | BIT(EVAL_VALUE)},
    [METRIC_SPEARMAN] = {"spearman", BIT(EVAL_LABEL) | BIT(EVAL_VALUE)},
    [METRIC_PERPLEXITY] = {"perplexity", BIT(EVAL_TEXT)},
    [METRIC_ACCURACY_MEAN] = {"accuracy_mean", BIT(EVAL_CHOICE)},
};

static const struct {
    const char *one, *several, *usual;
} kinds[] = {
    [EVAL_LABEL] = {"gives a label", "give a label", "accuracy"},
    [EVAL_VALUE] = {"gives a value", "give a value", "pearson"},
    [EVAL_SET] = {"gives sets of labels", "give sets of labels", "micro_f1,macro_f1,exact_match"},
    [EVAL_WORDS] = {"tags words", "tag words", "f1"},
    [EVAL_ANSWER] = {"answers questions", "answer questions", "exact_match,f1"},
    [EVAL_CHOICE] = {"chooses", "choose", "accuracy,accuracy_mean"},
    [EVAL_TEXT] = {"generates text", "generate text", "perplexity"},
};

const char *eval_metric_name(eval_metric metric) {
    return table[metric].name;
}

/* ---- Choosing ---- */

/* The names of metrics for these tasks. */
static const char *names_for(unsigned tasks, char *buffer, size_t size) {
    size_t at = 0;
    *buffer = 0;
    for (int i = 0; i < METRICS && at < size; i++)
        if (table[i].tasks & tasks)
            at += (size_t)snprintf(buffer + at, size - at, "%s%s", at ? ", " : "", table[i].name);
    return buffer;
}

static tf_status refuse_metric(int metric, eval_kind kind) {
    char tasks[160] = "", known[160];
    for (int i = EVAL_LABEL; i <= EVAL_TEXT; i++)
        if (table[metric].tasks & BIT(i))
            snprintf(tasks + strlen(tasks), sizeof tasks - strlen(tasks), "%s%s", *tasks ? " or " : "",
                     kinds[i].several);
    return tf_fail(TF_INVALID, "--metric %s is for models that %s; this one %s: use %s", table[metric].name, tasks,
                   kinds[kind].one, names_for(BIT(kind), known, sizeof known));
}

/* Whether the names are the same, "-" and "_" being alike. */
static bool is_named(const char *given, size_t length, const char *name) {
    if (strlen(name) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (given[i] != name[i] && !(given[i] == '-' && name[i] == '_')) return false;
    return true;
}

static tf_status add_metric(const char *given, size_t length, const eval_task *task, eval_metrics *metrics) {
    char known[160];
    int found = 0, shown = length < 40 ? (int)length : 40;
    while (found < METRICS && !is_named(given, length, table[found].name)) found++;
    if (found == METRICS)
        return tf_fail(TF_INVALID, "--metric '%.*s' is unknown; known are %s", shown, given,
                       names_for(~0u, known, sizeof known));
    if (!(table[found].tasks & BIT(task->kind))) return refuse_metric(found, task->kind);
    size_t labels = task->config->labels;
    if (task->kind == EVAL_LABEL && labels != 2 && found == METRIC_F1)
        return tf_fail(TF_INVALID, "--metric f1 is for two labels; the model has %zu: use macro_f1", labels);
    if (task->kind == EVAL_LABEL && labels != 2 && (found == METRIC_PEARSON || found == METRIC_SPEARMAN))
        return tf_fail(TF_INVALID,
                       "--metric %s is for one value, or the score of label 1 of two; the model has %zu labels",
                       table[found].name, labels);
    for (size_t i = 0; i < metrics->count; i++)
        if (metrics->metric[i] == (eval_metric)found) return TF_OK;
    metrics->metric[metrics->count++] = (eval_metric)found;
    return TF_OK;
}

static bool read_number(const char *text, double *number) {
    char *end;
    *number = strtod(text, &end);
    return end != text && !*end && isfinite(*number);
}

static tf_status check_labels(const eval_task *task, eval_metric metric) {
    bool of_values = metric == METRIC_PEARSON || metric == METRIC_SPEARMAN;
    char place[4200];
    double number;
    if (task->kind != EVAL_LABEL && task->kind != EVAL_VALUE) return TF_OK; /* the task has looked at them */
    for (size_t i = 0; i < task->texts->count; i++) {
        const char *label = task->texts->item[i].label;
        if (of_values && !read_number(label, &number))
            return tf_fail(TF_FORMAT, "%s: the label '%.60s' is no number, which %s needs",
                           text_place(task->texts, i, place, sizeof place), label, table[metric].name);
        if (!of_values && tf_model_find_label(task->config, label) == task->config->labels)
            return tf_fail(TF_FORMAT, "%s: the label '%.60s' is none of the model's %zu",
                           text_place(task->texts, i, place, sizeof place), label, task->config->labels);
    }
    return TF_OK;
}

tf_status eval_metrics_find(const char *names, const eval_task *task, eval_metrics *metrics) {
    *metrics = (eval_metrics){.count = 0};
    for (const char *at = names ? names : kinds[task->kind].usual; at;) {
        size_t length = strcspn(at, ",");
        TF_TRY(add_metric(at, length, task, metrics));
        at = at[length] ? at + length + 1 : NULL;
    }
    for (size_t i = 0; i < metrics->count; i++) TF_TRY(check_labels(task, metrics->metric[i]));
    return TF_OK;
}

/* ---- Measuring ---- */

static tf_status measure_scores(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    size_t count = t->texts->count;
    double *truth = calloc(count, sizeof *truth), *given = calloc(count, sizeof *given);
    tf_status status = truth && given ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        const float *row = values + i * t->width;
        truth[i] = strtod(t->texts->item[i].label, NULL);
        given[i] = t->width == 1 ? (double)row[0] : 1 / (1 + exp((double)row[0] - (double)row[1]));
    }
    for (size_t i = 0; i < m->count && status == TF_OK; i++) {
        if (m->metric[i] == METRIC_PEARSON) value[i] = tf_pearson(truth, given, count);
        if (m->metric[i] == METRIC_SPEARMAN) value[i] = tf_spearman(truth, given, count);
    }
    free(truth);
    free(given);
    return status;
}

static double measure_label(eval_metric metric, const size_t *truth, const size_t *given, size_t count, size_t labels) {
    switch (metric) {
    case METRIC_F1: return tf_f1(truth, given, count);
    case METRIC_MACRO_F1: return tf_macro_f1(truth, given, count, labels);
    case METRIC_MATTHEWS: return tf_matthews(truth, given, count, labels);
    default: return tf_accuracy(truth, given, count);
    }
}

static tf_status measure_labels(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    size_t count = t->texts->count, labels = t->config->labels;
    size_t *truth = calloc(count, sizeof *truth), *given = calloc(count, sizeof *given);
    tf_status status = truth && given ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        truth[i] = tf_model_find_label(t->config, t->texts->item[i].label);
        given[i] = eval_top(values + i * t->width, t->width);
    }
    for (size_t i = 0; i < m->count && status == TF_OK; i++)
        if (m->metric[i] != METRIC_PEARSON && m->metric[i] != METRIC_SPEARMAN)
            value[i] = measure_label(m->metric[i], truth, given, count, labels);
    free(truth);
    free(given);
    return status == TF_OK ? measure_scores(t, m, values, value) : status;
}

static tf_status measure_sets(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    size_t count = t->texts->count, labels = t->config->labels;
    bool *truth = calloc(count, labels * sizeof *truth), *given = calloc(count, labels * sizeof *given);
    tf_status status = truth && given ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < count && status == TF_OK; i++) {
        status = eval_true_set(t, i, truth + i * labels);
        for (size_t k = 0; k < labels; k++) given[i * labels + k] = values[i * labels + k] > 0;
    }
    if (status == TF_OK) {
        tf_set_scores s = tf_compare_sets(truth, given, count, labels);
        for (size_t i = 0; i < m->count; i++)
            value[i] = m->metric[i] == METRIC_MICRO_F1   ? s.micro_f1
                       : m->metric[i] == METRIC_MACRO_F1 ? s.macro_f1
                                                         : s.exact;
    }
    free(truth);
    free(given);
    return status;
}

/* Adds one text's words to the counts. */
static tf_status count_words(const eval_task *t, size_t text, const float *values, tf_entity_counts *entities,
                             double *right) {
    size_t words = eval_task_rows(t, text), at = t->first[text];
    const char **truth = calloc(words + 1, sizeof *truth), **given = calloc(words + 1, sizeof *given);
    json_t *held = NULL;
    tf_status status = truth && given ? eval_true_tags(t, text, truth, &held) : tf_fail(TF_NOMEM, "out of memory");
    for (size_t w = 0; w < words && status == TF_OK; w++) {
        given[w] = eval_tag(t, at + w, values + (at + w) * t->width);
        *right += !strcmp(truth[w], given[w]);
    }
    if (status == TF_OK) tf_entities_count(truth, given, words, entities);
    json_decref(held);
    free(truth);
    free(given);
    return status;
}

static tf_status measure_words(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    tf_entity_counts entities = {0};
    double right = 0;
    size_t words = t->first[t->texts->count];
    for (size_t i = 0; i < t->texts->count; i++) TF_TRY(count_words(t, i, values, &entities, &right));
    for (size_t i = 0; i < m->count; i++)
        value[i] = m->metric[i] == METRIC_F1          ? tf_entities_f1(&entities)
                   : m->metric[i] == METRIC_PRECISION ? tf_entities_precision(&entities)
                   : m->metric[i] == METRIC_RECALL    ? tf_entities_recall(&entities)
                                                      : right / (double)words;
    return TF_OK;
}

enum { MOST_ANSWERS = 64 };

static tf_status score_answer(const eval_task *t, size_t text, const float *values, double *exact, double *f1) {
    const char *truth[MOST_ANSWERS];
    size_t count = MOST_ANSWERS;
    json_t *held;
    char *given;
    TF_TRY(eval_answer(t, text, values + t->first[text] * t->width, &given));
    tf_status status = eval_true_answers(t, text, &count, truth, &held);
    if (status == TF_OK) {
        status = tf_answer_scores(given, truth, count < MOST_ANSWERS ? count : MOST_ANSWERS, exact, f1);
        json_decref(held);
    }
    free(given);
    return status;
}

static tf_status measure_answers(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    double exact = 0, f1 = 0, count = (double)t->texts->count;
    for (size_t i = 0; i < t->texts->count; i++) {
        double e, f;
        TF_TRY(score_answer(t, i, values, &e, &f));
        exact += e;
        f1 += f;
    }
    for (size_t i = 0; i < m->count; i++) value[i] = (m->metric[i] == METRIC_F1 ? f1 : exact) / count;
    return TF_OK;
}

/* exp of the mean negative log-likelihood of a token, over all texts. */
static double perplexity(const eval_task *t, const float *values) {
    double sum = 0, tokens = 0;
    for (size_t i = 0; i < t->texts->count; i++) {
        sum += (double)values[i * t->width];
        tokens += (double)values[i * t->width + 1];
    }
    return exp(sum / tokens);
}

static tf_status measure_choices(const eval_task *t, const eval_metrics *m, const float *values, double *value) {
    for (size_t k = 0; k < m->count; k++) {
        size_t right = 0, questions = 0, choices;
        for (size_t i = 0; i < t->texts->count; i += choices, questions++) {
            choices = question_choices(t->texts, i);
            size_t chosen = eval_choice(t, i, choices, values, m->metric[k] == METRIC_ACCURACY_MEAN);
            right += chosen == strtoul(t->texts->item[i].label, NULL, 10);
        }
        value[k] = (double)right / (double)questions;
    }
    return TF_OK;
}

tf_status eval_measure(const eval_task *t, const eval_metrics *m, const float *values, double value[METRICS]) {
    switch (t->kind) {
    case EVAL_LABEL: return measure_labels(t, m, values, value);
    case EVAL_VALUE: return measure_scores(t, m, values, value);
    case EVAL_SET: return measure_sets(t, m, values, value);
    case EVAL_WORDS: return measure_words(t, m, values, value);
    case EVAL_ANSWER: return measure_answers(t, m, values, value);
    case EVAL_CHOICE: return measure_choices(t, m, values, value);
    case EVAL_TEXT: break;
    }
    value[0] = perplexity(t, values);
    return TF_OK;
}

/* ---- Agreement ---- */

static bool same_set(const float *a, const float *b, size_t labels) {
    for (size_t k = 0; k < labels; k++)
        if ((a[k] > 0) != (b[k] > 0)) return false;
    return true;
}

static tf_status same_answer(const eval_task *t, size_t text, const float *a, const float *b, bool *same) {
    char *one, *other;
    TF_TRY(eval_answer(t, text, a, &one));
    tf_status status = eval_answer(t, text, b, &other);
    *same = status == TF_OK && !strcmp(one, other);
    if (status == TF_OK) free(other);
    free(one);
    return status;
}

static tf_status same_choices(const eval_task *t, const float *a, const float *b, size_t *same, size_t *of) {
    *same = *of = 0;
    for (size_t i = 0, choices; i < t->texts->count; i += choices, (*of)++) {
        choices = question_choices(t->texts, i);
        *same += eval_choice(t, i, choices, a, false) == eval_choice(t, i, choices, b, false);
    }
    return TF_OK;
}

tf_status eval_agreement(const eval_task *t, const float *a, const float *b, size_t *same, size_t *of) {
    size_t width = t->width, texts = t->texts->count;
    if (t->kind == EVAL_CHOICE) return same_choices(t, a, b, same, of);
    *same = 0;
    *of = t->kind == EVAL_ANSWER ? texts : t->first[texts];
    for (size_t i = 0; i < *of; i++) {
        size_t at = (t->kind == EVAL_ANSWER ? t->first[i] : i) * width;
        bool alike = false;
        if (t->kind == EVAL_ANSWER)
            TF_TRY(same_answer(t, i, a + at, b + at, &alike));
        else if (t->kind == EVAL_SET)
            alike = same_set(a + at, b + at, width);
        else
            alike = eval_top(a + at, width) == eval_top(b + at, width);
        *same += alike;
    }
    return TF_OK;
}
