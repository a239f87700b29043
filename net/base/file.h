/** Reading files that may be anything: only regular ones, only up to a limit, JSON only without duplicate keys. */
#ifndef TF_FILE_H
#define TF_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

/**
 * Opens a regular file for reading and tells its size. A directory, FIFO or device fails with TF_IO and never blocks.
 * The caller closes *descriptor.
 */
TF_CHECKED tf_status tf_file_open(const char *path, int *descriptor, size_t *size);

/** Reads a whole file of at most `limit` bytes. A zero byte follows the last one. The caller frees *data. */
TF_CHECKED tf_status tf_file_read(const char *path, size_t limit, char **data, size_t *size);

/** Parses a JSON object; `where` names it in messages. The caller drops the reference to *object. */
TF_CHECKED tf_status tf_json_parse(const char *where, const char *data, size_t size, json_t **object);

/** Reads a file that holds a JSON object. The caller drops the reference to *object. */
TF_CHECKED tf_status tf_json_read(const char *path, size_t limit, json_t **object);

/** Writes "directory/name" into `path`; TF_INVALID when it does not fit. */
TF_CHECKED tf_status tf_path_join(const char *directory, const char *name, char *path, size_t size);

/** Whether the text is free of control characters, so that it may be printed on a terminal. */
bool tf_printable(const char *text);

#endif
