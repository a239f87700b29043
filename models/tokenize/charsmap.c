#include "models/tokenize/charsmap.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "models/tokenize/unicode.h"

struct tf_charsmap {
    unsigned char *data;
    const unsigned char *unit; /* of the double array, 4 bytes each */
    size_t units;
    const char *text; /* the replacements; a zero byte follows the last one */
    size_t length;
};

tf_status tf_charsmap_read(const char *base64, tf_charsmap **charsmap) {
    *charsmap = NULL;
    size_t length = strlen(base64), padding = 0;
    while (padding < 2 && padding < length && base64[length - 1 - padding] == '=') padding++;
    tf_charsmap *map = length / 4 * 3 <= INT32_MAX ? calloc(1, sizeof *map) : NULL;
    if (map) map->data = malloc(length / 4 * 3 + 4);
    if (!map || !map->data) {
        free(map);
        return tf_text_no_memory();
    }
    int size = EVP_DecodeBlock(map->data, (const unsigned char *)base64, (int)length);
    uint32_t array = 0;
    if (size > 4) memcpy(&array, map->data, sizeof array);
    array = le32toh(array);
    size_t room = size > 4 + (int)padding ? (size_t)size - padding - 4 : 0, offset;
    map->unit = map->data + 4;
    map->units = array / 4;
    map->text = (const char *)map->unit + array;
    map->length = room > array ? room - array : 0;
    if (array < 4 || array % 4 || array > room || !tf_utf8_valid(map->text, map->length, &offset)) {
        tf_charsmap_free(map);
        return tf_fail(TF_FORMAT, "\"precompiled_charsmap\" is not SentencePiece's table in Base64");
    }
    map->data[4 + room] = '\0';
    *charsmap = map;
    return TF_OK;
}

void tf_charsmap_free(tf_charsmap *charsmap) {
    if (!charsmap) return;
    free(charsmap->data);
    free(charsmap);
}

const void *tf_charsmap_bytes(const tf_charsmap *charsmap, size_t *length) {
    *length = 4 * charsmap->units + charsmap->length;
    return charsmap->unit;
}

/* A unit of the double array: its label and flags; 0 outside, which is no label's. */
static uint32_t unit_at(const tf_charsmap *map, size_t at) {
    uint32_t unit = 0;
    if (at < map->units) memcpy(&unit, map->unit + 4 * at, sizeof unit);
    return le32toh(unit);
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

/* The replacement of the shortest key that the text begins with; NULL when there is none. */
static const char *find(const tf_charsmap *map, const char *text, size_t length) {
    size_t at = offset_of(unit_at(map, 0));
    for (size_t i = 0; i < length && text[i]; i++) {
        at ^= (unsigned char)text[i];
        uint32_t unit = unit_at(map, at);
        if ((unit & 0x800000FF) != (unsigned char)text[i]) return NULL;
        at ^= offset_of(unit);
        if (!(unit & 0x100)) continue;
        size_t value = unit_at(map, at) & 0x7FFFFFFF;
        return value < map->length && ((unsigned char)map->text[value] & 0xC0) != 0x80 ? map->text + value : NULL;
    }
    return NULL;
}

/* Characters on their way out; the last one is held back, as its change may still become another. */
typedef struct writer {
    tf_rewriter *to;
    int32_t code;
    int change;
    bool held;
} writer;

static tf_status put(writer *w, int32_t code, int change) {
    if (w->held) TF_TRY(tf_rewrite(w->to, w->code, w->change));
    *w = (writer){w->to, code, change, true};
    return TF_OK;
}

static size_t count_characters(const char *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static tf_status replace(writer *w, size_t old, const char *text) {
    size_t length = strlen(text), count = count_characters(text, length);
    int32_t code;
    for (size_t i = 0, k = 0; i < length; k++) {
        i += tf_utf8_read(text + i, length - i, &code);
        TF_TRY(put(w, code, k >= old));
    }
    if (count < old && w->held) w->change -= (int)(old - count);
    return TF_OK;
}

static size_t grapheme_end(const char *text, size_t length) {
    int32_t code, next, state = 0;
    size_t end = tf_utf8_read(text, length, &code);
    while (end < length) {
        size_t size = tf_utf8_read(text + end, length - end, &next);
        if (utf8proc_grapheme_break_stateful(code, next, &state)) break;
        code = next;
        end += size;
    }
    return end;
}

tf_status tf_charsmap_rewrite(const tf_charsmap *map, tf_rewriter *r) {
    const char *text = r->in->bytes + r->start;
    writer w = {.to = r};
    for (size_t at = 0, end; at < r->length; at = end) {
        int32_t code;
        end = at + grapheme_end(text + at, r->length - at);
        const char *whole = end - at < 6 ? find(map, text + at, end - at) : NULL;
        if (whole) TF_TRY(replace(&w, count_characters(text + at, end - at), whole));
        for (size_t size; !whole && at < end; at += size) {
            size = tf_utf8_read(text + at, end - at, &code);
            const char *one = find(map, text + at, size);
            TF_TRY(one ? replace(&w, 1, one) : put(&w, code, 0));
        }
    }
    return w.held ? tf_rewrite(r, w.code, w.change) : TF_OK;
}
