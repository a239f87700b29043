#include "models/tokenize/added.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/vocabulary.h"
#include "net/base/array.h"

static tf_added_token *find(const tf_added *added, const char *content) {
    for (size_t i = 0; i < added->count; i++)
        if (!strcmp(added->token[i].content, content)) return &added->token[i];
    return NULL;
}

const tf_added_token *tf_added_find(const tf_added *added, const char *content) {
    return find(added, content);
}

tf_status tf_added_add(tf_added *added, const char *content, tf_added_token flags) {
    size_t length = strlen(content);
    if (!length) return TF_OK; /* it would be found everywhere */
    if (length > TF_MAX_ADDED_LENGTH || added->count == TF_MAX_ADDED)
        return tf_fail(TF_FORMAT, "at most %d added tokens of at most %d bytes are supported", TF_MAX_ADDED,
                       TF_MAX_ADDED_LENGTH);
    tf_added_token *known = find(added, content);
    if (known) {
        flags.content = known->content;
        *known = flags;
        return TF_OK;
    }
    tf_added_token *more = tf_grow(added->token, &added->capacity, added->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    added->token = more;
    flags.text = NULL;
    flags.content = strdup(content);
    if (!flags.content) return tf_text_no_memory();
    added->token[added->count++] = flags;
    return TF_OK;
}

static tf_status prepare_text(tf_added_token *token, const tf_text_steps *normalizer) {
    tf_text_pieces pieces = {0};
    tf_status status = tf_pieces_of(token->content, strlen(token->content), &pieces);
    if (status == TF_OK && token->normalized) status = tf_steps_run(normalizer, &pieces);
    token->length = status == TF_OK ? pieces.text.length : 0;
    token->text = pieces.text.bytes;
    pieces.text.bytes = NULL;
    tf_pieces_free(&pieces);
    return status;
}

static tf_status sort(const tf_added *added, bool normalized, tf_prefixes *index) {
    TF_TRY(tf_prefixes_reserve(index, added->count));
    for (size_t i = 0; i < added->count; i++) {
        const tf_added_token *a = &added->token[i];
        if (a->normalized == normalized && a->length)
            index->prefix[index->count++] = (tf_prefix){a->text, a->length, (int32_t)i};
    }
    tf_prefixes_sort(index);
    return TF_OK;
}

/* An id and its place as one number. */
static int by_number(const void *left, const void *right) {
    const size_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

tf_status tf_added_prepare(tf_added *added, const tf_text_steps *normalizer) {
    for (size_t i = 0; i < added->count; i++) TF_TRY(prepare_text(&added->token[i], normalizer));
    added->by_id = calloc(added->count + 1, sizeof *added->by_id);
    if (!added->by_id) return tf_text_no_memory();
    for (size_t i = 0; i < added->count; i++) added->by_id[i] = (size_t)added->token[i].id * TF_MAX_ADDED + i;
    qsort(added->by_id, added->count, sizeof *added->by_id, by_number);
    TF_TRY(sort(added, false, &added->index[0]));
    return sort(added, true, &added->index[1]);
}

const tf_added_token *tf_added_of(const tf_added *added, int32_t id) {
    size_t low = 0, high = added->count, wanted = id < 0 ? 0 : ((size_t)id + 1) * TF_MAX_ADDED;
    while (low < high) {
        size_t half = low + (high - low) / 2;
        if (added->by_id[half] < wanted)
            low = half + 1;
        else
            high = half;
    }
    const tf_added_token *token = low ? &added->token[added->by_id[low - 1] % TF_MAX_ADDED] : NULL;
    return token && token->id == id ? token : NULL;
}

void tf_added_free(tf_added *added) {
    for (size_t i = 0; i < added->count; i++) free(added->token[i].content), free(added->token[i].text);
    free(added->token);
    free(added->by_id);
    for (int i = 0; i < 2; i++) tf_prefixes_free(&added->index[i]);
    *added = (tf_added){0};
}

/* What is searched. */
typedef struct search {
    const tf_added *added;
    bool normalized;
    const tf_aligned *text;
    const unsigned char *literal;
} search;

/* Whether a byte of the text from `from` on comes from a place that is marked. */
static bool is_literal(const search *in, size_t from, size_t length) {
    for (size_t i = from; in->literal && i < from + length; i++)
        for (uint32_t k = in->text->from[i].start; k < in->text->from[i].end; k++)
            if (in->literal[k]) return true;
    return false;
}

/* The longest token that starts at a place of the text. */
static const tf_added_token *token_at(const search *in, size_t start, size_t length) {
    const tf_added_token *best = NULL;
    tf_prefix_cursor cursor = {0};
    for (size_t i = 0; i < length && (!i || cursor.low < cursor.high); i++) {
        int32_t place =
            tf_prefix_read(&in->added->index[in->normalized], &cursor, (unsigned char)in->text->bytes[start + i]);
        const tf_added_token *token = place >= 0 ? &in->added->token[place] : NULL;
        if (token && !(token->special && is_literal(in, start, i + 1))) best = token;
    }
    return best;
}

static bool stands_alone(const char *text, size_t length, size_t start, size_t end) {
    int32_t before = ' ', after = ' ';
    if (start) tf_utf8_before(text, start, &before);
    if (end < length) tf_utf8_read(text + end, length - end, &after);
    return !tf_is_word(before) && !tf_is_word(after);
}

/* Takes the white space beside a token with it, as far as `done`, where the token before ends. */
static void widen(const tf_added_token *token, const char *text, size_t length, size_t done, size_t *start,
                  size_t *end) {
    int32_t code;
    while (token->lstrip && *start > done) {
        size_t before = tf_utf8_before(text, *start, &code);
        if (!tf_is_space(code)) break;
        *start = before;
    }
    while (token->rstrip && *end < length) {
        size_t size = tf_utf8_read(text + *end, length - *end, &code);
        if (!tf_is_space(code)) break;
        *end += size;
    }
}

static tf_status split_piece(const search *in, const tf_text_piece *piece, tf_text_pieces *out) {
    const char *text = in->text->bytes + piece->start;
    size_t done = 0, length = piece->length;
    for (size_t i = 0; i < length;) {
        const tf_added_token *token = token_at(in, piece->start + i, length - i);
        size_t start = i, end = i + (token ? token->length : 1);
        i = end;
        if (!token || (token->single_word && !stands_alone(text, length, start, end))) continue;
        widen(token, text, length, done, &start, &end);
        if (start > done) TF_TRY(tf_pieces_add(out, piece->start + done, start - done, -1));
        TF_TRY(tf_pieces_add(out, piece->start + start, end - start, token->id));
        done = end;
    }
    return done < length ? tf_pieces_add(out, piece->start + done, length - done, -1) : TF_OK;
}

tf_status tf_added_split(const tf_added *added, bool normalized, const unsigned char *literal, tf_text_pieces *pieces) {
    if (!added->index[normalized].count) return TF_OK;
    const search in = {added, normalized, &pieces->text, literal};
    tf_text_pieces cut = {0};
    tf_status status = TF_OK;
    for (size_t i = 0; i < pieces->count && status == TF_OK; i++) {
        const tf_text_piece *p = &pieces->piece[i];
        status = p->id >= 0 ? tf_pieces_add(&cut, p->start, p->length, p->id) : split_piece(&in, p, &cut);
    }
    free(pieces->piece);
    pieces->piece = cut.piece;
    pieces->count = cut.count;
    pieces->capacity = cut.capacity;
    return status;
}
