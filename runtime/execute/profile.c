#include "runtime/execute/profile.h"

const char *const tf_activity_name[TF_ACTIVITIES] = {"local", "prf", "encryption", "packing", "waiting"};

void tf_op_times_add(tf_op_times *a, const tf_op_times *b) {
    for (int i = 0; i < TF_ACTIVITIES; i++) a->seconds[i] += b->seconds[i];
    a->product.seconds += b->product.seconds;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++) a->product.multiplications[i] += b->product.multiplications[i];
}

double tf_product_peak_seconds(const tf_product_meter *product, const double peak[TF_PRODUCT_WIDTHS]) {
    double seconds = 0;
    for (int i = 0; i < TF_PRODUCT_WIDTHS; i++)
        if (product->multiplications[i]) seconds += (double)product->multiplications[i] / peak[i];
    return seconds;
}
