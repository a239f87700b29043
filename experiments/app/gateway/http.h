/**
 * An HTTP server: connections with a thread each, bodies of bounded size, TLS, a bearer token, and no answer to pages
 * of other sites. What requests mean is its handler's business.
 */
#ifndef TF_APP_HTTP_H
#define TF_APP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "experiments/app/gateway/refusal.h"

typedef struct http_settings {
    const char *address;           /**< HOST:PORT; port 0: any that is free */
    const char *token;             /**< that clients must bring; NULL: none is needed */
    const char *certificate, *key; /**< in PEM; NULL: no TLS */
    size_t longest_body;           /**< in bytes */
    unsigned connections;          /**< at once; beyond, see callers.h */
} http_settings;

/** More of an answer that is sent as it grows: waits for it, and says how many bytes there are; 0: that was all; -1: it
 * is cut here. */
typedef ssize_t http_more(void *context, char *buffer, size_t room);

typedef struct http_stream {
    http_more *more;
    void (*close)(void *context); /**< also called when the client has gone */
    void *context;
} http_stream;

/** A request and its answer. */
typedef struct http_exchange {
    const char *method, *path; /**< of HTTP; the path without what follows a question mark */
    const char *body;          /**< a zero byte follows */
    size_t length;
    int socket; /**< of the client */
    refusal_form form;

    int status;
    const char *type; /**< of the content */
    char *content;    /**< is freed, and wiped if it is `secret` */
    size_t content_length;
    const char *constant; /**< in place of content: is not freed */
    char run[512];        /**< what the run took, as JSON, in a header; empty: none */
    char allow[16];       /**< the methods of this path, where another was used; empty: not told */
    unsigned retry_after; /**< 0: not told */
    http_stream stream;   /**< in place of content, where `more` is not NULL */
} http_exchange;

/** What is known of a path before its request is read. */
typedef struct http_way {
    refusal_form form;  /**< of refusals */
    bool open;          /**< it can be had without the token */
    char allow[16];     /**< its methods */
    const char *others; /**< the paths that there are, where it is none of them */
} http_way;

typedef struct http_handler {
    /** Whether a path exists, with that method: HTTP_OK, HTTP_NOT_FOUND or HTTP_NOT_ALLOWED. Called before the body is
     *  received. */
    int (*find)(void *context, const char *method, const char *path, http_way *way);
    /** Answers, on the connection's own thread, where it may wait. */
    void (*answer)(void *context, http_exchange *exchange);
    /** Told of refusals that the server makes itself. */
    void (*refused)(void *context, int status);
    void *context;
} http_handler;

typedef struct http_server http_server;

/** Begins to listen; `settings` and `handler` must outlive it. Beyond the loopback it needs a token and TLS. */
TF_CHECKED tf_status http_open(const http_settings *settings, const http_handler *handler, http_server **server);

/** Where it listens, such as "http://127.0.0.1:7380/". */
const char *http_url(const http_server *server);

/** Takes no more connections, waits for the answers that are under way, and frees it. NULL is allowed. */
void http_close(http_server *server);

/** Answers with JSON, which is freed; with 500 where there is none. */
void http_answer_json(http_exchange *exchange, int status, json_t *json);

/** Answers with a refusal. */
void http_answer_refusal(http_exchange *exchange, const refusal *refusal);

#endif
