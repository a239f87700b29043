/** Bytes as hexadecimal digits, in lower case. Neither direction branches on the bytes, which may be keys. */
#ifndef TF_HEX_H
#define TF_HEX_H

#include <stddef.h>

/** Writes 2 * size digits and a zero byte. Returns `text`. */
char *tf_hex_write(const void *data, size_t size, char *text);

/** Reads 2 * size digits of either case and returns where they end, or NULL where there are fewer; a zero byte in
 *  `text` is not passed. What `data` holds after NULL means nothing. */
const char *tf_hex_read(const char *text, void *data, size_t size);

#endif
