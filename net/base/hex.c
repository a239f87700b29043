#include "net/base/hex.h"

#include <stdint.h>

static char digit(unsigned value) {
    return (char)('0' + value + ((9 - value) >> 8 & ('a' - '0' - 10)));
}

/** The value of a digit, or 16 and more: as libsodium does it, without branch or table. */
static unsigned value_of(unsigned char c) {
    unsigned number = c ^ 48u, letter = (c & ~32u) - 55u;
    unsigned is_number = (number - 10) >> 8 & 0xff, is_letter = ((letter - 10) ^ (letter - 16)) >> 8 & 0xff;
    return (number & is_number) | (letter & is_letter) | ((is_number | is_letter) ^ 0xff) << 4; /* 16 and more: none */
}

char *tf_hex_write(const void *data, size_t size, char *text) {
    const uint8_t *byte = data;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digit(byte[i] >> 4);
        text[2 * i + 1] = digit(byte[i] & 15);
    }
    text[2 * size] = '\0';
    return text;
}

const char *tf_hex_read(const char *text, void *data, size_t size) {
    uint8_t *byte = data;
    for (size_t i = 0; i < size; i++, text += 2) {
        unsigned high = value_of((unsigned char)text[0]);
        if (high > 15) return NULL;
        unsigned low = value_of((unsigned char)text[1]);
        if (low > 15) return NULL;
        byte[i] = (uint8_t)(high << 4 | low);
    }
    return text;
}
