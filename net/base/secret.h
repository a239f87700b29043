/** Memory for shares and keys: wiped before it is given back, and kept out of the swap where that is allowed. */
#ifndef TF_SECRET_H
#define TF_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/** Whether what is allocated from now on is locked (no by default). To be called before there are threads. */
void tf_secret_lock(bool lock);

/**
 * `size` bytes that begin at a multiple of 64, or NULL. They are locked if that was asked for, they fill a page, and
 * RLIMIT_MEMLOCK allows it; that it does not is no error.
 */
void *tf_secret_alloc(size_t size);

/** Wipes and frees what tf_secret_alloc gave for `size` bytes. NULL is allowed. */
void tf_secret_free(void *data, size_t size);

#endif
