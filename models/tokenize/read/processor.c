/* "post_processor" and "decoder". */
#include <string.h>

#include "models/tokenize/read/read.h"

/* ---- Post-processors ---- */

static tf_status add_items(const char *path, tf_tokenizer *t, tf_template *template, const tf_template_item *item,
                           size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (item[i].kind == TF_ITEM_SPECIAL && (size_t)item[i].id >= t->ids)
            return tf_fail(TF_FORMAT, "%s: an id of \"post_processor\" is not in the vocabulary", path);
        TF_TRY(tf_template_add(template, item[i]));
    }
    return TF_OK;
}

static tf_status make_bert(const char *path, int32_t cls, int32_t sep, bool roberta, tf_tokenizer *t) {
    const tf_template_item item[] = {{TF_ITEM_SPECIAL, cls, 0},     {TF_ITEM_FIRST, 0, 0},
                                     {TF_ITEM_SPECIAL, sep, 0},     {TF_ITEM_SPECIAL, sep, 0},
                                     {TF_ITEM_SECOND, 0, !roberta}, {TF_ITEM_SPECIAL, sep, !roberta}};
    TF_TRY(add_items(path, t, &t->single, item, 3));
    TF_TRY(add_items(path, t, &t->pair, item, roberta ? 4 : 3));
    return add_items(path, t, &t->pair, item + 4, 2);
}

tf_status tf_make_bert_template(int32_t cls, int32_t sep, bool roberta, tf_tokenizer *t) {
    return make_bert("vocab.txt", cls, sep, roberta, t);
}

/* The whole text as it is. */
static tf_status make_plain(tf_tokenizer *t) {
    TF_TRY(tf_template_add(&t->single, (tf_template_item){TF_ITEM_FIRST, 0, 0}));
    TF_TRY(tf_template_add(&t->pair, (tf_template_item){TF_ITEM_FIRST, 0, 0}));
    return tf_template_add(&t->pair, (tf_template_item){TF_ITEM_SECOND, 0, 1});
}

static tf_status read_trim(const char *path, const json_t *from, tf_tokenizer *t) {
    TF_TRY(tf_read_flag(path, from, "trim_offsets", true, &t->trim_offsets));
    return tf_read_flag(path, from, "add_prefix_space", true, &t->trim_prefix);
}

static tf_status read_bert(const char *path, const json_t *from, bool roberta, tf_tokenizer *t) {
    int32_t cls, sep;
    TF_TRY(tf_read_keys(path, from, "post_processor",
                        roberta ? "type sep cls trim_offsets add_prefix_space" : "type sep cls"));
    TF_TRY(tf_read_id(path, json_array_get(json_object_get(from, "cls"), 1), "\"cls\"", &cls));
    TF_TRY(tf_read_id(path, json_array_get(json_object_get(from, "sep"), 1), "\"sep\"", &sep));
    if (roberta) TF_TRY(read_trim(path, from, t));
    return make_bert(path, cls, sep, roberta, t);
}

/* The items that a template gives to a special token's name: as many as it has ids. */
static tf_status read_special(const char *path, const json_t *from, const char *name, int32_t type, tf_tokenizer *t,
                              tf_template *out) {
    const json_t *ids = json_object_get(json_object_get(json_object_get(from, "special_tokens"), name), "ids");
    if (!json_array_size(ids)) return tf_fail(TF_FORMAT, "%s: a special token of \"post_processor\" has no ids", path);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        tf_template_item item = {TF_ITEM_SPECIAL, 0, type};
        TF_TRY(tf_read_id(path, json_array_get(ids, i), "a special token of \"post_processor\"", &item.id));
        TF_TRY(add_items(path, t, out, &item, 1));
    }
    return TF_OK;
}

static tf_status read_item(const char *path, const json_t *from, const json_t *piece, tf_tokenizer *t, tf_template *out,
                           int seen[2]) {
    const json_t *special = json_object_get(piece, "SpecialToken"), *text = json_object_get(piece, "Sequence");
    const json_t *what = special ? special : text, *type = json_object_get(what, "type_id");
    const char *id = json_string_value(json_object_get(what, "id"));
    if (json_object_size(piece) != 1 || !id || !json_is_integer(type) || json_integer_value(type) < 0 ||
        json_integer_value(type) > INT32_MAX)
        return tf_fail(TF_FORMAT, "%s: a piece of the template of \"post_processor\" is not understood", path);
    int32_t number = (int32_t)json_integer_value(type);
    if (special) return read_special(path, from, id, number, t, out);
    if (strcmp(id, "A") != 0 && strcmp(id, "B") != 0)
        return tf_fail(TF_FORMAT, "%s: the template of \"post_processor\" names a text that is neither A nor B", path);
    seen[*id == 'B']++;
    return tf_template_add(out, (tf_template_item){*id == 'B' ? TF_ITEM_SECOND : TF_ITEM_FIRST, 0, number});
}

static tf_status read_list(const char *path, const json_t *from, const char *key, tf_tokenizer *t, tf_template *out) {
    const json_t *list = json_object_get(from, key);
    int seen[2] = {0, 0};
    for (size_t i = 0; i < json_array_size(list); i++)
        TF_TRY(read_item(path, from, json_array_get(list, i), t, out, seen));
    if (seen[0] == 1 && seen[1] == (*key == 'p')) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: the template \"%s\" of \"post_processor\" does not have %s once", path, key,
                   *key == 'p' ? "A and B" : "A alone");
}

static tf_status read_template(const char *path, const json_t *from, tf_tokenizer *t) {
    TF_TRY(tf_read_keys(path, from, "post_processor", "type single pair special_tokens"));
    TF_TRY(read_list(path, from, "single", t, &t->single));
    return read_list(path, from, "pair", t, &t->pair);
}

static tf_status read_processor(const char *path, const json_t *from, int depth, tf_tokenizer *t) {
    const char *type;
    const json_t *list = json_object_get(from, "processors");
    TF_TRY(tf_read_type(path, from, "post_processor", &type));
    bool makes = strcmp(type, "ByteLevel") != 0 && strcmp(type, "Sequence") != 0;
    if (makes && t->single.count)
        return tf_fail(TF_FORMAT, "%s: \"post_processor\" puts special tokens around a text twice", path);
    if (!strcmp(type, "BertProcessing")) return read_bert(path, from, false, t);
    if (!strcmp(type, "RobertaProcessing")) return read_bert(path, from, true, t);
    if (!strcmp(type, "TemplateProcessing")) return read_template(path, from, t);
    if (!strcmp(type, "ByteLevel")) {
        TF_TRY(tf_read_keys(path, from, "post_processor", "type add_prefix_space trim_offsets use_regex"));
        return read_trim(path, from, t);
    }
    if (makes || !json_is_array(list)) return tf_refuse_type(path, "post_processor", type);
    if (depth == TF_MAX_NESTED_STEPS) return tf_fail(TF_FORMAT, "%s: \"post_processor\" is nested too deeply", path);
    for (size_t i = 0; i < json_array_size(list); i++)
        TF_TRY(read_processor(path, json_array_get(list, i), depth + 1, t));
    return TF_OK;
}

tf_status tf_read_processor(const char *path, const json_t *processor, tf_tokenizer *t) {
    if (processor && !json_is_null(processor)) TF_TRY(read_processor(path, processor, 0, t));
    return t->single.count ? TF_OK : make_plain(t);
}

/* ---- Decoders ---- */

static tf_status read_replace(const char *path, const json_t *from, tf_decode_steps *steps) {
    const char *pattern, *content;
    TF_TRY(tf_read_keys(path, from, "decoder", "type pattern content"));
    TF_TRY(tf_read_string(path, json_object_get(from, "pattern"), "String", NULL, &pattern));
    TF_TRY(tf_read_string(path, from, "content", NULL, &content));
    return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_REPLACE}, pattern, content);
}

static tf_status read_strip(const char *path, const json_t *from, tf_decode_steps *steps) {
    const char *content;
    json_int_t start = json_integer_value(json_object_get(from, "start"));
    json_int_t stop = json_integer_value(json_object_get(from, "stop"));
    TF_TRY(tf_read_keys(path, from, "decoder", "type content start stop"));
    TF_TRY(tf_read_string(path, from, "content", NULL, &content));
    if (strlen(content) != 1 || start < 0 || stop < 0 || start > INT32_MAX || stop > INT32_MAX)
        return tf_fail(TF_FORMAT, "%s: Strip of \"decoder\" is not of one ASCII character and two numbers", path);
    return tf_decode_add(steps, (tf_decode_step){TF_DECODE_STRIP, .start = (size_t)start, .stop = (size_t)stop},
                         content, "");
}

static tf_status read_metaspace(const char *path, const json_t *from, tf_decode_steps *steps) {
    const char *replacement, *scheme;
    bool prefix;
    TF_TRY(tf_read_keys(path, from, "decoder", "type replacement str_rep add_prefix_space prepend_scheme split"));
    TF_TRY(tf_read_string(path, from, "replacement", "\xE2\x96\x81", &replacement));
    TF_TRY(tf_read_string(path, from, "prepend_scheme", "always", &scheme));
    TF_TRY(tf_read_flag(path, from, "add_prefix_space", true, &prefix));
    tf_decode_step step = {.kind = TF_DECODE_METASPACE, .prefixed = prefix && strcmp(scheme, "never") != 0};
    return tf_decode_add(steps, step, replacement, "");
}

static tf_status read_wordpiece(const char *path, const json_t *from, tf_decode_steps *steps) {
    const char *prefix;
    bool cleanup;
    TF_TRY(tf_read_keys(path, from, "decoder", "type prefix cleanup"));
    TF_TRY(tf_read_string(path, from, "prefix", "##", &prefix));
    TF_TRY(tf_read_flag(path, from, "cleanup", true, &cleanup));
    TF_TRY(tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_WORDPIECE}, prefix, ""));
    return cleanup ? tf_decode_add_cleanup(steps, true) : TF_OK;
}

static tf_status read_one(const char *path, const json_t *from, const char *type, tf_decode_steps *steps) {
    const char *suffix;
    if (!strcmp(type, "Replace")) return read_replace(path, from, steps);
    if (!strcmp(type, "Strip")) return read_strip(path, from, steps);
    if (!strcmp(type, "Metaspace")) return read_metaspace(path, from, steps);
    if (!strcmp(type, "WordPiece")) return read_wordpiece(path, from, steps);
    if (!strcmp(type, "BPEDecoder")) {
        TF_TRY(tf_read_keys(path, from, "decoder", "type suffix"));
        TF_TRY(tf_read_string(path, from, "suffix", "</w>", &suffix));
        return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_SUFFIX}, suffix, "");
    }
    if (!strcmp(type, "ByteLevel")) {
        TF_TRY(tf_read_keys(path, from, "decoder", "type add_prefix_space trim_offsets use_regex"));
        return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_BYTE_LEVEL}, "", "");
    }
    TF_TRY(tf_read_keys(path, from, "decoder", "type"));
    if (!strcmp(type, "ByteFallback"))
        return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_BYTE_FALLBACK}, "", "");
    if (!strcmp(type, "Fuse")) return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_FUSE}, "", "");
    return tf_refuse_type(path, "decoder", type);
}

static tf_status read_decoder(const char *path, const json_t *from, int depth, tf_decode_steps *steps) {
    const char *type;
    const json_t *list = json_object_get(from, "decoders");
    TF_TRY(tf_read_type(path, from, "decoder", &type));
    if (strcmp(type, "Sequence") != 0 || !json_is_array(list)) return read_one(path, from, type, steps);
    if (depth == TF_MAX_NESTED_STEPS) return tf_fail(TF_FORMAT, "%s: \"decoder\" is nested too deeply", path);
    for (size_t i = 0; i < json_array_size(list); i++)
        TF_TRY(read_decoder(path, json_array_get(list, i), depth + 1, steps));
    return TF_OK;
}

tf_status tf_read_decoder(const char *path, const json_t *decoder, tf_decode_steps *steps) {
    if (!decoder || json_is_null(decoder))
        return tf_decode_add(steps, (tf_decode_step){.kind = TF_DECODE_JOIN}, "", "");
    return read_decoder(path, decoder, 0, steps);
}
