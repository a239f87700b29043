/** The data owner's side of a generation: its prompts as tokens, the texts that grow, and what is printed of them. */
#ifndef TF_APP_GENERATION_H
#define TF_APP_GENERATION_H

#include "experiments/app/data/model_files.h"
#include "experiments/app/service/writer.h"

/** What is asked for, alike on all parties where it says so. */
typedef struct generation_settings {
    pass_reveal reveal; /**< the same on all parties */
    size_t context;     /**< likewise; 0: the model's */
    size_t piece;       /**< likewise: tokens of a prompt that are read in one pass; 0: all */
    size_t batch;       /**< prompts that are continued together; 0: all */
    const char *draft;  /**< where proposals come from, see draft_open; NULL: none are made */
    size_t proposed;    /**< at once */
    size_t max_tokens;  /**< 0: what the model says, or 128, as far as there is room */
    bool private;
    const report_form *form;
    writer_settings writing; /**< without max_tokens and show */
} generation_settings;

typedef struct generation {
    const generation_settings *settings;
    prompt_list prompts;
    writer_settings writing;
    writer writer;
    draft *draft;  /**< or NULL */
    size_t offset; /**< the number of the first text, in what is printed */
    bool streams;  /**< text is shown as it grows */
} generation;

/** The most tokens of a text; fails where the model generates no text, or has fewer positions than that. */
TF_CHECKED tf_status generation_context(const generation_settings *settings, const model_files *model, size_t *context);

/** Begins to continue texts; the settings, and the model with its tokenizer open, must outlive it. */
TF_CHECKED tf_status generation_open(const generation_settings *settings, const text_list *texts,
                                     const model_files *model, generation *generation);
void generation_close(generation *generation);

/** Whether one is open. */
bool generation_is_open(const generation *generation);

/** Prints the texts as far as they have come, after the run or its failure: those without an end are marked as cut. */
TF_CHECKED tf_status generation_conclude(generation *generation, const generate_report *run, double seconds);

/** The same after a failure, if any token was generated; the failure's status and message stay current. */
void generation_conclude_cut(generation *generation, const generate_report *run, double seconds, tf_status failure);

#endif
