/* The digest of a tokenizer: a canonical form of what it was read into. Numbers are 8 bytes, little-endian; texts have
 * their length in front. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/charsmap.h"
#include "models/tokenize/parts.h"
#include "net/base/digest.h"

static void add_number(tf_hash *hash, int64_t number) {
    uint64_t bytes = htole64((uint64_t)number);
    tf_hash_add(hash, &bytes, sizeof bytes);
}

static void add_bytes(tf_hash *hash, const void *bytes, size_t length) {
    add_number(hash, (int64_t)length);
    if (length) tf_hash_add(hash, bytes, length);
}

static void add_text(tf_hash *hash, const char *text) {
    add_bytes(hash, text ? text : "", text ? strlen(text) : 0);
}

/* ---- Steps ---- */

/* The place of a set of characters in a list that only grows: a function's address is no content. */
static int64_t set_number(bool (*set)(int32_t)) {
    static bool (*const known[])(int32_t) = {tf_is_space,     tf_is_dropped, tf_is_punctuation, tf_is_mark,
                                             tf_is_combining, tf_is_number,  tf_is_ideograph,   tf_is_word};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (set == known[i]) return (int64_t)i + 1;
    return 0;
}

static void add_step(tf_hash *hash, const tf_text_step *step) {
    const int64_t numbers[] = {step->kind,       set_number(step->drop), step->left,
                               step->right,      step->match.kind,       set_number(step->match.character),
                               step->match.code, step->behaviour,        step->invert,
                               step->scheme};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_number(hash, numbers[i]);
    add_bytes(hash, step->match.string, step->match.length);
    add_text(hash, step->match.expression ? tf_expression_pattern(step->match.expression) : NULL);
    add_bytes(hash, step->text, step->length);
    size_t length = 0;
    const void *table = step->charsmap ? tf_charsmap_bytes(step->charsmap, &length) : NULL;
    add_bytes(hash, table, length);
}

static void add_steps(tf_hash *hash, const tf_text_steps *steps) {
    add_number(hash, (int64_t)steps->count);
    for (size_t i = 0; i < steps->count; i++) add_step(hash, &steps->step[i]);
}

/* ---- The model ---- */

/* A token, to be put in order. */
typedef struct item {
    int64_t key;
    const char *text; /* decides between tokens of one id */
    size_t length;
} item;

static int by_key(const void *left, const void *right) {
    const item *a = left, *b = right;
    if (a->key != b->key) return (a->key > b->key) - (a->key < b->key);
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter ? memcmp(a->text, b->text, shorter) : 0;
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Most vocabularies are in order. */
static void sort(item *items, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (by_key(&items[i - 1], &items[i]) > 0) {
            qsort(items, count, sizeof *items, by_key);
            return;
        }
}

static tf_status add_vocabulary(tf_hash *hash, const tf_tokenizer *t) {
    const tf_vocabulary *v = &t->vocabulary;
    item *items = calloc(v->tokens + 1, sizeof *items);
    if (!items) return tf_text_no_memory();
    for (size_t i = 0; i < v->tokens; i++)
        items[i] = (item){v->token[i].id, v->bytes + v->token[i].start, v->token[i].length};
    sort(items, v->tokens);
    add_number(hash, (int64_t)v->tokens);
    for (size_t i = 0; i < v->tokens; i++) {
        uint64_t score = 0;
        if (t->model == TF_MODEL_UNIGRAM) memcpy(&score, &t->unigram.score[items[i].key], sizeof score);
        add_number(hash, items[i].key);
        add_bytes(hash, items[i].text, items[i].length);
        add_number(hash, (int64_t)score);
    }
    free(items);
    return TF_OK;
}

/* No two merges have one rank. */
static tf_status add_bpe(tf_hash *hash, const tf_bpe *bpe) {
    size_t count = 0, ranks = 0;
    for (size_t i = 0; i < bpe->slots; i++)
        if (bpe->merge[i].left >= 0 && bpe->merge[i].rank >= ranks) ranks = (size_t)bpe->merge[i].rank + 1;
    const tf_merge **by_rank = calloc(ranks + 1, sizeof(const tf_merge *));
    if (!by_rank) return tf_text_no_memory();
    for (size_t i = 0; i < bpe->slots; i++)
        if (bpe->merge[i].left >= 0) by_rank[bpe->merge[i].rank] = &bpe->merge[i], count++;
    add_text(hash, bpe->prefix);
    add_text(hash, bpe->suffix);
    const int64_t numbers[] = {bpe->unknown,       bpe->refuses_unknown, bpe->fuse_unknown,
                               bpe->byte_fallback, bpe->ignore_merges,   (int64_t)count};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_number(hash, numbers[i]);
    for (size_t i = 0; i < ranks; i++) {
        if (!by_rank[i]) continue;
        add_number(hash, by_rank[i]->left);
        add_number(hash, by_rank[i]->right);
        add_number(hash, by_rank[i]->made);
    }
    free(by_rank);
    return TF_OK;
}

static tf_status add_model(tf_hash *hash, const tf_tokenizer *t) {
    add_number(hash, t->model);
    TF_TRY(add_vocabulary(hash, t));
    if (t->model == TF_MODEL_BPE) return add_bpe(hash, &t->bpe);
    if (t->model == TF_MODEL_WORDPIECE) {
        add_text(hash, t->wordpiece.prefix);
        add_number(hash, (int64_t)t->wordpiece.longest);
        add_number(hash, t->wordpiece.unknown);
    } else {
        add_number(hash, t->unigram.unknown);
        add_number(hash, t->unigram.byte_fallback);
    }
    return TF_OK;
}

/* ---- Special tokens ---- */

static void add_added(tf_hash *hash, const tf_added *added) {
    add_number(hash, (int64_t)added->count);
    for (size_t i = 0; i < added->count; i++) {
        const tf_added_token *token = &added->token[added->by_id[i] % TF_MAX_ADDED];
        const int64_t numbers[] = {token->id,     token->special, token->single_word,
                                   token->lstrip, token->rstrip,  token->normalized};
        add_text(hash, token->content);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) add_number(hash, numbers[k]);
    }
}

static void add_template(tf_hash *hash, const tf_template *template) {
    add_number(hash, (int64_t) template->count);
    for (size_t i = 0; i < template->count; i++) {
        add_number(hash, template->item[i].kind);
        add_number(hash, template->item[i].id);
        add_number(hash, template->item[i].type);
    }
}

tf_status tf_tokenizer_digest(const tf_tokenizer *t, tf_digest *digest) {
    tf_hash hash;
    tf_hash_begin(&hash);
    tf_hash_add_text(&hash, "trefoil tokenizer 1");
    add_steps(&hash, &t->normalizer);
    add_steps(&hash, &t->splitter);
    tf_status status = add_model(&hash, t);
    if (status != TF_OK) {
        tf_hash_abandon(&hash);
        return status;
    }
    add_added(&hash, &t->added);
    add_template(&hash, &t->single);
    add_template(&hash, &t->pair);
    return tf_hash_end(&hash, digest);
}
