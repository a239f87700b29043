#include "experiments/app/report/search_report.h"

#include <stdio.h>
#include <string.h>

enum { NARROWEST = 20, WIDEST = 72, HIT_COLUMNS = 17 };

static json_t *with_cost(json_t *object, const search_cost *c) {
    json_object_set_new(object, "seconds", json_pack("{s:f}", "total", c->seconds));
    if (!c->private) return object;
    json_t *bytes = json_bytes(c->run->links);
    json_object_set_new(bytes, "setup", json_integer((json_int_t)c->run->bytes_setup));
    json_object_set_new(object, "bytes", bytes);
    json_object_set_new(object, "rounds", json_integer((json_int_t)c->run->rounds));
    return object;
}

static void print_cost(const search_cost *c) {
    char bytes[32];
    printf("%.2f s", c->seconds);
    if (c->private)
        printf(", %s in %llu rounds", bytes_text(links_total(c->run->links), bytes),
               (unsigned long long)c->run->rounds);
    putchar('\n');
}

tf_status embed_print(const report_form *form, const char *out, size_t texts, size_t width, const search_cost *cost) {
    if (form->json)
        return form_print(form, with_cost(json_pack("{s:s,s:I,s:I}", "out", out, "texts", (json_int_t)texts,
                                                    "dimensions", (json_int_t)width),
                                          cost));
    printf("%s: %zu vectors of %zu values in ", out, texts, width);
    print_cost(cost);
    return finish_output();
}

static json_t *json_hits(const search_hit *hit, size_t most) {
    json_t *list = json_array();
    for (size_t k = 0; k < most; k++)
        json_array_append_new(list, json_pack("{s:I,s:f}", "index", (json_int_t)hit[k].text, "score", hit[k].score));
    return list;
}

tf_status similarity_print(const report_form *form, const text_list *texts, const char *const *query, size_t queries,
                           const search_hit *hit, size_t most, const search_cost *cost) {
    json_t *results = json_array();
    for (size_t i = 0; i < queries && form->json; i++)
        json_array_append_new(results,
                              json_pack("{s:I,s:o}", "index", (json_int_t)i, "found", json_hits(hit + i * most, most)));
    if (form->json) return form_print(form, with_cost(json_pack("{s:o}", "results", results), cost));
    json_decref(results);
    for (size_t i = 0; i < queries; i++) {
        print_cell(query[i], strlen(query[i]), columns_left(0, NARROWEST, WIDEST));
        putchar('\n');
        for (size_t k = 0; k < most; k++) {
            const text_item *found = &texts->item[hit[i * most + k].text];
            printf("  %6.3f  %5zu  ", hit[i * most + k].score, hit[i * most + k].text);
            print_cell(found->first, found->first_length, columns_left(HIT_COLUMNS, NARROWEST, WIDEST));
            putchar('\n');
        }
    }
    printf("\n%zu texts searched in ", texts->count);
    print_cost(cost);
    return finish_output();
}
