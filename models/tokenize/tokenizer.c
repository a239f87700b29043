/* The algorithm of BertTokenizer: J. Devlin et al., BERT, 2019, and Hugging Face's tokenizers library. */
#include "models/tokenize/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/tokenizer_parts.h"
#include "models/tokenize/unicode.h"

static tf_status no_memory(void) {
    return tf_fail(TF_NOMEM, "no memory to tokenise a text");
}

/* Makes room for `need` items in all, doubling, and returns the new array; NULL when there is no memory. */
static void *grow(void *items, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity && items) return items;
    size_t wanted = *capacity ? *capacity : 64, bytes;
    while (wanted < need)
        if (__builtin_mul_overflow(wanted, 2, &wanted)) return NULL;
    if (__builtin_mul_overflow(wanted, size, &bytes)) return NULL;
    void *more = realloc(items, bytes);
    if (more) *capacity = wanted;
    return more;
}

/* ---- Normalisation ---- */

typedef struct codes {
    int32_t *code;
    size_t count, capacity;
} codes;

static tf_status append(codes *out, int32_t code) {
    int32_t *more = grow(out->code, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return no_memory();
    out->code = more;
    out->code[out->count++] = code;
    return TF_OK;
}

/* Moves the last character before those of a higher combining class, back to *run: the canonical order. */
static void reorder(codes *out, size_t *run) {
    size_t i = out->count - 1;
    int32_t last = out->code[i];
    int class = tf_combining_class(last);
    if (!class)
        *run = out->count;
    else
        for (; i > *run && tf_combining_class(out->code[i - 1]) > class; i--) {
            out->code[i] = out->code[i - 1];
            out->code[i - 1] = last;
        }
}

/* Removes control characters, makes all white space spaces, and puts spaces around ideographs, as asked for. */
static tf_status clean(const tf_normalizer *n, const char *text, size_t length, codes *out) {
    for (size_t i = 0; i < length;) {
        int32_t code;
        i += tf_utf8_read(text + i, length - i, &code);
        if (n->clean_text) {
            if (tf_is_control(code) || code == 0xFFFD) continue;
            if (tf_is_space(code)) code = ' ';
        }
        bool spaced = n->ideographs && tf_is_ideograph(code);
        if (spaced) TF_TRY(append(out, ' '));
        TF_TRY(append(out, code));
        if (spaced) TF_TRY(append(out, ' '));
    }
    return TF_OK;
}

/* Appends the canonical decomposition of one character without its non-spacing marks. `*run` is where the combining
 * characters at the end of `out` begin. */
static tf_status append_stripped(int32_t code, codes *out, size_t *run) {
    int32_t part[TF_MAX_DECOMPOSITION];
    size_t parts = tf_decompose(code, part);
    for (size_t i = 0; i < parts; i++) {
        if (tf_is_mark(part[i])) {
            if (!tf_combining_class(part[i])) *run = out->count; /* nothing moves across it */
            continue;
        }
        TF_TRY(append(out, part[i]));
        reorder(out, run);
    }
    return TF_OK;
}

static tf_status lower_and_strip(const tf_normalizer *n, const codes *in, codes *out) {
    size_t run = 0;
    for (size_t i = 0; i < in->count; i++) {
        int32_t lower[2] = {in->code[i]};
        size_t letters = n->lowercase ? tf_lowercase(in->code, in->count, i, lower) : 1;
        for (size_t j = 0; j < letters; j++)
            TF_TRY(n->strip_accents ? append_stripped(lower[j], out, &run) : append(out, lower[j]));
    }
    return TF_OK;
}

tf_status tf_normalize(const tf_normalizer *normalizer, const char *text, size_t length, char **out,
                       size_t *out_length) {
    codes cleaned = {.count = 0}, normal = {.count = 0};
    tf_status status = clean(normalizer, text, length, &cleaned);
    if (status == TF_OK) status = lower_and_strip(normalizer, &cleaned, &normal);
    char *bytes = status == TF_OK ? malloc(4 * normal.count + 1) : NULL;
    if (status == TF_OK && !bytes) status = no_memory();
    size_t used = 0;
    for (size_t i = 0; bytes && i < normal.count; i++) used += tf_utf8_write(normal.code[i], bytes + used);
    free(cleaned.code);
    free(normal.code);
    *out = bytes;
    *out_length = used;
    return status;
}

/* ---- Words to ids ---- */

typedef struct ids {
    int32_t *id;
    size_t count, capacity;
    char *word; /* scratch: a continuation's prefix, then the word */
    size_t word_capacity;
} ids;

static tf_status append_id(ids *out, int32_t id) {
    int32_t *more = grow(out->id, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return no_memory();
    out->id = more;
    out->id[out->count++] = id;
    return TF_OK;
}

/* Copies the word behind room for the prefix. A continuation's prefix is later written over bytes that are done with.
 */
static tf_status copy_word(const tf_tokenizer *t, const char *word, size_t length, ids *out) {
    char *more = grow(out->word, &out->word_capacity, t->prefix_length + length, 1);
    if (!more) return no_memory();
    out->word = more;
    memcpy(out->word + t->prefix_length, word, length);
    return TF_OK;
}

/* The longest token at `start` of the word in out->word; returns where it ends, or `start` when there is none. */
static size_t longest_match(const tf_tokenizer *t, const ids *out, size_t start, size_t length, int32_t *id) {
    const char *word = out->word + t->prefix_length, *key = start ? out->word + start : word;
    size_t prefix = start ? t->prefix_length : 0, most = t->vocabulary.longest;
    if (start) memcpy(out->word + start, t->prefix, t->prefix_length);
    if (most < prefix) return start;
    size_t end = length - start > most - prefix ? start + most - prefix : length;
    for (; end > start; end--) {
        if (end < length && (word[end] & 0xC0) == 0x80) continue; /* inside a character */
        if ((*id = tf_vocabulary_find(&t->vocabulary, key, prefix + end - start)) >= 0) break;
    }
    return end;
}

static tf_status encode_word(const tf_tokenizer *t, const char *word, size_t length, ids *out) {
    size_t characters = 0, before = out->count;
    for (size_t i = 0; i < length; i++) characters += (word[i] & 0xC0) != 0x80;
    if (characters > t->longest_word) return append_id(out, t->unknown);
    TF_TRY(copy_word(t, word, length, out));
    for (size_t start = 0, end; start < length; start = end) {
        int32_t id = -1;
        end = longest_match(t, out, start, length, &id);
        if (end == start) { /* one unknown piece makes the whole word unknown */
            out->count = before;
            return append_id(out, t->unknown);
        }
        TF_TRY(append_id(out, id));
    }
    return TF_OK;
}

/* Splits normalised text at white space and around punctuation. */
static tf_status encode_words(const tf_tokenizer *t, const char *text, size_t length, ids *out) {
    size_t start = 0;
    for (size_t i = 0, size; i < length; i += size) {
        int32_t code;
        size = tf_utf8_read(text + i, length - i, &code);
        bool space = tf_is_space(code);
        if (!space && !tf_is_punctuation(code)) continue;
        if (i > start) TF_TRY(encode_word(t, text + start, i - start, out));
        if (!space) TF_TRY(encode_word(t, text + i, size, out));
        start = i + size;
    }
    return length > start ? encode_word(t, text + start, length - start, out) : TF_OK;
}

/* ---- Added tokens ---- */

/* The character that ends before `at`. */
static int32_t code_before(const char *text, size_t at, size_t *start) {
    int32_t code;
    *start = at - 1;
    while (*start && (text[*start] & 0xC0) == 0x80) --*start;
    tf_utf8_read(text + *start, at - *start, &code);
    return code;
}

static int32_t code_after(const char *text, size_t length, size_t at, size_t *end) {
    int32_t code;
    *end = at + tf_utf8_read(text + at, length - at, &code);
    return code;
}

static bool stands_alone(const char *text, size_t length, size_t start, size_t end) {
    size_t ignored;
    return !(start > 0 && tf_is_word(code_before(text, start, &ignored))) &&
           !(end < length && tf_is_word(code_after(text, length, end, &ignored)));
}

/* The longest added token of this kind at `at`. */
static const tf_added_token *added_at(const tf_tokenizer *t, const char *text, size_t length, size_t at,
                                      bool normalized) {
    const tf_added_token *best = NULL;
    for (size_t i = 0; i < t->addeds; i++) {
        const tf_added_token *a = &t->added[i];
        if (a->normalized == normalized && a->length <= length - at && a->text[0] == text[at] &&
            (!best || a->length > best->length) && !memcmp(a->text, text + at, a->length))
            best = a;
    }
    return best;
}

static tf_status encode_part(const tf_tokenizer *t, const char *text, size_t length, bool normalized, ids *out);

/* Text between added tokens: not yet normalised, or ready for the words. */
static tf_status encode_rest(const tf_tokenizer *t, const char *text, size_t length, bool normalized, ids *out) {
    if (normalized) return encode_words(t, text, length, out);
    char *normal;
    size_t size;
    TF_TRY(tf_normalize(&t->normalizer, text, length, &normal, &size));
    tf_status status = encode_part(t, normal, size, true, out);
    free(normal);
    return status;
}

/* Cuts the text at the added tokens: first at those of the text as it is, then at those of the normalised text. */
static tf_status encode_part(const tf_tokenizer *t, const char *text, size_t length, bool normalized, ids *out) {
    size_t done = 0, other;
    for (size_t i = 0; i < length;) {
        const tf_added_token *a = added_at(t, text, length, i, normalized);
        if (!a) {
            i++;
            continue;
        }
        size_t start = i, end = i + a->length;
        i = end;
        if (a->single_word && !stands_alone(text, length, start, end)) continue;
        while (a->lstrip && start > done && tf_is_space(code_before(text, start, &other))) start = other;
        while (a->rstrip && end < length && tf_is_space(code_after(text, length, end, &other))) end = other;
        if (start > done) TF_TRY(encode_rest(t, text + done, start - done, normalized, out));
        TF_TRY(append_id(out, a->id));
        done = end;
    }
    return length > done ? encode_rest(t, text + done, length - done, normalized, out) : TF_OK;
}

/* ---- Texts ---- */

static tf_status encode(const tf_tokenizer *t, const char *text, size_t length, const char *which, ids *out) {
    size_t offset;
    if (!tf_utf8_valid(text, length, &offset))
        return tf_fail(TF_FORMAT, "%s is not valid UTF-8 at byte %zu", which, offset);
    return encode_part(t, text, length, false, out);
}

/* Cuts the longer of two first; where both must be cut, the shorter keeps half. */
static tf_status fit(ids part[2], size_t special, size_t limit, bool truncate) {
    size_t total = part[0].count + part[1].count + special;
    if (!limit || total <= limit) return TF_OK;
    if (limit < special) return tf_fail(TF_INVALID, "%zu tokens have no room for the %zu special ones", limit, special);
    if (!truncate) return tf_fail(TF_INVALID, "the text makes %zu tokens, and at most %zu are allowed", total, limit);
    size_t room = limit - special;
    ids *shorter = &part[part[0].count > part[1].count], *longer = &part[shorter == part];
    if (shorter->count > room / 2) shorter->count = room / 2;
    longer->count = room - shorter->count;
    return TF_OK;
}

/* [CLS] first [SEP] second [SEP], with types 0 and, after the first [SEP], 1. */
static tf_status assemble(const tf_tokenizer *t, const ids part[2], bool pair, int32_t **ids_out, int32_t **types,
                          size_t *count) {
    size_t first = part[0].count + 2, total = first + (pair ? part[1].count + 1 : 0);
    int32_t *id = calloc(total, sizeof *id), *type = calloc(total, sizeof *type);
    if (!id || !type) {
        free(id), free(type);
        return no_memory();
    }
    id[0] = t->cls;
    if (part[0].count) memcpy(id + 1, part[0].id, part[0].count * sizeof *id);
    id[first - 1] = t->sep;
    if (pair) {
        if (part[1].count) memcpy(id + first, part[1].id, part[1].count * sizeof *id);
        id[total - 1] = t->sep;
    }
    for (size_t i = first; i < total; i++) type[i] = 1;
    *ids_out = id;
    *types = type;
    *count = total;
    return TF_OK;
}

tf_status tf_tokenize(const tf_tokenizer *tokenizer, const char *first, size_t first_length, const char *second,
                      size_t second_length, size_t limit, bool truncate, int32_t **ids_out, int32_t **types,
                      size_t *count) {
    ids part[2] = {{.count = 0}, {.count = 0}};
    tf_status status = encode(tokenizer, first, first_length, second ? "the first text" : "the text", &part[0]);
    if (status == TF_OK && second) status = encode(tokenizer, second, second_length, "the second text", &part[1]);
    if (status == TF_OK) status = fit(part, second ? 3 : 2, limit, truncate);
    if (status == TF_OK) status = assemble(tokenizer, part, second, ids_out, types, count);
    for (int i = 0; i < 2; i++) free(part[i].id), free(part[i].word);
    return status;
}
