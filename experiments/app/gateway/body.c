#include "experiments/app/gateway/body.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wiping_free(void *memory) {
    if (memory) explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void body_leave_no_trace(void) {
    json_set_alloc_funcs(malloc, wiping_free);
}

tf_status body_parse(const http_exchange *e, json_t **body, refusal *r) {
    json_error_t error;
    *body = json_loadb(e->body, e->length, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(*body)) return TF_OK;
    bool parsed = *body != NULL;
    json_decref(*body);
    *body = NULL;
    if (parsed) return refuse(r, HTTP_BAD_REQUEST, "invalid_json", NULL, "The body is not a JSON object");
    return refuse(r, HTTP_BAD_REQUEST, "invalid_json", NULL, "The body is not JSON: line %d, column %d", error.line,
                  error.column);
}

tf_status body_known(const json_t *body, const char *const known[], refusal *r) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], name)) i++;
        if (!known[i])
            return refuse(r, HTTP_BAD_REQUEST, "unknown_parameter", name, "Unrecognized request argument: %.60s", name);
    }
    return TF_OK;
}

json_t *body_member(const json_t *body, const char *name) {
    json_t *value = json_object_get(body, name);
    return json_is_null(value) ? NULL : value;
}

tf_status body_whole(const json_t *body, const char *name, size_t low, size_t high, size_t *out, refusal *r) {
    const json_t *value = body_member(body, name);
    if (!value) return TF_OK;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < (json_int_t)low || number > (json_int_t)high)
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", name, "'%s' must be a whole number from %zu to %zu", name,
                      low, high);
    *out = (size_t)number;
    return TF_OK;
}

tf_status body_number(const json_t *body, const char *name, double low, double high, double *out, refusal *r) {
    const json_t *value = body_member(body, name);
    if (!value) return TF_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= low && number <= high))
        return refuse(r, HTTP_BAD_REQUEST, "invalid_value", name, "'%s' must be a number from %g to %g", name, low,
                      high);
    *out = number;
    return TF_OK;
}

tf_status body_flag(const json_t *body, const char *name, bool *out, refusal *r) {
    const json_t *value = body_member(body, name);
    if (!value) return TF_OK;
    if (!json_is_boolean(value))
        return refuse(r, HTTP_BAD_REQUEST, "invalid_type", name, "'%s' must be true or false", name);
    *out = json_is_true(value);
    return TF_OK;
}

tf_status body_word(const json_t *body, const char *name, const char **out, refusal *r) {
    const json_t *value = body_member(body, name);
    if (!value) return TF_OK;
    if (!json_is_string(value)) return refuse(r, HTTP_BAD_REQUEST, "invalid_type", name, "'%s' must be a string", name);
    *out = json_string_value(value);
    return TF_OK;
}

static bool is_idle(const json_t *value) {
    return json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0) ||
           (json_is_array(value) && !json_array_size(value)) || (json_is_object(value) && !json_object_size(value)) ||
           (json_is_string(value) && !json_string_length(value));
}

tf_status body_idle(const json_t *body, const char *name, const char *why, refusal *r) {
    const json_t *value = body_member(body, name);
    if (!value || is_idle(value)) return TF_OK;
    return refuse(r, HTTP_BAD_REQUEST, "unsupported_parameter", name, "'%s' is not supported: %s", name, why);
}
