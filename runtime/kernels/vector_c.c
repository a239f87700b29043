#define TABLE tf_vector_c
#include "runtime/kernels/vector_loops.h"
