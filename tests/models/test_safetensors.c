#include "models/files/safetensors.h"

#include "models/family.h"

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/scratch.h"

TestSuite(safetensors, .init = scratch_make, .fini = scratch_remove);

/* Writes a file with this header, a length that claims `claim` bytes of it, and `room` bytes of data. */
static const char *write_file(const char *header, uint64_t claim, const void *data, size_t room) {
    size_t length = strlen(header);
    char *bytes = calloc(1, 8 + length + room);
    memcpy(bytes, &claim, 8);
    memcpy(bytes + 8, header, length);
    if (data) memcpy(bytes + 8 + length, data, room);
    const char *path = scratch_write("model.safetensors", bytes, 8 + length + room);
    free(bytes);
    return path;
}

static tf_safetensors *open_file(const char *header, const void *data, size_t room) {
    tf_safetensors *file;
    works(tf_safetensors_open(write_file(header, strlen(header), data, room), &file));
    return file;
}

Test(safetensors, a_file_that_is_right) {
    const float data[] = {1, -2.5f, 3, 0, 8, 1e-30f};
    tf_safetensors *file = open_file("{\"__metadata__\":{\"format\":\"pt\"},"
                                     "\"b\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[8,24]},"
                                     "\"bert.a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                                     "\"none\":{\"dtype\":\"U8\",\"shape\":[0,3],\"data_offsets\":[8,8]}}   ",
                                     data, sizeof data);
    cr_assert_eq(tf_safetensors_count(file), 3);
    cr_assert_str_eq(tf_safetensors_name(file, 0), "bert.a");
    cr_assert_str_eq(tf_safetensors_name(file, 1), "none");
    cr_assert_str_eq(tf_safetensors_name(file, 2), "b");
    cr_assert_null(tf_safetensors_name(file, 3));
    tf_shape shape;
    works(tf_safetensors_shape(file, "b", &shape));
    cr_assert(tf_shape_equal(shape, tf_dims(2, 2)));
    const float *got, *again;
    works(tf_safetensors_floats(file, "b", tf_dims(2, 2), 100, &got));
    cr_assert_arr_eq(got, data + 2, 4 * sizeof *data);
    const tf_tensors tensors = {file, &(tf_config){.family = &tf_bert_family}}; /* knows BERT's prefix */
    works(tf_tensors_floats(&tensors, "b", tf_dims(2, 2), 100, &again));
    cr_assert_eq(got, again);
    works(tf_tensors_floats(&tensors, "a", tf_dims(2), 2.5, &got));
    cr_assert_arr_eq(got, data, 2 * sizeof *data);
    tf_safetensors_close(file);
    tf_safetensors_close(NULL);
}

Test(safetensors, what_a_reader_may_not_ask_for) {
    const float data[] = {1, -2.5f, NAN, 1, INFINITY, 1, 7};
    tf_safetensors *file = open_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                                     "\"n\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                                     "\"i\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[16,24]},"
                                     "\"k\":{\"dtype\":\"I32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[24,28]}}",
                                     data, sizeof data);
    const float *got;
    tf_shape shape;
    fails(tf_safetensors_floats(file, "z", tf_dims(2), 9, &got), TF_FORMAT, "no tensor \"z\"");
    fails(tf_safetensors_shape(file, "bert.z", &shape), TF_FORMAT, "no tensor \"bert.z\"");
    fails(tf_safetensors_floats(file, "a", tf_dims(2, 1), 9, &got), TF_FORMAT, "\"a\" has shape 2, not 2x1");
    fails(tf_safetensors_floats(file, "a", tf_dims(0), 9, &got), TF_INVALID, "zero");
    fails(tf_safetensors_floats(file, "a", tf_dims(2), 2, &got), TF_RANGE, "\"a\" holds a magnitude above 2");
    cr_assert_null(strstr(tf_error(), "2.5")); /* weights are secret, messages are not */
    works(tf_safetensors_floats(file, "a", tf_dims(2), 2.5, &got));
    fails(tf_safetensors_floats(file, "n", tf_dims(2), 9, &got), TF_FORMAT, "\"n\" holds NaN at element 0");
    fails(tf_safetensors_floats(file, "i", tf_dims(2, 1), 9, &got), TF_FORMAT, "\"i\" holds infinity at element 0");
    fails(tf_safetensors_shape(file, "k", &shape), TF_FORMAT, "\"k\" has 5 dimensions");
    fails(tf_safetensors_floats(file, "k", tf_dims(1), 9, &got), TF_FORMAT, "\"k\"");
    cr_assert(strstr(tf_error(), scratch));
    tf_safetensors_close(file);
}

Test(safetensors, a_dtype_that_is_not_floating) {
    tf_safetensors *file = open_file("{\"p\":{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[0,16]}}", NULL, 16);
    const float *got;
    tf_shape shape;
    works(tf_safetensors_shape(file, "p", &shape));
    fails(tf_safetensors_floats(file, "p", tf_dims(1, 2), 9, &got), TF_FORMAT, "\"p\" has dtype I64");
    tf_safetensors_close(file);
}

Test(safetensors, headers_that_lie) {
#define TENSOR(dtype, shape, offsets) "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    static const struct {
        const char *header;
        size_t room;
        const char *part;
    } cases[] = {
        {"", 0, "begin with '{'"},
        {"[]", 0, "begin with '{'"},
        {" {}", 0, "begin with '{'"},
        {"{", 0, "JSON"},
        {"{}x", 0, "JSON"},
        {"{\"t\":\x01}", 0, "JSON"},
        {"{\"t\":\"\xff\"}", 0, "JSON"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         1, "duplicate"},
        {"{\"t\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate"},
        {"{}", 3, "last 3 bytes belong to no tensor"},
        {"{\"__metadata__\":[]}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "name is empty"},
        {"{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "control"},
        {"{\"t\":1}", 0, "\"t\": no \"dtype\""},
        {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "\"t\": no \"dtype\""},
        {TENSOR("8", "[1]", "[0,1]"), 1, "no \"dtype\""},
        {TENSOR("\"F12\"", "[1]", "[0,1]"), 1, "\"t\": unknown dtype \"F12\""},
        {TENSOR("\"F\\n\"", "[1]", "[0,1]"), 1, "unknown dtype \"?\""},
        {"{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "no \"shape\""},
        {TENSOR("\"U8\"", "7", "[0,7]"), 7, "no \"shape\""},
        {TENSOR("\"U8\"", "[-1]", "[0,1]"), 1, "dimension 0 is not"},
        {TENSOR("\"U8\"", "[1,1.0]", "[0,1]"), 1, "dimension 1 is not"},
        {TENSOR("\"U8\"", "[99999999999999999999]", "[0,1]"), 1, "JSON"},
        {TENSOR("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "product of its shape overflows"},
        {TENSOR("\"U8\"", "[4294967297,4294967297]", "[0,1]"), 1, "product of its shape overflows"},
        {TENSOR("\"F32\"", "[4611686018427387905]", "[0,4]"), 4, "product of its shape overflows"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "\"data_offsets\""},
        {TENSOR("\"U8\"", "[1]", "[0]"), 1, "\"data_offsets\""},
        {TENSOR("\"U8\"", "[1]", "[0,1,2]"), 1, "\"data_offsets\""},
        {TENSOR("\"U8\"", "[1]", "[-1,0]"), 1, "\"data_offsets\""},
        {TENSOR("\"U8\"", "[1]", "[\"0\",1]"), 1, "\"data_offsets\""},
        {TENSOR("\"U8\"", "[1]", "[1,0]"), 1, "\"t\": its data begin at 1, after their end at 0"},
        {TENSOR("\"U8\"", "[9]", "[0,9]"), 8, "\"t\": its data end at byte 9"},
        {TENSOR("\"U8\"", "[1]", "[9223372036854775806,9223372036854775807]"), 8, "\"t\": its data end"},
        {TENSOR("\"F16\"", "[3]", "[0,5]"), 5, "shape and dtype make 6 bytes, its offsets 5"},
        {TENSOR("\"BF16\"", "[]", "[0,4]"), 4, "shape and dtype make 2 bytes"},
        {TENSOR("\"U8\"", "[2]", "[1,3]"), 3, "1 bytes before tensor \"t\" belong to no tensor"},
        {TENSOR("\"U8\"", "[2]", "[0,2]"), 3, "last 1 bytes belong to no tensor"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"u\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
         7, "\"t\" and \"u\" overlap"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"u\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         4, "\"t\" and \"u\" overlap"},
        {"{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"u\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[5,7]}}",
         7, "before tensor \"u\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_safetensors *file;
        const char *path = write_file(cases[i].header, strlen(cases[i].header), NULL, cases[i].room);
        cr_assert_eq(tf_safetensors_open(path, &file), TF_FORMAT, "%s", cases[i].header);
        cr_assert_null(file);
        cr_assert(strstr(tf_error(), cases[i].part), "%s: %s", cases[i].header, tf_error());
        cr_assert(strstr(tf_error(), path), "%s", tf_error());
    }
}

Test(safetensors, files_that_are_cut) {
    tf_safetensors *file;
    fails(tf_safetensors_open(scratch_text("e", ""), &file), TF_FORMAT, "0 bytes are too few");
    fails(tf_safetensors_open(scratch_text("e", "1234567"), &file), TF_FORMAT, "7 bytes are too few");
    fails(tf_safetensors_open(write_file("{}", 3, NULL, 0), &file), TF_FORMAT, "truncated");
    fails(tf_safetensors_open(write_file("{}", 100000001, NULL, 0), &file), TF_FORMAT, "would have 100000001 bytes");
    fails(tf_safetensors_open(write_file("{}", UINT64_MAX, NULL, 0), &file), TF_FORMAT, "would have");
    fails(tf_safetensors_open(write_file("{}", UINT64_MAX - 6, NULL, 0), &file), TF_FORMAT, "would have");
    fails(tf_safetensors_open(write_file("{}", 0, NULL, 0), &file), TF_FORMAT, "begin with");
    works(tf_safetensors_open(write_file("{}", 2, NULL, 0), &file)); /* nothing in it, but rightly so */
    cr_assert_eq(tf_safetensors_count(file), 0);
    tf_safetensors_close(file);
}

Test(safetensors, things_that_are_no_files) {
    tf_safetensors *file;
    fails(tf_safetensors_open(scratch_path("missing"), &file), TF_IO, "missing");
    fails(tf_safetensors_open(scratch, &file), TF_IO, "neither model.safetensors nor model.fp16.safetensors");
    cr_assert(!mkfifo(scratch_path("pipe"), 0600));
    fails(tf_safetensors_open(scratch_path("pipe"), &file), TF_IO, "not a regular file");
    fails(tf_safetensors_open("/dev/zero", &file), TF_IO, "not a regular file");
    cr_assert(!mkdir(scratch_path("model.safetensors"), 0700));
    fails(tf_safetensors_open(scratch, &file), TF_IO, "a directory");
}

Test(safetensors, a_directory_with_either_name) {
    tf_safetensors *file;
    const char header[] = "\2\0\0\0\0\0\0\0{}";
    scratch_write("model.fp16.safetensors", header, 10);
    works(tf_safetensors_open(scratch, &file));
    tf_safetensors_close(file);
    scratch_text("model.safetensors", "x"); /* preferred, though broken here */
    fails(tf_safetensors_open(scratch, &file), TF_FORMAT, "model.safetensors");
}

static float f16_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return (float)(bits >> 15 ? -value : value);
}

/* All values of 16 bits but infinities and NaN, at an odd place in the file. */
static void check_halves(const char *dtype, uint16_t infinity, float (*value)(uint16_t)) {
    static uint16_t bits[65536];
    size_t count = 0;
    for (uint32_t i = 0; i < 65536; i++)
        if ((i & infinity) != infinity) bits[count++] = (uint16_t)i;
    static char data[sizeof bits + 1];
    memcpy(data + 1, bits, count * 2);
    char header[256];
    snprintf(header, sizeof header,
             "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
             "\"h\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[1,%zu]}}",
             dtype, count, 1 + 2 * count);
    tf_safetensors *file = open_file(header, data, 1 + 2 * count);
    const float *got;
    works(tf_safetensors_floats(file, "h", tf_dims(count), INFINITY, &got));
    for (size_t i = 0; i < count; i++) {
        float expected = value(bits[i]);
        cr_assert(!memcmp(&got[i], &expected, sizeof expected), "%04x: %a, not %a", bits[i], got[i], expected);
    }
    tf_safetensors_close(file);
}

static float bf16_value(uint16_t bits) {
    int exponent = bits >> 7 & 255, fraction = bits & 127;
    double value = exponent ? ldexp(128 + fraction, exponent - 134) : ldexp(fraction, -133);
    return (float)(bits >> 15 ? -value : value);
}

Test(safetensors, every_half) {
    check_halves("F16", 0x7c00, f16_value);
}

Test(safetensors, every_bfloat) {
    check_halves("BF16", 0x7f80, bf16_value);
}

Test(safetensors, halves_that_are_not_finite) {
    static const struct {
        const char *dtype;
        uint16_t bits;
        const char *part;
    } cases[] = {{"F16", 0x7c00, "infinity at element 1"},
                 {"F16", 0xfc00, "infinity at element 1"},
                 {"F16", 0x7c01, "NaN at element 1"},
                 {"BF16", 0x7f80, "infinity at element 1"},
                 {"BF16", 0xff81, "NaN at element 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"h\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,4]}}",
                 cases[i].dtype);
        tf_safetensors *file = open_file(header, (uint16_t[]){0, cases[i].bits}, 4);
        const float *got;
        fails(tf_safetensors_floats(file, "h", tf_dims(2), INFINITY, &got), TF_FORMAT, cases[i].part);
        tf_safetensors_close(file);
    }
}

Test(safetensors, floats_at_an_odd_place) {
    const float value = -3.25f;
    char data[5] = {9};
    memcpy(data + 1, &value, 4);
    tf_safetensors *file = open_file("{\"x\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                     "\"f\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[1,5]}}",
                                     data, 5);
    const float *got;
    works(tf_safetensors_floats(file, "f", (tf_shape){0}, 4, &got));
    cr_assert_eq(*got, value);
    cr_assert_eq((uintptr_t)got % sizeof(float), 0);
    tf_safetensors_close(file);
}

/* ---- Writing ---- */

Test(safetensors, what_is_written_is_read_again) {
    const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {-0.0f, 1e-45f, 3e38f}, c[] = {7};
    const tf_tensor_source tensors[] = {{.name = "z\"quoted\"", .shape = tf_dims(2, 3), .data = a},
                                        {.name = "caf\xc3\xa9", .shape = tf_dims(3), .data = b},
                                        {.name = "scalar", .shape = {0}, .data = c}};
    works(tf_safetensors_write(scratch_path("out"), tensors, 3));
    works(tf_safetensors_write(scratch_path("out"), tensors, 3)); /* over the old one */
    tf_safetensors *file;
    works(tf_safetensors_open(scratch_path("out"), &file));
    cr_assert_eq(tf_safetensors_count(file), 3);
    for (int i = 0; i < 3; i++) {
        const float *got;
        cr_assert_str_eq(tf_safetensors_name(file, (size_t)i), tensors[i].name);
        works(tf_safetensors_floats(file, tensors[i].name, tensors[i].shape, INFINITY, &got));
        cr_assert(!memcmp(got, tensors[i].data, tf_shape_count(tensors[i].shape) * sizeof(float)));
    }
    tf_safetensors_close(file);
    char command[128]; /* nothing else is left in the directory */
    snprintf(command, sizeof command, "test \"$(ls %s)\" = out", scratch);
    cr_assert_eq(system(command), 0);
}

Test(safetensors, what_is_copied_keeps_its_type) {
    const uint16_t halves[] = {0x3c00, 0xc100, 0x0001}; /* 1, -2.5, 2^-24 */
    const float expected[] = {1, -2.5f, 0x1p-24f};
    const tf_tensor_source own = {.name = "own", .shape = tf_dims(3), .data = expected};
    tf_safetensors *from = open_file("{\"h\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]}}",
                                     (const char *)halves, sizeof halves),
                   *to;
    tf_tensor_source tensors[2];
    works(tf_safetensors_source(from, "h", &tensors[0]));
    tensors[1] = own;
    works(tf_safetensors_write(scratch_path("copy"), tensors, 2));
    works(tf_safetensors_open(scratch_path("copy"), &to));
    for (int i = 0; i < 2; i++) {
        tf_tensor_source again;
        works(tf_safetensors_source(to, tensors[i].name, &again));
        cr_assert_str_eq(again.dtype, i ? "F32" : "F16");
        cr_assert_eq(again.bytes, i ? sizeof expected : sizeof halves);
        cr_assert(!memcmp(again.stored, i ? (const void *)expected : halves, again.bytes));
        cr_assert(!memcmp(again.data, expected, sizeof expected));
    }
    fails(tf_safetensors_source(to, "x", &tensors[0]), TF_FORMAT, "there is no tensor \"x\"");
    tf_safetensors_close(to);
    tf_safetensors_close(from);
}

Test(safetensors, what_may_not_be_written) {
    const float good[] = {1, 2}, bad[] = {1, NAN};
    const char *out = scratch_path("out");
    fails(tf_safetensors_write(out, &(tf_tensor_source){.name = "t", .shape = tf_dims(2), .data = bad}, 1), TF_INVALID,
          "\"t\" holds NaN");
    fails(tf_safetensors_write(out, &(tf_tensor_source){.name = "", .shape = tf_dims(2), .data = good}, 1), TF_INVALID,
          "name");
    fails(tf_safetensors_write(out, &(tf_tensor_source){.name = "\xff", .shape = tf_dims(2), .data = good}, 1),
          TF_INVALID, "UTF-8");
    fails(tf_safetensors_write(out, &(tf_tensor_source){.name = "__metadata__", .shape = tf_dims(2), .data = good}, 1),
          TF_INVALID, "name");
    fails(tf_safetensors_write(out, &(tf_tensor_source){.name = "t", .shape = tf_dims(0), .data = good}, 1), TF_INVALID,
          "zero");
    const tf_tensor_source twice[] = {{.name = "t", .shape = tf_dims(2), .data = good},
                                      {.name = "t", .shape = tf_dims(2), .data = good}};
    fails(tf_safetensors_write(out, twice, 2), TF_INVALID, "two tensors are named \"t\"");
    cr_assert(access(out, F_OK));
    fails(tf_safetensors_write(scratch_path("no/such"), twice, 1), TF_IO, "no/such");
    cr_assert(!mkdir(scratch_path("dir"), 0700));
    fails(tf_safetensors_write(scratch_path("dir"), twice, 1), TF_IO, "dir");
    char command[128];
    snprintf(command, sizeof command, "test \"$(ls %s)\" = dir", scratch);
    cr_assert_eq(system(command), 0);
}

/* ---- Threads ---- */

static void *read_all(void *context) {
    const tf_safetensors *file = context;
    const float *got = NULL;
    for (int i = 0; i < 64; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        if (tf_safetensors_floats(file, name, tf_dims(256), 2, &got) || got[255] != 1) return "failed";
    }
    return NULL;
}

Test(safetensors, threads_share_a_file) {
    static uint16_t ones[64 * 256];
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 0x3c00;
    char header[8192] = "{";
    for (int i = 0; i < 64; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header),
                 "%s\"t%d\":{\"dtype\":\"F16\",\"shape\":[256],\"data_offsets\":[%d,%d]}", i ? "," : "", i, 512 * i,
                 512 * (i + 1));
    strcat(header, "}");
    tf_safetensors *file = open_file(header, ones, sizeof ones);
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) cr_assert(!pthread_create(&thread[i], NULL, read_all, file));
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(thread[i], &result);
        cr_assert_null(result);
    }
    tf_safetensors_close(file);
}
