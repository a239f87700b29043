/** The little model, texts and results that the seeds of share files hold and that their readers expect. */
#ifndef TF_FUZZ_SHARES_H
#define TF_FUZZ_SHARES_H

#include "models/shares/share_texts.h"
#include "models/shares/share_weights.h"
#include "tests/fuzz/fuzz.h"

enum { SHARES_FRAC = 16, SHARES_BITS = 40, SHARES_ROWS = 2, SHARES_COLUMNS = 3 };

/** The first byte of an input: which of the digests that only hinder random changes are put right. */
enum { FIX_DIGEST = 1, FIX_LENGTH = 2 };

static const tf_config shares_config = {.hidden = 4,
                                        .layers = 1,
                                        .heads = 1,
                                        .intermediate = 4,
                                        .vocabulary = 11,
                                        .positions = 5,
                                        .types = 2,
                                        .layer_norm_eps = 1e-5,
                                        .labels = 2};

/** The file of `party` with results of the run that all seeds are from. */
static inline tf_status shares_results(const char *path, int party) {
    static const uint64_t component[3][2] = {{1, 2}, {3 << 16, 4}, {5, 6 << 16}};
    static const size_t order[1] = {0};
    return tf_share_results_write(path, party,
                                  &(tf_share_results){.id = {{7}},
                                                      .texts = 1,
                                                      .listed = 1,
                                                      .width = 2,
                                                      .order = order,
                                                      .frac = SHARES_FRAC,
                                                      .bits = SHARES_BITS,
                                                      .component = {component[party], component[tf_next(party)]}});
}

#endif
