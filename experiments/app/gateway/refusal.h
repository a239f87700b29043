/** Why a request of HTTP is not answered, in the form that the client knows. */
#ifndef TF_APP_REFUSAL_H
#define TF_APP_REFUSAL_H

#include <jansson.h>

#include "net/base/status.h"

/** Statuses of HTTP. */
enum {
    HTTP_OK = 200,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_NOT_ALLOWED = 405,
    HTTP_TOO_LARGE = 413,
    HTTP_UNSUPPORTED = 415,
    HTTP_UNPROCESSABLE = 422,
    HTTP_TOO_MANY = 429,
    HTTP_CLIENT_GONE = 499, /**< as nginx says it; nobody receives it */
    HTTP_FAILED = 500,
    HTTP_UNAVAILABLE = 503
};

typedef enum refusal_form {
    REFUSAL_OPENAI, /**< {"error": {"message", "type", "param", "code"}} */
    REFUSAL_TEI     /**< {"error", "error_type"}, as text-embeddings-inference */
} refusal_form;

typedef struct refusal {
    int status;           /**< 0: none */
    const char *code;     /**< a word for programs, or NULL */
    char param[64];       /**< the member of the body that is at fault; empty: none */
    char message[640];    /**< for people; repeats nothing of texts */
    unsigned retry_after; /**< seconds; 0: not told */
} refusal;

/** Fills a refusal and returns TF_INVALID. `param` and `code` may be NULL. */
__attribute__((format(printf, 5, 6))) tf_status refuse(refusal *refusal, int status, const char *code,
                                                       const char *param, const char *format, ...);

/** The body of the answer. */
json_t *refusal_json(const refusal *refusal, refusal_form form);

#endif
