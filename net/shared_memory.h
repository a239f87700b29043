/**
 * Memory that several processes of one host share: a file without a name (memfd), which is gone when the last of them
 * is, whatever ends them, and counts against no size of /dev/shm. It is handed over through a socket of the host; who
 * may take it is told by a token, which travels on another way.
 */
#ifndef TF_SHARED_MEMORY_H
#define TF_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

TF_PUBLIC_BEGIN

enum { TF_DOOR_NAME = 32, TF_DOOR_TOKEN = 16 };

/** Where a process takes files, and what whoever hands it one must know. Plain bytes, so that it can be sent. */
typedef struct tf_door {
    unsigned char name_size; /**< 0: there is none */
    unsigned char name[TF_DOOR_NAME], token[TF_DOOR_TOKEN];
} tf_door;

/** A file of `size` zero bytes that are there, and that nobody can make fewer; -1 where it cannot be had. */
int tf_shared_memory_make(size_t size);

/** Maps such a file, after looking whether it is one, and closes it. NULL where it is none or cannot be mapped. */
void *tf_shared_memory_map(int file, size_t size);

/** NULL is allowed. */
void tf_shared_memory_unmap(void *data, size_t size);

/** Opens a door, and returns its socket; -1 where it cannot be had. */
int tf_door_open(tf_door *door);

/** Hands a file to the process behind a door, without waiting; the file stays open here, too. */
bool tf_door_hand(const tf_door *door, int file);

/** Takes the file that was handed to this process by one who knew the token, and closes the door; -1 without one. */
int tf_door_take(int socket, const tf_door *door);

TF_PUBLIC_END

#endif
