/** Arrays that grow. */
#ifndef TF_ARRAY_H
#define TF_ARRAY_H

#include <stddef.h>

/**
 * Makes room for `need` items of `size` bytes in an array that has room for *capacity, which doubles as often as it
 * takes: returns where the array is now, or NULL when there is no memory, and the array is as it was. An array of none
 * is NULL with a capacity of 0.
 */
void *tf_grow(void *items, size_t *capacity, size_t need, size_t size);

#endif
