/** Which fields of JSON objects, or columns of tables, are the texts and the label. */
#ifndef TF_APP_FIELDS_H
#define TF_APP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

typedef enum field_role { FIELD_FIRST, FIELD_SECOND, FIELD_LABEL, FIELD_ROLES } field_role;

/** The names that something has, and how messages speak of them. */
typedef struct field_names {
    const char *where;       /**< "FILE", "FILE line 3" */
    const char *what;        /**< "its header names no column", "it has no key" */
    const char *const *name; /**< `count` names */
    size_t count;
} field_names;

/** Whether a name is one that public data sets give to a text, or to a label. */
bool field_is_known(const char *name, bool label);

/**
 * Finds each role's place among the names, -1 where there is none: by --columns, or (NULL) by the names that public
 * data sets use. Fails when there is no text, and when there are texts that no pair of such names covers: none is left
 * out silently. Messages quote known names and those of --columns only, as others may be data.
 */
TF_CHECKED tf_status fields_find(const char *columns, const field_names *names, int place[FIELD_ROLES]);

/** Whether --columns counts columns instead of naming them; places are read from it then. Fails where it is wrong. */
TF_CHECKED tf_status fields_by_number(const char *columns, bool *by_number, int place[FIELD_ROLES]);

#endif
