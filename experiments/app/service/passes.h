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

/** What a pass is to be. */
typedef struct pass_shape {
    pass_reveal reveal;
    size_t texts, rows, capacity; /**< rows: tokens of each text; capacity: of the caches after the pass */
    bool reads;                   /**< these are rows of prompts that will be evicted */
    size_t keep;                  /**< and this pass does it: so many rows stay. 0: it does not */
    size_t kept, evicted;         /**< rows of the prompts that an earlier pass left, and those that went */
    size_t proposed; /**< so many of the rows, the last ones, are proposals: of them those that agree with what is
                        chosen are revealed, and one token more */
} pass_shape;

/** How a token is chosen that alone is revealed. */
typedef struct pass_choice {
    const tf_sampling *sampling;
    double penalty;      /**< on tokens that are in the text; 0 or 1: none */
    const int32_t *seen; /**< where this party is the data owner and there is a penalty, texts x (1 + proposed) x
                            vocabulary: 1 for tokens that are in the text by then; read when the pass runs */
} pass_choice;

/** The same as settings have it. */
pass_choice pass_choice_of(const run_settings *settings);

/** Whether what is revealed has a penalty put in between the parties: of logits the data owner does it. */
bool pass_penalises(pass_reveal reveal, double penalty);

/** How many rows of prompts of this length go once they are read, because job->settings->keep says so. */
size_t pass_evicted(const private_job *job, size_t prompt);

/** The pass over the next at most `piece` (0: all) tokens of prompts, of which `read` are read already. */
pass_shape pass_reading(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt, size_t read,
                        size_t piece);

/** The pass over one token after `length` tokens, in which prompts are counted whole, and over at most `proposed` more,
 *  as far as there is room in the context. */
pass_shape pass_decoding(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt, size_t length,
                         size_t proposed, size_t context);

/** A graph and what it is given: refilled by pass_set, it serves until the caches need another capacity. */
typedef struct pass {
    pass_shape shape;
    tf_decoding decoding;
    tf_graph graph;
    int32_t *ids; /**< texts x rows, where this party holds them; NULL elsewhere */
    size_t width; /**< values of a text that come out; where tokens are proposed those of op accepted */
} pass;

/**
 * Makes the graph of a pass. `holds_ids`: whether this party is the data owner; `weights` NULL where it does not hold
 * them. What `choice` refers to must outlive the pass. Free with pass_free, also after a failure.
 */
TF_CHECKED tf_status pass_make(const private_job *job, const pass_shape *shape, const pass_choice *choice,
                               bool holds_ids, const tf_safetensors *weights, pass *pass);
void pass_free(pass *pass);

/** Fills what it is given for the rows after `length` tokens; the ids of each text come `stride` after those of the one
 *  before; NULL where this party does not hold them. */
void pass_set(const private_job *job, pass *pass, const size_t *padding, size_t length, const int32_t *ids,
              size_t stride);

#endif
