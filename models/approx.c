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

enum { PRESETS = sizeof presets / sizeof *presets, MAX_LAYER = 1023 };

/* Whether `kind` is `base` or one of its places in a layer: "layernorm" are layernorm1, layernorm2 and the embedding's
 * too. */
static bool is_of(const char *kind, const char *base) {
    size_t length = strlen(base);
    if (strncmp(kind, base, length)) return false;
    return !kind[length] || (kind[length] >= '1' && kind[length] <= '9' && !kind[length + 1]);
}

/* The default op of the kind that a rule names, itself or by a place; NULL where rules choose no such kind. */
static const tf_op *default_op(const char *kind) {
    for (int i = 0; tf_registry_at(i); i++) {
        const tf_op *op = tf_registry_at(i);
        if (!op->places || op != tf_registry_find(op->kind, NULL) || !is_of(kind, op->kind)) continue;
        char place = kind[strlen(op->kind)];
        if (!place || (op->places > 1 && place - '0' <= op->places)) return op;
    }
    return NULL;
}

/* NULL where there is no such kind or variant. */
static const tf_op *op_of(const char *kind, const char *variant) {
    const tf_op *op = default_op(kind);
    return op ? tf_registry_find(op->kind, variant) : NULL;
}

static void add_kind(const tf_op *op, char *text, size_t size) {
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", op->kind);
    for (int place = 1; op->places > 1 && place <= op->places && used < size; place++)
        used += (size_t)snprintf(text + used, size - used, ", %s%d", op->kind, place);
}

/* Where a kind stands in lists: those of the presets first, others behind them by name. */
static int compare_kinds(const char *a, const char *b) {
    static const char *const first[] = {"gelu", "softmax", "layernorm"};
    enum { FIRST = sizeof first / sizeof *first };
    int rank_a = 0, rank_b = 0;
    while (rank_a < FIRST && !is_of(a, first[rank_a])) rank_a++;
    while (rank_b < FIRST && !is_of(b, first[rank_b])) rank_b++;
    return rank_a != rank_b ? rank_a - rank_b : strcmp(a, b);
}

/* Writes "gelu, softmax, layernorm, layernorm1, layernorm2, ..." in the order of lists. */
static char *known_kinds(char *text, size_t size) {
    const tf_op *last = NULL;
    *text = '\0';
    for (;;) {
        const tf_op *next = NULL;
        for (int i = 0; tf_registry_at(i); i++) {
            const tf_op *op = default_op(tf_registry_at(i)->kind);
            if (!op || (last && compare_kinds(op->kind, last->kind) <= 0)) continue;
            if (!next || compare_kinds(op->kind, next->kind) < 0) next = op;
        }
        if (!next) return text;
        add_kind(next, text, size);
        last = next;
    }
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

static bool goes_after(const tf_approx_rule *a, const tf_approx_rule *b) {
    return a->layer != b->layer ? a->layer > b->layer : compare_kinds(a->kind, b->kind) > 0;
}

/* Rules are kept in the order of layers and kinds, without those that later ones cover: one text for one meaning. */
static tf_status add_rule(tf_approx *approx, const tf_approx_rule *rule) {
    int kept = 0, room = (int)(sizeof approx->rule / sizeof *approx->rule);
    for (int i = 0; i < approx->rules; i++) {
        const tf_approx_rule *old = &approx->rule[i];
        if (old->layer != rule->layer || !is_of(old->kind, rule->kind)) approx->rule[kept++] = *old;
    }
    if (kept == room) return tf_fail(TF_INVALID, "approximations: more than %d items", room);
    approx->rules = kept + 1;
    for (; kept > 0 && goes_after(&approx->rule[kept - 1], rule); kept--) approx->rule[kept] = approx->rule[kept - 1];
    approx->rule[kept] = *rule;
    return TF_OK;
}

/* KIND=VARIANT, KIND@LAYER=VARIANT, either of them with :PARAMETER. */
static tf_status read_rule(char *item, char *variant, tf_approx *approx) {
    tf_approx_rule rule = {.layer = TF_EVERY_LAYER};
    char *layer = strchr(item, '@'), *parameter = strchr(variant, ':');
    if (layer) *layer++ = '\0';
    if (parameter) *parameter++ = '\0';
    if (strlen(item) >= sizeof rule.kind) return tf_fail(TF_INVALID, "approximations: unknown kind '%.60s'", item);
    if (!*variant || strlen(variant) >= sizeof rule.variant)
        return tf_fail(TF_INVALID, "approximations: '%s' is not a variant of %s", variant, item);
    strcpy(rule.kind, item);
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
    const tf_op *first = default_op(rule->kind), *op = op_of(rule->kind, rule->variant);
    char known[512];
    if (!first)
        return tf_fail(TF_INVALID, "approximations: unknown kind '%s'; known are %s (1: after attention)", rule->kind,
                       known_kinds(known, sizeof known));
    if (!op)
        return tf_fail(TF_INVALID, "approximations: unknown variant '%s' of %s; known are %s", rule->variant,
                       first->kind, tf_registry_variants(first->kind, known, sizeof known));
    if (rule->parameter != 0 && !op->parameter)
        return tf_fail(TF_INVALID, "approximations: %s %s has no parameter, such as %g", first->kind, rule->variant,
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

tf_status tf_approx_check_layers(const tf_approx *approx, size_t layers) {
    for (int i = 0; i < approx->rules; i++) {
        const tf_approx_rule *rule = &approx->rule[i];
        if (rule->layer >= 0 && (size_t)rule->layer >= layers)
            return tf_fail(TF_INVALID, "approximations: %s@%d: the model's layers are 0 to %zu", rule->kind,
                           rule->layer, layers - 1);
    }
    return TF_OK;
}

char *tf_approx_text(const tf_approx *approx, char *text) {
    *text = '\0';
    for (int i = 0; i < approx->rules; i++)
        append_rule(text, ",", approx->rule[i].kind, approx->rule[i].layer, &approx->rule[i]);
    return text;
}

/* The rule that names this kind for this layer, or for all; NULL if there is none. */
static const tf_approx_rule *rule_of(const tf_approx *approx, const char *kind, int layer) {
    const tf_approx_rule *general = NULL;
    for (int i = approx->rules; i-- > 0;) {
        const tf_approx_rule *rule = &approx->rule[i];
        if (!is_of(kind, rule->kind)) continue;
        if (rule->layer == layer) return rule;
        if (rule->layer == TF_EVERY_LAYER && !general) general = rule;
    }
    return general;
}

const tf_approx_rule *tf_approx_find(const tf_approx *approx, const char *kind, int layer) {
    static const tf_approx_rule unset = {.layer = TF_EVERY_LAYER};
    const tf_approx_rule *rule = rule_of(approx, kind, layer);
    const tf_op *op = rule ? NULL : default_op(kind);
    if (rule || !op || !op->like) return rule ? rule : &unset;
    char place[TF_APPROX_KIND];
    snprintf(place, sizeof place, "%s%s", op->like, kind + strlen(op->kind));
    rule = rule_of(approx, place, layer);
    return rule && tf_registry_find(op->kind, rule->variant) ? rule : &unset;
}

const char *tf_approx_variant(const tf_approx *approx, const char *kind, int layer) {
    return tf_approx_find(approx, kind, layer)->variant;
}

/* Whether weights trained for one list's variant do not serve the other's. */
static bool differ(const tf_approx *used, const tf_approx *trained, const char *kind, int layer) {
    const tf_approx_rule *a = tf_approx_find(used, kind, layer), *b = tf_approx_find(trained, kind, layer);
    const tf_op *of_a = op_of(kind, a->variant), *of_b = op_of(kind, b->variant);
    if (of_a == of_b) return a->parameter != b->parameter;
    return !of_a || !of_b || of_a->trained || of_b->trained;
}

/* Appends where in the layers this kind, or place of a kind, differs. */
static void append_differing(const tf_approx *used, const tf_approx *trained, const char *kind, size_t layers,
                             char *text) {
    bool everywhere = true;
    char list[TF_APPROX_TEXT] = "";
    const tf_approx_rule *rule = NULL;
    for (int layer = 0; layer < (int)layers; layer++) {
        rule = tf_approx_find(used, kind, layer);
        if (differ(used, trained, kind, layer))
            append_rule(list, ", ", kind, layer, rule);
        else
            everywhere = false;
        everywhere &= rule->layer == TF_EVERY_LAYER;
    }
    if (everywhere && *list) {
        *list = '\0';
        append_rule(list, ", ", kind, TF_EVERY_LAYER, rule);
    }
    if (*list) append(text, ", ", list);
}

/* The kinds that rules of either list name, in their order, once each; with their places where these are several. */
static void append_kinds(const tf_approx *used, const tf_approx *trained, size_t layers, char *text) {
    const tf_op *last = NULL;
    for (;;) {
        const tf_op *next = NULL;
        for (int i = 0; i < used->rules + trained->rules; i++) {
            const tf_op *op = default_op(i < used->rules ? used->rule[i].kind : trained->rule[i - used->rules].kind);
            if (!op || (last && compare_kinds(op->kind, last->kind) <= 0)) continue;
            if (!next || compare_kinds(op->kind, next->kind) < 0) next = op;
        }
        if (!next) return;
        for (int place = 1; place <= next->places; place++) {
            char kind[TF_APPROX_KIND];
            snprintf(kind, sizeof kind, next->places > 1 ? "%s%d" : "%s", next->kind, place);
            append_differing(used, trained, kind, layers, text);
        }
        last = next;
    }
}

bool tf_approx_untrained(const tf_approx *used, const tf_approx *trained, size_t layers, char *text) {
    *text = '\0';
    if (differ(used, trained, "layernorm", -1))
        append_rule(text, ", ", "layernorm", -1, tf_approx_find(used, "layernorm", -1));
    append_kinds(used, trained, layers, text);
    return *text != '\0';
}
