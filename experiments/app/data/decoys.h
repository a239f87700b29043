/**
 * Decoys: texts whose results the model's owner has certified, in a file that anyone may know, are mixed among the data
 * owner's own. Nobody else can tell them apart, so whoever tampers with texts hits one of them sooner or later.
 */
#ifndef TF_APP_DECOYS_H
#define TF_APP_DECOYS_H

#include "experiments/app/data/batches.h"
#include "models/approx.h"

typedef struct decoy_settings {
    size_t count;     /**< 0: none */
    const char *file; /**< as certify writes it */
    double tolerance; /**< the most by which a result may be off */
} decoy_settings;

typedef struct decoys {
    size_t count, own; /**< how many decoys, and other texts */
    size_t width;
    double tolerance, off; /**< off: by how much at most their results were, see decoys_take_out */
    size_t *place;         /**< in the mixed list: of the own texts, then of the decoys */
    float *value;          /**< count x width: what is certified */
} decoys;

/**
 * Draws decoys of at most `longest` tokens from the file and gives all texts of the list new places, all at random.
 * Fails where the file is of another architecture or of other approximations, or holds too few.
 */
TF_CHECKED tf_status decoys_mix(const decoy_settings *settings, const tf_config *config, const tf_approx *approx,
                                size_t longest, text_list *texts, decoys *out);

/**
 * Compares the decoys' values with what is certified, and fails with TF_MISMATCH if any is off by more than the
 * tolerance. Else takes the decoys from texts, batches and values again, so that these are in the order in which they
 * were given. Nothing happens where there are no decoys.
 */
TF_CHECKED tf_status decoys_take_out(decoys *decoys, text_list *texts, text_batches *batches, float *values);

void decoys_free(decoys *decoys);

#endif
