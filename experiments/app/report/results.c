#include "experiments/app/report/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDEST_TEXT = 48,
    NARROWEST_TEXT = 12,
    WIDEST_LABEL = 26,
    NARROWEST_LABEL = 6,
    EMBEDDING_SHOWN = 4,
    EMBEDDING_COLUMNS = EMBEDDING_SHOWN * 9 + 2
};

/* One text's outcome. */
typedef struct verdict {
    size_t top;   /* the index of the label with the largest logit */
    double score; /* its probability; in regression the value itself */
} verdict;

/* The value of a label: its softmax probability, its own one where several may hold, or what regression gives. */
static double score_of(const tf_config *config, const float *logits, size_t label) {
    double x = (double)logits[label], sum = 0;
    if (config->problem == TF_PROBLEM_REGRESSION) return x;
    if (config->problem == TF_PROBLEM_MULTI) return 1 / (1 + exp(-x));
    for (size_t i = 0; i < config->labels; i++) sum += exp((double)logits[i] - x);
    return 1 / sum;
}

static verdict judge(const tf_config *config, const float *logits) {
    verdict v = {0};
    for (size_t i = 1; i < config->labels; i++)
        if (logits[i] > logits[v.top]) v.top = i;
    v.score = score_of(config, logits, v.top);
    return v;
}

static double largest_difference(const float *a, const float *b, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

static const char empty_text[] = "the text is empty";

/* Whether a text has no result. reveal has no list of texts. */
static bool is_empty(const result_report *r, size_t i) {
    if (!r->texts) return isnan(r->values[i * tf_model_width(&r->model->config)]); /* of share files */
    return r->texts->item && r->texts->item[i].empty;
}

/* Of the texts that came with a label: how many, and how many got it. */
static size_t count_right(const result_report *r, size_t *labelled) {
    size_t width = tf_model_width(&r->model->config), right = 0;
    *labelled = 0;
    if (r->model->config.head != TF_HEAD_CLASSIFIER || !r->values) return 0;
    for (size_t i = 0; i < r->texts->count; i++) {
        if (!r->texts->item[i].label || r->texts->item[i].empty) continue;
        ++*labelled;
        right += tf_model_find_label(&r->model->config, r->texts->item[i].label) ==
                 judge(&r->model->config, r->values + i * width).top;
    }
    return right;
}

static token_result token_result_of(const result_report *r, size_t i) {
    const encoded_text *tokens = &r->batches->text[i];
    return (token_result){.config = &r->model->config,
                          .tokenizer = r->model->tokenizer,
                          .settings = r->tokens,
                          .text = &r->texts->item[i],
                          .tokens = tokens,
                          .values = r->values + tokens->first * tf_model_width(&r->model->config)};
}

/* NULL where there is no memory, as from jansson. */
static json_t *json_tokens(const result_report *r, size_t i) {
    json_t *object = json_pack("{s:I}", "index", (json_int_t)(r->offset + i));
    token_result result = token_result_of(r, i);
    if (object && token_result_json(&result, object) == TF_OK) return object;
    json_decref(object);
    return NULL;
}

/* How many values a comparison is over. */
static size_t count_values(const result_report *r) {
    return r->batches ? batches_values(r->batches, &r->model->config)
                      : r->texts->count * tf_model_width(&r->model->config);
}

static json_t *json_result(const result_report *r, size_t i) {
    const tf_config *config = &r->model->config;
    size_t width = tf_model_width(config);
    json_int_t index = (json_int_t)(r->offset + i);
    if (is_empty(r, i)) return json_pack("{s:I,s:s}", "index", index, "error", empty_text);
    if (tf_model_output(config).per_token) return json_tokens(r, i);
    const float *values = r->values + i * width;
    json_t *numbers = json_array();
    for (size_t k = 0; k < width; k++) json_array_append_new(numbers, json_real((double)values[k]));
    if (config->head == TF_HEAD_EMBEDDING)
        return json_pack("{s:I,s:o,s:n,s:n}", "index", index, "embedding", numbers, "label", "score");
    verdict v = judge(config, values);
    char name[32];
    json_t *object = json_pack("{s:I,s:o,s:s,s:f}", "index", index, "logits", numbers, "label",
                               tf_model_label(config, v.top, name, sizeof name), "score", v.score);
    if (config->problem != TF_PROBLEM_MULTI) return object;
    json_t *scores = json_array();
    for (size_t k = 0; k < width; k++) json_array_append_new(scores, json_real(score_of(config, values, k)));
    json_object_set_new(object, "scores", scores);
    return object;
}

static json_t *results_json(const result_report *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->texts->count && r->values; i++)
        if (json_array_append_new(list, json_result(r, i))) return json_decref(list), NULL;
    json_t *bytes = json_bytes(r->run.links);
    json_object_set_new(bytes, "setup", json_integer((json_int_t)r->run.bytes_setup));
    json_object_set_new(bytes, "encryption", json_integer((json_int_t)r->run.bytes_encryption));
    json_t *object =
        json_pack("{s:o,s:{s:f,s:f,s:f},s:o,s:I,s:o}", "results", list, "seconds", "total", r->seconds_total, "setup",
                  r->run.seconds_setup, "online", r->run.seconds_online, "bytes", bytes, "rounds",
                  (json_int_t)r->run.rounds, "forecast", json_forecast(r->run.forecast_bytes, r->run.forecast_rounds));
    json_object_set_new(object, "network", json_network(&r->run.network));
    size_t labelled, right = count_right(r, &labelled);
    if (labelled) json_object_set_new(object, "accuracy", json_real((double)right / (double)labelled));
    if (r->decoys)
        json_object_set_new(
            object, "decoys",
            json_pack("{s:I,s:f}", "count", (json_int_t)r->decoys, "largest_difference", r->decoys_off));
    if (r->plain) {
        double error = largest_difference(r->values, r->plain, count_values(r));
        json_object_set_new(object, "max_abs_error", json_real(error));
    }
    return object;
}

/* How many texts have the label that they have in the plain model. */
static size_t count_same(const result_report *r) {
    const tf_config *config = &r->model->config;
    size_t width = tf_model_width(config), same = 0;
    for (size_t i = 0; i < r->texts->count; i++)
        same += !r->texts->item[i].empty &&
                judge(config, r->values + i * width).top == judge(config, r->plain + i * width).top;
    return same;
}

/* What the columns of a table take, and whether the plain model has a label of its own. */
typedef struct layout {
    int text, label;
    bool apart;
} layout;

enum { INDEX_COLUMNS = 6, SCORE_COLUMNS = 8, PLAIN_COLUMNS = 7, DIFFERENCE_COLUMNS = 12 }; /* with blanks before them */

/* Labels get as many columns as the longest takes, within reason; the text what is left. Where no label of the plain
 * model is known to be another (`alike`), its score alone is shown. */
static layout layout_of(const result_report *r, bool alike) {
    const tf_config *config = &r->model->config;
    size_t widest = strlen("label (private)");
    bool labelled = config->head == TF_HEAD_CLASSIFIER, per_token = tf_model_output(config).per_token;
    bool apart = labelled && r->plain && !alike;
    int labels = labelled ? apart ? 2 : 1 : 0, taken = INDEX_COLUMNS;
    if (labelled && r->plain && alike) taken += PLAIN_COLUMNS;
    for (size_t i = 0; i < config->labels && config->label; i++)
        if (config->label[i] && strlen(config->label[i]) > widest) widest = strlen(config->label[i]);
    if (r->plain && !per_token) taken += DIFFERENCE_COLUMNS;
    if (!labelled && !per_token) taken += EMBEDDING_COLUMNS;
    layout l = {.label = widest < WIDEST_LABEL ? (int)widest : WIDEST_LABEL, .apart = apart};
    if (labels) {
        int room = columns_left(taken + NARROWEST_TEXT, 0, 400) / labels - SCORE_COLUMNS;
        if (l.label > room) l.label = room > NARROWEST_LABEL ? room : NARROWEST_LABEL;
    }
    l.text = columns_left(taken + labels * (SCORE_COLUMNS + l.label), NARROWEST_TEXT, WIDEST_TEXT);
    return l;
}

static void print_verdict(const tf_config *config, const float *logits, int columns) {
    verdict v = judge(config, logits);
    char name[32];
    const char *label = tf_model_label(config, v.top, name, sizeof name);
    printf("  ");
    print_cell(label, strlen(label), columns);
    printf(" %5.3f", v.score);
}

static void print_embedding(const float *values, size_t width) {
    for (size_t k = 0; k < EMBEDDING_SHOWN; k++) k < width ? printf(" %8.4f", (double)values[k]) : printf("%9s", "");
    fputs(width > EMBEDDING_SHOWN ? " …" : "  ", stdout);
}

static tf_status print_row(const result_report *r, size_t i, layout l) {
    const tf_config *config = &r->model->config;
    size_t width = tf_model_width(config);
    bool per_token = tf_model_output(config).per_token;
    const text_item *t = &r->texts->item[i];
    printf("%4zu  ", r->offset + i);
    if (t->empty) {
        printf("error: %s\n", empty_text);
        return TF_OK;
    }
    print_cell(t->first, t->first_length, l.text);
    if (per_token) {
        token_result result = token_result_of(r, i);
        putchar('\n');
        return token_result_print(&result);
    }
    const float *values = r->values + i * width, *plain = r->plain ? r->plain + i * width : NULL;
    if (config->head == TF_HEAD_CLASSIFIER) {
        print_verdict(config, values, l.label);
        if (plain && l.apart) print_verdict(config, plain, l.label);
        if (plain && !l.apart) printf("  %5.3f", judge(config, plain).score);
    } else {
        print_embedding(values, width);
    }
    if (plain) printf("  %10.6f", largest_difference(values, plain, width));
    putchar('\n');
    return TF_OK;
}

static void print_title(const char *title, int columns) {
    printf("  ");
    print_cell(title, strlen(title), columns);
    printf(" score");
}

static void print_header(const result_report *r, layout l) {
    const tf_config *config = &r->model->config;
    printf("%4s  %-*s", "", l.text, "text");
    if (config->head == TF_HEAD_CLASSIFIER) {
        print_title(r->private ? "label (private)" : "label", l.label);
        if (l.apart) print_title("label (plain)", l.label);
        if (r->plain && !l.apart) printf("  %5s", "plain");
    } else if (!tf_model_output(config).per_token) {
        char title[64];
        snprintf(title, sizeof title, " embedding, %zu values (see --json)", tf_model_width(config));
        printf("%-*s", EMBEDDING_COLUMNS, title);
    }
    if (r->plain && !tf_model_output(config).per_token) printf("  %10s", "difference");
    putchar('\n');
}

/* Bytes that a party sent and received. */
static void print_party(const result_report *r, int party, const char *role, const char *saw) {
    uint64_t sent = 0, received = 0;
    for (int other = 0; other < TF_PARTIES; other++) {
        sent += r->run.links[party][other];
        received += r->run.links[other][party];
    }
    char sent_text[32], received_text[32];
    const int indent = 12;
    int at = printf("  party %d, %s: ", party, role);
    char line[200];
    snprintf(line, sizeof line, "saw %s; sent %s, received %s", saw, bytes_text(sent, sent_text),
             bytes_text(received, received_text));
    print_words(stdout, line, at, indent, report_columns());
}

static void print_parties(const result_report *r) {
    char all[160];
    snprintf(all, sizeof all,
             "Who saw what (all three: the architecture, %show many texts there are, how many tokens each has or is "
             "padded to)",
             r->model->calibrated ? "calibrated ranges, " : "");
    putchar('\n');
    print_words(stdout, all, 0, 4, report_columns());
    for (int party = 0; party < TF_PARTIES; party++) {
        bool model = party == r->model_owner, data = party == r->data_owner;
        if (r->model_owner == TF_OUTSIDE && !data)
            print_party(r, party, "compute party", "random numbers only");
        else if (r->model_owner == TF_OUTSIDE)
            print_party(r, party, "data owner", "its texts and the results; of the weights, random numbers only");
        else if (model && data)
            print_party(r, party, "model and data owner", "its weights, its texts and the results");
        else if (model)
            print_party(r, party, "model owner", "its weights; of texts and results, random numbers only");
        else if (data)
            print_party(r, party, "data owner", "its texts and the results; of the weights, random numbers only");
        else
            print_party(r, party, "helper", "random numbers only");
    }
    char added[32];
    if (r->run.bytes_encryption > 0)
        print_prose(stdout, 2, "on the way between them: TLS 1.3 and AES-128-GCM, which added %s",
                    bytes_text(r->run.bytes_encryption, added));
    if (r->data_owner == TF_OUTSIDE)
        print_prose(stdout, 2, "(the results stay shared: trefoil reveal puts those in %s together)", r->kept_in);
    if (r->local) print_prose(stdout, 2, "(--local: all three ran in one process here, which sees everything)");
    if (r->checked)
        print_prose(stdout, 2, "(--check: party %d opened the weights as well, to compare with the plain model)",
                    r->data_owner);
}

/* How many texts, and how right their results are, as far as that is known. */
static void print_counts(const result_report *r) {
    size_t labelled, right = count_right(r, &labelled);
    bool classifies = r->model->config.head == TF_HEAD_CLASSIFIER;
    char judged[80] = "", alike[64] = "", off[64] = "";
    if (labelled)
        snprintf(judged, sizeof judged, ", %zu of %zu labelled right (%.1f%%)", right, labelled,
                 100.0 * (double)right / (double)labelled);
    if (r->plain && classifies) snprintf(alike, sizeof alike, ", %zu with the label of the plain model", count_same(r));
    if (r->plain)
        snprintf(off, sizeof off, ", largest difference %.6f",
                 largest_difference(r->values, r->plain, count_values(r)));
    print_prose(stdout, 0, "%zu text%s%s%s%s", r->texts->count, r->texts->count == 1 ? "" : "s", judged, alike, off);
}

static void print_summary(const result_report *r) {
    putchar('\n');
    print_counts(r);
    if (r->decoys)
        print_prose(
            stdout, 0,
            "%zu decoys right, within %.2g: tampering with one text would have been found with probability %.2f",
            r->decoys, r->decoys_off, (double)r->decoys / (double)(r->decoys + r->texts->count));
    double rest = r->seconds_total - r->run.seconds_setup - r->run.seconds_online;
    print_prose(stdout, 0, "%.2f s (set-up %.2f s, online %.2f s, files and texts %.2f s)", r->seconds_total,
                r->run.seconds_setup, r->run.seconds_online, rest > 0 ? rest : 0);
    if (r->private) {
        char measured[32], setup[32], network[NETWORK_WORDS];
        uint64_t total = links_total(r->run.links);
        bool met = total == r->run.forecast_bytes && r->run.rounds == r->run.forecast_rounds;
        print_prose(stdout, 0, "%s in %llu rounds%s%s, and %s for set-up", bytes_text(total, measured),
                    (unsigned long long)r->run.rounds, met ? " as forecast" : "",
                    network_text(&r->run.network, network), bytes_text(r->run.bytes_setup, setup));
    }
}

tf_status results_print(const result_report *r) {
    if (r->form->json) return form_print(r->form, results_json(r));
    bool classifies = r->model->config.head == TF_HEAD_CLASSIFIER;
    layout l = layout_of(r, r->values && r->plain && classifies && count_same(r) == r->texts->count);
    if (r->values) print_header(r, l);
    for (size_t i = 0; i < r->texts->count && r->values; i++) TF_TRY(print_row(r, i, l));
    print_summary(r);
    if (r->private && r->verbose) print_parties(r);
    if (r->data_owner == TF_OUTSIDE && !r->verbose)
        printf("The results stay shared: trefoil reveal puts those in %s together\n", r->kept_in);
    return finish_output();
}

tf_status results_print_line(const result_report *r, bool header) {
    if (r->form->json) {
        json_t *object = json_result(r, 0), *bytes = json_bytes(r->run.links);
        json_object_set_new(bytes, "setup", json_integer((json_int_t)r->run.bytes_setup));
        json_object_set_new(object, "seconds",
                            json_pack("{s:f,s:f,s:f}", "total", r->seconds_total, "setup", r->run.seconds_setup,
                                      "online", r->run.seconds_online));
        json_object_set_new(object, "bytes", bytes);
        json_object_set_new(object, "rounds", json_integer((json_int_t)r->run.rounds));
        return json_print(object);
    }
    layout l = layout_of(r, false);
    if (header) print_header(r, l);
    TF_TRY(print_row(r, 0, l));
    return finish_output();
}

tf_status results_print_refusal(const result_report *r, const char *reason) {
    if (r->form->json) return json_print(json_pack("{s:I,s:s}", "index", (json_int_t)r->offset, "error", reason));
    printf("%4zu  error: ", r->offset);
    print_cell(reason, strlen(reason), 200);
    putchar('\n');
    return finish_output();
}

tf_status results_print_values(const result_report *r, size_t texts) {
    const tf_config *config = &r->model->config;
    size_t width = tf_model_width(config);
    if (r->form->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < texts; i++) json_array_append_new(list, json_result(r, i));
        return form_print(r->form, json_pack("{s:o}", "results", list));
    }
    for (size_t i = 0; i < texts; i++) {
        printf("%4zu  ", i);
        if (is_empty(r, i))
            printf("error: %s", empty_text);
        else if (config->head == TF_HEAD_CLASSIFIER)
            print_verdict(config, r->values + i * width, layout_of(r, false).label);
        else
            print_embedding(r->values + i * width, width);
        putchar('\n');
    }
    return finish_output();
}
