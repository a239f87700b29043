/** A weight of a session's store, for the files that fill it. */
#ifndef TF_STORED_H
#define TF_STORED_H

#include "runtime/graph/graph.h"
#include "runtime/program/step.h"

/** A weight in one of three forms: this party's operand of products, components as words, or a table in few bytes. */
typedef struct tf_stored {
    char name[sizeof((tf_node *)0)->name];
    tf_type type;
    bool is_packed, is_table;
    uint8_t *panels;   /* of the operand: in a block of the store's, or NULL */
    tf_packed *packed; /* over them, or over those of a mapped file */
    uint64_t *component[2];
    uint8_t *data[2]; /* behind `source`, where that is not a file's */
    bool has_source;
    tf_source source;
} tf_stored;

/** Makes room for its components. */
TF_CHECKED tf_status tf_stored_components(tf_stored *stored);

/** Wipes and frees what it has of its own: not panels. */
void tf_stored_release(tf_stored *stored);

#endif
