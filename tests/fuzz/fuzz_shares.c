/* Share files of all three kinds. After a first byte that says which digests are put right, the input is the file. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "models/shares/share_header.h"
#include "tests/fuzz/shares.h"

static volatile uint64_t sum; /* so that what is read is looked at */

static void look(const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) sum += ((const uint8_t *)data)[i];
}

static void read_weights(const char *path) {
    tf_type type = {.shape = tf_dims(SHARES_ROWS, SHARES_COLUMNS), .frac = SHARES_FRAC, .bits = SHARES_BITS};
    tf_digest architecture;
    tf_share_file *file;
    tf_source source;
    fuzz_require(!tf_architecture_digest(&shares_config, &architecture), "no digest");
    if (tf_share_weights_open(path, -1, &architecture, SHARES_FRAC, &file)) return;
    tf_provider provider = tf_share_weights_provider(file);
    if (!provider.find(provider.context, "w", &type, false, &source)) {
        uint64_t word[SHARES_ROWS * SHARES_COLUMNS];
        for (int k = 0; k < 2; k++)
            if (!tf_source_read(tf_kernels_get(), &source, k, 0, source.count, word)) look(word, sizeof word);
    }
    if (!provider.find(provider.context, "w", &type, true, &source) && source.panels)
        look(source.panels, SHARES_ROWS * SHARES_COLUMNS * ((SHARES_BITS + 8) / 8) + TF_PANEL_SLACK);
    tf_share_close(file);
}

static void read_texts(const char *path) {
    tf_share_texts texts;
    if (tf_share_texts_open(path, -1, &shares_config, &texts)) return;
    for (size_t b = 0; b < texts.batches; b++) {
        const tf_selection *ids = texts.batch[b].shared_ids;
        for (int k = 0; k < 2; k++) {
            look(ids->vector[k], ids->tokens * ((ids->rows + 63) / 64) * sizeof(uint64_t));
            look(ids->sign[k], 3 * ids->tokens * sizeof(uint64_t));
        }
    }
    look(texts.order, texts.texts * sizeof *texts.order);
    tf_share_texts_close(&texts);
}

static void read_results(const char *const path[2]) {
    size_t texts, width;
    float *values;
    if (tf_share_results_reveal(path, &texts, &width, &values)) return;
    look(values, texts * width * sizeof *values);
    free(values);
}

/** What another party wrote in the same run. */
static void make_partner(fuzz_file *partner) {
    char path[64], bytes[8192];
    snprintf(path, sizeof path, "/tmp/trefoil-partner-%d", (int)getpid());
    fuzz_require(!shares_results(path, 1), "no partner");
    FILE *file = fopen(path, "rb");
    fuzz_require(file != NULL, "no partner");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    unlink(path);
    *partner = fuzz_file_new();
    fuzz_file_fill(partner, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fuzz_file file, partner;
    if (!file.path[0]) {
        file = fuzz_file_new();
        make_partner(&partner);
    }
    if (size < 1) return 0;
    uint8_t how = data[0];
    uint8_t *copy = malloc(size);
    fuzz_require(copy != NULL, "no memory");
    memcpy(copy, data + 1, --size);
    tf_share_header header;
    if (size >= sizeof header) {
        memcpy(&header, copy, sizeof header);
        uint64_t offset = le64toh(header.index_offset);
        if (how & FIX_LENGTH && offset <= size) header.index_size = htole64(size - offset);
        if (how & FIX_DIGEST && offset <= size && le64toh(header.index_size) == size - offset)
            fuzz_require(!tf_share_index_digest(&header, copy + offset, size - offset, &header.digest), "no digest");
        memcpy(copy, &header, sizeof header);
    }
    fuzz_file_fill(&file, copy, size);
    free(copy);
    read_weights(file.path);
    read_texts(file.path);
    read_results((const char *const[]){file.path, partner.path});
    return 0;
}
