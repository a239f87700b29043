#include "experiments/app/data/padding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

tf_status padding_read(const char *pad_to, size_t longest, padding *p) {
    char *end;
    *p = (padding){.hidden = pad_to != NULL, .longest = longest};
    if (!pad_to || !strcmp(pad_to, "bucket")) return TF_OK;
    p->fixed = strtoul(pad_to, &end, 10);
    if (*pad_to < '1' || *pad_to > '9' || *end)
        return tf_fail(TF_INVALID, "--pad-to %.20s: a number of tokens or \"bucket\" is expected", pad_to);
    if (p->fixed > longest) return tf_fail(TF_INVALID, "--pad-to %zu: the model takes %zu tokens", p->fixed, longest);
    p->longest = p->fixed;
    return TF_OK;
}

/* Powers of two from 16, and from 64 on half as much again between them. */
size_t padded_length(const padding *p, size_t length) {
    size_t bucket = 16;
    if (!p->hidden || p->fixed) return p->hidden ? p->fixed : length;
    while (bucket < length && bucket < 64) bucket *= 2;
    while (bucket < length) bucket += bucket & (bucket - 1) ? bucket / 3 : bucket / 2;
    return bucket < p->longest ? bucket : p->longest;
}

void padding_hide(const tf_config *config, size_t tokens, size_t length, int32_t *mask, int32_t *weight) {
    for (size_t i = 0; i < length; i++) {
        mask[i] = i < tokens;
        float w = mask[i] ? tf_token_weight(config->pooling, i, tokens) : 0;
        weight[i] = (int32_t)lrint(ldexp((double)w, TF_HIDDEN_FRACTION));
    }
}
