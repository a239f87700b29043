#include "experiments/app/report/eval_report.h"

#include <math.h>
#include <stdio.h>

/* How close both models are. */
typedef struct comparison {
    double plain[METRICS], difference; /* the plain model's metrics; the largest difference of any two logits */
    size_t agreeing, of;
} comparison;

static tf_status compare(const eval_store *store, const eval_metrics *metrics, comparison *out) {
    const eval_task *task = store->task;
    size_t count = task->first[task->texts->count] * task->width;
    *out = (comparison){.difference = 0};
    for (size_t i = 0; i < count; i++)
        out->difference = fmax(out->difference, fabs((double)store->values[i] - (double)store->plain[i]));
    TF_TRY(eval_agreement(task, store->values, store->plain, &out->agreeing, &out->of));
    return eval_measure(task, metrics, store->plain, out->plain);
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_metrics(const eval_metrics *metrics, const double *value) {
    json_t *object = json_object();
    for (size_t i = 0; i < metrics->count; i++)
        json_object_set_new(object, eval_metric_name(metrics->metric[i]), number_or_null(value[i]));
    return object;
}

static tf_status print_json(const report_form *form, const eval_store *store, const eval_report *r, const double *value,
                            const comparison *both) {
    const run_report *spent = &store->spent;
    json_t *object = json_pack(
        "{s:I,s:I,s:s,s:o,s:o,s:{s:f,s:f,s:f}}", "examples", (json_int_t)store->task->texts->count, "computed",
        (json_int_t)r->computed, "metric", eval_metric_name(r->metrics.metric[0]), "value", number_or_null(value[0]),
        "metrics", json_metrics(&r->metrics, value), "seconds", "total", spent->seconds_setup + spent->seconds_online,
        "setup", spent->seconds_setup, "online", spent->seconds_online);
    if (r->private) {
        json_object_set_new(object, "groups", json_integer(r->groups));
        json_t *bytes = json_bytes(spent->links);
        json_object_set_new(bytes, "setup", json_integer((json_int_t)r->run.bytes_setup));
        json_object_set_new(object, "bytes", bytes);
        json_object_set_new(object, "rounds", json_integer((json_int_t)spent->rounds));
    }
    if (both) {
        json_object_set_new(object, "plain_value", number_or_null(both->plain[0]));
        json_object_set_new(object, "plain_metrics", json_metrics(&r->metrics, both->plain));
        if (store->task->kind != EVAL_TEXT)
            json_object_set_new(object, "agreement", json_real((double)both->agreeing / (double)both->of));
        json_object_set_new(object, "max_abs_error", json_real(both->difference));
    }
    return form_print(form, object);
}

static void print_metrics(const eval_store *store, const eval_report *r, const double *value, const comparison *both) {
    const text_list *texts = store->task->texts;
    for (size_t i = 0; i < r->metrics.count; i++) {
        char plain[48] = "";
        if (both) snprintf(plain, sizeof plain, "; %.4f of the plain model", both->plain[i]);
        print_prose(stdout, 0, "%s %.4f on %zu examples of %s%s", eval_metric_name(r->metrics.metric[i]), value[i],
                    texts->count, texts->file, plain);
    }
}

static void print_comparison(const eval_task *task, const comparison *both) {
    bool text = task->config->head == TF_HEAD_CAUSAL;
    if (task->kind != EVAL_TEXT && task->kind != EVAL_VALUE)
        printf("the plain model agrees on %zu of %zu %s (%.2f%%); ", both->agreeing, both->of,
               task->kind == EVAL_WORDS    ? "words"
               : task->kind == EVAL_CHOICE ? "questions"
                                           : "examples",
               100 * (double)both->agreeing / (double)both->of);
    printf("largest difference of a %s %.6f\n", text ? "text's log-likelihood" : "logit", both->difference);
}

static tf_status print_lines(const eval_store *store, const eval_report *r, const double *value,
                             const comparison *both) {
    const run_report *spent = &store->spent;
    char moved[32], setup[32], took[128] = "", summed[48] = "";
    print_metrics(store, r, value, both);
    if (both) print_comparison(store->task, both);
    if (r->private)
        snprintf(took, sizeof took, ", %s in %llu rounds, and %s for this run's set-up",
                 bytes_text(links_total(spent->links), moved), (unsigned long long)spent->rounds,
                 bytes_text(r->run.bytes_setup, setup));
    if (r->groups > 1) snprintf(summed, sizeof summed, ", summed over %d groups", r->groups);
    print_prose(stdout, 0, "%zu computed now; in all %.2f s (set-up %.2f s, online %.2f s)%s%s", r->computed,
                spent->seconds_setup + spent->seconds_online, spent->seconds_setup, spent->seconds_online, took,
                summed);
    print_prose(stdout, 0, "results in %s", store->path);
    return finish_output();
}

tf_status eval_report_print(const report_form *form, const eval_store *store, const eval_report *report) {
    double value[METRICS];
    comparison both;
    TF_TRY(eval_measure(store->task, &report->metrics, store->values, value));
    if (store->plain) TF_TRY(compare(store, &report->metrics, &both));
    const comparison *compared = store->plain ? &both : NULL;
    return form->json ? print_json(form, store, report, value, compared) : print_lines(store, report, value, compared);
}

tf_status eval_plan_print(const report_form *form, const eval_plan *plan) {
    const cost_report *cost = &plan->cost;
    const eval_metrics *m = &plan->metrics;
    char moved[32], memory[32];
    if (form->json)
        return form_print(form, json_pack("{s:I,s:I,s:I,s:s,s:o,s:I,s:I}", "examples", (json_int_t)plan->examples,
                                          "batches", (json_int_t)plan->batches, "longest", (json_int_t)plan->longest,
                                          "metric", eval_metric_name(m->metric[0]), "bytes", json_bytes(cost->links),
                                          "rounds", (json_int_t)cost->rounds, "memory", (json_int_t)cost->memory));
    printf("%zu examples in %zu batches of at most %zu tokens, for", plan->examples, plan->batches, plan->longest);
    for (size_t i = 0; i < m->count; i++) printf("%s %s", i ? "," : "", eval_metric_name(m->metric[i]));
    printf(": %s in %llu rounds; at most %s of memory a party\n", bytes_text(links_total(cost->links), moved),
           (unsigned long long)cost->rounds, bytes_text(cost->memory, memory));
    return finish_output();
}
