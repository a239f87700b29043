#include "experiments/app/report/profile_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/report/form.h"

static profile_row *row_of(profile_report *report, const tf_op *op) {
    for (size_t i = 0; i < report->rows; i++)
        if (!strcmp(report->row[i].kind, op->kind) && !strcmp(report->row[i].variant, op->variant))
            return &report->row[i];
    profile_row *row = &report->row[report->rows++];
    row->kind = op->kind, row->variant = op->variant;
    return row;
}

static void add(profile_row *row, const tf_op_times *times, uint64_t bytes, size_t runs) {
    tf_op_times mean = *times;
    for (int i = 0; i < TF_ACTIVITIES; i++) mean.seconds[i] /= (double)runs;
    mean.product.seconds /= (double)runs;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) mean.product.multiplications[i] /= runs;
    tf_op_times_add(&row->times, &mean);
    row->bytes += bytes;
}

static double seconds_of(const profile_row *row) {
    double sum = 0;
    for (int i = 0; i < TF_ACTIVITIES; i++) sum += row->times.seconds[i];
    return sum;
}

static int longest_first(const void *a, const void *b) {
    double x = seconds_of(a), y = seconds_of(b);
    return x > y ? -1 : x < y;
}

static void sum_up(const tf_graph *graph, const tf_plan *plan, const tf_op_moves *moves, const tf_profile *profile,
                   size_t runs, profile_report *report) {
    for (int i = 0; i <= graph->nodes; i++) {
        const tf_op *op = i == graph->nodes ? NULL : graph->node[i].op;
        profile_row *row = op ? row_of(report, op) : &report->rest;
        const tf_op_times *times = i == graph->nodes ? &profile->rest : &profile->op[i];
        add(row, times, moves[i].bytes, runs);
        add(&report->total, times, moves[i].bytes, runs);
        if (!op) continue;
        row->ops++, report->total.ops++;
        row->rounds += (uint64_t)moves[i].rounds;
    }
    report->total.rounds = (uint64_t)plan->rounds;
    qsort(report->row, report->rows, sizeof *report->row, longest_first);
}

tf_status profile_report_make(const tf_graph *graph, const tf_program *program, const tf_profile *profile, size_t runs,
                              profile_report *report) {
    tf_plan plan;
    *report = (profile_report){.row = calloc((size_t)graph->nodes + 1, sizeof *report->row)};
    if (!report->row) return tf_fail(TF_NOMEM, "no memory for a report of %d ops", graph->nodes);
    TF_TRY(tf_plan_make(program, &plan));
    tf_op_moves *moves = malloc(((size_t)graph->nodes + 1) * sizeof *moves);
    tf_status status = moves ? tf_plan_ops(program, &plan, graph->nodes, moves)
                             : tf_fail(TF_NOMEM, "no memory for a report of %d ops", graph->nodes);
    if (!status) sum_up(graph, &plan, moves, profile, runs, report);
    free(moves);
    tf_plan_free(&plan);
    TF_TRY(status);
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) {
        report->peak[i] = tf_kernels_multiply_peak(tf_kernels_get(), tf_product_width[i]);
        if (report->peak[i] <= 0) return tf_fail(TF_NOMEM, "no memory to measure the peak of products");
    }
    return TF_OK;
}

/** The part of the peak that the products reach, or 0. */
static double efficiency(const profile_report *report, const profile_row *row) {
    double seconds = row->times.product.seconds;
    return seconds > 0 ? tf_product_peak_seconds(&row->times.product, report->peak) / seconds : 0;
}

static json_t *row_json(const profile_report *report, const profile_row *row) {
    json_t *object = json_object(), *seconds = json_object();
    if (row->kind) json_object_update_new(object, json_pack("{s:s,s:s}", "kind", row->kind, "variant", row->variant));
    json_object_set_new(object, "ops", json_integer((json_int_t)row->ops));
    json_object_set_new(seconds, "total", json_real(seconds_of(row)));
    for (int i = 0; i < TF_ACTIVITIES; i++)
        json_object_set_new(seconds, tf_activity_name[i], json_real(row->times.seconds[i]));
    json_object_set_new(object, "seconds", seconds);
    json_object_update_new(object,
                           json_pack("{s:I,s:I}", "bytes", (json_int_t)row->bytes, "rounds", (json_int_t)row->rounds));
    uint64_t multiplications = 0;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) multiplications += row->times.product.multiplications[i];
    if (multiplications)
        json_object_set_new(object, "product",
                            json_pack("{s:I,s:f,s:f,s:f}", "multiplications", (json_int_t)multiplications, "seconds",
                                      row->times.product.seconds, "peak_seconds",
                                      tf_product_peak_seconds(&row->times.product, report->peak), "efficiency",
                                      efficiency(report, row)));
    return object;
}

json_t *profile_report_json(const profile_report *report) {
    json_t *ops = json_array(), *peak = json_object();
    for (size_t i = 0; i < report->rows; i++) json_array_append_new(ops, row_json(report, &report->row[i]));
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) {
        char bits[16];
        snprintf(bits, sizeof bits, "%u", tf_product_width[i]);
        json_object_set_new(peak, bits, json_real(report->peak[i]));
    }
    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "kernels", tf_kernels_get()->name, "peak", peak, "ops", ops, "rest",
                     row_json(report, &report->rest), "total", row_json(report, &report->total));
}

/* Columns of the table for people, after the names: of counts and sums, of what a party did, of products. */
enum { OPS, TOTAL, FIRST_ACTIVITY, BYTES = FIRST_ACTIVITY + TF_ACTIVITIES, ROUNDS, PRODUCTS, PEAK, COLUMNS };
enum { NAMES = 22, CELL = 32 };

static int width_of(int column) {
    static const int widths[] = {[OPS] = 4, [TOTAL] = 8, [BYTES] = 9, [ROUNDS] = 6, [PRODUCTS] = 8, [PEAK] = 7};
    return column >= FIRST_ACTIVITY && column < BYTES ? 10 : widths[column];
}

static const char *title_of(int column) {
    static const char *const titles[] = {[OPS] = "ops",       [TOTAL] = "total",       [BYTES] = "bytes",
                                         [ROUNDS] = "rounds", [PRODUCTS] = "products", [PEAK] = "of peak"};
    return column >= FIRST_ACTIVITY && column < BYTES ? tf_activity_name[column - FIRST_ACTIVITY] : titles[column];
}

static void write_cell(const profile_report *report, const profile_row *row, int column, char cell[CELL]) {
    bool multiplies = row->times.product.seconds > 0;
    cell[0] = '\0';
    if (column == OPS) snprintf(cell, CELL, "%zu", row->ops);
    if (column == TOTAL) snprintf(cell, CELL, "%.4f", seconds_of(row));
    if (column >= FIRST_ACTIVITY && column < BYTES)
        snprintf(cell, CELL, "%.4f", row->times.seconds[column - FIRST_ACTIVITY]);
    if (column == BYTES) bytes_text(row->bytes, cell);
    if (column == ROUNDS) snprintf(cell, CELL, "%llu", (unsigned long long)row->rounds);
    if (column == PRODUCTS && multiplies) snprintf(cell, CELL, "%.4f", row->times.product.seconds);
    if (column == PEAK && multiplies) snprintf(cell, CELL, "%.0f %%", 100 * efficiency(report, row));
}

/* A row's columns from `first` to before `end`; NULL: their titles. */
static void print_row(const profile_report *report, const profile_row *row, const char *name, int first, int end) {
    printf("  %-*s", NAMES, name);
    for (int column = first; column < end; column++) {
        char cell[CELL];
        if (row) write_cell(report, row, column, cell);
        printf(" %*s", width_of(column), row ? cell : title_of(column));
    }
    putchar('\n');
}

static void print_block(const profile_report *report, int first, int end) {
    print_row(report, NULL, "op", first, end);
    for (size_t i = 0; i < report->rows; i++) {
        const profile_row *row = &report->row[i];
        char name[64];
        snprintf(name, sizeof name, row->variant[0] ? "%s=%s" : "%s", row->kind, row->variant);
        print_row(report, row, name, first, end);
    }
    print_row(report, &report->rest, "inputs, outputs", first, end);
    print_row(report, &report->total, "total", first, end);
}

/* As many columns at a time as the terminal has room for. */
void profile_report_print(const profile_report *report) {
    char peak[512];
    int length = snprintf(peak, sizeof peak, "kernels %s, peak on one core", tf_kernels_get()->name);
    printf("\nParty 0, seconds:\n");
    for (int first = 0, end; first < COLUMNS; first = end) {
        int used = NAMES + 2;
        for (end = first; end < COLUMNS && used + 1 + width_of(end) <= report_columns(); end++)
            used += 1 + width_of(end);
        if (first) putchar('\n');
        print_block(report, first, end);
    }
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++)
        length += snprintf(peak + length, sizeof peak - (size_t)length, "%s %.1f (%u bits)", i ? "," : "",
                           report->peak[i] / 1e9, tf_product_width[i]);
    snprintf(peak + length, sizeof peak - (size_t)length, " billion multiply-adds a second");
    printf("  ");
    print_words(stdout, peak, 2, 2, report_columns());
}
