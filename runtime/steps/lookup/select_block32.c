#include <stdint.h>

typedef uint32_t word;

#define SELECT_BLOCK tf_select_block32
#include "runtime/steps/lookup/select_block.h"
