#define TABLE tf_vector_avx2
#include "runtime/kernels/vector_loops.h"
