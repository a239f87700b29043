/* Where weights lie: several files with an index, older and prefixed names, parts of tensors, other formats. */
#include <math.h>

#include "models/family.h"
#include "models/files/json.h"
#include "tests/support/scratch.h"

TestSuite(weight_files, .init = scratch_make, .fini = scratch_remove);

static void write_one(const char *name, const char *tensor, tf_shape shape, const float *data) {
    works(
        tf_safetensors_write(scratch_path(name), &(tf_tensor_source){.name = tensor, .shape = shape, .data = data}, 1));
}

static const float numbers[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

#define FIRST  "model-00001-of-00002.safetensors"
#define SECOND "model-00002-of-00002.safetensors"

static void write_shards(const char *index) {
    write_one(FIRST, "a", tf_dims(2, 3), numbers);
    write_one(SECOND, "b", tf_dims(4), numbers + 6);
    scratch_text("model.safetensors.index.json", index);
}

Test(weight_files, shards) {
    tf_safetensors *file;
    const float *a, *b;
    uint8_t whole[32], again[32];
    write_shards("{\"metadata\": {\"total_size\": 40}, \"weight_map\": {\"b\": \"" SECOND "\", \"a\": \"" FIRST "\"}}");
    works(tf_safetensors_open(scratch, &file));
    cr_assert_eq(tf_safetensors_count(file), 2);
    cr_assert_str_eq(tf_safetensors_name(file, 0), "a");
    works(tf_safetensors_floats(file, "a", tf_dims(2, 3), 99, &a));
    works(tf_safetensors_floats(file, "b", tf_dims(4), 99, &b));
    cr_assert(!memcmp(a, numbers, 24) && !memcmp(b, numbers + 6, 16));
    fails(tf_safetensors_floats(file, "b", tf_dims(4), 7, &b), TF_RANGE, SECOND);
    works(tf_safetensors_digest(file, whole));
    tf_safetensors_close(file);
    write_one(SECOND, "b", tf_dims(4), numbers);
    works(tf_safetensors_open(scratch, &file));
    works(tf_safetensors_digest(file, again));
    cr_assert_neq(memcmp(whole, again, sizeof whole), 0);
    tf_safetensors_close(file);
}

Test(weight_files, broken_indices) {
    static const struct {
        const char *index, *message;
    } cases[] = {
        {"{\"weight_map\": {\"" FIRST "\": [\"a\"], \"" SECOND "\": [\"b\"]}}", "\"weight_map\" is inverted"},
        {"{\"weight_map\": {\"" FIRST "\": \"a\"}}", "\"weight_map\" is inverted"},
        {"{\"weight_map\": {}}", "\"weight_map\" is not an object"},
        {"{\"weight_map\": [\"a\"]}", "\"weight_map\" is not an object"},
        {"{\"a\": \"" FIRST "\"}", "\"weight_map\" is not an object"},
        {"{\"weight_map\": {\"a\": \"../" FIRST "\"}}", "gives \"a\" no .safetensors file of the same directory"},
        {"{\"weight_map\": {\"a\": 7}}", "gives \"a\" no .safetensors file"},
        {"{\"weight_map\": {\"a\": \"pytorch_model.bin\"}}", "gives \"a\" no .safetensors file"},
        {"{\"weight_map\": {\"a\": \"" SECOND "\", \"b\": \"" SECOND "\"}}", "which has no such tensor"},
        {"{\"weight_map\": {\"a\": \"" FIRST "\", \"c\": \"" SECOND "\"}}", "names \"c\" in " SECOND},
        {"{\"weight_map\": ", "not valid JSON"},
    };
    tf_safetensors *file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_shards(cases[i].index);
        fails(tf_safetensors_open(scratch, &file), TF_FORMAT, cases[i].message);
        cr_assert(strstr(tf_error(), "model.safetensors.index.json"), "%s", tf_error());
        cr_assert_null(file);
    }
    write_shards("{\"weight_map\": {\"a\": \"none.safetensors\"}}");
    fails(tf_safetensors_open(scratch, &file), TF_IO, "none.safetensors");
    write_shards("{\"weight_map\": {\"a\": \"" FIRST "\", \"b\": \"" SECOND "\"}}");
    write_one(SECOND, "a", tf_dims(4), numbers);
    fails(tf_safetensors_open(scratch, &file), TF_FORMAT, "two files hold a tensor \"a\"");
}

Test(weight_files, what_stands_in_place_of_weights) {
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    tf_safetensors *file;
    json_t *object;
    fails(tf_safetensors_open(scratch, &file), TF_IO, "holds neither model.safetensors nor");
    scratch_text("pytorch_model.bin", "PK");
    fails(tf_safetensors_open(scratch, &file), TF_IO, "pytorch_model.bin");
    scratch_text("model.safetensors", pointer);
    fails(tf_safetensors_open(scratch, &file), TF_FORMAT, "a git-lfs pointer, not the file itself");
    scratch_text("config.json", pointer);
    fails(tf_json_open(scratch_path("config.json"), 1 << 20, &object), TF_FORMAT, "a git-lfs pointer");
}

static void write_raw(const char *header, const void *data, size_t bytes) {
    char file[4096];
    uint64_t length = strlen(header);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, data, bytes);
    scratch_write("model.safetensors", file, 8 + length + bytes);
}

Test(weight_files, doubles_and_unused_tensors_of_other_types) {
    const double data[] = {0.1, -3, 1e300};
    tf_safetensors *file;
    const float *got;
    write_raw("{\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
              "\"q\":{\"dtype\":\"F4\",\"shape\":[5],\"data_offsets\":[16,19]},"
              "\"e\":{\"dtype\":\"F8_E4M3\",\"shape\":[5],\"data_offsets\":[19,24]}}",
              data, 24);
    works(tf_safetensors_open(scratch, &file));
    works(tf_safetensors_floats(file, "d", tf_dims(2), 9, &got));
    cr_assert(got[0] == 0.1f && got[1] == -3);
    fails(tf_safetensors_floats(file, "e", tf_dims(5), 9, &got), TF_FORMAT, "\"e\" has dtype F8_E4M3");
    tf_safetensors_close(file);
    write_raw("{\"d\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[0,24]}}", data, 24);
    works(tf_safetensors_open(scratch, &file));
    fails(tf_safetensors_floats(file, "d", tf_dims(3), 9, &got), TF_FORMAT, "infinity at element 2");
    tf_safetensors_close(file);
}

/* A family whose weights lie as GPT-2's do: in x out, three in one tensor. */
static void place(const tf_config *config, const char *leaf, tf_tensor_place *p) {
    if (strncmp(leaf, "part", 4)) return;
    bool weight = strstr(leaf, ".weight") != NULL;
    strcpy(p->name, weight ? "attn.weight" : "attn.bias");
    p->transposed = weight;
    p->rows = 6;
    p->first = 2 * (size_t)(leaf[4] - '0');
}

static const tf_family fused = {.name = "fused", .prefixes = (const char *const[]){"model.", NULL}, .place = place};

Test(weight_files, transposed_parts) {
    const tf_tensor_source tensor[] = {{.name = "model.attn.weight", .shape = tf_dims(2, 6), .data = numbers},
                                       {.name = "attn.bias", .shape = tf_dims(6), .data = numbers}};
    tf_config config = {.family = &fused};
    tf_tensors t = {.config = &config};
    const float *got;
    works(tf_safetensors_write(scratch_path("model.safetensors"), tensor, 2));
    works(tf_safetensors_open(scratch, (tf_safetensors **)&t.file));
    works(tf_tensors_floats(&t, "part1.weight", tf_dims(2, 2), 99, &got));
    cr_assert_arr_eq(got, ((float[]){3, 9, 4, 10}), 16);
    works(tf_tensors_floats(&t, "part2.bias", tf_dims(2), 99, &got));
    cr_assert_arr_eq(got, ((float[]){5, 6}), 8);
    fails(tf_tensors_floats(&t, "part3.bias", tf_dims(2), 99, &got), TF_INTERNAL, "rows 6 to 8 of 6");
    fails(tf_tensors_floats(&t, "part1.weight", tf_dims(2, 3), 99, &got), TF_FORMAT, "has shape 2x6, not 3x6");
    tf_safetensors_close((tf_safetensors *)t.file);
}

Test(weight_files, older_and_prefixed_names) {
    const tf_tensor_source tensor[] = {
        {.name = "bert.embeddings.LayerNorm.gamma", .shape = tf_dims(2), .data = numbers},
        {.name = "embeddings.LayerNorm.beta", .shape = tf_dims(2), .data = numbers + 2}};
    tf_config config = {.family = &tf_bert_family};
    tf_tensors t = {.config = &config};
    const float *got;
    works(tf_safetensors_write(scratch_path("model.safetensors"), tensor, 2));
    works(tf_safetensors_open(scratch, (tf_safetensors **)&t.file));
    works(tf_tensors_floats(&t, "embeddings.LayerNorm.weight", tf_dims(2), 99, &got));
    cr_assert_eq(got[0], 1);
    works(tf_tensors_floats(&t, "embeddings.LayerNorm.bias", tf_dims(2), 99, &got));
    cr_assert_eq(got[0], 3);
    fails(tf_tensors_floats(&t, "pooler.LayerNorm.weight", tf_dims(2), 99, &got), TF_FORMAT,
          "no tensor \"pooler.LayerNorm.weight\"");
    tf_safetensors_close((tf_safetensors *)t.file);
}

Test(weight_files, json_as_python_writes_it) {
    json_t *object;
    tf_json_source from = {.path = "file"};
    const char *text =
        "{\"model_max_length\": 1000000000000000019884624838656, \"a\": NaN, \"b\": -Infinity,\n"
        "\"c\": [Infinity, -123456789012345678901234], \"d\": \"NaN \\\" 99999999999999999999 Infinity\","
        "\"e\": 0.12345678901234567890123, \"f\": 9223372036854775807}";
    scratch_text("file.json", text);
    works(tf_json_open(scratch_path("file.json"), 1 << 20, &object));
    from.json = object;
    cr_assert_eq(json_real_value(tf_json_lookup(&from, "model_max_length")), 1e30);
    cr_assert_null(tf_json_lookup(&from, "a"));
    cr_assert_eq(json_real_value(tf_json_lookup(&from, "b")), -1e308);
    cr_assert_eq(json_real_value(json_array_get(tf_json_lookup(&from, "c"), 1)), -123456789012345678901234.0);
    cr_assert_str_eq(json_string_value(tf_json_lookup(&from, "d")), "NaN \" 99999999999999999999 Infinity");
    cr_assert_eq(json_real_value(tf_json_lookup(&from, "e")), 0.12345678901234567890123);
    cr_assert_eq(json_integer_value(tf_json_lookup(&from, "f")), INT64_MAX);
    size_t size;
    fails(tf_json_size(&from, "model_max_length", 1, 9, &size), TF_FORMAT,
          "file: \"model_max_length\" is not an integer");
    json_decref(object);
    static const char *const broken[] = {"{\"a\": \"", "{\"a\": \"\\", "{\"a\": nan}", "{\"a\": NaNa}",
                                         "{\"a\": 1e999}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        scratch_text("file.json", broken[i]);
        fails(tf_json_open(scratch_path("file.json"), 1 << 20, &object), TF_FORMAT, "not valid JSON");
    }
    scratch_write("file.json", "{}\0{}", 5);
    fails(tf_json_open(scratch_path("file.json"), 1 << 20, &object), TF_FORMAT, "zero byte");
}
