/**
 * The registry of ops. An op is one tf_op structure: what it computes in floating point, how it is composed of protocol
 * steps, and how far the two may differ. The runtime names no op: ops/ops.c holds the explicit list, and a plugin adds
 * its own. See ops/OPS.md.
 */
#ifndef TF_REGISTRY_H
#define TF_REGISTRY_H

#include "runtime/graph/shape.h"

TF_PUBLIC_BEGIN

struct tf_node;
struct tf_array;
struct tf_program;
struct tf_example;

/** A value of a program of protocol steps; negative means that building failed. */
typedef int tf_value;

enum { TF_OP_ABI = 4 };

typedef struct tf_op {
    const char *kind;    /**< what it computes, such as "gelu" */
    const char *variant; /**< how, such as "exact" or "relu"; "" where there is one way only. The first one registered
                              of a kind is the default */
    const char *summary; /**< one line for people */
    const char *source;  /**< paper and section, or specification */
    int min_inputs, max_inputs;

    /** The shape of the output from the inputs' shapes and the attributes; TF_INVALID with a message when they do not
     *  fit. `shape` has node->inputs entries. */
    tf_status (*infer)(const struct tf_node *node, const tf_shape *shape, tf_shape *out);

    /** Floating point. `in` has node->inputs entries; out->data has room for out->shape. This is what the op *is*: for
     *  an approximation, the approximation itself. */
    tf_status (*plain)(const struct tf_node *node, const struct tf_array *in, struct tf_array *out);

    /** Appends the op's steps to a program and returns its result; see runtime/program/program.h. */
    tf_value (*lower)(struct tf_program *program, const struct tf_node *node, const tf_value *in);

    /** For an element-wise approximation: the true function (as another op's variant, or NULL), the range of inputs
     * over which the bounds are stated, the largest |plain - true|, and the largest |private - plain| at 16 fractional
     *  bits. */
    const char *truth;
    /** Another function than the kind's default variant: it serves weights that were trained with it. Other variants
     * may stand for each other with the same weights. */
    bool trained;
    const char *parameter; /**< the attribute that `--approx KIND=VARIANT:NUMBER` sets; NULL: none */
    /** At how many places of a layer `--approx` chooses among the kind's variants: by the name of the kind, and where
     *  there are several by that name with 1, 2, ... behind it; 0: not at all. The kind's default variant says. */
    int places;
    const char *like; /**< kind whose rules `--approx` follows where none names this op's kind; NULL: none */
    double low, high, approximation_error, private_error;
    const struct tf_example *example; /**< inputs to price, measure and test it on: see runtime/graph/example.h; NULL:
                                           activations of one shape, as many as it takes at least */
    const void *detail;               /**< what functions that several variants share need to know of this one */
} tf_op;

/** What a plugin exports, under the name trefoil_plugin. */
typedef struct tf_plugin {
    int abi; /**< TF_OP_ABI */
    const char *name;
    const tf_op *const *ops; /**< NULL-terminated */
} tf_plugin;

/** Each plugin's own; the program and the library have none. */
extern const tf_plugin trefoil_plugin;

/** Adds an op. Fails with TF_INVALID when (kind, variant) is already taken or a field is missing. */
TF_CHECKED tf_status tf_registry_add(const tf_op *op);

/** Loads a plugin's ops from a shared object. */
TF_CHECKED tf_status tf_registry_load(const char *path);

/** The op, or NULL. `variant` "" or NULL means the kind's default. */
const tf_op *tf_registry_find(const char *kind, const char *variant);

/** The i-th op in order of registration; NULL past the end. */
const tf_op *tf_registry_at(int i);

/** Writes the known variants of a kind as "exact, relu, ..." into `text`. */
char *tf_registry_variants(const char *kind, char *text, size_t size);

TF_PUBLIC_END

#endif
