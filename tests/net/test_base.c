/** The ground floor: digests, hexadecimal digits, and files that appear whole or not at all. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/base/array.h"
#include "net/base/digest.h"
#include "net/base/file.h"
#include "net/base/hex.h"
#include "net/base/new_file.h"
#include "net/base/secret.h"

Test(array, doubles_and_stays_where_it_cannot) {
    size_t capacity = 0;
    int *items = tf_grow(NULL, &capacity, 1, sizeof *items);
    cr_assert(items && capacity == 64);
    for (int i = 0; i < 64; i++) items[i] = i;
    cr_assert_eq(tf_grow(items, &capacity, 64, sizeof *items), items);
    int *more = tf_grow(items, &capacity, 65, sizeof *items);
    cr_assert(more && capacity == 128);
    cr_assert_null(tf_grow(more, &capacity, SIZE_MAX / sizeof *more + 1, sizeof *more));
    cr_assert_null(tf_grow(more, &capacity, SIZE_MAX, 1));
    cr_assert_eq(capacity, 128);
    for (int i = 0; i < 64; i++) cr_assert_eq(more[i], i);
    free(more);
}

Test(digest, is_sha_256) {
    char text[TF_DIGEST_TEXT];
    tf_digest digest = tf_digest_of("abc", 3), again;
    cr_assert_str_eq(tf_digest_text(&digest, text), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add(&hash, "a", 1);
    tf_hash_add(&hash, NULL, 0);
    tf_hash_add(&hash, "bc", 2);
    cr_assert_eq(tf_hash_end(&hash, &again), TF_OK);
    cr_assert(tf_digest_equal(&digest, &again));
    again.byte[31] ^= 1;
    cr_assert_not(tf_digest_equal(&digest, &again));
    cr_assert(tf_digest_parse(text, &again) && tf_digest_equal(&digest, &again));
    cr_assert_not(tf_digest_parse("ba78", &again) || tf_digest_parse(NULL, &again));
    cr_assert_eq(tf_digest_random(&again), TF_OK);
    cr_assert_not(tf_digest_equal(&digest, &again));
}

Test(digest, is_the_same_in_pieces_of_any_size) {
    unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * i >> 3);
    const tf_digest whole = tf_digest_of(data, sizeof data);
    for (size_t least = 1; least < 2100; least += least < 40 ? 1 : 97) {
        tf_hash hash;
        tf_digest digest;
        tf_hash_begin(&hash);
        for (size_t at = 0, size = least; at < sizeof data; at += size, size = size % 7 ? size + 1 : least) {
            if (size > sizeof data - at) size = sizeof data - at;
            tf_hash_add(&hash, data + at, size);
        }
        cr_assert_eq(tf_hash_end(&hash, &digest), TF_OK);
        cr_assert(tf_digest_equal(&whole, &digest), "pieces of %zu bytes", least);
    }
}

Test(digest, fails_at_the_end_if_it_failed_before) {
    tf_hash hash;
    tf_digest digest;
    tf_hash_begin(&hash);
    tf_hash_abandon(&hash); /* as after a failure */
    tf_hash_add(&hash, "a", 1);
    cr_assert_eq(tf_hash_end(&hash, &digest), TF_NOMEM);
}

Test(hex, of_every_byte) {
    for (int value = 0; value < 256; value++) {
        unsigned char byte = (unsigned char)value, back = 0;
        char text[3], expected[3], upper[3];
        snprintf(expected, sizeof expected, "%02x", (unsigned)value);
        snprintf(upper, sizeof upper, "%02X", (unsigned)value);
        cr_assert_str_eq(tf_hex_write(&byte, 1, text), expected);
        cr_assert(tf_hex_read(text, &back, 1) == text + 2 && back == byte);
        cr_assert(tf_hex_read(upper, &back, 1) == upper + 2 && back == byte);
        bool digit = value && strchr("0123456789abcdefABCDEF", value);
        const char odd[] = {'1', (char)value, 0}, first[] = {(char)value, '1', 0};
        cr_assert_eq(tf_hex_read(odd, &back, 1) != NULL, digit, "%d", value);
        cr_assert_eq(tf_hex_read(first, &back, 1) != NULL, digit, "%d", value);
    }
    unsigned char both[2];
    cr_assert_null(tf_hex_read("12", both, 2), "it ends early");
}

static char directory[] = "/tmp/trefoil-base-XXXXXX";

static const char *path_of(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void make_directory(void) {
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(new_file, .init = make_directory, .fini = remove_directory);

static void holds(const char *name, const char *expected) {
    char *data;
    size_t size;
    cr_assert_eq(tf_file_read(path_of(name), 100, &data, &size), TF_OK, "%s", tf_error());
    cr_assert_str_eq(data, expected);
    free(data);
}

Test(new_file, appears_when_it_is_finished) {
    tf_new_file file;
    struct stat info;
    cr_assert_eq(tf_file_write(path_of("x"), 0666, "old", 3), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_new_file_open(path_of("x"), 0600, &file), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_new_file_write(&file, "wer", 3, 2), TF_OK);
    cr_assert_eq(tf_new_file_write(&file, "ne", 2, 0), TF_OK);
    holds("x", "old");
    cr_assert_eq(tf_new_file_finish(&file), TF_OK, "%s", tf_error());
    holds("x", "newer");
    cr_assert(!stat(path_of("x"), &info) && (info.st_mode & 0777) == 0600);
    tf_new_file_abandon(&file); /* a finished one stays */
    holds("x", "newer");
}

Test(new_file, leaves_nothing_of_what_is_abandoned) {
    tf_new_file file, second;
    char command[128];
    cr_assert_eq(tf_new_file_open(path_of("y"), 0600, &file), TF_OK);
    cr_assert_eq(tf_new_file_open(path_of("y"), 0600, &second), TF_OK, "another writer of the same name: %s",
                 tf_error());
    cr_assert(!file.named || strcmp(file.temporary, second.temporary), "two writers share a file");
    cr_assert_eq(tf_new_file_write(&file, "y", 1, 0), TF_OK);
    tf_new_file_abandon(&file);
    tf_new_file_abandon(&second);
    cr_assert_eq(mkdir(path_of("z"), 0700), 0);
    cr_assert_eq(tf_file_write(path_of("z"), 0600, "z", 1), TF_IO, "a directory stands in its place");
    snprintf(command, sizeof command, "test \"$(ls %s)\" = z", directory);
    cr_assert_eq(system(command), 0, "something is left behind");
    cr_assert_eq(tf_file_write(path_of("absent/x"), 0600, "x", 1), TF_IO);
}

Test(new_file, is_that_of_the_last_of_two_writers) {
    tf_new_file first, second;
    char command[128];
    cr_assert_eq(tf_new_file_open(path_of("y"), 0600, &first), TF_OK);
    cr_assert_eq(tf_new_file_open(path_of("y"), 0600, &second), TF_OK);
    cr_assert_eq(tf_new_file_write(&first, "one", 3, 0), TF_OK);
    cr_assert_eq(tf_new_file_write(&second, "two", 3, 0), TF_OK);
    cr_assert_eq(tf_new_file_finish(&second), TF_OK, "%s", tf_error());
    holds("y", "two");
    cr_assert_eq(tf_new_file_finish(&first), TF_OK, "%s", tf_error());
    holds("y", "one");
    snprintf(command, sizeof command, "test \"$(ls %s)\" = y", directory);
    cr_assert_eq(system(command), 0, "something is left behind");
}

Test(new_file, leaves_nothing_of_a_writer_who_is_killed) {
    tf_new_file file;
    char command[128];
    cr_assert_eq(tf_new_file_open(path_of("y"), 0600, &file), TF_OK);
    cr_assert_eq(tf_new_file_write(&file, "y", 1, 0), TF_OK);
    if (file.named) cr_skip_test("this file system has no files without a name");
    close(file.file); /* as the kernel does */
    snprintf(command, sizeof command, "test -z \"$(ls %s)\"", directory);
    cr_assert_eq(system(command), 0, "something is left behind");
}

/* Memory of secrets ------------------------------------------------------------------------------------------------ */

Test(secret, begins_at_a_line_and_is_whole) {
    const size_t size[] = {0, 1, 63, 64, 4095, 4096, 4097, 10000, (4 << 20) - 1, (4 << 20) + 65, 9 << 20};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        unsigned char *data = tf_secret_alloc(size[i]);
        cr_assert(data && (uintptr_t)data % 64 == 0, "%zu bytes", size[i]);
        memset(data, 0xa5, size[i]);
        tf_secret_free(data, size[i]);
    }
    cr_assert_null(tf_secret_alloc(SIZE_MAX));
    tf_secret_free(NULL, 5);
}

#if !defined(__SANITIZE_ADDRESS__)

static volatile unsigned char sink;

/* From the byte `from` on, until something stops it. */
static void read_on(size_t size, ptrdiff_t from, ptrdiff_t step) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    volatile unsigned char *data = tf_secret_alloc(size);
    for (ptrdiff_t i = from; i > -3 * 4096 && i < (ptrdiff_t)size + 3 * 4096; i += step) sink = data[i];
}

Test(secret, does_not_let_others_read_past_its_end, .signal = SIGSEGV) {
    read_on(10000, 10000, 1);
}
Test(secret, does_not_let_others_read_before_its_begin, .signal = SIGSEGV) {
    read_on(10000, -1, -1);
}
Test(secret, has_guards_with_huge_pages_too, .signal = SIGSEGV) {
    read_on((4 << 20) + 100, (4 << 20) + 100, 1);
}
Test(secret, ends_within_a_line_of_its_guard, .signal = SIGSEGV) {
    read_on(10000, 10000 + 63, 100000);
}

Test(secret, has_guards_when_it_is_used_again, .signal = SIGSEGV) {
    for (int i = 0; i < 3; i++) tf_secret_free(tf_secret_alloc(10000), 10000);
    read_on(10001, 10001, 1);
}

Test(secret, is_wiped_before_it_is_used_again) {
    for (size_t size = 8193; size < 12288; size += 500)
        for (int i = 0; i < 100; i++) { /* more than are kept */
            unsigned char *data = tf_secret_alloc(size);
            size_t left = 0;
            for (size_t k = 0; k < size; k++) left += data[k] == 0xa5;
            cr_assert_lt(left, 100, "all but what guarded it is zero");
            memset(data, 0xa5, size);
            tf_secret_free(data, size);
        }
}

static void write_at(ptrdiff_t at) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    volatile unsigned char *data = tf_secret_alloc(10000);
    data[at] ^= 1;
    tf_secret_free((void *)data, 10000);
}

Test(secret, notices_what_was_written_behind_it, .signal = SIGABRT) {
    write_at(10000);
}
Test(secret, notices_what_was_written_before_it, .signal = SIGABRT) {
    write_at(-1);
}

Test(secret, gives_back_what_it_took) {
    enum { MANY = 3000 };
    for (int i = 0; i < MANY; i++) { /* more than a process may have maps, were they kept */
        void *several[30];
        for (int k = 0; k < 30; k++) cr_assert_not_null(several[k] = tf_secret_alloc(5000 + 4096 * (size_t)k));
        for (int k = 0; k < 30; k++) tf_secret_free(several[k], 5000 + 4096 * (size_t)k);
    }
}

#endif
