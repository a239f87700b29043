#include "models/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "net/base/array.h"
#include "net/base/file.h"
#include "net/base/new_file.h"
#include "runtime/lower/guard.h"

enum { PATH_SIZE = 4096, MOST_BYTES = 1 << 24 };
static const double MOST_MAGNITUDE = 1e30;

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
        tf_ranges_entry *grown = tf_grow(ranges->entry, &ranges->capacity, ranges->count + 1, sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "out of memory");
        ranges->entry = grown;
        entry = &ranges->entry[ranges->count++];
        *entry = (tf_ranges_entry){.largest = 0};
        strcpy(entry->name, name);
    }
    if (magnitude > entry->largest) entry->largest = magnitude;
    return TF_OK;
}

void tf_ranges_note_row(tf_ranges *ranges, const char *name, double square) {
    tf_ranges_entry *entry = find(ranges, name);
    if (entry && square > entry->square) entry->square = square;
}

/** The largest squared norm of the rows' sketches. */
static double largest_square(const tf_array *value) {
    size_t row = tf_shape_last(value->shape), rows = tf_shape_count(value->shape) / row;
    double largest = 0;
    for (size_t r = 0; r < rows; r++) largest = fmax(largest, tf_sketch_square(value->data + r * row, row));
    return largest;
}

/** The least sum of squares, with eps, of the rows of a value that a norm reads; rows that are flat to 17 fractional
 *  bits count for nothing: they come out as zeros or nearly, however they are divided. */
static double least_of_rows(const tf_node *norm, const tf_array *value) {
    size_t row = tf_shape_last(value->shape), rows = tf_shape_count(value->shape) / row;
    bool centred = strcmp(norm->op->kind, "layernorm") || tf_attr_get(norm, "centred", 0) != 0;
    const double flat = ldexp((double)row, -34);
    double least = INFINITY;
    for (size_t r = 0; r < rows; r++) {
        const float *x = value->data + r * row;
        double mean = 0, sum = 0;
        for (size_t i = 0; i < row && !centred; i++) mean += x[i] / (double)row;
        for (size_t i = 0; i < row; i++) sum += (x[i] - mean) * (x[i] - mean);
        if (sum > flat) least = fmin(least, sum + tf_attr_get(norm, "eps", 0) * (double)row);
    }
    return least;
}

/** Lowers the least sum of squares at a node that was noted, if a norm divides by its rows'. */
static void note_least(tf_ranges *ranges, const tf_graph *graph, tf_id node, const tf_array *value) {
    tf_ranges_entry *entry = find(ranges, graph->node[node].name);
    for (tf_id i = node + 1; entry && i < graph->nodes; i++) {
        const tf_node *norm = &graph->node[i];
        if (!norm->op || norm->input[0] != node || strcmp(norm->op->variant, "exact") ||
            (strcmp(norm->op->kind, "layernorm") && strcmp(norm->op->kind, "rmsnorm")))
            continue;
        double least = least_of_rows(norm, value);
        if (isfinite(least) && (entry->least == 0 || least < entry->least)) entry->least = least;
    }
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
    if (watch->status == TF_OK && tf_guarded(graph, node))
        tf_ranges_note_row(watch->ranges, graph->node[node].name, largest_square(value));
    if (watch->status == TF_OK) note_least(watch->ranges, graph, node, value);
}

static double power_from(double least) {
    double power = 1;
    while (power < least) power *= 2;
    return power;
}

/** The range of a node: the same whether it is made of magnitudes or was read. */
static double range_of(const tf_ranges *ranges, const tf_ranges_entry *entry) {
    return ranges->rounded ? entry->largest : power_from(entry->largest * ranges->factor * TF_ROUNDING_ROOM);
}

/** The bound of a row's squared norm, likewise; 0 where there is none. */
static double square_of(const tf_ranges *ranges, const tf_ranges_entry *entry) {
    if (ranges->rounded || entry->square <= 0) return entry->square;
    return power_from(entry->square * ranges->factor * ranges->factor * TF_ROUNDING_ROOM);
}

tf_status tf_ranges_check_rows(const tf_ranges *ranges, double (*resolved)(double square)) {
    for (size_t i = 0; i < ranges->count; i++) {
        const tf_ranges_entry *entry = &ranges->entry[i];
        double limit = resolved(square_of(ranges, entry));
        if (entry->least > 0 && entry->least < limit)
            return tf_fail(
                TF_RANGE,
                "%s: a row's squares add up to %.2g, where the norm that divides by it is right from %.2g on "
                "alone: rows as flat as that would come out too small",
                entry->name, entry->least, limit);
    }
    return TF_OK;
}

void tf_ranges_apply(const tf_ranges *ranges, tf_graph *graph) {
    for (int i = 0; i < graph->nodes; i++) {
        const tf_ranges_entry *entry = graph->node[i].op ? find(ranges, graph->node[i].name) : NULL;
        if (!entry) continue;
        graph->node[i].range = range_of(ranges, entry);
        graph->node[i].square = ranges->unguarded ? 0 : square_of(ranges, entry);
    }
}

/* Files ------------------------------------------------------------------------------------------------------------ */

/** Reads powers of two by the names of nodes: ranges, or (`rows`) the bounds of nodes that were read already. */
static tf_status read_entries(const char *path, const json_t *object, const char *key, bool rows, tf_ranges *ranges) {
    const char *name;
    json_t *value;
    object = json_object_get(object, key);
    if (!json_is_object(object)) return tf_fail(TF_FORMAT, "%s: \"%s\" is no object: calibrate again", path, key);
    json_object_foreach((json_t *)object, name, value) {
        int exponent;
        double number = json_is_number(value) ? json_number_value(value) : NAN;
        if (!(number >= 1 && number <= MOST_MAGNITUDE) || frexp(number, &exponent) != 0.5 || !tf_printable(name))
            return tf_fail(TF_FORMAT, "%s: \"%s\" has one that is no power of two from 1 on: calibrate again", path,
                           key);
        if (rows && !find(ranges, name))
            return tf_fail(TF_FORMAT, "%s: \"%s\" has a node that has no range", path, key);
        tf_status status = rows ? TF_OK : tf_ranges_note(ranges, name, number);
        if (rows) tf_ranges_note_row(ranges, name, number);
        if (status != TF_OK) return tf_fail_in(status, "%s", path);
    }
    return TF_OK;
}

/** What a calibration says of itself; the texts stay the object's. */
static tf_status read_head(const char *path, const json_t *object, tf_digest *id, const char **approx) {
    *approx = json_string_value(json_object_get(object, "approx"));
    if (!tf_digest_parse(json_string_value(json_object_get(object, "id")), id))
        return tf_fail(TF_FORMAT, "%s: \"id\" is not 64 hexadecimal digits: calibrate again", path);
    if (!*approx || strlen(*approx) >= TF_APPROX_TEXT || !tf_printable(*approx))
        return tf_fail(TF_FORMAT, "%s: \"approx\" is no list of approximations", path);
    return TF_OK;
}

/** The calibrations of a file: a list, or one that is the whole file. A new reference, or NULL. */
static json_t *calibrations_of(json_t *whole) {
    json_t *list = json_object_get(whole, "calibrations");
    return list ? json_incref(list) : json_pack("[O]", whole);
}

static tf_status read_chosen(const char *path, const json_t *list, const char *wanted, tf_ranges *ranges, bool *found) {
    if (!json_is_array(list)) return tf_fail(TF_FORMAT, "%s: \"calibrations\" is no list: calibrate again", path);
    for (size_t i = 0; i < json_array_size(list) && !*found; i++) {
        const json_t *object = json_array_get(list, i);
        const char *approx;
        tf_digest id;
        TF_TRY(read_head(path, object, &id, &approx));
        *found = !strcmp(approx, wanted);
        if (*found || !ranges->approx[0]) strcpy(ranges->approx, approx);
        if (!*found) continue;
        ranges->rounded = true;
        ranges->factor = 1;
        tf_digest_text(&id, ranges->id);
        TF_TRY(read_entries(path, object, "ranges", false, ranges));
        TF_TRY(read_entries(path, object, "rows", true, ranges));
    }
    return TF_OK;
}

tf_status tf_ranges_read(const char *directory, const char *approx, tf_ranges *ranges, bool *found) {
    char path[PATH_SIZE];
    json_t *whole;
    *ranges = (tf_ranges){0};
    *found = false;
    TF_TRY(tf_path_join(directory, TF_RANGES_FILE, path, sizeof path));
    if (access(path, F_OK) != 0 && errno == ENOENT) return TF_OK;
    TF_TRY(tf_json_read(path, MOST_BYTES, &whole));
    json_t *list = calibrations_of(whole);
    tf_status status = read_chosen(path, list, approx, ranges, found);
    json_decref(list);
    json_decref(whole);
    if (status != TF_OK) tf_ranges_free(ranges);
    return status;
}

/** The calibration with this id in a list, or NULL. */
static const json_t *with_id(const json_t *list, const char *id) {
    for (size_t i = 0; id && i < json_array_size(list); i++) {
        const char *other = json_string_value(json_object_get(json_array_get(list, i), "id"));
        if (other && !strcmp(other, id)) return json_array_get(list, i);
    }
    return NULL;
}

static bool has_text(const json_t *object, const char *key, const char *text) {
    const char *value = json_string_value(json_object_get(object, key));
    return value && !strcmp(value, text);
}

tf_status tf_ranges_match(const char *directory, const tf_ranges *ranges, const char *model, bool *match) {
    char path[PATH_SIZE];
    json_t *whole;
    TF_TRY(tf_path_join(directory, TF_RANGES_PRIVATE_FILE, path, sizeof path));
    TF_TRY(tf_json_read(path, MOST_BYTES, &whole));
    json_t *list = calibrations_of(whole);
    *match = has_text(with_id(list, ranges->id), "model", model);
    json_decref(list);
    json_decref(whole);
    return TF_OK;
}

/** Takes over the reference to `object`. */
static tf_status write_object(const char *directory, const char *name, unsigned mode, json_t *object) {
    char path[PATH_SIZE];
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    if (!text) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = tf_path_join(directory, name, path, sizeof path);
    if (status == TF_OK) status = tf_file_write(path, mode, text, strlen(text));
    free(text);
    return status;
}

/** The calibrations in a file of the directory; an empty list where none can be read. */
static json_t *list_in(const char *directory, const char *name) {
    char path[PATH_SIZE];
    json_t *whole = NULL;
    if (tf_path_join(directory, name, path, sizeof path) != TF_OK || tf_json_read(path, MOST_BYTES, &whole) != TF_OK)
        return json_array();
    json_t *list = calibrations_of(whole);
    json_decref(whole);
    if (json_is_array(list)) return list;
    json_decref(list);
    return json_array();
}

/** Leaves what a new calibration does not replace: of the same weights, for other approximations, and in both lists. */
static void keep_others(const tf_ranges *ranges, json_t *known, json_t *own) {
    for (size_t i = json_array_size(own); i-- > 0;) {
        const json_t *object = json_array_get(own, i);
        if (!has_text(object, "model", ranges->model) || has_text(object, "approx", ranges->approx))
            json_array_remove(own, i);
    }
    for (size_t i = json_array_size(known); i-- > 0;)
        if (!with_id(own, json_string_value(json_object_get(json_array_get(known, i), "id"))))
            json_array_remove(known, i);
    for (size_t i = json_array_size(own); i-- > 0;)
        if (!with_id(known, json_string_value(json_object_get(json_array_get(own, i), "id"))))
            json_array_remove(own, i);
}

/** A calibration as all parties know it, and as its owner does. */
static void describe(const tf_ranges *ranges, json_t **known, json_t **own) {
    json_t *range = json_object(), *rows = json_object(), *magnitudes = json_object(), *squares = json_object(),
           *least = json_object();
    for (size_t i = 0; i < ranges->count; i++) {
        const tf_ranges_entry *entry = &ranges->entry[i];
        json_object_set_new(range, entry->name, json_real(range_of(ranges, entry)));
        json_object_set_new(magnitudes, entry->name, json_real(entry->largest));
        if (entry->least > 0) json_object_set_new(least, entry->name, json_real(entry->least));
        if (entry->square <= 0) continue;
        json_object_set_new(rows, entry->name, json_real(square_of(ranges, entry)));
        json_object_set_new(squares, entry->name, json_real(entry->square));
    }
    *known = json_pack("{s:s,s:s,s:o,s:o}", "id", ranges->id, "approx", ranges->approx, "ranges", range, "rows", rows);
    *own = json_pack("{s:s,s:s,s:s,s:f,s:I,s:o,s:o,s:o}", "id", ranges->id, "model", ranges->model, "approx",
                     ranges->approx, "factor", ranges->factor, "texts", (json_int_t)ranges->texts, "magnitudes",
                     magnitudes, "squares", squares, "least", least);
}

static tf_status write_lists(const char *directory, const tf_ranges *ranges) {
    json_t *known = list_in(directory, TF_RANGES_FILE), *own = list_in(directory, TF_RANGES_PRIVATE_FILE);
    json_t *of_all, *of_owner;
    keep_others(ranges, known, own);
    describe(ranges, &of_all, &of_owner);
    bool whole = json_array_append_new(known, of_all) == 0;
    whole &= json_array_append_new(own, of_owner) == 0;
    json_t *files[] = {json_pack("{s:o}", "calibrations", own), json_pack("{s:o}", "calibrations", known)};
    tf_status status = whole ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK) status = write_object(directory, TF_RANGES_PRIVATE_FILE, 0600, json_incref(files[0]));
    if (status == TF_OK) status = write_object(directory, TF_RANGES_FILE, 0666, json_incref(files[1]));
    json_decref(files[0]);
    json_decref(files[1]);
    return status;
}

tf_status tf_ranges_write(const char *directory, tf_ranges *ranges) {
    tf_digest id;
    TF_TRY(tf_digest_random(&id));
    tf_digest_text(&id, ranges->id);
    /* Two calibrations at once, of two approximations: one after the other, where the file system has locks. */
    int held = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (held >= 0) (void)!flock(held, LOCK_EX);
    tf_status status = write_lists(directory, ranges);
    if (held >= 0) close(held);
    return status;
}
