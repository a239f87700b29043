/* "normalizer" and "pre_tokenizer". */
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/charsmap.h"
#include "models/tokenize/read/read.h"
#include "net/base/array.h"

static tf_status add(tf_text_steps *steps, tf_text_step step) {
    tf_text_step *more = tf_grow(steps->step, &steps->capacity, steps->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    steps->step = more;
    steps->step[steps->count++] = step;
    return TF_OK;
}

/* Adds a step with a copy of a text. */
static tf_status add_text(tf_text_steps *steps, tf_text_step step, const char *text) {
    step.length = strlen(text);
    step.text = strdup(text);
    if (!step.text) return tf_text_no_memory();
    tf_status status = add(steps, step);
    if (status != TF_OK) free(step.text);
    return status;
}

static tf_status add_kind(tf_text_steps *steps, tf_step_kind kind) {
    return add(steps, (tf_text_step){.kind = kind});
}

static tf_status add_filter(tf_text_steps *steps, tf_step_kind kind, bool (*drop)(int32_t)) {
    return add(steps, (tf_text_step){.kind = kind, .drop = drop});
}

/* ---- Normalisers ---- */

tf_status tf_add_bert_normalizer(bool clean, bool ideographs, bool strip_accents, bool lowercase,
                                 tf_text_steps *steps) {
    if (clean) {
        TF_TRY(add_filter(steps, TF_STEP_FILTER, tf_is_dropped));
        TF_TRY(add_filter(steps, TF_STEP_SPACES, tf_is_space));
    }
    if (ideographs) TF_TRY(add_kind(steps, TF_STEP_IDEOGRAPHS));
    if (strip_accents) {
        TF_TRY(add_kind(steps, TF_STEP_NFD));
        TF_TRY(add_filter(steps, TF_STEP_FILTER, tf_is_mark));
    }
    return lowercase ? add_kind(steps, TF_STEP_LOWERCASE) : TF_OK;
}

static tf_status read_bert(const char *path, const json_t *from, tf_text_steps *steps) {
    bool clean, ideographs, lowercase, strip_accents;
    TF_TRY(tf_read_keys(path, from, "normalizer", "type clean_text handle_chinese_chars lowercase strip_accents"));
    TF_TRY(tf_read_flag(path, from, "clean_text", true, &clean));
    TF_TRY(tf_read_flag(path, from, "handle_chinese_chars", true, &ideographs));
    TF_TRY(tf_read_flag(path, from, "lowercase", true, &lowercase));
    TF_TRY(tf_read_flag(path, from, "strip_accents", lowercase, &strip_accents));
    return tf_add_bert_normalizer(clean, ideographs, strip_accents, lowercase, steps);
}

/* {"String": ...} or {"Regex": ...}. The step owns what it gets. */
static tf_status read_pattern(const char *path, const json_t *from, const char *section, tf_matcher *match) {
    const json_t *pattern = json_object_get(from, "pattern");
    const char *string = json_string_value(json_object_get(pattern, "String"));
    const char *expression = json_string_value(json_object_get(pattern, "Regex"));
    if (json_object_size(pattern) != 1 || (!string && !expression))
        return tf_fail(TF_FORMAT, "%s: \"pattern\" of \"%s\" is neither a String nor a Regex", path, section);
    if (string) {
        *match = (tf_matcher){.kind = TF_MATCH_STRING, .string = strdup(string), .length = strlen(string)};
        return match->string ? TF_OK : tf_text_no_memory();
    }
    *match = (tf_matcher){.kind = TF_MATCH_EXPRESSION};
    tf_status status = tf_expression_compile(expression, &match->expression);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s: \"pattern\" of \"%s\"", path, section);
}

static void free_pattern(tf_matcher *match) {
    free(match->string);
    tf_expression_free(match->expression);
}

static tf_status read_replace(const char *path, const json_t *from, tf_text_steps *steps) {
    const char *content;
    tf_text_step step = {.kind = TF_STEP_REPLACE};
    TF_TRY(tf_read_keys(path, from, "normalizer", "type pattern content"));
    TF_TRY(tf_read_string(path, from, "content", NULL, &content));
    TF_TRY(read_pattern(path, from, "normalizer", &step.match));
    tf_status status = add_text(steps, step, content);
    if (status != TF_OK) free_pattern(&step.match);
    return status;
}

static tf_status read_precompiled(const char *path, const json_t *from, tf_text_steps *steps) {
    const char *table;
    tf_text_step step = {.kind = TF_STEP_CHARSMAP};
    TF_TRY(tf_read_keys(path, from, "normalizer", "type precompiled_charsmap"));
    TF_TRY(tf_read_string(path, from, "precompiled_charsmap", "", &table));
    if (!*table) return TF_OK;
    tf_status status = tf_charsmap_read(table, &step.charsmap);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    status = add(steps, step);
    if (status != TF_OK) tf_charsmap_free(step.charsmap);
    return status;
}

static tf_status read_strip(const char *path, const json_t *from, tf_text_steps *steps) {
    tf_text_step step = {.kind = TF_STEP_STRIP};
    TF_TRY(tf_read_keys(path, from, "normalizer", "type strip_left strip_right"));
    TF_TRY(tf_read_flag(path, from, "strip_left", true, &step.left));
    TF_TRY(tf_read_flag(path, from, "strip_right", true, &step.right));
    return add(steps, step);
}

static tf_status read_prepend(const char *path, const json_t *from, tf_text_steps *steps) {
    const char *text;
    TF_TRY(tf_read_keys(path, from, "normalizer", "type prepend"));
    TF_TRY(tf_read_string(path, from, "prepend", NULL, &text));
    return add_text(steps, (tf_text_step){.kind = TF_STEP_PREFIX, .scheme = TF_PREFIX_ALWAYS}, text);
}

static tf_status read_plain(const char *path, const json_t *from, const char *type, tf_text_steps *steps) {
    static const struct {
        const char *type;
        tf_text_step step;
    } known[] = {{"NFC", {.kind = TF_STEP_NFC}},
                 {"NFD", {.kind = TF_STEP_NFD}},
                 {"NFKC", {.kind = TF_STEP_NFKC}},
                 {"NFKD", {.kind = TF_STEP_NFKD}},
                 {"Lowercase", {.kind = TF_STEP_LOWERCASE}},
                 {"StripAccents", {.kind = TF_STEP_FILTER, .drop = tf_is_combining}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(type, known[i].type)) {
            TF_TRY(tf_read_keys(path, from, "normalizer", "type"));
            return add(steps, known[i].step);
        }
    return tf_refuse_type(path, "normalizer", type);
}

/* ---- Pre-tokenisers ---- */

static tf_status add_split(tf_text_steps *steps, bool (*character)(int32_t), tf_behaviour behaviour) {
    return add(steps, (tf_text_step){.kind = TF_STEP_SPLIT, .match.character = character, .behaviour = behaviour});
}

tf_status tf_add_bert_splitter(tf_text_steps *steps) {
    TF_TRY(add_split(steps, tf_is_space, TF_REMOVED));
    return add_split(steps, tf_is_punctuation, TF_ISOLATED);
}

static tf_status read_behaviour(const char *path, const json_t *from, const char *fallback, tf_behaviour *out) {
    static const char *const name[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *behaviour;
    TF_TRY(tf_read_string(path, from, "behavior", fallback, &behaviour));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (!strcmp(behaviour, name[i])) {
            *out = (tf_behaviour)i;
            return TF_OK;
        }
    return tf_fail(TF_FORMAT, "%s: \"behavior\" of \"pre_tokenizer\" is none that is known", path);
}

static tf_status read_byte_level(const char *path, const json_t *from, tf_text_steps *steps) {
    static const char expression[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"; /* GPT-2's */
    bool prefix, use_regex;
    TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type add_prefix_space trim_offsets use_regex"));
    TF_TRY(tf_read_flag(path, from, "add_prefix_space", true, &prefix));
    TF_TRY(tf_read_flag(path, from, "use_regex", true, &use_regex));
    if (prefix) TF_TRY(add_text(steps, (tf_text_step){.kind = TF_STEP_PREFIX, .scheme = TF_PREFIX_UNLESS_THERE}, " "));
    if (use_regex) {
        tf_text_step step = {.kind = TF_STEP_SPLIT, .match.kind = TF_MATCH_EXPRESSION};
        TF_TRY(tf_expression_compile(expression, &step.match.expression));
        tf_status status = add(steps, step);
        if (status != TF_OK) free_pattern(&step.match);
        TF_TRY(status);
    }
    return add_kind(steps, TF_STEP_BYTES);
}

static tf_status read_scheme(const char *path, const json_t *from, const char **scheme) {
    bool prefix;
    TF_TRY(tf_read_string(path, from, "prepend_scheme", "always", scheme));
    TF_TRY(tf_read_flag(path, from, "add_prefix_space", true, &prefix));
    if (strcmp(*scheme, "always") != 0 && strcmp(*scheme, "first") != 0 && strcmp(*scheme, "never") != 0)
        return tf_fail(TF_FORMAT, "%s: \"prepend_scheme\" is neither always, first nor never", path);
    if (!prefix) *scheme = "never";
    return TF_OK;
}

static tf_status read_metaspace(const char *path, const json_t *from, tf_text_steps *steps) {
    const char *replacement, *scheme;
    bool split;
    TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type replacement str_rep add_prefix_space prepend_scheme split"));
    TF_TRY(tf_read_string(path, from, "replacement", "\xE2\x96\x81", &replacement));
    TF_TRY(read_scheme(path, from, &scheme));
    TF_TRY(tf_read_flag(path, from, "split", true, &split));
    tf_text_step step = {.kind = TF_STEP_SPLIT, .behaviour = TF_MERGED_WITH_NEXT};
    if (!*replacement || tf_utf8_read(replacement, strlen(replacement), &step.match.code) != strlen(replacement))
        return tf_fail(TF_FORMAT, "%s: \"replacement\" is not one character", path);
    TF_TRY(add_text(steps, (tf_text_step){.kind = TF_STEP_REPLACE, .match.code = ' '}, replacement));
    tf_text_step prefix = {.kind = TF_STEP_PREFIX, .scheme = *scheme == 'f' ? TF_PREFIX_FIRST : TF_PREFIX_UNLESS_THERE};
    if (*scheme != 'n') TF_TRY(add_text(steps, prefix, replacement));
    return split ? add(steps, step) : TF_OK;
}

static tf_status read_split(const char *path, const json_t *from, tf_text_steps *steps) {
    tf_text_step step = {.kind = TF_STEP_SPLIT};
    TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type pattern behavior invert"));
    TF_TRY(read_behaviour(path, from, NULL, &step.behaviour));
    TF_TRY(tf_read_flag(path, from, "invert", false, &step.invert));
    tf_status status = read_pattern(path, from, "pre_tokenizer", &step.match);
    if (status == TF_OK) status = add(steps, step);
    if (status != TF_OK) free_pattern(&step.match);
    return status;
}

/* \w+|[^\w\s]+ */
static tf_status add_whitespace(tf_text_steps *steps) {
    TF_TRY(add_split(steps, tf_is_space, TF_REMOVED));
    return add_split(steps, tf_is_word, TF_CONTIGUOUS);
}

static tf_status read_character_split(const char *path, const json_t *from, const char *type, tf_text_steps *steps) {
    tf_text_step step = {.kind = TF_STEP_SPLIT, .behaviour = TF_REMOVED};
    bool single;
    if (!strcmp(type, "Punctuation")) {
        TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type behavior"));
        TF_TRY(read_behaviour(path, from, "Isolated", &step.behaviour));
        return add_split(steps, tf_is_punctuation, step.behaviour);
    }
    if (!strcmp(type, "Digits")) {
        TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type individual_digits"));
        TF_TRY(tf_read_flag(path, from, "individual_digits", false, &single));
        return add_split(steps, tf_is_number, single ? TF_ISOLATED : TF_CONTIGUOUS);
    }
    TF_TRY(tf_read_keys(path, from, "pre_tokenizer", "type"));
    if (!strcmp(type, "BertPreTokenizer")) return tf_add_bert_splitter(steps);
    if (!strcmp(type, "Whitespace")) return add_whitespace(steps);
    if (!strcmp(type, "WhitespaceSplit")) return add_split(steps, tf_is_space, TF_REMOVED);
    return tf_refuse_type(path, "pre_tokenizer", type);
}

/* ---- Sequences ---- */

static tf_status read_normalizer(const char *path, const json_t *from, int depth, tf_text_steps *steps);
static tf_status read_splitter(const char *path, const json_t *from, int depth, tf_text_steps *steps);

static tf_status read_sequence(const char *path, const json_t *from, const char *section, const char *key, int depth,
                               tf_text_steps *steps) {
    char keys[64] = "type ";
    const json_t *list = json_object_get(from, key);
    TF_TRY(tf_read_keys(path, from, section, strcat(keys, key)));
    if (!json_is_array(list)) return tf_fail(TF_FORMAT, "%s: \"%s\" is not a list", path, key);
    if (depth == TF_MAX_NESTED_STEPS) return tf_fail(TF_FORMAT, "%s: \"%s\" is nested too deeply", path, section);
    for (size_t i = 0; i < json_array_size(list); i++)
        TF_TRY((*section == 'n' ? read_normalizer : read_splitter)(path, json_array_get(list, i), depth + 1, steps));
    return TF_OK;
}

static tf_status read_normalizer(const char *path, const json_t *from, int depth, tf_text_steps *steps) {
    const char *type;
    if (!from || json_is_null(from)) return TF_OK;
    TF_TRY(tf_read_type(path, from, "normalizer", &type));
    if (!strcmp(type, "Sequence")) return read_sequence(path, from, "normalizer", "normalizers", depth, steps);
    if (!strcmp(type, "BertNormalizer")) return read_bert(path, from, steps);
    if (!strcmp(type, "Replace")) return read_replace(path, from, steps);
    if (!strcmp(type, "Prepend")) return read_prepend(path, from, steps);
    if (!strcmp(type, "Strip")) return read_strip(path, from, steps);
    if (!strcmp(type, "Precompiled")) return read_precompiled(path, from, steps);
    return read_plain(path, from, type, steps);
}

static tf_status read_splitter(const char *path, const json_t *from, int depth, tf_text_steps *steps) {
    const char *type;
    if (!from || json_is_null(from)) return TF_OK;
    TF_TRY(tf_read_type(path, from, "pre_tokenizer", &type));
    if (!strcmp(type, "Sequence")) return read_sequence(path, from, "pre_tokenizer", "pretokenizers", depth, steps);
    if (!strcmp(type, "ByteLevel")) return read_byte_level(path, from, steps);
    if (!strcmp(type, "Metaspace")) return read_metaspace(path, from, steps);
    if (!strcmp(type, "Split")) return read_split(path, from, steps);
    return read_character_split(path, from, type, steps);
}

tf_status tf_read_normalizer(const char *path, const json_t *from, tf_text_steps *steps) {
    return read_normalizer(path, from, 0, steps);
}

tf_status tf_read_splitter(const char *path, const json_t *from, tf_text_steps *steps) {
    return read_splitter(path, from, 0, steps);
}
