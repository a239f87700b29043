/* A plugin of another op interface. */
#include "runtime/graph/registry.h"

static const tf_op *const ops[] = {0};

const tf_plugin trefoil_plugin = {TF_OP_ABI + 1, "wrong_abi", ops};
