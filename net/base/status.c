#include "net/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

tf_status tf_fail(tf_status code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return code;
}

tf_status tf_fail_in(tf_status code, const char *format, ...) {
    char whole[sizeof message];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(whole, sizeof whole, format, args);
    va_end(args);
    if (used < 0) used = 0;
    if ((size_t)used < sizeof whole && snprintf(whole + used, sizeof whole - (size_t)used, ": %s", message) < 0)
        whole[used] = '\0'; // a message too long is cut, not an error
    memcpy(message, whole, sizeof message);
    return code;
}

const char *tf_error(void) {
    return message;
}

const char *tf_status_name(tf_status code) {
    switch (code) {
    case TF_OK: return "ok";
    case TF_INVALID: return "invalid request";
    case TF_FORMAT: return "malformed data";
    case TF_IO: return "input/output error";
    case TF_RANGE: return "out of range";
    case TF_PEER: return "peer failure";
    case TF_MISMATCH: return "parties differ";
    case TF_NOMEM: return "out of memory";
    case TF_INTERNAL: return "internal error";
    }
    return "unknown status";
}
