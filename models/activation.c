#include "models/activation.h"

#include <string.h>

static const tf_activation activations[] = {
    {"gelu", "gelu", "exact"},
    {"gelu_python", "gelu", "exact"},
    {"relu", "gelu", "relu"},
    {"silu", "silu", "exact"},
    {"swish", "silu", "exact"},
    {"gelu_new", "gelu_new", "exact"}, /* with tanh, as the three that follow */
    {"gelu_pytorch_tanh", "gelu_new", "exact"},
    {"gelu_fast", "gelu_new", "exact"},
    {"quick_gelu", "quick_gelu", "exact"},
};

enum { ACTIVATIONS = sizeof activations / sizeof *activations };

const tf_activation *tf_activation_at(int i) {
    return i >= 0 && i < ACTIVATIONS ? &activations[i] : 0;
}

const tf_activation *tf_activation_find(const char *name) {
    for (int i = 0; i < ACTIVATIONS; i++)
        if (!strcmp(activations[i].name, *name ? name : "gelu")) return &activations[i];
    return 0;
}
