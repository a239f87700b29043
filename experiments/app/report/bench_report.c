#include "experiments/app/report/bench_report.h"

#include <stdio.h>

static json_t *report_json(const char *what, const char *name, size_t runs, bool profile, const bench_report *report) {
    json_t *shape = json_array();
    for (int i = 0; i < report->shape.rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)report->shape.dim[i]));
    const run_report *run = &report->run;
    json_t *object =
        json_pack("{s:s,s:o,s:I,s:I,s:{s:f,s:f,s:f,s:f,s:f},s:o,s:I,s:o}", what, name, "shape", shape, "elements",
                  (json_int_t)tf_shape_count(report->shape), "runs", (json_int_t)runs, "seconds", "total",
                  run->seconds_setup + run->seconds_online, "setup", run->seconds_setup, "online", run->seconds_online,
                  "fastest", report->fastest, "slowest", report->slowest, "bytes", json_bytes(run->links), "rounds",
                  (json_int_t)run->rounds, "forecast", json_forecast(run->forecast_bytes, run->forecast_rounds));
    json_object_set_new(object, "network", json_network(&run->network));
    if (profile) json_object_set_new(object, "profile", profile_report_json(&report->profile));
    return object;
}

static void print_table(const char *name, size_t runs, bool profile, const bench_report *report) {
    char shape[96], text[32], network[NETWORK_WORDS];
    const run_report *run = &report->run;
    uint64_t total = links_total(run->links), elements = tf_shape_count(report->shape);
    printf("%s, output %s, median of %zu run%s\n", name, tf_shape_text(report->shape, shape), runs,
           runs == 1 ? "" : "s");
    printf("  ");
    print_words(stdout, report->how, 2, 2, report_columns());
    print_prose(stdout, 2, "online %.6f s (%.6f to %.6f), set-up %.6f s", run->seconds_online, report->fastest,
                report->slowest, run->seconds_setup);
    print_prose(stdout, 2, "%s (%.2f B an element of the output) in %llu rounds%s", bytes_text(total, text),
                (double)total / (double)elements, (unsigned long long)run->rounds,
                network_text(&run->network, network));
    if (profile) profile_report_print(&report->profile);
}

tf_status bench_report_print(const report_form *form, const char *what, const char *name, size_t runs, bool profile,
                             const bench_report *report) {
    if (form->json) return form_print(form, report_json(what, name, runs, profile, report));
    print_table(name, runs, profile, report);
    return finish_output();
}

static json_t *link_json(const link_report *l, size_t runs) {
    return json_pack("{s:I,s:I,s:{s:f,s:f,s:f},s:f}", "link", (json_int_t)l->bytes, "runs", (json_int_t)runs,
                     "bytes_per_second", "one_way", l->one_way, "all_ways", l->all_ways, "cipher", l->cipher,
                     "round_seconds", l->round_seconds);
}

static void print_link(const char *made, const link_report *l, size_t runs) {
    printf("link (%s), messages of %llu bytes, median of %zu run%s\n", made, (unsigned long long)l->bytes, runs,
           runs == 1 ? "" : "s");
    printf("  party 0 to party 1 alone   %.2f GB/s\n", l->one_way / 1e9);
    printf("  all to all, each sends     %.2f GB/s\n", l->all_ways / 1e9);
    printf("  a round of 8 bytes         %.1f us\n", 1e6 * l->round_seconds);
    printf("  AES-128-GCM on one core    %.2f GB/s\n", l->cipher / 1e9);
}

tf_status link_report_print(const report_form *form, const char *made, size_t runs, const link_report *report) {
    if (form->json) return form_print(form, link_json(report, runs));
    print_link(made, report, runs);
    return finish_output();
}
