/**
 * Memory for shares and keys: wiped before it is given back, and kept out of the swap where that is allowed. What takes
 * a page or more lies between two pages that nobody may touch, its end within 63 bytes of the second one, so that
 * whoever reads or writes past it is stopped; the bytes just before and after it are checked when it is freed.
 */
#ifndef TF_SECRET_H
#define TF_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/** Whether what is allocated from now on is locked (no by default). To be called before there are threads. */
void tf_secret_lock(bool lock);

/** Whether there are such pages (yes by default, but not under the address sanitizer). To be called before anything is
 *  allocated; valgrind's memcheck knows more of memory without them. */
void tf_secret_guard(bool guard);

/**
 * `size` bytes that begin at a multiple of 64, or NULL. They are locked if that was asked for, they fill a page, and
 * RLIMIT_MEMLOCK allows it; that it does not is no error.
 */
void *tf_secret_alloc(size_t size);

/**
 * Wipes and frees what tf_secret_alloc gave for `size` bytes. NULL is allowed. Where something has written beyond them
 * the process is aborted, the only place in the library that does so: its memory can no longer be trusted.
 */
void tf_secret_free(void *data, size_t size);

#endif
