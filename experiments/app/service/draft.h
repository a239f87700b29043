/** What the data owner proposes as the next tokens of its text: guesses that it makes alone, in the clear. */
#ifndef TF_APP_DRAFT_H
#define TF_APP_DRAFT_H

#include "experiments/app/data/model_files.h"

/** The source of proposals that needs no model. */
#define DRAFT_NGRAM "ngram"

typedef struct draft draft;

/**
 * Opens a source of proposals for texts of `model`, whose tokenizer is open: DRAFT_NGRAM, what followed the last tokens
 * where they stood before (Saxena 2023, prompt lookup); a file of other texts, which are looked through as well (He et
 * al. 2024, REST); or the directory of a smaller model, which runs in floating point here (Leviathan et al. 2023).
 * TF_MISMATCH where that model has another tokenizer.
 */
TF_CHECKED tf_status draft_open(const char *from, const model_files *model, draft **draft);
void draft_close(draft *draft);

/** Proposes `count` tokens after a text of `length` tokens, at least 1; any guess will do, so where nothing better is
 *  known it is a poor one. Quickest where the text continues the last one. */
TF_CHECKED tf_status draft_propose(draft *draft, const int32_t *text, size_t length, size_t count, int32_t *proposed);

#endif
