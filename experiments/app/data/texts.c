#include "experiments/app/data/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static tf_status read_file(const text_source *source, text_list *out) {
    *out = (text_list){.file = source->path};
    text_reader *reader;
    TF_TRY(text_reader_open(source, &reader));
    tf_status status = TF_OK;
    for (bool end = false; status == TF_OK && !end && (source->limit == 0 || out->count < source->limit);)
        status = text_reader_next(reader, out, &end);
    text_reader_close(reader);
    out->file = source->path; /* as given: the reader is gone */
    if (status == TF_OK && !out->count) status = tf_fail(TF_FORMAT, "%s holds no text", source->path);
    if (status != TF_OK) texts_free(out);
    return status;
}

static tf_status take_given(const text_source *source, size_t count, text_list *out) {
    out->item = calloc(count + 1, sizeof *out->item);
    if (!out->item) return tf_fail(TF_NOMEM, "out of memory");
    for (; out->count < count; out->count++) {
        text_item *item = &out->item[out->count];
        item->first = strdup(source->text[out->count]);
        if (!item->first) return tf_fail(TF_NOMEM, "out of memory");
        item->first_length = strlen(item->first);
    }
    return TF_OK;
}

tf_status texts_read(const text_source *source, text_list *out) {
    if (source->path) return read_file(source, out);
    *out = (text_list){0};
    if (source->columns || source->format)
        return tf_fail(TF_INVALID, "--columns and --format go with --input, not with --text");
    size_t count = source->limit && source->limit < source->texts ? source->limit : source->texts;
    tf_status status = take_given(source, count, out);
    if (status != TF_OK) texts_free(out);
    return status;
}

/* Whether a file's ending says how texts are in it. */
static bool ending_tells(const char *path) {
    static const char *const endings[] = {".jsonl", ".ndjson", ".json", ".csv", ".tsv"};
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(ending, endings[i])) return true;
    return false;
}

tf_status texts_read_data(const text_source *source, bool labelled, text_list *out) {
    text_source data = *source;
    if (!data.format && !ending_tells(data.path)) data.format = "tsv";
    TF_TRY(read_file(&data, out));
    for (size_t i = 0; labelled && i < out->count; i++)
        if (!out->item[i].label || !out->item[i].label[0]) {
            char place[4200];
            tf_status status = tf_fail(TF_FORMAT, "%s has no label", text_place(out, i, place, sizeof place));
            texts_free(out);
            return status;
        }
    return TF_OK;
}
