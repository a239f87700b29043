#define TABLE tf_vector_avx512
#include "runtime/kernels/vector_loops.h"
