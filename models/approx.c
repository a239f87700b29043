#include "models/approx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/registry.h"

static const struct preset {
    const char *name, *list;
} presets[] = {
    {"exact", "gelu=exact,softmax=exact,layernorm=exact"},
    {"paper", "gelu=relu,softmax=relu,layernorm=center"},
    {"puma", "gelu=puma,softmax=exact,layernorm=exact"},
    {"mpcformer", "gelu=quad,softmax=2quad,layernorm=exact"},
};

/* "layernorm" are all of the others that begin so, and the embedding's. */
static const char *const kinds[] = {"gelu", "softmax", "layernorm", "layernorm1", "layernorm2"};

enum { PRESETS = sizeof presets / sizeof *presets, KINDS = sizeof kinds / sizeof *kinds, MAX_LAYER = 1023 };

/* The kind of op that the registry knows. */
static const char *op_kind(const char *kind) {
    return !strncmp(kind, "layernorm", 9) ? "layernorm" : kind;
}

static const char *known_kind(const char *name) {
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i], name)) return kinds[i];
    return NULL;
}

static tf_status read_layer(const char *text, int *layer) {
    char *end;
    long number = strtol(text, &end, 10);
    if (!*text || *end || number < -1 || number > MAX_LAYER)
        return tf_fail(TF_INVALID, "approximations: '%s' is not a layer (0, 1, ..., or -1 for the embedding)", text);
    *layer = (int)number;
    return TF_OK;
}

static tf_status read_parameter(const char *text, double *parameter) {
    char *end;
    *parameter = strtod(text, &end);
    if (end == text || *end || !(*parameter > 0 && *parameter <= 1e6))
        return tf_fail(TF_INVALID, "approximations: '%s' is not a number above 0", text);
    return TF_OK;
}

static int order_of(const tf_approx_rule *rule) {
    int kind = 0;
    while (strcmp(kinds[kind], rule->kind)) kind++;
    return rule->layer * KINDS + kind;
}

/* Rules are kept in the order of layers and kinds, without those that later ones cover: one text for one meaning. */
static tf_status add_rule(tf_approx *approx, const tf_approx_rule *rule) {
    int kept = 0, room = (int)(sizeof approx->rule / sizeof *approx->rule);
    bool all = !strcmp(rule->kind, "layernorm");
    for (int i = 0; i < approx->rules; i++) {
        const tf_approx_rule *old = &approx->rule[i];
        bool covered = old->layer == rule->layer && !strcmp(all ? op_kind(old->kind) : old->kind, rule->kind);
        if (!covered) approx->rule[kept++] = *old;
    }
    if (kept == room) return tf_fail(TF_INVALID, "approximations: more than %d items", room);
    approx->rules = kept + 1;
    for (; kept > 0 && order_of(&approx->rule[kept - 1]) > order_of(rule); kept--)
        approx->rule[kept] = approx->rule[kept - 1];
    approx->rule[kept] = *rule;
    return TF_OK;
}

/* KIND=VARIANT, KIND@LAYER=VARIANT, either of them with :PARAMETER. */
static tf_status read_rule(char *item, char *variant, tf_approx *approx) {
    tf_approx_rule rule = {.layer = TF_EVERY_LAYER};
    char *layer = strchr(item, '@'), *parameter = strchr(variant, ':');
    if (layer) *layer++ = '\0';
    if (parameter) *parameter++ = '\0';
    const char *kind = known_kind(item);
    if (!kind)
        return tf_fail(TF_INVALID,
                       "approximations: unknown kind '%s'; known are gelu, softmax, layernorm, layernorm1 (after "
                       "attention) and layernorm2",
                       item);
    if (!*variant || strlen(variant) >= sizeof rule.variant)
        return tf_fail(TF_INVALID, "approximations: '%s' is not a variant of %s", variant, kind);
    strcpy(rule.kind, kind);
    strcpy(rule.variant, variant);
    if (layer) TF_TRY(read_layer(layer, &rule.layer));
    if (parameter) TF_TRY(read_parameter(parameter, &rule.parameter));
    return add_rule(approx, &rule);
}

static tf_status read_list(const char *text, bool nested, tf_approx *approx);

static tf_status read_preset(const char *item, bool first, tf_approx *approx) {
    char known[128] = "";
    for (int i = 0; i < PRESETS; i++) {
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s, ", presets[i].name);
        if (strcmp(presets[i].name, item)) continue;
        if (!first) return tf_fail(TF_INVALID, "approximations: preset '%s' may only come first in the list", item);
        approx->rules = 0;
        return read_list(presets[i].list, true, approx);
    }
    return tf_fail(TF_INVALID, "approximations: unknown preset '%s'; known are %sor KIND=VARIANT", item, known);
}

/* `nested`: this is a preset's own list. */
static tf_status read_list(const char *text, bool nested, tf_approx *approx) {
    char list[TF_APPROX_TEXT];
    if (strlen(text) >= sizeof list) return tf_fail(TF_INVALID, "approximations: the list is too long");
    strcpy(list, text);
    char *rest = list;
    for (bool first = true; rest; first = false) {
        char *item = strsep(&rest, ",");
        if (!*item) return tf_fail(TF_INVALID, "approximations: '%s' has an empty item", text);
        char *variant = strchr(item, '=');
        if (variant) *variant++ = '\0';
        TF_TRY(variant ? read_rule(item, variant, approx) : read_preset(item, first && !nested, approx));
    }
    return TF_OK;
}

tf_status tf_approx_scan(const char *text, tf_approx *approx) {
    *approx = (tf_approx){.rules = 0};
    TF_TRY(read_list(presets[0].list, true, approx));
    return read_list(text, false, approx);
}

static tf_status check_rule(const tf_approx_rule *rule) {
    const char *kind = op_kind(rule->kind);
    const tf_op *op = tf_registry_find(kind, rule->variant);
    char known[512];
    if (!op)
        return tf_fail(TF_INVALID, "approximations: unknown variant '%s' of %s; known are %s", rule->variant, kind,
                       tf_registry_variants(kind, known, sizeof known));
    if (rule->parameter != 0 && !op->parameter)
        return tf_fail(TF_INVALID, "approximations: %s %s has no parameter, such as %g", kind, rule->variant,
                       rule->parameter);
    return TF_OK;
}

tf_status tf_approx_parse(const char *text, tf_approx *approx) {
    TF_TRY(tf_approx_scan(text, approx));
    for (int i = 0; i < approx->rules; i++) TF_TRY(check_rule(&approx->rule[i]));
    return TF_OK;
}

/* Appends `text` to the list in `list`, which has room for TF_APPROX_TEXT bytes. */
static void append(char *list, const char *separator, const char *text) {
    size_t used = strlen(list);
    snprintf(list + used, TF_APPROX_TEXT - used, "%s%s", used ? separator : "", text);
}

static void append_rule(char *list, const char *separator, const char *kind, int layer, const tf_approx_rule *rule) {
    char at[16] = "", parameter[32] = "", item[96];
    if (layer != TF_EVERY_LAYER) snprintf(at, sizeof at, "@%d", layer);
    if (rule->parameter != 0) snprintf(parameter, sizeof parameter, ":%.9g", rule->parameter);
    snprintf(item, sizeof item, "%s%s=%s%s", kind, at, rule->variant, parameter);
    append(list, separator, item);
}

char *tf_approx_text(const tf_approx *approx, char *text) {
    *text = '\0';
    for (int i = 0; i < approx->rules; i++)
        append_rule(text, ",", approx->rule[i].kind, approx->rule[i].layer, &approx->rule[i]);
    return text;
}

const tf_approx_rule *tf_approx_find(const tf_approx *approx, const char *kind, int layer) {
    const tf_approx_rule *general = &approx->rule[0];
    bool found = false;
    for (int i = approx->rules; i-- > 0;) {
        const tf_approx_rule *rule = &approx->rule[i];
        if (strcmp(rule->kind, kind) && strcmp(rule->kind, op_kind(kind))) continue;
        if (rule->layer == layer) return rule;
        if (rule->layer == TF_EVERY_LAYER && !found) general = rule, found = true;
    }
    return general;
}

const char *tf_approx_variant(const tf_approx *approx, const char *kind, int layer) {
    return tf_approx_find(approx, kind, layer)->variant;
}

/* Whether weights trained for one rule's variant do not serve the other's. */
static bool differ(const tf_approx_rule *a, const tf_approx_rule *b) {
    const tf_op *of_a = tf_registry_find(op_kind(a->kind), a->variant),
                *of_b = tf_registry_find(op_kind(b->kind), b->variant);
    if (of_a == of_b) return a->parameter != b->parameter;
    return !of_a || !of_b || of_a->trained || of_b->trained;
}

bool tf_approx_untrained(const tf_approx *used, const tf_approx *trained, size_t layers, char *text) {
    static const char *const places[] = {"gelu", "softmax", "layernorm1", "layernorm2"};
    *text = '\0';
    const tf_approx_rule *rule = tf_approx_find(used, "layernorm", -1);
    if (differ(rule, tf_approx_find(trained, "layernorm", -1))) append_rule(text, ", ", "layernorm", -1, rule);
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        bool everywhere = true;
        char list[TF_APPROX_TEXT] = "";
        for (int layer = 0; layer < (int)layers; layer++) {
            rule = tf_approx_find(used, places[k], layer);
            if (differ(rule, tf_approx_find(trained, places[k], layer)))
                append_rule(list, ", ", places[k], layer, rule);
            else
                everywhere = false;
            everywhere &= rule->layer == TF_EVERY_LAYER;
        }
        if (everywhere && *list) *list = '\0', append_rule(list, ", ", places[k], TF_EVERY_LAYER, rule);
        if (*list) append(text, ", ", list);
    }
    return *text != '\0';
}
