#include "experiments/app/gateway/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "models/tokenize/unicode.h"

/* Clients' words are cut by bytes, and paths may be anything; JSON takes whole characters alone. */
static void repair(char *text) {
    size_t offset;
    while (!tf_utf8_valid(text, strlen(text), &offset)) text[offset] = '?';
}

tf_status refuse(refusal *r, int status, const char *code, const char *param, const char *format, ...) {
    va_list args;
    *r = (refusal){.status = status, .code = code};
    snprintf(r->param, sizeof r->param, "%s", param ? param : "");
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    repair(r->param);
    repair(r->message);
    return tf_fail(TF_INVALID, "%s", r->message);
}

static const char *openai_type(int status) {
    if (status == HTTP_TOO_MANY) return "rate_limit_error";
    return status >= HTTP_FAILED ? "server_error" : "invalid_request_error";
}

static const char *tei_type(int status) {
    if (status == HTTP_TOO_MANY) return "Overloaded";
    if (status == HTTP_UNAVAILABLE) return "Unhealthy";
    return status >= HTTP_FAILED ? "Backend" : "Validation";
}

json_t *refusal_json(const refusal *r, refusal_form form) {
    if (form == REFUSAL_TEI) return json_pack("{s:s,s:s}", "error", r->message, "error_type", tei_type(r->status));
    return json_pack("{s:{s:s,s:s,s:s?,s:s?}}", "error", "message", r->message, "type", openai_type(r->status), "param",
                     r->param[0] ? r->param : NULL, "code", r->code);
}
