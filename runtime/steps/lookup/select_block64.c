#include <stdint.h>

typedef uint64_t word;

#define SELECT_BLOCK tf_select_block64
#include "runtime/steps/lookup/select_block.h"
