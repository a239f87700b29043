/** Directories that commands write: models, and parts of them for each party. */
#ifndef TF_APP_DIRECTORY_H
#define TF_APP_DIRECTORY_H

#include <jansson.h>
#include <stddef.h>

#include "net/base/status.h"

enum { DIRECTORY_PATH = 4096, DIRECTORY_LARGEST_TEXT = 64 << 20 };

/** Makes a directory unless it is there; fails when it is `source` itself, which may be NULL. */
TF_CHECKED tf_status directory_make(const char *directory, const char *source, unsigned mode);

/** Writes an object, to be read by people, atomically, and frees it. */
TF_CHECKED tf_status directory_write_json(const char *path, json_t *object);

/** Copies a text file; removes the copy that may be there if the original, or (NULL) its directory, is not. */
TF_CHECKED tf_status directory_mirror(const char *from, const char *to, const char *name);

/** The same for the tokenizer's files. */
TF_CHECKED tf_status directory_mirror_tokenizer(const char *from, const char *to);

/** The directory of one party: DIR/party1 where that is there, DIR itself otherwise. */
TF_CHECKED tf_status directory_of_party(const char *directory, int party, char *path, size_t size);

#endif
