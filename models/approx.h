/** Which variant of each kind of op a model uses in each layer, as a list of text. */
#ifndef TF_APPROX_H
#define TF_APPROX_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

enum { TF_EVERY_LAYER = -2, TF_APPROX_TEXT = 4096, TF_APPROX_KIND = 32 };

/** One item of a list of approximations. */
typedef struct tf_approx_rule {
    char kind[TF_APPROX_KIND]; /**< of an op that says at how many places of a layer it may be chosen: "gelu",
                                    "softmax", "layernorm" (all of them), "layernorm1" (after attention), ... */
    int layer;                 /**< from 0; -1: the embedding's LayerNorm; TF_EVERY_LAYER */
    char variant[24];
    double parameter; /**< of the variant, such as the exponent of "power:4"; 0: its default */
} tf_approx_rule;

/** Which variant each kind of op uses in each layer. Of the rules that fit, those with a layer go before those without,
 *  and later ones before earlier ones. */
typedef struct tf_approx {
    tf_approx_rule rule[128];
    int rules;
} tf_approx;

/**
 * Reads a list such as "paper,gelu=puma,softmax=power:4,layernorm@11=exact,layernorm1@3=exact". A preset (exact, paper,
 * puma, mpcformer) may come first in the list; without one it is exact. Fails with TF_INVALID on an unknown preset,
 * kind or variant, listing the known ones.
 */
TF_CHECKED tf_status tf_approx_parse(const char *text, tf_approx *approx);

/** Fails with TF_INVALID where a rule is for a layer that a model of so many layers has not. */
TF_CHECKED tf_status tf_approx_check_layers(const tf_approx *approx, size_t layers);

/** The list again, rule by rule; what was the same list is the same text. `text` has room for TF_APPROX_TEXT bytes. */
char *tf_approx_text(const tf_approx *approx, char *text);

/** The rule that holds for `kind` ("gelu", "softmax", "layernorm1", "layernorm2"; "layernorm" with layer -1: the
 *  embedding's LayerNorm) in `layer`. A kind that no rule names follows the rule of the kind that it is like, where it
 *  has that variant (silu that of gelu, rmsnorm that of layernorm); otherwise the variant is "", the default. */
const tf_approx_rule *tf_approx_find(const tf_approx *approx, const char *kind, int layer);

/** Its variant. */
const char *tf_approx_variant(const tf_approx *approx, const char *kind, int layer);

/**
 * What of `used` is another function than what the weights were trained for, `trained`, in a model of that many layers:
 * a list such as "gelu=quad, layernorm1@3=center" in `text`, which has room for TF_APPROX_TEXT bytes. Variants that
 * approximate the true function without training may stand for each other. False if there is nothing.
 */
bool tf_approx_untrained(const tf_approx *used, const tf_approx *trained, size_t layers, char *text);

/** As tf_approx_parse, but without asking the registry whether the variants exist: for readers of config.json. */
TF_CHECKED tf_status tf_approx_scan(const char *text, tf_approx *approx);

#endif
