/* The normal forms of Unicode Standard Annex 15, with the places that characters come from. */
#include <stdlib.h>

#include "models/tokenize/step.h"
#include "net/base/array.h"

/* A character, and what it replaces: see tf_rewrite. */
typedef struct letter {
    int32_t code;
    int change, class;
} letter;

typedef struct letters {
    letter *letter;
    size_t count, capacity;
} letters;

static tf_status append(letters *out, letter l) {
    letter *more = tf_grow(out->letter, &out->capacity, out->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    out->letter = more;
    out->letter[out->count++] = l;
    return TF_OK;
}

static int by_class(const void *left, const void *right) {
    const letter *const *a = left, *const *b = right;
    if ((*a)->class != (*b)->class) return (*a)->class < (*b)->class ? -1 : 1;
    return *a < *b ? -1 : *a > *b;
}

/* Puts a run of combining characters into canonical order; in n log n, as a hostile text is one long run. */
static tf_status order(letter *run, size_t count) {
    bool ordered = true;
    for (size_t i = 1; i < count; i++) ordered = ordered && run[i - 1].class <= run[i].class;
    if (ordered) return TF_OK;
    const letter **place = malloc(count * sizeof(*place));
    letter *sorted = malloc(count * sizeof *sorted);
    for (size_t i = 0; place && i < count; i++) place[i] = &run[i];
    if (place && sorted) {
        qsort(place, count, sizeof *place, by_class);
        for (size_t i = 0; i < count; i++) sorted[i] = *place[i];
        for (size_t i = 0; i < count; i++) run[i] = sorted[i];
    }
    bool made = place && sorted;
    free(place);
    free(sorted);
    return made ? TF_OK : tf_text_no_memory();
}

static tf_status decompose(const char *text, size_t length, bool compatible, letters *out) {
    size_t run = 0;
    for (size_t i = 0; i < length;) {
        int32_t code, part[TF_MAX_DECOMPOSITION];
        i += tf_utf8_read(text + i, length - i, &code);
        size_t parts = tf_decompose(code, compatible, part);
        for (size_t k = 0; k < parts; k++) {
            int class = tf_combining_class(part[k]);
            if (!class) {
                if (run < out->count) TF_TRY(order(out->letter + run, out->count - run));
                run = out->count + 1;
            }
            TF_TRY(append(out, (letter){part[k], k > 0, class}));
        }
    }
    return run < out->count ? order(out->letter + run, out->count - run) : TF_OK;
}

/* Joins each starter with what may follow it, in place. A character that the starter takes in hands its change on. */
static void compose(letters *all) {
    size_t count = 0, starter = SIZE_MAX;
    int last = 0; /* the class of the last character since the starter that was not taken in; 0: there is none */
    for (size_t i = 0; i < all->count; i++) {
        letter l = all->letter[i], *base = starter == SIZE_MAX ? NULL : &all->letter[starter];
        int32_t joined = base && (!last || last < l.class) ? tf_compose(base->code, l.code) : -1;
        if (joined >= 0) {
            base->code = joined;
            base->change += l.change - 1;
            continue;
        }
        if (!l.class) starter = count;
        if (starter != SIZE_MAX) last = l.class;
        all->letter[count++] = l;
    }
    all->count = count;
}

tf_status tf_normal_form(tf_step_kind form, const tf_aligned *in, size_t start, size_t length, tf_aligned *out) {
    letters all = {0};
    tf_status status = decompose(in->bytes + start, length, form == TF_STEP_NFKC || form == TF_STEP_NFKD, &all);
    if (status == TF_OK && (form == TF_STEP_NFC || form == TF_STEP_NFKC)) compose(&all);
    tf_rewriter r = {in, start, length, 0, out};
    for (size_t i = 0; i < all.count && status == TF_OK; i++)
        status = tf_rewrite(&r, all.letter[i].code, all.letter[i].change);
    free(all.letter);
    return status;
}
