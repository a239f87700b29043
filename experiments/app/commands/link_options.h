/** The options of how parties are connected. */
#ifndef TF_APP_LINK_OPTIONS_H
#define TF_APP_LINK_OPTIONS_H

#include <argp.h>

#include "experiments/app/parties/settings.h"

/** What link_argp parses into, and why it failed. */
typedef struct link_input {
    link_settings *options;
    tf_status status;
} link_input;

/** A child for the argp of every command that connects; its input is a link_input. */
extern const struct argp link_argp;

link_settings link_settings_default(void);

/** Reads the value of an option that is a number of seconds. */
TF_CHECKED tf_status link_read_seconds(const char *name, const char *text, double *seconds);

/** Checks combinations and reads the parties file. */
TF_CHECKED tf_status link_settings_finish(link_settings *options);

#endif
