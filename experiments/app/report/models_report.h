/** What `trefoil models` prints: which model directories run. */
#ifndef TF_APP_MODELS_REPORT_H
#define TF_APP_MODELS_REPORT_H

#include "experiments/app/report/form.h"

/** Prints the families and what is refused, as Markdown or JSON, from the library's own lists. */
TF_CHECKED tf_status models_report(const report_form *form);

#endif
