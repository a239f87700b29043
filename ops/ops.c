#include "ops/ops.h"

#include <pthread.h>

static const tf_op *const families[] = {
    tf_embedding_ops, tf_linear_ops,   tf_elementwise_ops, tf_softmax_ops,    tf_gelu_ops,    tf_layernorm_ops,
    tf_residual_ops,  tf_logistic_ops, tf_inverse_ops,     tf_argmax_ops,     tf_pooling_ops, tf_rotary_ops,
    tf_slicing_ops,   tf_sample_ops,   tf_eviction_ops,    tf_repetition_ops, tf_draft_ops,
};

static bool registered(const tf_op *op) {
    const tf_op *known;
    for (int i = 0; (known = tf_registry_at(i)); i++)
        if (known == op) return true;
    return false;
}

static tf_status register_all(void) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const tf_op *op = families[i]; op->kind; op++)
            if (!registered(op)) TF_TRY(tf_registry_add(op));
    return TF_OK;
}

tf_status tf_ops_register(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the parties may be threads of one process */
    pthread_mutex_lock(&lock);
    tf_status status = register_all();
    pthread_mutex_unlock(&lock);
    return status;
}
