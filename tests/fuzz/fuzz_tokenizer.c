/* tokenizer.json, and a text. */
#include "tests/fuzz/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_tokenizer("tokenizer.json", data, size);
    return 0;
}
