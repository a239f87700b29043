/* Share files as containers: what is written is read, and whatever is wrong with one is refused, by name. */
#define _GNU_SOURCE /* memmem */
#include <sys/stat.h>
#include <unistd.h>

#include "models/shares/share_file.h"
#include "models/shares/share_header.h"
#include "net/base/hex.h"
#include "net/link.h"
#include "tests/support/scratch.h"

TestSuite(share_file, .init = scratch_make, .fini = scratch_remove);

static const unsigned char key[TF_KEY_BYTES] = {1, 2, 3};

/* Two tensors, one of them without data, and a fact. */
static const char *make(const char *name, int party) {
    const char *path = scratch_path(name);
    const unsigned char *const seed[3] = {NULL, key, NULL};
    uint8_t data[15];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(200 + i);
    tf_digest id = {{7}};
    tf_share_writer *w;
    remove(path);
    works(tf_share_create(path, "weights", party, &id, seed, &w));
    works(tf_share_add(w, "first", tf_dims(5), 8, 20, true));
    works(tf_share_write(w, data, 7));
    works(tf_share_write(w, data + 7, 8));
    works(tf_share_add(w, "second", tf_dims(2, 3), 16, 64, false));
    works(tf_share_add(w, "third", tf_dims(1), 0, 8, true));
    works(tf_share_write(w, data, 1));
    works(tf_share_fact(w, "fact", json_integer(12)));
    works(tf_share_finish(w));
    tf_share_abandon(w);
    return path;
}

Test(share_file, is_read_as_written) {
    const char *path = make("a", 1);
    struct stat info;
    tf_share_file *file;
    tf_share_entry *entry;
    const uint8_t *data;
    uint64_t words[4], expected[4];
    cr_assert(!stat(path, &info) && (info.st_mode & 0777) == 0600);
    works(tf_share_open(path, "weights", 1, &file));
    cr_assert_eq(file->party, 1);
    cr_assert_eq(file->id.byte[0], 7);
    cr_assert_eq(json_integer_value(json_object_get(file->facts, "fact")), 12);
    cr_assert_eq(file->entries, 3);
    for (int k = 0; k < 2; k++) { /* the digest is compared the first time */
        works(tf_share_find(file, "first", &entry));
        works(tf_share_data(file, entry, &data));
        cr_assert_eq((uintptr_t)data % 64, 0);
        for (size_t i = 0; i < 15; i++) cr_assert_eq(data[i], 200 + i);
    }
    cr_assert_eq(entry->bits, 20);
    cr_assert_eq(entry->frac, 8);
    works(tf_share_find(file, "second", &entry));
    cr_assert(tf_shape_equal(entry->shape, tf_dims(2, 3)) && entry->number == 1);
    fails(tf_share_data(file, entry, &data), TF_FORMAT, "has no data");
    fails(tf_share_find(file, "fourth", &entry), TF_FORMAT, "no tensor is named \"fourth\"");
    tf_prf *prf = tf_prf_new(key);
    cr_assert(tf_prf_words(prf, 3, 1, 2, expected, 4) && tf_prf_words(file->prf[1], 3, 1, 2, words, 4));
    cr_assert_arr_eq(words, expected, sizeof words);
    cr_assert(!file->prf[0] && !file->prf[2]);
    tf_prf_free(prf);
    tf_share_close(file);
}

Test(share_file, belongs_to_one_kind_and_party) {
    tf_share_file *file;
    const char *path = make("a", 1);
    fails(tf_share_open(path, "texts", 1, &file), TF_MISMATCH, "a share file of weights, where texts are expected");
    fails(tf_share_open(path, "weights", 2, &file), TF_MISMATCH, "the shares of party 1, where those of party 2");
    works(tf_share_open(path, "weights", -1, &file));
    tf_share_close(file);
}

Test(share_file, is_its_owners_alone) {
    tf_share_file *file;
    const char *path = make("a", 0);
    const unsigned mode[] = {0640, 0604, 0660, 0610, 0777};
    for (size_t i = 0; i < sizeof mode / sizeof *mode; i++) {
        cr_assert(!chmod(path, mode[i]));
        fails(tf_share_open(path, "weights", 0, &file), TF_IO, "others may read it");
    }
    cr_assert(!chmod(path, 0400));
    works(tf_share_open(path, "weights", 0, &file));
    tf_share_close(file);
    fails(tf_share_open(scratch_path("absent"), "weights", 0, &file), TF_IO, "absent");
    fails(tf_share_open(scratch, "weights", 0, &file), TF_IO, "directory");
}

static const char *rewrite(const char *name, const void *data, size_t size) {
    const char *path = scratch_write(name, data, size);
    cr_assert(!chmod(path, 0600));
    return path;
}

enum { LARGEST = 8192 };

static size_t slurp(const char *path, uint8_t data[LARGEST]) {
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(data, 1, LARGEST, file) : 0;
    cr_assert(file && size > 4096 && size < LARGEST);
    fclose(file);
    return size;
}

/* Opens it and reads all its data: the first failure. */
static tf_status read_all(const char *path) {
    tf_share_file *file;
    const uint8_t *data;
    TF_TRY(tf_share_open(path, "weights", 1, &file));
    tf_status status = TF_OK;
    for (size_t i = 0; i < file->entries && !status; i++)
        if (file->entry[i].has_data) status = tf_share_data(file, &file->entry[i], &data);
    tf_share_close(file);
    return status;
}

Test(share_file, does_not_end_early_or_late) {
    uint8_t data[LARGEST];
    size_t size = slurp(make("a", 1), data);
    for (size_t n = 0; n<size; n += n> 128 && n < 4000 ? 61 : 1) {
        tf_status status = read_all(rewrite("short", data, n));
        cr_assert_eq(status, TF_FORMAT, "%zu of %zu bytes: %s", n, size, tf_status_name(status));
    }
    data[size] = ' ';
    fails(read_all(rewrite("long", data, size + 1)), TF_FORMAT, "its length is not what its header says");
}

Test(share_file, shows_every_flipped_byte) {
    uint8_t data[LARGEST];
    size_t size = slurp(make("a", 1), data), unused = 0;
    for (size_t i = 0; i<size; i += i> 128 && i < 4000 ? 61 : 1) {
        data[i] ^= 1 + i % 255;
        tf_status status = read_all(rewrite("flipped", data, size));
        data[i] ^= 1 + i % 255;
        bool padding = i >= 4096 + 15 && i < 4096 + 64; /* between the tensors there is nothing */
        unused += padding && status == TF_OK;
        cr_assert(padding || status == TF_FORMAT || status == TF_MISMATCH, "byte %zu: %s", i, tf_status_name(status));
    }
    cr_assert_eq(unused, 49);
    works(read_all(rewrite("same", data, size)));
    data[8] = TF_SHARE_PACKED_VERSION + 1;
    fails(read_all(rewrite("newer", data, size)), TF_FORMAT, "version 4; this trefoil reads versions 2 and 3");
    data[0] = 'X';
    fails(read_all(rewrite("other", data, size)), TF_FORMAT, "not a share file of trefoil");
}

/* An index that says what it should not, under its proper digest. */
static tf_status with_index(const char *text) {
    const char *path = scratch_path("index");
    const unsigned char *const seed[3] = {NULL, NULL, NULL};
    tf_digest id = {{7}};
    tf_share_writer *w;
    json_t *facts = json_loads(text, 0, NULL);
    const char *name;
    json_t *value;
    cr_assert(facts, "%s", text);
    remove(path);
    works(tf_share_create(path, "weights", 1, &id, seed, &w));
    json_object_foreach(facts, name, value) works(tf_share_fact(w, name, json_incref(value)));
    works(tf_share_finish(w));
    tf_share_abandon(w);
    json_decref(facts);
    return read_all(path);
}

Test(share_file, refuses_indices_that_cannot_be) {
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ENTRY(shape, frac, bits, offset)                                                                               \
    "{\"entries\": [{\"name\": \"x\", \"shape\": " shape ", \"frac\": " frac ", \"bits\": " bits                       \
    ", \"offset\": " offset ", \"digest\": \"" ZEROS "\"}]}"
    works(with_index("{}"));
    fails(with_index("{\"entries\": 3}"), TF_FORMAT, "list of tensors");
    fails(with_index("{\"entries\": [3]}"), TF_FORMAT, "a name");
    fails(with_index("{\"entries\": [{\"name\": \"a\\u001b\", \"frac\": 1, \"bits\": 8}]}"), TF_FORMAT, "a name");
    fails(with_index("{\"id\": \"abc\"}"), TF_FORMAT, "its id");
    fails(with_index("{\"id\": \"000000000000000000000000000000000000000000000000000000000000000g\"}"), TF_FORMAT,
          "its id");
    fails(with_index("{\"kind\": 4}"), TF_MISMATCH, "something else");
    fails(with_index(ENTRY("[0]", "0", "8", "64")), TF_FORMAT, "a shape");
    fails(with_index(ENTRY("[-1]", "0", "8", "64")), TF_FORMAT, "a shape");
    fails(with_index(ENTRY("[1,1,1,1,1]", "0", "8", "64")), TF_FORMAT, "a shape");
    fails(with_index(ENTRY("[4294967296, 4294967296]", "0", "8", "64")), TF_FORMAT, "a shape");
    fails(with_index(ENTRY("{}", "0", "8", "64")), TF_FORMAT, "a shape");
    fails(with_index(ENTRY("[1]", "65", "8", "64")), TF_FORMAT, "a ring");
    fails(with_index(ENTRY("[1]", "0", "0", "64")), TF_FORMAT, "a ring");
    fails(with_index(ENTRY("[1]", "0", "65", "64")), TF_FORMAT, "a ring");
    fails(with_index(ENTRY("[1]", "0", "8", "65")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1]", "0", "8", "0")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1]", "0", "8", "-64")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1]", "0", "8", "64")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1099511627776]", "0", "64", "64")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1]", "0", "8", "9223372036854775744")), TF_FORMAT, "the place of a tensor");
    fails(with_index(ENTRY("[1]", "0", "8", "4096")), TF_FORMAT, "the place of a tensor");
}

/* The seed stands in the file once, in its header, and nowhere in memory while the file is open. */
Test(share_file, keeps_its_seeds_out_of_memory) {
    uint8_t data[LARGEST];
    const char *path = make("a", 1);
    size_t size = slurp(path, data);
    tf_share_file *file;
    cr_assert_not_null(memmem(data, 4096, key, sizeof key));
    cr_assert_null(memmem(data + 4096, size - 4096, key, sizeof key));
    works(tf_share_open(path, "weights", 1, &file));
    char *facts = json_dumps(file->facts, 0), text[2 * sizeof key + 1];
    cr_assert_null(strstr(facts, tf_hex_write(key, sizeof key, text)));
    cr_assert_geq(file->map_start, 4096, "the header is mapped");
    free(facts);
    tf_share_close(file);
    data[offsetof(tf_share_header, has_seed)] = 2;
    tf_share_header header;
    memcpy(&header, data, sizeof header);
    works(tf_share_index_digest(&header, data + header.index_offset, size - header.index_offset, &header.digest));
    memcpy(data, &header, sizeof header);
    fails(read_all(rewrite("seed", data, size)), TF_FORMAT, "a seed");
}

Test(share_file, is_there_when_it_is_finished) {
    const char *path = scratch_path("unfinished");
    const unsigned char *const seed[3] = {NULL, NULL, NULL};
    tf_digest id = {{7}};
    tf_share_writer *w;
    works(tf_share_create(path, "weights", 1, &id, seed, &w));
    works(tf_share_add(w, "x", tf_dims(4), 0, 8, true));
    works(tf_share_write(w, "abc", 3));
    fails(tf_share_write(w, "de", 2), TF_INTERNAL, "too long");
    fails(tf_share_add(w, "y", tf_dims(1), 0, 8, false), TF_INTERNAL, "incomplete");
    fails(tf_share_finish(w), TF_INTERNAL, "incomplete");
    tf_share_abandon(w);
    cr_assert(access(path, F_OK));
    char command[128];
    snprintf(command, sizeof command, "test -z \"$(ls %s)\"", scratch);
    cr_assert_eq(system(command), 0, "nothing is left behind");
    fails(tf_share_create(scratch_path("absent/x"), "weights", 1, &id, seed, &w), TF_IO, "cannot be written");
}
