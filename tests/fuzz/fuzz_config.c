/* config.json, and the approximations that it may name. */
#include "models/model.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_file file;
    static const char *directory;
    tf_config config;
    tf_approx approx;
    if (!directory) {
        file = fuzz_file_new();
        directory = fuzz_directory(&file, "config.json");
    }
    fuzz_file_fill(&file, data, size);
    if (tf_config_read(directory, &config)) return 0;
    fuzz_require(config.hidden % config.heads == 0, "heads that do not divide the hidden size were accepted");
    (void)!tf_approx_parse(config.approx, &approx);
    tf_config_free(&config);
    return 0;
}
