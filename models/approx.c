#include "models/approx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/registry.h"

static const struct preset {
    const char *name, *gelu, *softmax, *layernorm;
} presets[] = {
    {"exact", "exact", "exact", "exact"},
    {"paper", "relu", "relu", "center"},
};

static const char *const kinds[] = {"gelu", "softmax", "layernorm"};

enum { PRESETS = sizeof presets / sizeof *presets, KINDS = sizeof kinds / sizeof *kinds, MAX_LAYER = 1023 };

/* The variant of a kind for the layers without an exception. */
static char *variant_of(tf_approx *approx, const char *kind) {
    if (!strcmp(kind, "gelu")) return approx->gelu;
    if (!strcmp(kind, "softmax")) return approx->softmax;
    return approx->layernorm;
}

static const char *known_kind(const char *name) {
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i], name)) return kinds[i];
    return NULL;
}

static void set_preset(tf_approx *approx, const struct preset *preset) {
    *approx = (tf_approx){.exceptions = 0};
    strcpy(approx->gelu, preset->gelu);
    strcpy(approx->softmax, preset->softmax);
    strcpy(approx->layernorm, preset->layernorm);
}

static tf_status read_preset(const char *item, bool first, tf_approx *approx) {
    for (int i = 0; i < PRESETS; i++) {
        if (strcmp(presets[i].name, item)) continue;
        if (!first) return tf_fail(TF_INVALID, "approximations: preset '%s' may only come first in the list", item);
        set_preset(approx, &presets[i]);
        return TF_OK;
    }
    char known[128] = "";
    for (int i = 0; i < PRESETS; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s, ", presets[i].name);
    return tf_fail(TF_INVALID, "approximations: unknown preset '%s'; known are %sor KIND=VARIANT", item, known);
}

static tf_status add_exception(tf_approx *approx, const char *kind, const char *layer, const char *variant) {
    char *end;
    long number = strtol(layer, &end, 10);
    if (!*layer || *end || number < -1 || number > MAX_LAYER)
        return tf_fail(TF_INVALID, "approximations: '%s' is not a layer (0, 1, ..., or -1 for the embedding)", layer);
    int room = (int)(sizeof approx->exception / sizeof *approx->exception);
    if (approx->exceptions == room) return tf_fail(TF_INVALID, "approximations: more than %d layers named", room);
    typeof(*approx->exception) *exception = &approx->exception[approx->exceptions++];
    exception->layer = (int)number;
    strcpy(exception->kind, kind);
    strcpy(exception->variant, variant);
    return TF_OK;
}

/* One item of the list: PRESET, KIND=VARIANT or KIND@LAYER=VARIANT. */
static tf_status read_item(char *item, bool first, tf_approx *approx) {
    char *variant = strchr(item, '=');
    if (!variant) return read_preset(item, first, approx);
    *variant++ = '\0';
    char *layer = strchr(item, '@');
    if (layer) *layer++ = '\0';
    const char *kind = known_kind(item);
    if (!kind)
        return tf_fail(TF_INVALID, "approximations: unknown kind '%s'; known are gelu, softmax and layernorm", item);
    if (!*variant || strlen(variant) >= sizeof approx->gelu)
        return tf_fail(TF_INVALID, "approximations: '%s' is not a variant of %s", variant, kind);
    if (layer) return add_exception(approx, kind, layer, variant);
    strcpy(variant_of(approx, kind), variant);
    return TF_OK;
}

tf_status tf_approx_scan(const char *text, tf_approx *approx) {
    set_preset(approx, &presets[0]);
    char list[512];
    if (strlen(text) >= sizeof list) return tf_fail(TF_INVALID, "approximations: the list is too long");
    strcpy(list, text);
    char *rest = list;
    for (bool first = true; rest; first = false) {
        char *item = strsep(&rest, ",");
        if (!*item) return tf_fail(TF_INVALID, "approximations: '%s' has an empty item", text);
        TF_TRY(read_item(item, first, approx));
    }
    return TF_OK;
}

static tf_status check_variant(const char *kind, const char *variant) {
    if (tf_registry_find(kind, variant)) return TF_OK;
    char known[512];
    return tf_fail(TF_INVALID, "approximations: unknown variant '%s' of %s; known are %s", variant, kind,
                   tf_registry_variants(kind, known, sizeof known));
}

tf_status tf_approx_parse(const char *text, tf_approx *approx) {
    TF_TRY(tf_approx_scan(text, approx));
    for (int i = 0; i < KINDS; i++) TF_TRY(check_variant(kinds[i], variant_of(approx, kinds[i])));
    for (int i = 0; i < approx->exceptions; i++)
        TF_TRY(check_variant(approx->exception[i].kind, approx->exception[i].variant));
    return TF_OK;
}

const char *tf_approx_variant(const tf_approx *approx, const char *kind, int layer) {
    for (int i = approx->exceptions; i-- > 0;) /* of two for one layer, the later holds */
        if (approx->exception[i].layer == layer && !strcmp(approx->exception[i].kind, kind))
            return approx->exception[i].variant;
    return variant_of((tf_approx *)approx, kind);
}

char *tf_approx_text(const tf_approx *approx, char *text, size_t size) {
    int used =
        snprintf(text, size, "gelu=%s,softmax=%s,layernorm=%s", approx->gelu, approx->softmax, approx->layernorm);
    for (int i = 0; i < approx->exceptions && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, ",%s@%d=%s", approx->exception[i].kind,
                         approx->exception[i].layer, approx->exception[i].variant);
    return text;
}
