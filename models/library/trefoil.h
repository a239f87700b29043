/**
 * The library as its users meet it: sessions, models, and runs.
 *
 * The rest of the public interface is net/link.h and its makers (how the parties are connected), runtime/graph/graph.h
 * (networks of one's own), and runtime/graph/registry.h with runtime/program/program.h and runtime/lower/compose.h (ops
 * of one's own). Functions that fail return a status; tf_error() has the message. Each function says who calls it: a
 * function that "all three call together" talks to the other two parties and returns when they have called it too.
 *
 * Docstrings are in one order: what it does; shapes and units; who calls it; what is revealed to whom; errors.
 */
#ifndef TREFOIL_H
#define TREFOIL_H

#include <stdbool.h>

#include "net/link.h"
#include "runtime/graph/graph.h"

TF_PUBLIC_BEGIN

/** One party's part of a private computation. */
typedef struct trefoil_session trefoil_session;

/** A Hugging Face model directory, as far as this party holds it. */
typedef struct trefoil_model trefoil_model;

/** What all three parties must choose alike, but for the threads. */
typedef struct trefoil_settings {
    int frac_bits;               /**< fractional bits of fixed-point numbers, 8 to 24 */
    int model_owner, data_owner; /**< parties, 0 to 2 */
    int threads;                 /**< of this party */
} trefoil_settings;

/** What a run took. */
typedef struct trefoil_cost {
    uint64_t bytes[TF_PARTIES]
                  [TF_PARTIES]; /**< from party to party, as forecast and as checked on this party's links */
    uint64_t rounds;
    uint64_t memory;      /**< bytes of values and messages at the peak, without weights */
    double seconds;       /**< of the run itself, on this party */
    double setup_seconds; /**< of sharing the weights that this run was the first to need */
} trefoil_cost;

/** Returns 16 fractional bits, model owner 0, data owner 1, one thread. */
trefoil_settings trefoil_default_settings(void);

/** Returns the version, such as "0.1.0". */
const char *trefoil_library_version(void);

/**
 * Opens a session over a link, which stays the caller's and must outlive it. All three call it together. Registers the
 * built-in ops. Reveals nothing. TF_INVALID where settings are out of range, TF_MISMATCH where they differ.
 */
TF_CHECKED tf_status trefoil_session_open(tf_link *link, const trefoil_settings *settings, trefoil_session **session);

/** Wipes keys and shares. Local. NULL is allowed. */
void trefoil_session_close(trefoil_session *session);

/**
 * Runs a graph. Weights are read where this party owns the model, tokens where it owns the data, public leaves
 * everywhere; data of other parties' leaves may be NULL. output[slot] has room for the elements of that output where
 * this party receives it, and is NULL elsewhere. All three call it together with graphs of one shape. Reveals each
 * output to its reader, and shapes to all. `cost` may be NULL. TF_MISMATCH where graphs differ, TF_PEER where a party
 * fails, TF_RANGE where a weight is too large.
 */
TF_CHECKED tf_status trefoil_session_run(trefoil_session *session, const tf_graph *graph, double *const *output,
                                         trefoil_cost *cost);

/** What of a model's directory this party opens besides config.json. */
enum { TREFOIL_CONFIG_ONLY = 0, TREFOIL_WEIGHTS = 1, TREFOIL_TOKENIZER = 2 };

/**
 * Opens a model directory: config.json, and of the weights and the tokenizer what `parts` says. `approx` is a list such
 * as "exact" or "paper,softmax=exact"; NULL: what config.json says the weights were trained for, or exact. Local.
 * Errors name the file and the key.
 */
TF_CHECKED tf_status trefoil_model_open(const char *directory, const char *approx, unsigned parts,
                                        trefoil_model **model);
void trefoil_model_close(trefoil_model *model);

/** Returns how many values come out for each text: logits, or the length of an embedding. Local. */
size_t trefoil_model_width(const trefoil_model *model);

/** Writes the name of label i into `buffer`, if it has none of its own, and returns it. Local. */
const char *trefoil_model_label(const trefoil_model *model, size_t i, char *buffer, size_t size);

/**
 * Infers `count` texts at once, padded to the longest. The data owner gives texts (UTF-8) and room for count x width
 * values; the others give NULL and 0. All three call it together, with one architecture and one list of approximations,
 * which are compared first. Reveals to all how many texts there are and how many tokens each has; the values to the
 * data owner alone. `cost` may be NULL. TF_INVALID where the model's output is per token: build its graph instead.
 */
TF_CHECKED tf_status trefoil_model_infer(trefoil_session *session, const trefoil_model *model, const char *const *texts,
                                         size_t count, double *values, trefoil_cost *cost);

TF_PUBLIC_END

#endif
