/** Texts as people give them: all of a file, or of the command line. */
#ifndef TF_APP_TEXTS_H
#define TF_APP_TEXTS_H

#include "experiments/app/data/text_reader.h"

/**
 * Reads texts from a file of any of the forms, or takes those that are given directly. By its ending, in upper or lower
 * case, a file is lines of JSON (.jsonl, .ndjson), JSON (.json: an array, or lines after all), a table (.tsv, .csv), or
 * else a text a line.
 */
TF_CHECKED tf_status texts_read(const text_source *source, text_list *out);

/** Reads a file of labelled texts: a tab-separated table, unless its ending or format says otherwise. Every text must
 *  have a label if `labelled`. */
TF_CHECKED tf_status texts_read_data(const text_source *source, bool labelled, text_list *out);

#endif
