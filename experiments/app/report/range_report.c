#include "experiments/app/report/range_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "experiments/app/report/form.h"

static void print_table(const tf_range_check *check, const tf_ranges *plain) {
    enum { NUMBERS = 48, NARROWEST = 12, WIDEST = 52 };
    static const char title[] = "largest magnitude at";
    int columns = columns_left(NUMBERS, NARROWEST, WIDEST);
    putchar('\n');
    print_cell(title, strlen(title), columns);
    printf(" %-10s %9s %9s %9s %6s\n", "kind", "private", "plain", "range", "used");
    for (size_t i = 0; i < tf_range_check_count(check); i++) {
        const tf_range_entry *e = tf_range_check_entry(check, i);
        print_cell(e->name, strlen(e->name), columns);
        printf(" %-10.10s %9.4g %9.4g %9.4g %5.1f%%\n", e->kind, e->largest, tf_ranges_find(plain, e->name), e->bound,
               100 * e->largest / e->bound);
    }
    print_prose(stdout, 0, "%zu nodes, none left its range, nor did any value inside an op",
                tf_range_check_count(check));
}

static tf_status write_report(const char *path, const tf_range_check *check, const tf_ranges *plain) {
    json_t *list = json_array();
    for (size_t i = 0; i < tf_range_check_count(check); i++) {
        const tf_range_entry *e = tf_range_check_entry(check, i);
        json_array_append_new(list, json_pack("{s:s,s:s,s:f,s:f,s:f}", "name", e->name, "kind", e->kind, "private",
                                              e->largest, "plain", tf_ranges_find(plain, e->name), "range", e->bound));
    }
    json_t *object = json_pack("{s:o}", "nodes", list);
    if (!object) return tf_fail(TF_NOMEM, "out of memory");
    int failed = json_dump_file(object, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(object);
    return failed ? tf_fail(TF_IO, "%s: %s", path, strerror(errno)) : TF_OK;
}

tf_status range_report(const report_form *form, const char *file, const tf_range_check *check, const tf_ranges *plain) {
    if (file) TF_TRY(write_report(file, check, plain));
    for (size_t i = 0; i < tf_range_check_count(check); i++) {
        const tf_range_entry *e = tf_range_check_entry(check, i);
        double largest = tf_ranges_find(plain, e->name);
        if (largest > e->bound)
            return tf_fail(TF_RANGE, "%s (%s): a value of %.6g in floating point leaves its range of %.6g", e->name,
                           e->kind, largest, e->bound);
    }
    if (form->json) return TF_OK;
    print_table(check, plain);
    return finish_output();
}
