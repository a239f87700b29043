#include "experiments/app/report/cost_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *critical_json(const cost_report *report) {
    json_t *chain = json_array();
    for (size_t i = 0; i < report->criticals; i++) {
        const critical_step *step = &report->critical[i];
        json_array_append_new(chain, json_pack("{s:s,s:s,s:s,s:i,s:i,s:s?}", "op", step->op, "kind", step->kind, "step",
                                               step->step, "begin", step->begin, "end", step->end, "late", step->late));
    }
    return chain;
}

static json_t *report_json(const cost_report *report) {
    char text[TF_NETWORK_TEXT];
    json_t *ops = json_array();
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        json_array_append_new(ops, json_pack("{s:s,s:s,s:I,s:I}", "name", op->name, "kind", op->kind, "bytes",
                                             (json_int_t)op->bytes, "rounds", (json_int_t)op->rounds));
    }
    json_t *object = json_pack("{s:o,s:I,s:I,s:o}", "bytes", json_bytes(report->links), "rounds",
                               (json_int_t)report->rounds, "memory", (json_int_t)report->memory, "ops", ops);
    if (report->explains) json_object_set_new(object, "critical", critical_json(report));
    if (report->calibration) json_object_set_new(object, "calibration", json_string(report->calibration));
    if (report->tokens)
        json_object_set_new(object, "prefill", json_forecast(report->prefill_bytes, report->prefill_rounds));
    if (report->tokens > 1)
        json_object_set_new(object, "per_token", json_forecast(report->token_bytes, report->token_rounds));
    if (report->network)
        json_object_set_new(object, "network",
                            json_pack("{s:f,s:f,s:f,s:s,s:{s:f,s:f,s:i}}", "seconds", report->network_seconds,
                                      "round_trip", report->network->round_trip, "bytes_per_second",
                                      report->network->rate, "text", tf_network_text(report->network, text),
                                      "computing", "apart", report->computing_apart, "together",
                                      report->computing_together, "cores", report->cores));
    return object;
}

enum { NUMBERS = 32, NARROWEST_NAME = 16, WIDEST_NAME = 56 };

static void print_ops(const cost_report *report) {
    char text[32];
    int columns = columns_left(NUMBERS, NARROWEST_NAME, WIDEST_NAME);
    printf("%-*s %-12s %10s %7s\n", columns, "op", "kind", "bytes", "rounds");
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        print_cell(op->name, strlen(op->name), columns);
        printf(" %-12s %10s %7llu\n", op->kind, bytes_text(op->bytes, text), (unsigned long long)op->rounds);
    }
}

/* A line for each kind, where its first op stands. */
static void print_kinds(const cost_report *report) {
    double whole = (double)links_total(report->links);
    char text[32];
    printf("%-16s %5s %10s %7s %7s\n", "kind", "ops", "bytes", "part", "rounds");
    for (size_t i = 0; i < report->ops; i++) {
        size_t ops = 0, earlier = 0;
        uint64_t bytes = 0, rounds = 0;
        for (size_t k = 0; k < report->ops; k++) {
            const op_cost *op = &report->op[k];
            if (strcmp(op->kind, report->op[i].kind)) continue;
            earlier += k < i;
            ops++;
            bytes += op->bytes;
            rounds += op->rounds;
        }
        if (!earlier)
            printf("%-16s %5zu %10s %6.1f%% %7llu\n", report->op[i].kind, ops, bytes_text(bytes, text),
                   whole > 0 ? 100 * (double)bytes / whole : 0, (unsigned long long)rounds);
    }
}

/* Whether two steps are the same but for the number of their layer. */
static bool is_alike(const critical_step *a, const critical_step *b) {
    const char *x = a->op, *y = b->op, *const digits = "0123456789";
    while (*x && *y) {
        size_t of_x = strspn(x, digits), of_y = strspn(y, digits);
        if (!of_x != !of_y || (!of_x && *x != *y)) return false;
        x += of_x ? of_x : 1;
        y += of_y ? of_y : 1;
    }
    return !*x && !*y && !strcmp(a->step, b->step) && a->end - a->begin == b->end - b->begin && !a->late == !b->late;
}

/* How many steps from `at` on come again at once, and how often: what covers most of the chain. */
static size_t repetition(const cost_report *report, size_t at, size_t *times) {
    size_t best = 0, left = report->criticals - at;
    *times = 1;
    for (size_t period = 1; period <= left / 2; period++) {
        size_t same = 0;
        while (same + period < left && is_alike(&report->critical[at + same], &report->critical[at + same + period]))
            same++;
        size_t found = same / period + 1;
        if (found < 2 || found * period <= best * *times) continue;
        best = period;
        *times = found;
    }
    return best ? best : 1;
}

/* The chain by kind of op, a line for each where its first step stands. */
static void print_critical_kinds(const cost_report *report) {
    printf("\n%-16s %5s %7s\n", "kind", "steps", "rounds");
    for (size_t i = 0; i < report->criticals; i++) {
        size_t steps = 0, earlier = 0;
        int rounds = 0;
        for (size_t k = 0; k < report->criticals; k++) {
            const critical_step *step = &report->critical[k];
            if (strcmp(step->kind, report->critical[i].kind)) continue;
            earlier += k < i;
            steps++;
            rounds += step->end - step->begin;
        }
        if (!earlier) printf("%-16s %5zu %7d\n", report->critical[i].kind, steps, rounds);
    }
    putchar('\n');
}

/* A line a step; what repeats, layer by layer, once. */
static void print_critical(const cost_report *report) {
    enum { TAKEN = 49, NARROWEST_OP = 16, WIDEST_OP = 56 };
    int columns = columns_left(TAKEN, NARROWEST_OP, WIDEST_OP);
    printf("%12s %6s  %-13s %-12s  %s\n", "time", "rounds", "step", "S late after", "op");
    for (size_t at = 0, times; at < report->criticals; at += times) {
        size_t length = repetition(report, at, &times), rounds = 0;
        for (size_t i = at; i < at + length; i++) {
            const critical_step *step = &report->critical[i];
            printf("%4d to %4d %6d  %-13.13s %-12.12s  ", step->begin, step->end, step->end - step->begin, step->step,
                   step->late ? step->late : "");
            print_cell(step->op, strlen(step->op), columns);
            putchar('\n');
            rounds += (size_t)(step->end - step->begin);
        }
        if (times > 1)
            print_prose(stdout, 0, "these %zu rounds %zu times, to %d", rounds, times,
                        report->critical[at + length * times - 1].end);
        times *= length;
    }
    print_critical_kinds(report);
}

static void print_table(const cost_report *report, bool ops) {
    char text[32], last[96] = "";
    if (report->explains) print_critical(report);
    if (ops)
        print_ops(report);
    else
        print_kinds(report);
    putchar('\n');
    print_prose(stdout, 0, "%s in %llu rounds (ops side by side share rounds)",
                bytes_text(links_total(report->links), text), (unsigned long long)report->rounds);
    print_prose(stdout, 0, "at most %s of memory a party", bytes_text(report->memory, text));
    if (report->tokens > 1)
        snprintf(last, sizeof last, "; the last of %zu tokens: %s in %llu rounds", report->tokens,
                 bytes_text(report->token_bytes, text), (unsigned long long)report->token_rounds);
    if (report->tokens)
        print_prose(stdout, 0, "the prompt: %s in %llu rounds%s", bytes_text(report->prefill_bytes, text),
                    (unsigned long long)report->prefill_rounds, last);
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++)
            if (from != to) printf("  party %d to %d: %s\n", from, to, bytes_text(report->links[from][to], text));
    if (report->network)
        print_prose(stdout, 0,
                    "on a network of %g ms (round trip) and %g Mbit/s (each direction of each pair): %.3g s, and about "
                    "%.2g s of computing at three machines of %d cores like this one, or %.2g s at one for all three",
                    1e3 * report->network->round_trip, 8e-6 * report->network->rate, report->network_seconds,
                    report->computing_apart, report->cores, report->computing_together);
}

tf_status cost_report_print(const report_form *form, const cost_report *report, bool ops) {
    if (form->json) return form_print(form, report_json(report));
    print_table(report, ops);
    return finish_output();
}

void cost_report_free(cost_report *report) {
    free(report->op);
    free(report->critical);
}
