#include "experiments/app/report/eval_store.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "experiments/app/data/model_files.h"
#include "experiments/app/report/form.h"
#include "net/base/new_file.h"

enum { RESULTS_VERSION = 1 };
enum { LINE_FORM = JSON_COMPACT | JSON_REAL_PRECISION(9) }; /* nine digits tell any two floats apart */

static tf_status io_error(const char *path) {
    return tf_fail(TF_IO, "%s: %s", path, strerror(errno));
}

tf_status eval_store_make(eval_store *store, const char *path, const eval_facts *facts, const eval_task *task) {
    size_t texts = task->texts->count, values = task->first[texts] * task->width;
    bool plain = facts->check;
    json_t *header =
        json_pack("{s:s,s:i,s:s,s:s,s:i,s:s,s:I,s:b,s:s?}", "trefoil", facts->plain ? "plain evaluation" : "evaluation",
                  "version", RESULTS_VERSION, "model", facts->model, "approx", facts->approx, "frac_bits",
                  facts->plain ? 0 : facts->fraction_bits, "data", facts->data, "examples", (json_int_t)texts, "check",
                  (int)facts->check, "ranges", facts->ranges);
    *store = (eval_store){.path = path, .header = header, .task = task, .row = facts->row, .file = -1};
    store->key = task->config->head == TF_HEAD_CAUSAL ? "likelihood" : "logits";
    store->finished = calloc(texts, sizeof *store->finished);
    store->values = calloc(values + 1, sizeof *store->values);
    store->plain = plain ? calloc(values + 1, sizeof *store->plain) : NULL;
    if (header && store->finished && store->values && (store->plain || !plain)) return TF_OK;
    eval_store_close(store);
    return tf_fail(TF_NOMEM, "out of memory for the results of %zu texts", texts);
}

void eval_store_close(eval_store *store) {
    if (store->header && store->file >= 0) close(store->file);
    json_decref(store->header);
    free(store->finished);
    free(store->values);
    free(store->plain);
    *store = (eval_store){.file = -1};
}

static tf_status write_bytes(int file, const char *path, const char *data, size_t size) {
    while (size) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return io_error(path);
        data += written;
        size -= (size_t)written;
    }
    return TF_OK;
}

static tf_status synchronise(int file, const char *path) {
    return fsync(file) == 0 || errno == EINVAL ? TF_OK : io_error(path); /* EINVAL: a device, which cannot */
}

static tf_status write_line(int file, const char *path, const json_t *object) {
    char *text = object ? json_dumps(object, LINE_FORM) : NULL;
    if (!text) return tf_fail(TF_NOMEM, "out of memory");
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the closing zero */
    tf_status status = write_bytes(file, path, text, length + 1);
    free(text);
    return status;
}

/* What batches took ----------------------------------------------------------------------------------------------- */

static json_t *run_json(const run_report *run) {
    json_t *bytes = json_bytes(run->links);
    json_t *links = json_incref(json_object_get(bytes, "links"));
    json_decref(bytes);
    return json_pack("{s:{s:f,s:f},s:I,s:o}", "seconds", "setup", run->seconds_setup, "online", run->seconds_online,
                     "rounds", (json_int_t)run->rounds, "links", links);
}

static void add_run(run_report *sum, const run_report *run) {
    sum->seconds_setup += run->seconds_setup;
    sum->seconds_online += run->seconds_online;
    sum->rounds += run->rounds;
    for (int i = 0; i < TF_PARTIES; i++)
        for (int j = 0; j < TF_PARTIES; j++) sum->links[i][j] += run->links[i][j];
}

static uint64_t count_of(const json_t *number) {
    json_int_t count = json_integer_value(number);
    return count > 0 ? (uint64_t)count : 0;
}

/* What a line says of its batch; nothing where it says nothing. */
static run_report run_of(const json_t *batch) {
    const json_t *seconds = json_object_get(batch, "seconds"), *links = json_object_get(batch, "links");
    run_report run = {.seconds_setup = json_number_value(json_object_get(seconds, "setup")),
                      .seconds_online = json_number_value(json_object_get(seconds, "online")),
                      .rounds = count_of(json_object_get(batch, "rounds"))};
    for (size_t i = 0; i < TF_PARTIES; i++)
        for (size_t j = 0; j < TF_PARTIES; j++) run.links[i][j] = count_of(json_array_get(json_array_get(links, i), j));
    return run;
}

/* Rows ------------------------------------------------------------------------------------------------------------- */

/* Rows of values: a list of lists where an example may have several. */
static bool is_nested(const eval_store *store) {
    return store->task->kind == EVAL_WORDS || store->task->kind == EVAL_ANSWER;
}

static tf_status put_row(json_t *list, const char *prefix, const float *values, size_t width) {
    for (size_t k = 0; k < width; k++)
        if (json_array_append_new(list, json_real((double)values[k])))
            return tf_fail(TF_RANGE, "the %s of a text are not finite", prefix[0] ? "plain model's values" : "values");
    return TF_OK;
}

static tf_status put_values(const eval_store *store, size_t index, json_t *line, const char *prefix,
                            const float *values) {
    const eval_task *task = store->task;
    char key[32];
    json_t *list = json_array();
    tf_status status = TF_OK;
    for (size_t row = 0; row < eval_task_rows(task, index) && status == TF_OK; row++) {
        json_t *of_row = is_nested(store) ? json_array() : list;
        status = put_row(of_row, prefix, values + row * task->width, task->width);
        if (of_row != list) json_array_append_new(list, of_row);
    }
    json_t *prediction = status == TF_OK ? eval_prediction(task, index, values) : NULL;
    snprintf(key, sizeof key, "%sprediction", prefix);
    if (prediction) json_object_set_new(line, key, prediction);
    snprintf(key, sizeof key, "%s%s", prefix, store->key);
    json_object_set_new(line, key, list);
    return status;
}

static void keep(eval_store *store, size_t index) {
    store->finished[index] = true;
    store->done++;
}

/* An example's label as it was given: a list where it was one. */
static json_t *json_label(const char *label) {
    json_t *list = label && *label == '[' ? json_loads(label, 0, NULL) : NULL;
    return list ? list : label ? json_string(label) : json_null();
}

tf_status eval_store_append(eval_store *store, size_t count, const size_t *index, const float *values,
                            const float *plain, const run_report *run) {
    const eval_task *task = store->task;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = eval_task_rows(task, index[i]) * task->width, place = task->first[index[i]] * task->width;
        json_t *line = json_pack("{s:I,s:o}", "index", (json_int_t)index[i], "label",
                                 json_label(task->texts->item[index[i]].label));
        tf_status status = put_values(store, index[i], line, "", values + at);
        if (status == TF_OK && plain) status = put_values(store, index[i], line, "plain_", plain + at);
        if (i + 1 == count) json_object_set_new(line, "batch", run_json(run));
        if (status == TF_OK) status = write_line(store->file, store->path, line);
        json_decref(line);
        TF_TRY(status);
        memcpy(store->values + place, values + at, size * sizeof *values);
        if (store->plain) memcpy(store->plain + place, plain + at, size * sizeof *plain);
        keep(store, index[i]);
        at += size;
    }
    add_run(&store->spent, run);
    return synchronise(store->file, store->path);
}

/* Reading back ----------------------------------------------------------------------------------------------------- */

static bool get_row(const json_t *list, float *values, size_t width) {
    if (json_array_size(list) != width) return false;
    for (size_t k = 0; k < width; k++) {
        const json_t *value = json_array_get(list, k);
        if (!json_is_number(value)) return false;
        values[k] = (float)json_number_value(value);
    }
    return true;
}

/* Reads an example's values into their place. */
static bool get_values(const eval_store *store, size_t index, const json_t *line, const char *prefix, float *all) {
    const eval_task *task = store->task;
    size_t rows = eval_task_rows(task, index);
    float *values = all + task->first[index] * task->width;
    char key[32];
    snprintf(key, sizeof key, "%s%s", prefix, store->key);
    const json_t *list = json_object_get(line, key);
    if (!is_nested(store)) return get_row(list, values, task->width);
    if (!json_is_array(list) || json_array_size(list) != rows) return false;
    for (size_t row = 0; row < rows; row++)
        if (!get_row(json_array_get(list, row), values + row * task->width, task->width)) return false;
    return true;
}

/* Whether a header is of the first examples of these alone: what a smaller --limit left. */
static bool is_of_first_examples(const eval_store *store, const json_t *found) {
    char text[TF_DIGEST_TEXT];
    json_int_t count = json_integer_value(json_object_get(found, "examples"));
    const char *data = json_string_value(json_object_get(found, "data"));
    if (!store->row || !data || count < 1 || count >= (json_int_t)store->task->texts->count) return false;
    tf_digest first = tf_digest_of(store->row, (size_t)count * EVAL_ROW * sizeof *store->row);
    return !strcmp(tf_digest_text(&first, text), data);
}

/* Results of another version do not fit, whatever they are of. */
static tf_status check_version(const char *path, const json_t *found) {
    json_int_t version = json_integer_value(json_object_get(found, "version"));
    if (version == RESULTS_VERSION || !json_object_get(found, "trefoil")) return TF_OK;
    return tf_fail(TF_MISMATCH,
                   "%s holds results of version %lld; this trefoil goes on with version %d: give another --out, or use "
                   "the trefoil that began it",
                   path, (long long)version, RESULTS_VERSION);
}

/* Says what differs from the header of this evaluation. */
static tf_status check_header(const eval_store *store, const char *path, const json_t *found) {
    const char *key;
    json_t *wanted;
    bool grows = is_of_first_examples(store, found);
    TF_TRY(check_version(path, found));
    json_object_foreach(store->header, key, wanted) {
        const json_t *other = json_object_get(found, key);
        if (grows && (!strcmp(key, "examples") || !strcmp(key, "data"))) continue;
        if (other && json_equal(wanted, other)) continue;
        char *mine = json_dumps(wanted, JSON_ENCODE_ANY), *its = other ? json_dumps(other, JSON_ENCODE_ANY) : NULL;
        tf_status status =
            tf_fail(TF_MISMATCH,
                    "%s holds the results of something else: its \"%s\" is %.100s, not %.100s; give another "
                    "--out, or remove it",
                    path, key, its ? its : "missing", mine ? mine : "");
        free(mine);
        free(its);
        return status;
    }
    return TF_OK;
}

typedef struct reading {
    const char *path;
    size_t line;
    int copy_to; /* where lines of new examples are copied, -1: nowhere */
} reading;

/* Whether an example's line has its values, which are read unless they are there already. */
static bool take_values(eval_store *store, size_t index, const json_t *line) {
    if (store->finished[index]) return true;
    return get_values(store, index, line, "", store->values) &&
           (!store->plain || get_values(store, index, line, "plain_", store->plain));
}

static tf_status read_line(eval_store *store, reading *r, const char *line, size_t length) {
    json_error_t error;
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return tf_fail(TF_FORMAT,
                       "%s line %zu is no JSON object: is it a file of results? Give another --out, or "
                       "remove it",
                       r->path, r->line);
    }
    tf_status status = TF_OK;
    const json_t *index = json_object_get(object, "index");
    json_int_t i = json_is_integer(index) ? json_integer_value(index) : -1;
    if (r->line == 1)
        status = check_header(store, r->path, object);
    else if (i < 0 || (json_int_t)store->task->texts->count <= i || !take_values(store, (size_t)i, object))
        status = tf_fail(TF_FORMAT, "%s line %zu is not the result of an example of %s", r->path, r->line,
                         store->task->texts->file);
    else if (!store->finished[i]) {
        if (r->copy_to >= 0) status = write_bytes(r->copy_to, store->path, line, length);
        run_report run = run_of(json_object_get(object, "batch"));
        if (status == TF_OK) keep(store, (size_t)i);
        if (status == TF_OK) add_run(&store->spent, &run);
    }
    json_decref(object);
    return status;
}

/* Reads a file line by line; *whole is how many of its bytes are whole lines. */
static tf_status read_lines(eval_store *store, reading *r, FILE *file, off_t *whole) {
    char *line = NULL;
    size_t capacity = 0;
    tf_status status = TF_OK;
    *whole = 0;
    for (ssize_t got; status == TF_OK && (got = getline(&line, &capacity, file)) > 0;) {
        if (line[got - 1] != '\n') break; /* torn: the example was not finished */
        r->line++;
        status = read_line(store, r, line, (size_t)got);
        *whole += got;
    }
    if (status == TF_OK && ferror(file)) status = io_error(r->path);
    free(line);
    return status;
}

/* Reads the file at `path`; with `copy_to` lines of new examples are copied there. */
static tf_status read_results(eval_store *store, const char *path, int copy_to, off_t *whole) {
    FILE *file = fopen(path, "rb");
    if (!file) return io_error(path);
    reading r = {.path = path, .copy_to = copy_to};
    tf_status status = read_lines(store, &r, file, whole);
    fclose(file);
    return status;
}

static tf_status take_parts(eval_store *store) {
    char pattern[4200];
    int length = snprintf(pattern, sizeof pattern, "%s.part[0-9]*", store->path);
    if (length < 0 || (size_t)length >= sizeof pattern) return tf_fail(TF_INVALID, "--out is too long");
    glob_t parts;
    int found = glob(pattern, 0, NULL, &parts);
    if (found == GLOB_NOMATCH) return TF_OK;
    if (found) return tf_fail(TF_IO, "%s: the files of other groups could not be listed", store->path);
    tf_status status = TF_OK;
    off_t whole;
    for (size_t i = 0; i < parts.gl_pathc && status == TF_OK; i++)
        status = read_results(store, parts.gl_pathv[i], store->file, &whole);
    if (status == TF_OK) status = synchronise(store->file, store->path);
    for (size_t i = 0; i < parts.gl_pathc && status == TF_OK; i++)
        if (unlink(parts.gl_pathv[i]) != 0 && errno != ENOENT) status = io_error(parts.gl_pathv[i]);
    globfree(&parts);
    return status;
}

static tf_status open_file(eval_store *store, const char *path, int flags) {
    struct stat about;
    store->file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0666);
    if (store->file < 0 || fstat(store->file, &about) != 0) return io_error(path);
    if (!S_ISREG(about.st_mode)) { /* lines are read again */
        close(store->file);
        store->file = -1;
        return tf_fail(TF_IO, "%s is not a regular file", path);
    }
    if (flock(store->file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return TF_OK; /* not every disk can */
    close(store->file);
    store->file = -1;
    return tf_fail(TF_IO, "%s is being written by another evaluation", path);
}

/* A file without a whole line is overwritten, so it must be empty, or the beginning of a header. */
static tf_status check_torn_header(const eval_store *store) {
    char *text = json_dumps(store->header, LINE_FORM);
    FILE *file = fopen(store->path, "rb");
    tf_status status = TF_OK;
    if (!text)
        status = tf_fail(TF_NOMEM, "out of memory");
    else if (!file)
        status = io_error(store->path);
    for (size_t i = 0; status == TF_OK; i++) {
        int c = getc(file);
        if (c == EOF) break;
        if (c != (unsigned char)text[i]) /* the closing zero differs too: no file of ours has it */
            status = tf_fail(TF_FORMAT, "%s is no file of results: give another --out, or remove it", store->path);
    }
    if (file) fclose(file);
    free(text);
    return status;
}

tf_status eval_store_open(eval_store *store) {
    off_t whole;
    TF_TRY(open_file(store, store->path, 0));
    TF_TRY(read_results(store, store->path, -1, &whole));
    if (!whole) TF_TRY(check_torn_header(store));
    if (ftruncate(store->file, whole) != 0) return io_error(store->path);
    if (!whole) TF_TRY(write_line(store->file, store->path, store->header));
    TF_TRY(synchronise(store->file, store->path));
    return take_parts(store);
}

tf_status eval_store_open_part(eval_store *store, int group) {
    char path[4200];
    int length = snprintf(path, sizeof path, "%s.part%d", store->path, group);
    if (length < 0 || (size_t)length >= sizeof path) return tf_fail(TF_INVALID, "--out is too long");
    TF_TRY(open_file(store, path, O_TRUNC)); /* the first group has taken over what an earlier one held */
    return write_line(store->file, path, store->header);
}

/* The end ---------------------------------------------------------------------------------------------------------- */

static tf_status write_header(const eval_store *store, const tf_new_file *to, uint64_t *written) {
    char *text = json_dumps(store->header, LINE_FORM);
    if (!text) return tf_fail(TF_NOMEM, "out of memory");
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of the closing zero */
    tf_status status = tf_new_file_write(to, text, length + 1, 0);
    free(text);
    *written = length + 1;
    return status;
}

/* Writes the header, and every example's first line, in the order of the data. */
static tf_status copy_sorted(eval_store *store, FILE *from, const tf_new_file *to) {
    off_t *place = calloc(store->task->texts->count, sizeof *place), at = 0;
    uint64_t written = 0;
    char *line = NULL;
    size_t capacity = 0, count = 0;
    ssize_t got;
    tf_status status = place ? write_header(store, to, &written) : tf_fail(TF_NOMEM, "out of memory");
    for (; status == TF_OK && (got = getline(&line, &capacity, from)) > 0; at += got, count++) {
        if (count == 0) continue; /* the header, which may be of fewer examples */
        json_t *object = json_loadb(line, (size_t)got, 0, NULL);
        json_int_t i = json_integer_value(json_object_get(object, "index"));
        json_decref(object);
        if (i >= 0 && i < (json_int_t)store->task->texts->count && !place[i]) place[i] = at;
    }
    for (size_t i = 0; i < store->task->texts->count && status == TF_OK; i++) {
        if (fseeko(from, place[i], SEEK_SET) != 0 || (got = getline(&line, &capacity, from)) <= 0) {
            status = io_error(store->path);
        } else {
            status = tf_new_file_write(to, line, (size_t)got, written);
            written += (uint64_t)got;
        }
    }
    free(place);
    free(line);
    return status;
}

static tf_status sort_lines(eval_store *store) {
    tf_new_file to = {.file = -1};
    FILE *from = fopen(store->path, "rb");
    if (!from) return io_error(store->path);
    tf_status status = tf_new_file_open(store->path, 0666, &to);
    if (status == TF_OK) status = copy_sorted(store, from, &to);
    fclose(from);
    if (status == TF_OK) return tf_new_file_finish(&to);
    tf_new_file_abandon(&to);
    return status;
}

tf_status eval_store_gather(eval_store *store) {
    TF_TRY(take_parts(store));
    if (store->done < store->task->texts->count)
        return tf_fail(TF_IO,
                       "%s: the results of %zu examples are missing: the data owners of all groups must share the "
                       "directory of --out",
                       store->path, store->task->texts->count - store->done);
    return sort_lines(store);
}
