#include "experiments/app/report/cost_report.h"

#include <stdio.h>

static json_t *report_json(const cost_report *report) {
    json_t *ops = json_array();
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        json_array_append_new(ops, json_pack("{s:s,s:s,s:I,s:I}", "name", op->name, "kind", op->kind, "bytes",
                                             (json_int_t)op->bytes, "rounds", (json_int_t)op->rounds));
    }
    json_t *object = json_pack("{s:o,s:I,s:I,s:o}", "bytes", json_bytes(report->links), "rounds",
                               (json_int_t)report->rounds, "memory", (json_int_t)report->memory, "ops", ops);
    if (report->network)
        json_object_set_new(object, "network",
                            json_pack("{s:f,s:f,s:f}", "seconds", report->network_seconds, "round_trip",
                                      report->network->round_trip, "bytes_per_second", report->network->rate));
    return object;
}

static void print_table(const cost_report *report) {
    char text[32];
    printf("%-56s %-12s %10s %7s\n", "op", "kind", "bytes", "rounds");
    for (size_t i = 0; i < report->ops; i++) {
        const op_cost *op = &report->op[i];
        printf("%-56s %-12s %10s %7llu\n", op->name, op->kind, bytes_text(op->bytes, text),
               (unsigned long long)op->rounds);
    }
    printf("\n%s in %llu rounds (ops side by side share rounds)", bytes_text(links_total(report->links), text),
           (unsigned long long)report->rounds);
    printf("; at most %s of memory a party\n", bytes_text(report->memory, text));
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++)
            if (from != to) printf("  party %d to %d: %s\n", from, to, bytes_text(report->links[from][to], text));
    if (report->network)
        printf(
            "on a network of %g ms (round trip) and %g Mbit/s (each direction of each pair): %.3g s, and computing\n",
            1e3 * report->network->round_trip, 8e-6 * report->network->rate, report->network_seconds);
}

tf_status cost_report_print(const report_form *form, const cost_report *report) {
    if (form->json) return json_print(report_json(report));
    print_table(report);
    return finish_output();
}
