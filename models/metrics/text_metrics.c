#include "models/metrics/text_metrics.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/unicode.h"

/* ---- Entities ---- */

/* A tag's letter and type. */
typedef struct tag {
    char place; /* B, I, E, S or O */
    const char *type;
} tag;

static const tag outside = {'O', ""};

static tag tag_of(const char *text) {
    if (!strcmp(text, "O")) return outside;
    bool told = text[0] && strchr("BIESLU", text[0]) && text[1] == '-';
    if (!told) return (tag){'I', text};
    char place = text[0] == 'L' ? 'E' : text[0] == 'U' ? 'S' : text[0];
    return (tag){place, text + 2};
}

static bool begins(tag before, tag t) {
    if (t.place == 'O') return false;
    if (t.place == 'B' || t.place == 'S' || strcmp(before.type, t.type) != 0) return true;
    return before.place == 'O' || before.place == 'E' || before.place == 'S';
}

/* Whether the entity of `before` goes on with t. */
static bool goes_on(tag before, tag t) {
    return before.place != 'O' && t.place != 'O' && !begins(before, t);
}

void tf_entities_count(const char *const *truth, const char *const *predicted, size_t words, tf_entity_counts *counts) {
    tag true_before = outside, before = outside;
    bool same = false; /* an entity of both began together and has gone on together */
    for (size_t i = 0; i <= words; i++) {
        tag t = i < words ? tag_of(truth[i]) : outside, p = i < words ? tag_of(predicted[i]) : outside;
        bool true_on = goes_on(true_before, t), on = goes_on(before, p);
        if (same && !true_on && !on) counts->hits++;
        if (!true_on || !on) same = false;
        bool true_begins = begins(true_before, t), begin = begins(before, p);
        counts->truth += true_begins;
        counts->predicted += begin;
        if (true_begins && begin) same = !strcmp(t.type, p.type);
        true_before = t;
        before = p;
    }
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

double tf_entities_precision(const tf_entity_counts *c) {
    return ratio((double)c->hits, (double)c->predicted);
}
double tf_entities_recall(const tf_entity_counts *c) {
    return ratio((double)c->hits, (double)c->truth);
}
double tf_entities_f1(const tf_entity_counts *c) {
    return ratio(2 * (double)c->hits, (double)(c->truth + c->predicted));
}

/* ---- Answers ---- */

/* An answer's words, one after the other in `text`, each with a zero behind it. */
typedef struct words {
    char *text;
    const char **word;
    size_t count;
} words;

/* Lower case, without the punctuation of ASCII: at most three times as long. */
static size_t simplify(const char *from, char *to) {
    size_t length = strlen(from), written = 0;
    for (size_t i = 0; i < length;) {
        int32_t code, lower[2];
        i += tf_utf8_read(from + i, length - i, &code);
        if (code < 128 && ispunct((int)code)) continue;
        size_t count = tf_lowercase(code, lower);
        for (size_t k = 0; k < count; k++) written += tf_utf8_write(lower[k], to + written);
    }
    to[written] = 0;
    return written;
}

/* Whether one of "a", "an" and "the" stands at i as a word of its own; its length, or 0. */
static size_t article_at(const char *text, size_t length, size_t i) {
    static const char *const articles[] = {"a", "an", "the"};
    int32_t code;
    if (i > 0) {
        tf_utf8_before(text, i, &code);
        if (tf_is_word(code)) return 0;
    }
    for (size_t k = 0; k < sizeof articles / sizeof *articles; k++) {
        size_t size = strlen(articles[k]);
        if (length - i < size || memcmp(text + i, articles[k], size) != 0) continue;
        if (length - i == size) return size;
        tf_utf8_read(text + i + size, length - i - size, &code);
        if (!tf_is_word(code)) return size;
    }
    return 0;
}

static tf_status cut(const char *answer, words *out) {
    size_t room = 3 * strlen(answer) + 1, length;
    char *plain = malloc(room);
    *out = (words){.text = malloc(2 * room), .word = calloc(room, sizeof *out->word)};
    if (!plain || !out->text || !out->word) {
        free(plain);
        return tf_fail(TF_NOMEM, "no memory for an answer");
    }
    length = simplify(answer, plain);
    char *to = out->text;
    bool inside = false;
    for (size_t i = 0, size; i < length; i += size) {
        int32_t code;
        size = tf_utf8_read(plain + i, length - i, &code);
        size_t article = article_at(plain, length, i);
        if (article) size = article;
        bool part = !article && !tf_is_space(code);
        if (part && !inside) out->word[out->count++] = to;
        for (size_t k = 0; part && k < size; k++) *to++ = plain[i + k];
        if (!part && inside) *to++ = 0;
        inside = part;
    }
    *to = 0;
    free(plain);
    return TF_OK;
}

static void words_free(words *w) {
    free(w->text);
    free(w->word);
}

static bool same_words(const words *a, const words *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->word[i], b->word[i]) != 0) return false;
    return true;
}

/* Words that both have, as often as both have them; the words of b that are used up become NULL. */
static size_t common(const words *a, words *b) {
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (b->word[k] && !strcmp(a->word[i], b->word[k])) {
                b->word[k] = NULL;
                count++;
                break;
            }
    return count;
}

/* One true answer; one that is empty when simplified is none. */
static tf_status compare(const words *given, const char *truth, bool *counts, double *exact, double *f1) {
    words t;
    tf_status status = cut(truth, &t);
    if (status == TF_OK && t.count) {
        *counts = true;
        if (same_words(given, &t)) *exact = 1;
        size_t both = given->count + t.count;
        *f1 = fmax(*f1, 2 * (double)common(given, &t) / (double)both);
    }
    words_free(&t);
    return status;
}

tf_status tf_answer_scores(const char *given, const char *const *truth, size_t count, double *exact, double *f1) {
    words g;
    bool answered = false;
    *exact = *f1 = 0;
    tf_status status = cut(given, &g);
    for (size_t i = 0; i < count && status == TF_OK; i++) status = compare(&g, truth[i], &answered, exact, f1);
    if (status == TF_OK && !answered) *exact = *f1 = g.count == 0;
    words_free(&g);
    return status;
}
