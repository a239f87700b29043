#include "models/ranges.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/base/file.h"
#include "net/base/new_file.h"

enum { PATH_SIZE = 4096, MOST_BYTES = 1 << 24 };
static const double MOST_FACTOR = 1e6, MOST_MAGNITUDE = 1e30;

void tf_ranges_free(tf_ranges *ranges) {
    free(ranges->entry);
    *ranges = (tf_ranges){0};
}

static tf_ranges_entry *find(const tf_ranges *ranges, const char *name) {
    for (size_t i = 0; i < ranges->count; i++)
        if (!strcmp(ranges->entry[i].name, name)) return &ranges->entry[i];
    return NULL;
}

double tf_ranges_find(const tf_ranges *ranges, const char *name) {
    const tf_ranges_entry *entry = find(ranges, name);
    return entry ? entry->largest : 0;
}

tf_status tf_ranges_note(tf_ranges *ranges, const char *name, double magnitude) {
    tf_ranges_entry *entry = find(ranges, name);
    if (!entry) {
        if (strlen(name) >= sizeof entry->name) return tf_fail(TF_FORMAT, "the node name %.100s is too long", name);
        if (ranges->count == ranges->capacity) {
            size_t capacity = ranges->capacity ? 2 * ranges->capacity : 64;
            tf_ranges_entry *grown = realloc(ranges->entry, capacity * sizeof *grown);
            if (!grown) return tf_fail(TF_NOMEM, "out of memory");
            ranges->entry = grown;
            ranges->capacity = capacity;
        }
        entry = &ranges->entry[ranges->count++];
        *entry = (tf_ranges_entry){.largest = 0};
        strcpy(entry->name, name);
    }
    if (magnitude > entry->largest) entry->largest = magnitude;
    return TF_OK;
}

void tf_ranges_watch_node(void *context, const tf_graph *graph, tf_id node, const tf_array *value) {
    tf_ranges_watch *watch = context;
    size_t count = tf_shape_count(value->shape);
    double largest = 0;
    if (watch->status != TF_OK) return;
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)value->data[i]);
        if (!(size <= largest)) largest = size; /* lets what is not a number through */
    }
    if (!isfinite(largest))
        watch->status = tf_fail(TF_RANGE, "%s has a value that is not finite", graph->node[node].name);
    else
        watch->status = tf_ranges_note(watch->ranges, graph->node[node].name, largest);
}

void tf_ranges_apply(const tf_ranges *ranges, tf_graph *graph) {
    for (int i = 0; i < graph->nodes; i++) {
        const tf_ranges_entry *entry = graph->node[i].op ? find(ranges, graph->node[i].name) : NULL;
        if (entry) graph->node[i].range = fmax(entry->largest * ranges->factor * TF_ROUNDING_ROOM, 1);
    }
}

/* ranges.json ------------------------------------------------------------------------------------------------------ */

static tf_status read_entries(const char *path, const json_t *object, tf_ranges *ranges) {
    const char *name;
    json_t *value;
    if (!json_is_object(object)) return tf_fail(TF_FORMAT, "%s: \"ranges\" is no object", path);
    json_object_foreach((json_t *)object, name, value) {
        double number = json_is_number(value) ? json_number_value(value) : NAN;
        if (!(number >= 0 && number <= MOST_MAGNITUDE) || !tf_printable(name))
            return tf_fail(TF_FORMAT, "%s: \"ranges\" has a magnitude that is no number from 0 on", path);
        tf_status status = tf_ranges_note(ranges, name, number);
        if (status != TF_OK) return tf_fail_in(status, "%s", path);
    }
    return TF_OK;
}

static tf_status read_object(const char *path, const json_t *object, tf_ranges *ranges) {
    const char *model = json_string_value(json_object_get(object, "model"));
    const char *approx = json_string_value(json_object_get(object, "approx"));
    const json_t *factor = json_object_get(object, "factor"), *texts = json_object_get(object, "texts");
    if (!model || strlen(model) != sizeof ranges->model - 1 || !tf_printable(model))
        return tf_fail(TF_FORMAT, "%s: \"model\" is not a SHA-256 digest", path);
    if (!approx || strlen(approx) >= sizeof ranges->approx || !tf_printable(approx))
        return tf_fail(TF_FORMAT, "%s: \"approx\" is no list of approximations", path);
    ranges->factor = json_is_number(factor) ? json_number_value(factor) : NAN;
    if (!(ranges->factor >= 1 && ranges->factor <= MOST_FACTOR))
        return tf_fail(TF_FORMAT, "%s: \"factor\" is no number from 1 to %g", path, MOST_FACTOR);
    ranges->texts = json_integer_value(texts) > 0 ? (size_t)json_integer_value(texts) : 0;
    strcpy(ranges->model, model);
    strcpy(ranges->approx, approx);
    return read_entries(path, json_object_get(object, "ranges"), ranges);
}

tf_status tf_ranges_read(const char *directory, tf_ranges *ranges, bool *found) {
    char path[PATH_SIZE];
    json_t *object;
    *ranges = (tf_ranges){0};
    TF_TRY(tf_path_join(directory, TF_RANGES_FILE, path, sizeof path));
    *found = access(path, F_OK) == 0 || errno != ENOENT;
    if (!*found) return TF_OK;
    TF_TRY(tf_json_read(path, MOST_BYTES, &object));
    tf_status status = read_object(path, object, ranges);
    json_decref(object);
    if (status != TF_OK) tf_ranges_free(ranges);
    return status;
}

tf_status tf_ranges_write(const char *directory, const tf_ranges *ranges) {
    char path[PATH_SIZE];
    TF_TRY(tf_path_join(directory, TF_RANGES_FILE, path, sizeof path));
    json_t *list = json_object();
    for (size_t i = 0; i < ranges->count; i++)
        json_object_set_new(list, ranges->entry[i].name, json_real(ranges->entry[i].largest));
    json_t *object = json_pack("{s:s,s:s,s:f,s:I,s:o}", "model", ranges->model, "approx", ranges->approx, "factor",
                               ranges->factor, "texts", (json_int_t)ranges->texts, "ranges", list);
    if (!object) return tf_fail(TF_NOMEM, "out of memory");
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(object);
    if (!text) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = tf_file_write(path, 0666, text, strlen(text));
    free(text);
    return status;
}
