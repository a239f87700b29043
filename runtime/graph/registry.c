#include "runtime/graph/registry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "runtime/graph/graph.h"

enum { MAX_OPS = 512, MAX_NAME = 23 };

static const tf_op *registered[MAX_OPS];
static int count;

/* Kinds and variants appear in lists such as "gelu=relu,layernorm@3=exact", so their letters are limited. */
static bool well_named(const char *name) {
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-/") == strlen(name) && strlen(name) <= MAX_NAME;
}

static tf_status check(const tf_op *op) {
    if (!op || !op->kind || !*op->kind) return tf_fail(TF_INVALID, "an op without a kind cannot be registered");
    const char *missing = !op->variant          ? "variant (\"\" where there is one way only)"
                          : !op->summary        ? "summary"
                          : !op->source         ? "source"
                          : !op->infer          ? "infer"
                          : !op->plain          ? "plain"
                          : op->max_inputs == 0 ? "max_inputs"
                                                : NULL;
    if (missing) return tf_fail(TF_INVALID, "op %s cannot be registered without its field %s", op->kind, missing);
    if (!well_named(op->kind) || !well_named(op->variant))
        return tf_fail(TF_INVALID,
                       "op kind '%s' or variant '%s' is not a name of at most %d letters of a-z, 0-9, _, -, /",
                       op->kind, op->variant, (int)MAX_NAME);
    if (op->min_inputs < 1 || op->max_inputs < op->min_inputs || op->max_inputs > TF_MAX_INPUTS)
        return tf_fail(TF_INVALID, "op %s takes %d to %d inputs; ops take 1 to %d", op->kind, op->min_inputs,
                       op->max_inputs, (int)TF_MAX_INPUTS);
    return TF_OK;
}

tf_status tf_registry_add(const tf_op *op) {
    TF_TRY(check(op));
    for (int i = 0; i < count; i++)
        if (!strcmp(registered[i]->kind, op->kind) && !strcmp(registered[i]->variant, op->variant))
            return tf_fail(TF_INVALID, "op %s%s%s is registered already", op->kind, *op->variant ? " " : "",
                           op->variant);
    if (count == MAX_OPS) return tf_fail(TF_INVALID, "more than %d ops", (int)MAX_OPS);
    registered[count++] = op;
    return TF_OK;
}

static tf_status add_plugin(const tf_plugin *plugin) {
    if (!plugin) return tf_fail(TF_INVALID, "it is not a trefoil plugin: it exports no 'trefoil_plugin'");
    if (plugin->abi != TF_OP_ABI)
        return tf_fail(TF_INVALID, "it was built for op interface %d, this is %d: build it again", plugin->abi,
                       (int)TF_OP_ABI);
    if (!plugin->name || !plugin->ops || !plugin->ops[0]) return tf_fail(TF_INVALID, "it has no name or no ops");
    for (const tf_op *const *op = plugin->ops; *op; op++) TF_TRY(tf_registry_add(*op));
    return TF_OK;
}

tf_status tf_registry_load(const char *path) {
    /* Without a slash dlopen would look in the system's directories; a plugin is a file that the user names. */
    char local[4096];
    int length = snprintf(local, sizeof local, "%s%s", strchr(path, '/') ? "" : "./", path);
    if (length < 0 || (size_t)length >= sizeof local) return tf_fail(TF_INVALID, "plugin: the path is too long");

    void *object = dlopen(local, RTLD_NOW | RTLD_LOCAL);
    if (!object) return tf_fail(TF_IO, "plugin cannot be loaded: %s", dlerror());
    int before = count;
    tf_status status = add_plugin(dlsym(object, "trefoil_plugin"));
    if (status == TF_OK) return TF_OK; /* the object stays loaded: the registry points into it */
    count = before;
    dlclose(object);
    return tf_fail_in(status, "plugin %s", path);
}

const tf_op *tf_registry_find(const char *kind, const char *variant) {
    for (int i = 0; i < count; i++) {
        if (strcmp(registered[i]->kind, kind)) continue;
        if (!variant || !*variant || !strcmp(registered[i]->variant, variant)) return registered[i];
    }
    return NULL;
}

const tf_op *tf_registry_at(int i) {
    return i >= 0 && i < count ? registered[i] : NULL;
}

char *tf_registry_variants(const char *kind, char *text, size_t size) {
    size_t used = 0;
    if (size) text[0] = '\0';
    for (int i = 0; i < count && used < size; i++) {
        if (strcmp(registered[i]->kind, kind) || !*registered[i]->variant) continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", registered[i]->variant);
    }
    return text;
}
