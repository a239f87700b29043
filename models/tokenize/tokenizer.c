#include "models/tokenize/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "models/tokenize/parts.h"

/* ---- A text ---- */

static tf_status encode_piece(const tf_tokenizer *t, const char *text, size_t length, tf_tokens *out) {
    switch (t->model) {
    case TF_MODEL_WORDPIECE: return tf_wordpiece_encode(&t->wordpiece, &t->vocabulary, text, length, out);
    case TF_MODEL_BPE: return tf_bpe_encode(&t->bpe, &t->vocabulary, text, length, out);
    case TF_MODEL_UNIGRAM: return tf_unigram_encode(&t->unigram, &t->vocabulary, text, length, out);
    }
    return tf_fail(TF_INTERNAL, "a tokenizer without a model");
}

/* Turns places in a piece into places in the given text. */
static void place_tokens(const tf_aligned *text, const tf_text_piece *piece, size_t first, tf_tokens *tokens) {
    tf_token *token = tokens->token;
    for (size_t i = first; i < tokens->count; i++) {
        size_t start = token[i].start, end = token[i].end;
        if (end > piece->length) end = piece->length; /* what is unknown and left out leaves places that mean nothing */
        if (start >= end) {
            token[i].start = token[i].end = text->from[piece->start].start;
            continue;
        }
        token[i].start = text->from[piece->start + start].start;
        token[i].end = text->from[piece->start + end - 1].end;
    }
}

/* How many characters at the start of a byte-level token (or its end) stand for white space. */
static size_t spaces(const char *text, size_t length, bool at_end) {
    size_t count = 0;
    for (size_t i = at_end ? length : 0; at_end ? i > 0 : i < length; count++) {
        int32_t code;
        i = at_end ? tf_utf8_before(text, i, &code) : i + tf_utf8_read(text + i, length - i, &code);
        if (code != 0x120 && !tf_is_space(code)) break;
    }
    return count;
}

/* process_offsets of pre_tokenizers/byte_level.rs. `written` is what the token stands for in the text, `given` the text
 * that places are of; the library counts in characters. */
static void trim(const char *written, size_t length, const char *given, bool keep_first, tf_token *token) {
    size_t leading = spaces(written, length, false), trailing = spaces(written, length, true), end = token->end;
    int32_t code;
    if (leading == 1 && keep_first) leading = 0; /* the one that was put there */
    for (; leading && token->start < token->end; leading--)
        token->start += tf_utf8_read(given + token->start, token->end - token->start, &code);
    for (; trailing && end > 0; trailing--) end = tf_utf8_before(given, end, &code);
    if (!trailing) token->end = end > token->start ? end : token->start;
}

static void trim_piece(const tf_tokenizer *t, const tf_text_pieces *pieces, const tf_text_piece *p, const char *given,
                       size_t from, tf_tokens *tokens) {
    for (size_t i = from; i < tokens->count; i++) {
        tf_token *token = &tokens->token[i];
        size_t length = p->length;
        const char *text = p->id >= 0 ? pieces->text.bytes + p->start /* white space beside an added token included */
                                      : tf_tokenizer_token(t, token->id, &length);
        if (text) trim(text, length, given, t->trim_prefix && (i == 0 || token->start == 0), token);
    }
}

/* Fails when the model itself makes a special token, other than that of the unknown, of marked bytes. */
static tf_status check_literal(const tf_tokenizer *t, const unsigned char *literal, const tf_tokens *tokens,
                               size_t from) {
    int32_t unknown = t->model == TF_MODEL_WORDPIECE ? t->wordpiece.unknown
                      : t->model == TF_MODEL_BPE     ? t->bpe.unknown
                                                     : t->unigram.unknown;
    for (size_t i = from; literal && i < tokens->count; i++) {
        const tf_token *token = &tokens->token[i];
        const tf_added_token *added = tf_added_of(&t->added, token->id);
        if (!added || !added->special || token->id == unknown) continue;
        for (size_t k = token->start; k < token->end; k++)
            if (literal[k])
                return tf_fail(TF_INVALID, "the text at byte %zu makes the special token of id %d", k, token->id);
    }
    return TF_OK;
}

static tf_status encode_pieces(const tf_tokenizer *t, const char *given, const unsigned char *literal,
                               tf_text_pieces *pieces, tf_tokens *out) {
    TF_TRY(tf_added_split(&t->added, false, literal, pieces));
    TF_TRY(tf_steps_run(&t->normalizer, pieces));
    TF_TRY(tf_added_split(&t->added, true, literal, pieces));
    TF_TRY(tf_steps_run(&t->splitter, pieces));
    for (size_t i = 0; i < pieces->count; i++) {
        const tf_text_piece *p = &pieces->piece[i];
        size_t before = out->count;
        TF_TRY(p->id >= 0 ? tf_tokens_add(out, p->id, 0, p->length)
                          : encode_piece(t, pieces->text.bytes + p->start, p->length, out));
        place_tokens(&pieces->text, p, before, out);
        if (p->id < 0) TF_TRY(check_literal(t, literal, out, before));
        if (t->trim_offsets) trim_piece(t, pieces, p, given, before, out);
    }
    return TF_OK;
}

static tf_status encode(const tf_tokenizer *t, const char *text, size_t length, const unsigned char *literal,
                        const char *which, tf_tokens *out) {
    size_t offset;
    if (!tf_utf8_valid(text, length, &offset))
        return tf_fail(TF_FORMAT, "%s is not valid UTF-8 at byte %zu", which, offset);
    tf_text_pieces pieces;
    tf_status status = tf_pieces_of(text, length, &pieces);
    if (status == TF_OK) status = encode_pieces(t, text, literal, &pieces, out);
    tf_pieces_free(&pieces);
    return status;
}

/* ---- Texts ---- */

/* Cuts the longer of two first; where both must be cut, the shorter keeps half. */
static tf_status fit(const tf_tokenizer *t, tf_tokens part[2], size_t special, const tf_encode_request *request) {
    size_t total = part[0].count + part[1].count + special, limit = request->limit;
    if (!limit || total <= limit) return TF_OK;
    if (limit < special) return tf_fail(TF_INVALID, "%zu tokens have no room for the %zu special ones", limit, special);
    if (!request->truncate)
        return tf_fail(TF_INVALID, "the text makes %zu tokens, and at most %zu are allowed", total, limit);
    if (t->cut_left)
        return tf_fail(TF_INVALID,
                       "the text makes %zu tokens, and the tokenizer's \"truncation_side\" is \"left\": cutting "
                       "its beginning is not supported, shorten it to %zu",
                       total, limit);
    size_t room = limit - special;
    tf_tokens *shorter = &part[part[0].count > part[1].count], *longer = &part[shorter == part];
    if (!request->second) {
        part[0].count = room;
        return TF_OK;
    }
    if (shorter->count > room / 2) shorter->count = room / 2;
    longer->count = room - shorter->count;
    return TF_OK;
}

static void put(tf_encoding *out, int32_t id, int32_t type, tf_token_place place) {
    out->ids[out->count] = id;
    out->types[out->count] = type;
    out->place[out->count++] = place;
}

static tf_status assemble(const tf_template *template, const tf_tokens part[2], bool bare, tf_encoding *out) {
    size_t room = 1;
    for (size_t i = 0; i < template->count; i++)
        room += template->item[i].kind == TF_ITEM_SPECIAL ? 1 : part[template->item[i].kind == TF_ITEM_SECOND].count;
    out->ids = calloc(room, sizeof *out->ids);
    out->types = calloc(room, sizeof *out->types);
    out->place = calloc(room, sizeof *out->place);
    if (!out->ids || !out->types || !out->place) return tf_text_no_memory();
    for (size_t i = 0; i < template->count; i++) {
        const tf_template_item *item = &template->item[i];
        int which = item->kind == TF_ITEM_SECOND;
        if (item->kind == TF_ITEM_SPECIAL) {
            if (!bare) put(out, item->id, item->type, (tf_token_place){.text = -1});
            continue;
        }
        for (size_t k = 0; k < part[which].count; k++) {
            const tf_token *token = &part[which].token[k];
            put(out, token->id, item->type, (tf_token_place){token->start, token->end, which});
        }
    }
    return TF_OK;
}

tf_status tf_tokenizer_encode(const tf_tokenizer *t, const tf_encode_request *request, tf_encoding *out) {
    tf_tokens part[2] = {{0}, {0}};
    const tf_template *template = request->second ? &t->pair : &t->single;
    *out = (tf_encoding){0};
    tf_status status = encode(t, request->first, request->first_length, request->literal,
                              request->second ? "the first text" : "the text", &part[0]);
    if (status == TF_OK && request->second)
        status = encode(t, request->second, request->second_length, NULL, "the second text", &part[1]);
    if (status == TF_OK) status = fit(t, part, request->bare ? 0 : template->specials, request);
    if (status == TF_OK) status = assemble(template, part, request->bare, out);
    for (int i = 0; i < 2; i++) tf_tokens_free(&part[i]);
    if (status != TF_OK) tf_encoding_free(out);
    return status;
}

void tf_encoding_free(tf_encoding *encoding) {
    free(encoding->ids);
    free(encoding->types);
    free(encoding->place);
    *encoding = (tf_encoding){0};
}

tf_status tf_tokenize(const tf_tokenizer *tokenizer, const char *first, size_t first_length, const char *second,
                      size_t second_length, size_t limit, bool truncate, int32_t **ids, int32_t **types,
                      size_t *count) {
    tf_encode_request request = {first, second, first_length, second_length, limit, truncate, false, NULL};
    tf_encoding encoding;
    TF_TRY(tf_tokenizer_encode(tokenizer, &request, &encoding));
    free(encoding.place);
    *ids = encoding.ids;
    *types = encoding.types;
    *count = encoding.count;
    return TF_OK;
}
