/** Tokens as an owner outside shares them, made from plain words, for tests of the lookup alone. */
#ifndef TF_TESTS_SELECTION_H
#define TF_TESTS_SELECTION_H

#include "tests/support/rig.h"

/** The selections of the three parties; the caller frees them with selection_free. */
static inline void selection_make(const int32_t *ids, size_t tokens, size_t rows, tf_selection out[TF_PARTIES]) {
    size_t words = tf_words(rows);
    uint64_t *vector[TF_PARTIES][2], *sign[TF_PARTIES];
    for (int j = 0; j < TF_PARTIES; j++) {
        sign[j] = malloc(3 * tokens * sizeof *sign[j]);
        for (int k = 0; k < 2; k++) vector[j][k] = calloc(tokens * words, sizeof *vector[j][k]);
    }
    for (size_t i = 0; i < tokens; i++)
        for (int j = 0; j < TF_PARTIES; j++) {
            for (size_t r = 0; r < rows; r++) {
                uint64_t bit = rig_random() >> 63, flip = (size_t)ids[i] == r;
                vector[j][1][i * words + r / 64] |= bit << r % 64; /* for party j - 1 */
                vector[j][0][i * words + r / 64] |= (bit ^ flip) << r % 64;
                if (flip) sign[2][3 * i + (size_t)j] = (uint64_t)(2 * (int64_t)(bit ^ flip) - 1);
            }
            for (int k = 0; k < 2; k++) {
                sign[k][3 * i + (size_t)j] = rig_random();
                sign[2][3 * i + (size_t)j] -= sign[k][3 * i + (size_t)j];
            }
        }
    for (int p = 0; p < TF_PARTIES; p++) {
        uint64_t *copy[2];
        for (int k = 0; k < 2; k++) {
            copy[k] = malloc(3 * tokens * sizeof *copy[k]);
            memcpy(copy[k], sign[(p + k) % 3], 3 * tokens * sizeof *copy[k]);
        }
        out[p] = (tf_selection){.vector = {vector[p][0], vector[tf_next(p)][1]},
                                .sign = {copy[0], copy[1]},
                                .tokens = tokens,
                                .rows = rows};
    }
    for (int j = 0; j < TF_PARTIES; j++) free(sign[j]);
}

static inline void selection_free(tf_selection selection[TF_PARTIES]) {
    for (int p = 0; p < TF_PARTIES; p++)
        for (int k = 0; k < 2; k++) free((void *)selection[p].vector[k]), free((void *)selection[p].sign[k]);
}

/** A lookup by each party's own selection. Programs are shared in a rig, so each party gets a copy with
 *  its own leaf. */
typedef struct selection_rig {
    tf_node leaf[TF_PARTIES];
    tf_selection selection[TF_PARTIES];
    tf_program program[TF_PARTIES];
} selection_rig;

/** Appends the lookup of tokens, `ids`, in a table. */
static inline tf_value selection_embed(rig *r, selection_rig *s, tf_value table, tf_shape shape, const int32_t *ids) {
    selection_make(ids, tf_shape_count(shape), tf_type_of(&r->program, table)->shape.dim[0], s->selection);
    for (int p = 0; p < TF_PARTIES; p++)
        s->leaf[p] = (tf_node){.name = "tokens", .leaf = TF_LEAF_TOKENS, .shape = shape, .selection = &s->selection[p]};
    return tf_embed(&r->program, table, &s->leaf[0], TF_OUTSIDE);
}

/** Last before the run. */
static inline void selection_bind(rig *r, selection_rig *s) {
    for (int p = 0; p < TF_PARTIES; p++) {
        s->program[p] = r->program;
        size_t bytes = (size_t)r->program.nodes * sizeof *r->program.node;
        s->program[p].node = malloc(bytes);
        memcpy(s->program[p].node, r->program.node, bytes);
        for (int i = 0; i < r->program.nodes; i++)
            if (s->program[p].node[i].leaf == &s->leaf[0]) s->program[p].node[i].leaf = &s->leaf[p];
        r->t.party[p].program = &s->program[p];
    }
}

static inline void selection_close(selection_rig *s) {
    selection_free(s->selection);
    for (int p = 0; p < TF_PARTIES; p++) free(s->program[p].node);
}

#endif
