/** The activations that config.json may name ("hidden_act"), and the ops that compute them. */
#ifndef TF_ACTIVATION_H
#define TF_ACTIVATION_H

typedef struct tf_activation {
    const char *name, *kind, *variant;
} tf_activation;

/** The i-th activation; NULL past the end. */
const tf_activation *tf_activation_at(int i);

/** The activation of this name, "" standing for "gelu"; NULL where there is none. */
const tf_activation *tf_activation_find(const char *name);

#endif
