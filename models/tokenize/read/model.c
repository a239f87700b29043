/* "model" and "added_tokens". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/read/read.h"

enum { MAX_WORD = 10000 };

static tf_status read_vocabulary(const char *path, const json_t *vocab, tf_tokenizer *t) {
    if (!json_object_size(vocab))
        return tf_fail(TF_FORMAT, "%s: \"vocab\" of \"model\" is not an object with tokens", path);
    const char *token;
    json_t *id;
    size_t bytes = 0;
    json_object_foreach((json_t *)vocab, token, id) bytes += strlen(token);
    tf_status status = tf_vocabulary_init(&t->vocabulary, json_object_size(vocab), bytes);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    json_object_foreach((json_t *)vocab, token, id) {
        int32_t number = 0;
        TF_TRY(tf_read_id(path, id, "a token of the vocabulary", &number));
        TF_TRY(tf_vocabulary_add(&t->vocabulary, token, strlen(token), number));
    }
    t->ids = t->vocabulary.ids;
    return TF_OK;
}

static tf_status copy_string(const char *path, const json_t *model, const char *key, const char *fallback, char **out) {
    const char *text;
    TF_TRY(tf_read_string(path, model, key, fallback, &text));
    *out = strdup(text);
    return *out ? TF_OK : tf_fail(TF_NOMEM, "%s: no memory for the tokenizer", path);
}

/* ---- WordPiece ---- */

static tf_status read_wordpiece(const char *path, const json_t *model, tf_tokenizer *t) {
    const char *unknown;
    t->model = TF_MODEL_WORDPIECE;
    TF_TRY(
        tf_read_keys(path, model, "model", "type unk_token continuing_subword_prefix max_input_chars_per_word vocab"));
    TF_TRY(tf_read_string(path, model, "unk_token", "[UNK]", &unknown));
    TF_TRY(copy_string(path, model, "continuing_subword_prefix", "##", &t->wordpiece.prefix));
    t->wordpiece.prefix_length = strlen(t->wordpiece.prefix);
    const json_t *longest = json_object_get(model, "max_input_chars_per_word");
    json_int_t characters = longest ? json_integer_value(longest) : 100;
    if (characters < 1 || characters > MAX_WORD)
        return tf_fail(TF_FORMAT, "%s: \"max_input_chars_per_word\" is not an integer of 1..%d", path, MAX_WORD);
    t->wordpiece.longest = (size_t)characters;
    TF_TRY(read_vocabulary(path, json_object_get(model, "vocab"), t));
    t->wordpiece.unknown = tf_vocabulary_find(&t->vocabulary, unknown, strlen(unknown));
    if (t->wordpiece.unknown >= 0) return TF_OK;
    return tf_fail(TF_FORMAT, "%s: token %.60s is not in the vocabulary", path, unknown);
}

/* ---- Byte-pair encoding ---- */

/* The two parts of a merge: "left right", or a list of two. */
static bool merge_parts(const json_t *merge, const char **left, size_t *left_length, const char **right) {
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        *left = json_string_value(json_array_get(merge, 0));
        *right = json_string_value(json_array_get(merge, 1));
        if (!*left || !*right) return false;
        *left_length = strlen(*left);
        return true;
    }
    if (!space || strchr(space + 1, ' ')) return false;
    *left = text;
    *left_length = (size_t)(space - text);
    *right = space + 1;
    return true;
}

static tf_status read_merge(const char *path, const json_t *merge, size_t rank, tf_tokenizer *t, char *scratch) {
    const char *left, *right;
    size_t left_length, prefix = strlen(t->bpe.prefix);
    if (!merge_parts(merge, &left, &left_length, &right))
        return tf_fail(TF_FORMAT, "%s: merge %zu is not a pair of tokens", path, rank);
    size_t right_length = strlen(right);
    int32_t made = -1, left_id = tf_vocabulary_find(&t->vocabulary, left, left_length);
    int32_t right_id = tf_vocabulary_find(&t->vocabulary, right, right_length);
    if (left_id >= 0 && right_id >= 0 && right_length >= prefix) { /* both are in the vocabulary, so they fit */
        memcpy(scratch, left, left_length);
        memcpy(scratch + left_length, right + prefix, right_length - prefix);
        made = tf_vocabulary_find(&t->vocabulary, scratch, left_length + right_length - prefix);
    }
    if (made < 0) return tf_fail(TF_FORMAT, "%s: a token of merge %zu is not in the vocabulary", path, rank);
    tf_bpe_add(&t->bpe, left_id, right_id, made, (uint32_t)rank);
    return TF_OK;
}

static tf_status read_merges(const char *path, const json_t *merges, tf_tokenizer *t) {
    if (!json_is_array(merges)) return tf_fail(TF_FORMAT, "%s: \"merges\" of \"model\" is not a list", path);
    tf_status status = tf_bpe_reserve(&t->bpe, json_array_size(merges));
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    char *scratch = malloc(2 * t->vocabulary.longest + 1);
    if (!scratch) return tf_text_no_memory();
    size_t rank = 0;
    for (size_t i = 0; i < json_array_size(merges) && status == TF_OK; i++) {
        const json_t *merge = json_array_get(merges, i);
        const char *text = json_string_value(merge);
        if (!text || strncmp(text, "#version", 8) != 0) status = read_merge(path, merge, rank++, t, scratch);
    }
    free(scratch);
    return status;
}

static void find_bytes(const tf_vocabulary *v, tf_bpe *bpe) {
    for (unsigned i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        bpe->byte[i] = tf_vocabulary_find(v, name, 6);
    }
}

static tf_status read_bpe(const char *path, const json_t *model, tf_tokenizer *t) {
    const json_t *dropout = json_object_get(model, "dropout");
    const char *unknown;
    t->model = TF_MODEL_BPE;
    TF_TRY(tf_read_keys(path, model, "model",
                        "type dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk byte_fallback "
                        "ignore_merges vocab merges"));
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return tf_fail(TF_FORMAT, "%s: \"dropout\" of \"model\" makes the tokens random", path);
    TF_TRY(tf_read_string(path, model, "unk_token", "", &unknown));
    TF_TRY(copy_string(path, model, "continuing_subword_prefix", "", &t->bpe.prefix));
    TF_TRY(copy_string(path, model, "end_of_word_suffix", "", &t->bpe.suffix));
    TF_TRY(tf_read_flag(path, model, "fuse_unk", false, &t->bpe.fuse_unknown));
    TF_TRY(tf_read_flag(path, model, "byte_fallback", false, &t->bpe.byte_fallback));
    TF_TRY(tf_read_flag(path, model, "ignore_merges", false, &t->bpe.ignore_merges));
    TF_TRY(read_vocabulary(path, json_object_get(model, "vocab"), t));
    t->bpe.unknown = *unknown ? tf_vocabulary_find(&t->vocabulary, unknown, strlen(unknown)) : -1;
    t->bpe.refuses_unknown = *unknown && t->bpe.unknown < 0;
    find_bytes(&t->vocabulary, &t->bpe);
    return read_merges(path, json_object_get(model, "merges"), t);
}

/* ---- Unigram ---- */

static tf_status read_pieces(const char *path, const json_t *vocab, tf_tokenizer *t) {
    size_t bytes = 0, count = json_array_size(vocab);
    for (size_t i = 0; i < count; i++) {
        const json_t *piece = json_array_get(json_array_get(vocab, i), 0);
        size_t length = json_string_length(piece);
        if (!length || length > TF_MAX_UNIGRAM_TOKEN || !json_is_number(json_array_get(json_array_get(vocab, i), 1)))
            return tf_fail(TF_FORMAT, "%s: piece %zu of \"vocab\" is not a text of 1..%d bytes and a score", path, i,
                           TF_MAX_UNIGRAM_TOKEN);
        bytes += length;
    }
    tf_status status = tf_vocabulary_init(&t->vocabulary, count, bytes);
    if (status != TF_OK) return tf_fail_in(status, "%s", path);
    TF_TRY(tf_prefixes_reserve(&t->unigram.tokens, count));
    t->unigram.score = calloc(count + 1, sizeof *t->unigram.score);
    if (!t->unigram.score) return tf_text_no_memory();
    t->unigram.least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const char *piece = json_string_value(json_array_get(json_array_get(vocab, i), 0));
        double score = json_number_value(json_array_get(json_array_get(vocab, i), 1));
        if (tf_vocabulary_find(&t->vocabulary, piece, strlen(piece)) >= 0)
            return tf_fail(TF_FORMAT, "%s: piece %zu of \"vocab\" is there twice", path, i);
        TF_TRY(tf_vocabulary_add(&t->vocabulary, piece, strlen(piece), (int32_t)i));
        t->unigram.score[i] = score;
        if (score < t->unigram.least) t->unigram.least = score;
    }
    t->ids = t->vocabulary.ids;
    return TF_OK;
}

static tf_status read_unigram(const char *path, const json_t *model, tf_tokenizer *t) {
    const json_t *unknown = json_object_get(model, "unk_id");
    t->model = TF_MODEL_UNIGRAM;
    TF_TRY(tf_read_keys(path, model, "model", "type unk_id byte_fallback vocab"));
    TF_TRY(tf_read_flag(path, model, "byte_fallback", false, &t->unigram.byte_fallback));
    if (!json_array_size(json_object_get(model, "vocab")))
        return tf_fail(TF_FORMAT, "%s: \"vocab\" of \"model\" is not a list of pieces", path);
    TF_TRY(read_pieces(path, json_object_get(model, "vocab"), t));
    t->unigram.unknown = -1;
    if (unknown && !json_is_null(unknown)) TF_TRY(tf_read_id(path, unknown, "\"unk_id\"", &t->unigram.unknown));
    if (t->unigram.unknown >= (int32_t)t->ids)
        return tf_fail(TF_FORMAT, "%s: \"unk_id\" is not in the vocabulary", path);
    for (size_t i = 0; i < t->vocabulary.tokens; i++) {
        const struct tf_word_entry *e = &t->vocabulary.token[i];
        t->unigram.tokens.prefix[t->unigram.tokens.count++] =
            (tf_prefix){t->vocabulary.bytes + e->start, e->length, e->id};
    }
    tf_prefixes_sort(&t->unigram.tokens);
    return TF_OK;
}

/* The type of a model that does not name it, as older files do. */
static const char *implied_type(const json_t *model) {
    if (json_object_get(model, "merges")) return "BPE";
    return json_is_array(json_object_get(model, "vocab")) ? "Unigram" : "WordPiece";
}

tf_status tf_read_model(const char *path, const json_t *model, tf_tokenizer *t) {
    const char *type;
    if (!json_is_object(model)) return tf_fail(TF_FORMAT, "%s: \"model\" is missing", path);
    TF_TRY(tf_read_string(path, model, "type", implied_type(model), &type));
    if (!strcmp(type, "WordPiece"))
        TF_TRY(read_wordpiece(path, model, t));
    else if (!strcmp(type, "BPE"))
        TF_TRY(read_bpe(path, model, t));
    else if (!strcmp(type, "Unigram"))
        TF_TRY(read_unigram(path, model, t));
    else
        return tf_refuse_type(path, "model", type);
    return tf_vocabulary_number(&t->vocabulary);
}

/* ---- Added tokens ---- */

static tf_status read_added_token(const char *path, const json_t *entry, size_t i, tf_tokenizer *t) {
    const char *text = json_string_value(json_object_get(entry, "content"));
    tf_added_token token = {.id = 0};
    if (!text) return tf_fail(TF_FORMAT, "%s: added token %zu has no \"content\"", path, i);
    TF_TRY(tf_read_keys(path, entry, "added_tokens", "id content special single_word lstrip rstrip normalized __type"));
    if (!*text) return TF_OK; /* as Hugging Face: it would be found everywhere */
    TF_TRY(tf_read_id(path, json_object_get(entry, "id"), "an added token", &token.id));
    TF_TRY(tf_read_flag(path, entry, "special", false, &token.special));
    TF_TRY(tf_read_flag(path, entry, "single_word", false, &token.single_word));
    TF_TRY(tf_read_flag(path, entry, "lstrip", false, &token.lstrip));
    TF_TRY(tf_read_flag(path, entry, "rstrip", false, &token.rstrip));
    TF_TRY(tf_read_flag(path, entry, "normalized", !token.special, &token.normalized));
    int32_t known = tf_vocabulary_find(&t->vocabulary, text, strlen(text));
    if (known >= 0 && known != token.id)
        return tf_fail(TF_FORMAT, "%s: added token %zu has another id than in the vocabulary", path, i);
    if ((size_t)token.id >= t->ids) t->ids = (size_t)token.id + 1;
    tf_status status = tf_added_add(&t->added, text, token);
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s", path);
}

tf_status tf_read_added(const char *path, const json_t *list, tf_tokenizer *t) {
    if (list && !json_is_null(list) && !json_is_array(list))
        return tf_fail(TF_FORMAT, "%s: \"added_tokens\" is not a list", path);
    for (size_t i = 0; i < json_array_size(list); i++) TF_TRY(read_added_token(path, json_array_get(list, i), i, t));
    return TF_OK;
}
