/** The sub-commands, each in its own file. */
#ifndef TF_APP_COMMANDS_H
#define TF_APP_COMMANDS_H

#include "experiments/app/commands/settings.h"

extern const trefoil_command command_models, command_embed, command_similarity, command_generate, command_infer,
    command_eval, command_plain, command_calibrate, command_cost, command_ops, command_bench, command_fit_head,
    command_tokenize, command_keygen, command_verify, command_fingerprint, command_party, command_gateway,
    command_share_model, command_share_input, command_reveal, command_certify, command_run, command_sweep,
    command_completion, command_man;

#endif
