/**
 * Writing files so that a crash leaves the old one or the new one, whole: into a file without a name, or where there
 * are none a temporary name beside the file, which then takes its place. Both the file and its directory are on the
 * disk when tf_new_file_finish returns.
 */
#ifndef TF_NEW_FILE_H
#define TF_NEW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/base/status.h"

typedef struct tf_new_file {
    char path[4096], temporary[4096];
    int file;   /**< -1 while there is none */
    bool named; /**< it has its temporary name; otherwise none yet, so that whoever is killed leaves nothing */
} tf_new_file;

/** Begins the file that will stand at `path`. `mode` is 0600 for secrets, 0666 otherwise, less the umask. */
TF_CHECKED tf_status tf_new_file_open(const char *path, unsigned mode, tf_new_file *file);

/** Writes at an offset. */
TF_CHECKED tf_status tf_new_file_write(const tf_new_file *file, const void *data, size_t size, uint64_t offset);

/** Puts the file into its place. It is abandoned if that fails. */
TF_CHECKED tf_status tf_new_file_finish(tf_new_file *file);

/** Removes what is not finished. A file that is finished, or was never begun (all zeros but file = -1), is allowed. */
void tf_new_file_abandon(tf_new_file *file);

/** All of this for one piece of data. */
TF_CHECKED tf_status tf_file_write(const char *path, unsigned mode, const void *data, size_t size);

#endif
