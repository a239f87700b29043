/**
 * Compiled programs: a graph lowered, planned and digested once, and run many times with other data. Kept by a key that
 * says everything which lowering looks at, so that a graph of the same shape finds what an earlier one left.
 */
#ifndef TF_COMPILED_H
#define TF_COMPILED_H

#include "runtime/lower/lower.h"
#include "runtime/program/plan.h"

typedef struct tf_compiled {
    tf_graph graph; /**< a copy of what was compiled, without data: node by node like the graphs that run on it */
    tf_program program;
    tf_plan plan;
    tf_digest key, digest; /**< what it was found by, and what the parties compare */
    uint64_t used;         /**< when, as the cache counts */
} tf_compiled;

/**
 * The key of a graph: its nodes, shapes, attributes, ranges, constants and outputs, precision and owners. The data of
 * weights, tokens and public leaves are no part of it: weights of one name are the same as long as programs are kept.
 */
TF_CHECKED tf_status tf_compiled_key(const tf_graph *graph, int frac, int model_owner, int data_owner, tf_digest *key);

/** Lowers, plans and digests. The graph is copied. Free with tf_compiled_free. */
TF_CHECKED tf_status tf_compiled_make(const tf_graph *graph, int frac, int model_owner, int data_owner,
                                      tf_compiled **compiled);
void tf_compiled_free(tf_compiled *compiled);

/** TF_INVALID unless the leaves of a graph are those that were compiled, so that it can lend them its data. */
TF_CHECKED tf_status tf_compiled_fits(const tf_compiled *compiled, const tf_graph *graph);

/** The type in which an output leaves the program. */
const tf_type *tf_compiled_output(const tf_compiled *compiled, int slot);

/** The programs of a session. Parties that ask for the same keys in the same order keep the same ones. */
typedef struct tf_cache {
    tf_compiled **item;
    size_t count, most; /**< most: 0 counts as TF_CACHE_MOST */
    uint64_t clock;
} tf_cache;

enum { TF_CACHE_MOST = 32 };

/** The program of that key, which counts as used now; or NULL. */
tf_compiled *tf_cache_find(tf_cache *cache, const tf_digest *key);

/** Takes a program over; where there are too many, the one that was not used for longest goes. */
TF_CHECKED tf_status tf_cache_add(tf_cache *cache, tf_compiled *compiled);

/** The digest of which programs are there, and of how recently each was used. */
tf_digest tf_cache_digest(const tf_cache *cache);

/** Frees all programs. */
void tf_cache_forget(tf_cache *cache);

#endif
