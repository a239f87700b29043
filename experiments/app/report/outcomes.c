#include "experiments/app/report/outcomes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const tf_ranges_entry *largest(const tf_ranges *ranges) {
    const tf_ranges_entry *found = &ranges->entry[0];
    for (size_t i = 1; i < ranges->count; i++)
        if (ranges->entry[i].largest > found->largest) found = &ranges->entry[i];
    return found;
}

tf_status calibration_print(const report_form *form, const char *directory, const tf_ranges *ranges, double seconds) {
    const tf_ranges_entry *most = largest(ranges);
    if (form->json)
        return form_print(form, json_pack("{s:I,s:I,s:f,s:{s:s,s:f},s:{s:f}}", "texts", (json_int_t)ranges->texts,
                                          "nodes", (json_int_t)ranges->count, "factor", ranges->factor, "largest",
                                          "name", most->name, "magnitude", most->largest, "seconds", "total", seconds));
    print_prose(stdout, 0, "%s/ranges.json: %zu nodes over %zu texts in %.2f s; the largest magnitude is %.4g, at %s",
                directory, ranges->count, ranges->texts, seconds, most->largest, most->name);
    return finish_output();
}

tf_status head_print(const report_form *form, const head_outcome *h) {
    if (form->json)
        return form_print(form, json_pack("{s:s,s:I,s:I,s:f,s:{s:f,s:f,s:f}}", "out", h->directory, "texts",
                                          (json_int_t)h->texts, "labels", (json_int_t)h->labels, "train_accuracy",
                                          h->accuracy, "seconds", "total", h->embed_seconds + h->fit_seconds, "embed",
                                          h->embed_seconds, "fit", h->fit_seconds));
    printf("%s: %zu labels fitted on %zu texts, training accuracy %.1f%% (embeddings %.1f s, fit %.1f s)\n",
           h->directory, h->labels, h->texts, 100 * h->accuracy, h->embed_seconds, h->fit_seconds);
    return finish_output();
}

tf_status fingerprint_print(const report_form *form, const char *fingerprint, int party, const char *directory) {
    if (form->json && directory)
        return form_print(
            form, json_pack("{s:i,s:s,s:s}", "party", party, "fingerprint", fingerprint, "directory", directory));
    if (form->json) return form_print(form, json_pack("{s:s}", "fingerprint", fingerprint));
    printf("%s\n", fingerprint);
    if (directory)
        print_prose(
            stderr, 0,
            "%s/key.pem is secret and stays on party %d's host. Tell the other parties the fingerprint above, on "
            "a way that nobody can tamper with, for the parties file.",
            directory, party);
    return finish_output();
}

tf_status parts_print(const report_form *form, const char *directory, const char *what, size_t count,
                      const size_t bytes[TF_PARTIES], const tf_digest *root, double seconds) {
    char hex[TF_DIGEST_TEXT];
    if (root) tf_digest_text(root, hex);
    if (form->json)
        return form_print(form, json_pack("{s:s,s:I,s:[I,I,I],s:s*,s:f}", "out", directory, what, (json_int_t)count,
                                          "bytes", (json_int_t)bytes[0], (json_int_t)bytes[1], (json_int_t)bytes[2],
                                          "model_root", root ? hex : NULL, "seconds", seconds));
    char text[TF_PARTIES][32];
    printf("%s: %zu %s for three parties in %.2f s: party0 %s, party1 %s, party2 %s\n", directory, count, what, seconds,
           bytes_text(bytes[0], text[0]), bytes_text(bytes[1], text[1]), bytes_text(bytes[2], text[2]));
    if (root) printf("The model's root, by which a party knows which model it has (--model-root): %s\n", hex);
    printf("Give each directory to its party, by a way that no other party can read.\n");
    return finish_output();
}

static tf_status print_places(const encoded_text *text, const tf_tokenizer *tokenizer) {
    json_t *ids = json_array(), *tokens = json_array(), *offsets = json_array();
    for (size_t k = 0; k < text->length; k++) {
        const tf_token_place *place = &text->place[k];
        size_t length = 0;
        const char *token = tf_tokenizer_token(tokenizer, text->ids[k], &length);
        json_array_append_new(ids, json_integer(text->ids[k]));
        json_array_append_new(tokens, token ? json_stringn(token, length) : json_null());
        json_array_append_new(offsets, place->text < 0 ? json_null()
                                                       : json_pack("[i,I,I]", place->text, (json_int_t)place->start,
                                                                   (json_int_t)place->end));
    }
    json_t *line = json_pack("{s:o,s:o,s:o}", "ids", ids, "tokens", tokens, "offsets", offsets);
    bool printed = line && !json_dumpf(line, stdout, JSON_PRESERVE_ORDER);
    json_decref(line);
    if (!printed) return tf_fail(TF_NOMEM, "the tokens cannot be printed");
    putchar('\n');
    return TF_OK;
}

tf_status tokens_print(const encoded_text *text, size_t count, const tf_tokenizer *tokenizer) {
    for (size_t i = 0; i < count; i++) {
        if (tokenizer) {
            TF_TRY(print_places(&text[i], tokenizer));
            continue;
        }
        putchar('[');
        for (size_t k = 0; k < text[i].length; k++) printf("%s%" PRId32, k ? ", " : "", text[i].ids[k]);
        puts("]");
    }
    return finish_output();
}

tf_status verified_print(const report_form *form, const char *directory, int party, const tf_digest *model,
                         const tf_digest root[3], const tf_digest *tokenizer) {
    char text[5][TF_DIGEST_TEXT];
    for (int j = 0; j < 3; j++) tf_digest_text(&root[j], text[j]);
    tf_digest_text(model, text[3]);
    tf_digest_text(tokenizer, text[4]);
    if (form->json)
        return form_print(form,
                          json_pack("{s:s,s:i,s:s,s:[s,s,s],s:s}", "directory", directory, "party", party, "model_root",
                                    text[3], "roots", text[0], text[1], text[2], "tokenizer_digest", text[4]));
    printf("%s, party %d\n  model root  %s\n", directory, party, text[3]);
    for (int j = 0; j < 3; j++)
        print_prose(stdout, 2, "component %d %s%s", j, text[j], j == (party + 2) % 3 ? " (as published)" : "");
    printf("  tokenizer   %s\n", strspn(text[4], "0") == strlen(text[4]) ? "none" : text[4]);
    return finish_output();
}
