#include "net/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024]; /* of the last failure */
static _Thread_local char told[1024];    /* what peers may know of it; empty: nothing */

tf_status tf_fail(tf_status code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    told[0] = '\0';
    return code;
}

tf_status tf_fail_public(tf_status code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    memcpy(told, message, sizeof told);
    return code;
}

const char *tf_error_for_peers(tf_status code) {
    if (told[0]) return told;
    switch (code) {
    case TF_NOMEM: return "it has no memory left";
    case TF_PEER: return "it could not go on with its peers";
    case TF_INTERNAL: return "it has an internal error";
    default: return "it could not read its own input";
    }
}

void tf_failure_keep(tf_status code, tf_failure *failure) {
    failure->status = code;
    memcpy(failure->text, message, sizeof message);
    memcpy(failure->told, told, sizeof told);
}

tf_status tf_failure_raise(const tf_failure *failure) {
    memcpy(message, failure->text, sizeof message);
    memcpy(told, failure->told, sizeof told);
    return failure->status;
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
