/** Passes of a decoder: graphs of one shape, made once and run with one batch of tokens after the other. */
#ifndef TF_APP_PASSES_H
#define TF_APP_PASSES_H

#include "experiments/app/service/job.h"
#include "models/decoding.h"

/** What the data owner's program learns of a pass. */
typedef enum pass_reveal {
    REVEAL_TOKEN,  /**< the next token of each text, the most likely or one that is drawn, nothing else */
    REVEAL_LOGITS, /**< the logits of all tokens of the vocabulary */
    REVEAL_NOTHING /**< of a piece of a prompt: what comes out stays shared */
} pass_reveal;

/** After a pass the data owner tells both others in a byte each whether there is a next one. */
enum { GO_ON_BYTES = 2 };

/** A graph and what it is given: refilled by pass_set, it serves until the caches need another capacity. */
typedef struct pass {
    tf_decoding decoding;
    tf_graph graph;
    int32_t *ids; /**< texts x rows, where this party holds them; NULL elsewhere */
    size_t width; /**< values of a text that come out */
} pass;

/**
 * Makes the graph of a pass over `rows` tokens of each text, after which caches have `capacity` rows. `holds_ids`:
 * whether this party is the data owner; `sampling` says how tokens are drawn; `weights` NULL where it does not hold
 * them. Free with pass_free, also after a failure.
 */
TF_CHECKED tf_status pass_make(const private_job *job, pass_reveal reveal, const tf_sampling *sampling, size_t texts,
                               size_t rows, size_t capacity, bool holds_ids, const tf_safetensors *weights, pass *pass);
void pass_free(pass *pass);

/** Fills what it is given for the rows after `length`; the ids of each text come `stride` after those of the one
 * before; NULL where this party does not hold them. */
void pass_set(const private_job *job, pass *pass, const size_t *padding, size_t length, const int32_t *ids,
              size_t stride);

/** The capacity of caches with which a token after `length` rows is decoded: programs are made for few of them. */
size_t pass_capacity(size_t length, size_t context);

#endif
