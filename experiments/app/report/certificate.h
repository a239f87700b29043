/** The file of certified texts that certify writes and decoys are drawn from; see experiments/JSON.md. */
#ifndef TF_APP_CERTIFICATE_H
#define TF_APP_CERTIFICATE_H

#include "experiments/app/data/batches.h"
#include "experiments/app/data/model_files.h"
#include "experiments/app/report/form.h"

/** Writes the texts with their values in floating point (one row a text), and prints the file's SHA-256 digest, which
 *  the owner of the model publishes. */
TF_CHECKED tf_status certificate_write(const report_form *form, const char *path, const model_files *model,
                                       const text_list *texts, const text_batches *batches, const float *values);

#endif
