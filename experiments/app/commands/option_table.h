/** The one table of options: parsing, help, completion and the manual come from it. */
#ifndef TF_APP_OPTION_TABLE_H
#define TF_APP_OPTION_TABLE_H

#include "experiments/app/commands/options.h"

typedef enum option_type {
    OPTION_FLAG,
    OPTION_STRING,
    OPTION_STRINGS, /**< may be given several times */
    OPTION_COUNT,   /**< a whole number from 1, size_t */
    OPTION_WHOLE,   /**< a whole number within the range, int */
    OPTION_NUMBER,  /**< a number from `low` on */
    OPTION_SECONDS,
    OPTION_PRODUCT, /**< MxKxN */
    OPTION_NETWORKS /**< a simulated network */
} option_type;

/** What a value is completed from. */
typedef enum option_source { FROM_NOTHING, FROM_FILES, FROM_DIRECTORIES, FROM_CHOICES } option_source;

typedef struct option_row {
    int key;          /**< also the short form, where it is a character */
    const char *name; /**< the long form */
    option_type type;
    size_t offset;           /**< of the value in a command_line */
    size_t companion;        /**< of how many strings there are, or whether there is a network */
    double low, high;        /**< of numbers */
    const char *placeholder; /**< NULL for flags */
    const char *choices;     /**< separated by blanks, for completion and help; or NULL */
    option_source source;
    bool setting;         /**< results depend on it */
    bool secret;          /**< the value is taken out of the process list */
    const char *fallback; /**< the default in words; NULL where there is none; a command may have another */
    const char *help;
} option_row;

extern const option_row option_table[];
extern const size_t option_rows;

/** Whether a command takes an option; --help is taken by all, --json by all that have options. */
bool option_accepted(const trefoil_command *command, const option_row *row);

/** The default at a command, or NULL. `buffer` holds what the command has of its own. */
const char *option_fallback(const trefoil_command *command, const option_row *row, char buffer[64]);

/** The accepted option whose name is nearest to a mistyped one, or NULL. */
const option_row *option_nearest(const trefoil_command *command, const char *typed);

/** How many letters must change to make one word of another: fewer than four, or 4. */
size_t word_distance(const char *a, const char *b);

#endif
