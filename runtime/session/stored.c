#include "runtime/session/stored.h"

#include "net/base/secret.h"

tf_status tf_stored_components(tf_stored *s) {
    for (int j = 0; j < 2; j++) {
        s->component[j] = tf_secret_alloc(tf_shape_count(s->type.shape) * sizeof(uint64_t));
        if (!s->component[j]) return tf_fail(TF_NOMEM, "no memory for the weight %s", s->name);
    }
    return TF_OK;
}

void tf_stored_release(tf_stored *s) {
    const size_t count = tf_shape_count(s->type.shape);
    for (int j = 0; j < 2; j++) {
        tf_secret_free(s->component[j], count * sizeof(uint64_t));
        tf_secret_free(s->data[j], count * tf_bytes_of(s->type.bits));
    }
    tf_packed_free(s->packed);
}
