/* What becomes of matches: normalizer.rs of the tokenizers library. */
#include <stdlib.h>

#include "models/tokenize/step.h"

/* Joins neighbours as the behaviour says; `found` then means that a stretch is removed. */
static void merge(tf_matches *all, tf_behaviour behaviour) {
    size_t count = 0;
    bool previous = false;
    tf_match *m = all->match;
    for (size_t k = 0; k < all->count; k++) {
        bool found = m[k].found;
        bool joins = behaviour == TF_CONTIGUOUS ? found == previous : found && !previous;
        previous = found;
        if (joins && count)
            m[count - 1].end = m[k].end;
        else
            m[count++] = (tf_match){m[k].start, m[k].end, false};
    }
    all->count = count;
}

/* Turns the order of the stretches round, so that the next one is the previous one. */
static void reverse(tf_matches *all) {
    for (size_t i = 0, j = all->count; i + 1 < j; i++) {
        tf_match other = all->match[--j];
        all->match[j] = all->match[i];
        all->match[i] = other;
    }
}

static void mirror(tf_matches *all) {
    for (size_t i = 0; i < all->count; i++) {
        size_t start = all->match[i].start;
        all->match[i].start = SIZE_MAX - all->match[i].end;
        all->match[i].end = SIZE_MAX - start;
    }
    reverse(all);
}

static tf_status split_piece(const tf_text_step *step, const tf_text_pieces *in, const tf_text_piece *piece,
                             tf_text_pieces *out) {
    tf_matches all;
    tf_status status = tf_find_matches(&step->match, in->text.bytes + piece->start, piece->length, &all);
    if (step->invert)
        for (size_t i = 0; i < all.count; i++) all.match[i].found = !all.match[i].found;
    if (step->behaviour == TF_MERGED_WITH_NEXT) mirror(&all);
    if (step->behaviour == TF_MERGED_WITH_PREVIOUS || step->behaviour == TF_MERGED_WITH_NEXT ||
        step->behaviour == TF_CONTIGUOUS)
        merge(&all, step->behaviour);
    if (step->behaviour == TF_MERGED_WITH_NEXT) mirror(&all);
    for (size_t i = 0; i < all.count && status == TF_OK; i++)
        if (!all.match[i].found || step->behaviour != TF_REMOVED)
            status = tf_pieces_add(out, piece->start + all.match[i].start, all.match[i].end - all.match[i].start, -1);
    free(all.match);
    return status;
}

/* Cuts the pieces; the text stays as it is and moves to the result. */
static tf_status split(const tf_text_step *step, tf_text_pieces *pieces) {
    tf_text_pieces cut = {0};
    tf_status status = TF_OK;
    for (size_t i = 0; i < pieces->count && status == TF_OK; i++) {
        const tf_text_piece *p = &pieces->piece[i];
        status = p->id >= 0 ? tf_pieces_add(&cut, p->start, p->length, p->id) : split_piece(step, pieces, p, &cut);
    }
    if (status == TF_OK) {
        cut.text = pieces->text;
        pieces->text = (tf_aligned){0};
    }
    tf_pieces_free(pieces);
    *pieces = cut;
    return status;
}

static tf_status rewrite(const tf_text_step *step, tf_text_pieces *pieces) {
    tf_text_pieces made = {0};
    tf_status status = TF_OK;
    for (size_t i = 0; i < pieces->count && status == TF_OK; i++) {
        const tf_text_piece *p = &pieces->piece[i];
        size_t start = made.text.length;
        status = p->id >= 0 ? tf_aligned_copy(&made.text, &pieces->text, p->start, p->length)
                            : tf_step_rewrite(step, &pieces->text, p->start, p->length, &made.text);
        if (status == TF_OK) status = tf_pieces_add(&made, start, made.text.length - start, p->id);
    }
    tf_pieces_free(pieces);
    *pieces = made;
    return status;
}

tf_status tf_steps_run(const tf_text_steps *steps, tf_text_pieces *pieces) {
    for (size_t i = 0; i < steps->count; i++)
        TF_TRY(steps->step[i].kind == TF_STEP_SPLIT ? split(&steps->step[i], pieces)
                                                    : rewrite(&steps->step[i], pieces));
    return TF_OK;
}
