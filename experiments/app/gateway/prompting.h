/** Prompts of several requests that are continued together, and what each of them gets: the clear side of generation,
 * on the party's thread. */
#ifndef TF_APP_PROMPTING_H
#define TF_APP_PROMPTING_H

#include "experiments/app/gateway/desk.h"
#include "experiments/app/service/resident.h"

/** Whose a prompt is. */
typedef struct prompt_owner {
    gateway_request *request;
    size_t answer; /**< which of its answers continues it */
} prompt_owner;

typedef struct prompting {
    gateway_desk *desk;
    const generation_settings *settings;
    const model_files *model;
    size_t context;

    /* Of each prompt, with its copies. */
    encoded_text *text;
    prompt_owner *owner;
    writer_settings *writing;
    size_t texts, longest, most_tokens;

    prompt_list prompts;
    writer writer;
    generate_watch inner, watch; /**< the writer's, and what is around it */
} prompting;

/** Begins to gather prompts; all but `prompting` must outlive it. */
void prompting_open(prompting *prompting, gateway_desk *desk, const generation_settings *settings,
                    const model_files *model);
void prompting_free(prompting *prompting);

/**
 * Tokenises a request's prompts and adds them, unless they do not go with those that are there (*added): tokens are
 * drawn otherwise, or the longest prompt and the most tokens would not fit the context. Fails where they cannot be
 * continued at all.
 */
TF_CHECKED tf_status prompting_add(prompting *prompting, gateway_request *request, bool *added);

/** Begins to write the answers; then prompting_request is what the parties are asked. */
TF_CHECKED tf_status prompting_begin(prompting *prompting);
resident_request prompting_request(const prompting *prompting);

#endif
