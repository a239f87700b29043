#include "experiments/app/gateway/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/gateway/callers.h"
#include "experiments/app/gateway/origin.h"

enum { HOST_TEXT = 256, IDLE_SECONDS = 30, STACK = 2 << 20, BLOCK = 4096, FIRST_BODY = 4096 };
enum { GOING = 64, MOST_READ = 5 }; /* connections that are being closed; longest bodies that are read, in vain, too */

struct http_server {
    const http_settings *settings;
    const http_handler *handler;
    struct MHD_Daemon *daemon;
    callers *callers;
    bool loopback;
    char url[HOST_TEXT + 32];
};

/* A request while it comes in. */
typedef struct reception {
    char *body;
    size_t length, room, excess; /* excess: of what is too long or refused, and not kept */
    http_way way;
    refusal refusal; /* what is answered once the body has come; status 0: the handler's answer */
} reception;

/* Answers ---------------------------------------------------------------------------------------------------------- */

void http_answer_json(http_exchange *e, int status, json_t *json) {
    e->status = status;
    e->type = "application/json";
    e->content = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (e->content) {
        e->content_length = strlen(e->content);
        return;
    }
    e->status = HTTP_FAILED;
    e->constant = "{\"error\":{\"message\":\"no memory for the answer\",\"type\":\"server_error\",\"param\":null,"
                  "\"code\":null}}";
    e->content_length = strlen(e->constant);
}

void http_answer_refusal(http_exchange *e, const refusal *r) {
    http_answer_json(e, r->status, refusal_json(r, e->form));
    e->retry_after = r->retry_after;
}

static void keep_open(struct MHD_Connection *connection, unsigned seconds) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

/* A stream and where it goes. */
typedef struct outlet {
    http_stream stream;
    struct MHD_Connection *connection;
} outlet;

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t room) {
    const outlet *o = context;
    keep_open(o->connection, 0); /* waiting for the model is not idling, but not taking what there is, is */
    ssize_t got = o->stream.more(o->stream.context, buffer, room);
    keep_open(o->connection, IDLE_SECONDS);
    return got > 0 ? got : got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_stream(void *context) {
    outlet *o = context;
    o->stream.close(o->stream.context);
    free(o);
}

static struct MHD_Response *streaming(const http_stream *stream, struct MHD_Connection *connection) {
    outlet *o = malloc(sizeof *o);
    if (!o) {
        stream->close(stream->context);
        return NULL;
    }
    *o = (outlet){*stream, connection};
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, o, close_stream);
}

static void wipe(void *content) {
    explicit_bzero(content, strlen(content));
    free(content);
}

static struct MHD_Response *response_of(http_exchange *e, struct MHD_Connection *connection) {
    if (e->stream.more) return streaming(&e->stream, connection);
    if (e->constant)
        return MHD_create_response_from_buffer(e->content_length, (void *)e->constant, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(e->content_length, e->content, wipe);
    if (!response) wipe(e->content);
    return response;
}

/* The page runs what comes from here alone; nothing of an answer is to be kept by anybody on its way. */
static void add_headers(struct MHD_Response *response, const http_exchange *e) {
    char text[16];
    MHD_add_response_header(response, "Content-Type", e->type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    if (e->run[0]) MHD_add_response_header(response, "Trefoil-Run", e->run);
    if (e->status == HTTP_UNAUTHORIZED) MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    if (e->allow[0]) MHD_add_response_header(response, "Allow", e->allow);
    snprintf(text, sizeof text, "%u", e->retry_after);
    if (e->retry_after) MHD_add_response_header(response, "Retry-After", text);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, http_exchange *e) {
    struct MHD_Response *response = response_of(e, connection);
    if (!response) return MHD_NO;
    add_headers(response, e);
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)e->status, response);
    MHD_destroy_response(response);
    return result;
}

/* Requests --------------------------------------------------------------------------------------------------------- */

/* Compares digests, so that the time tells neither bytes nor lengths. */
static bool is_token(const char *given, const char *token) {
    unsigned char a[SHA256_DIGEST_LENGTH], b[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)given, strlen(given), a);
    SHA256((const unsigned char *)token, strlen(token), b);
    return CRYPTO_memcmp(a, b, sizeof a) == 0;
}

static const char *header(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static tf_status admit(const http_server *s, struct MHD_Connection *connection, bool open, refusal *r) {
    const char *authorization = header(connection, "Authorization"), *host = header(connection, "Host"),
               *origin = header(connection, "Origin"), *length = header(connection, "Content-Length"),
               *encoding = header(connection, "Content-Encoding");
    bool bears = authorization && !strncasecmp(authorization, "Bearer ", 7);
    if (s->settings->token && !open && !(bears && is_token(authorization + 7, s->settings->token)))
        return refuse(r, HTTP_UNAUTHORIZED, "invalid_api_key", NULL,
                      bears ? "The token is not the one of this gateway"
                            : "A token is needed: Authorization: Bearer TOKEN");
    if (s->loopback && !s->settings->token && host && !origin_is_loopback(host))
        return refuse(r, HTTP_FORBIDDEN, "wrong_host", NULL,
                      "Without a token this gateway answers to its names on this host alone, such as localhost");
    if (origin && !origin_is_same(origin, host))
        return refuse(r, HTTP_FORBIDDEN, "wrong_origin", NULL, "Pages of other sites are not answered");
    if (length && strtoull(length, NULL, 10) > s->settings->longest_body)
        return refuse(r, HTTP_TOO_LARGE, "body_too_large", NULL, "The body has more than %zu bytes",
                      s->settings->longest_body);
    if (encoding && strcasecmp(encoding, "identity"))
        return refuse(r, HTTP_UNSUPPORTED, "unsupported_encoding", NULL, "Bodies are read as they are, not compressed");
    return TF_OK;
}

static enum MHD_Result send_refusal(const http_server *s, struct MHD_Connection *connection, const http_way *way,
                                    const refusal *r) {
    http_exchange e = {.form = way->form};
    if (r->status == HTTP_NOT_ALLOWED) memcpy(e.allow, way->allow, sizeof e.allow);
    http_answer_refusal(&e, r);
    s->handler->refused(s->handler->context, r->status);
    return send_answer(connection, &e);
}

/* Whether a client sends a body whatever it is told, as most do: answered before its end, it would find its connection
 * broken, and mostly no answer. What is longer than is ever read is not waited for. */
static bool sends_on(const http_server *s, struct MHD_Connection *connection) {
    const char *length = header(connection, "Content-Length");
    if (header(connection, "Expect")) return false;
    if (!length) return header(connection, "Transfer-Encoding") != NULL;
    const unsigned long long bytes = strtoull(length, NULL, 10);
    return bytes > 0 && bytes <= MOST_READ * s->settings->longest_body;
}

/* The beginning of a request: of what can be refused no body is kept. */
static enum MHD_Result begin(const http_server *s, struct MHD_Connection *connection, const char *method,
                             const char *path, void **own) {
    refusal r = {0};
    http_way way = {.form = REFUSAL_OPENAI};
    int found = s->handler->find(s->handler->context, method, path, &way);
    tf_status status = admit(s, connection, way.open, &r);
    if (status == TF_OK && found == HTTP_NOT_FOUND)
        status = refuse(&r, found, "unknown_url", NULL, "There is nothing at this path; there are %s", way.others);
    if (status == TF_OK && found == HTTP_NOT_ALLOWED)
        status = refuse(&r, found, "method_not_supported", NULL, "This path is not asked with %.16s but with %s",
                        method, way.allow);
    if (status != TF_OK && !sends_on(s, connection)) return send_refusal(s, connection, &way, &r);
    reception *in = calloc(1, sizeof *in);
    if (!in) return MHD_NO;
    in->way = way;
    in->refusal = r;
    *own = in;
    return MHD_YES;
}

/* More of the body. What goes on and on is cut off without an answer. */
static enum MHD_Result receive(const http_server *s, reception *in, const char *data, size_t size) {
    if (in->refusal.status || in->excess || size > s->settings->longest_body - in->length) {
        in->excess += size;
        return in->length + in->excess <= MOST_READ * s->settings->longest_body ? MHD_YES : MHD_NO;
    }
    if (in->length + size + 1 > in->room) {
        size_t room = in->room ? in->room : FIRST_BODY;
        while (room < in->length + size + 1) room *= 2;
        char *grown = malloc(room);
        if (!grown) return MHD_NO;
        if (in->body) memcpy(grown, in->body, in->length);
        if (in->body) explicit_bzero(in->body, in->length);
        free(in->body);
        in->body = grown;
        in->room = room;
    }
    memcpy(in->body + in->length, data, size);
    in->length += size;
    in->body[in->length] = '\0';
    return MHD_YES;
}

static caller *caller_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static enum MHD_Result answer(const http_server *s, struct MHD_Connection *connection, const char *method,
                              const char *path, const reception *in) {
    refusal r = in->refusal;
    if (!r.status && in->excess)
        (void)!refuse(&r, HTTP_TOO_LARGE, "body_too_large", NULL, "The body has more than %zu bytes",
                      s->settings->longest_body);
    if (r.status) return send_refusal(s, connection, &in->way, &r);
    callers_asks(s->callers, caller_of(connection), true);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    http_exchange e = {.method = method,
                       .path = path,
                       .body = in->body ? in->body : "",
                       .length = in->length,
                       .socket = info ? info->connect_fd : -1,
                       .form = in->way.form,
                       .status = HTTP_FAILED};
    keep_open(connection, 0);
    s->handler->answer(s->handler->context, &e);
    keep_open(connection, IDLE_SECONDS);
    return e.status == HTTP_CLIENT_GONE ? MHD_NO : send_answer(connection, &e);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **own) {
    const http_server *s = context;
    if (!*own) return begin(s, connection, method, path, own);
    if (!*size) return answer(s, connection, method, path, *own);
    enum MHD_Result result = receive(s, *own, data, *size);
    *size = 0;
    return result;
}

static void complete(void *context, struct MHD_Connection *connection, void **own,
                     enum MHD_RequestTerminationCode how) {
    const http_server *s = context;
    reception *in = *own;
    callers_asks(s->callers, caller_of(connection), false);
    if (!in) return;
    keep_open(connection, IDLE_SECONDS);
    if (in->body) explicit_bzero(in->body, in->length);
    free(in->body);
    free(in);
    *own = NULL;
}

/* A connection comes or goes. */
static void notice(void *context, struct MHD_Connection *connection, void **own,
                   enum MHD_ConnectionNotificationCode what) {
    const http_server *s = context;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED)
        callers_leave(s->callers, *own);
    else
        *own = info ? callers_enter(s->callers, info->connect_fd) : NULL;
}

/* Listening -------------------------------------------------------------------------------------------------------- */

static void ignore(void *context, const char *format, va_list args) {
    /* what the library says of clients would only fill the log */
}

static tf_status start(http_server *s, const struct sockaddr *address) {
    const http_settings *o = s->settings;
    bool tls = o->certificate != NULL;
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)o->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)o->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0) | (address->sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, ignore, NULL,
                                 MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_NOTIFY_COMPLETED, complete, s,
                                 MHD_OPTION_NOTIFY_CONNECTION, notice, s, MHD_OPTION_CONNECTION_LIMIT,
                                 o->connections + GOING, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                                 MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
                                 tls ? MHD_OPTION_ARRAY : MHD_OPTION_END, secure, MHD_OPTION_END);
    return s->daemon ? TF_OK
                     : tf_fail(TF_IO, "cannot listen at --http %s%s", o->address,
                               tls ? ", or certificate and key do not belong together" : ": is something there?");
}

/* Where it really listens: the port may have been left to the system. */
static void name_url(http_server *s, const char *host) {
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    if (info) (void)!getsockname(info->listen_fd, (struct sockaddr *)&at, &size);
    uint16_t port =
        at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port : ((struct sockaddr_in *)&at)->sin_port;
    snprintf(s->url, sizeof s->url, strchr(host, ':') ? "%s://[%s]:%u/" : "%s://%s:%u/",
             s->settings->certificate ? "https" : "http", host, ntohs(port));
}

static tf_status listen_at(http_server *s) {
    char host[HOST_TEXT];
    const char *port;
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    TF_TRY(origin_split(s->settings->address, host, &port));
    int error = getaddrinfo(host, port, &hints, &found);
    if (error) return tf_fail(TF_INVALID, "--http %s: %s", s->settings->address, gai_strerror(error));
    s->loopback = origin_is_local(found->ai_addr);
    tf_status status = TF_OK;
    if (!s->loopback && (!s->settings->token || !s->settings->certificate))
        status = tf_fail(TF_INVALID,
                         "--http %s can be reached from other hosts: it needs --token and --tls (see --help), or an "
                         "address of this host alone, such as 127.0.0.1:7380",
                         s->settings->address);
    if (status == TF_OK) status = start(s, found->ai_addr);
    if (status == TF_OK) name_url(s, host);
    freeaddrinfo(found);
    return status;
}

tf_status http_open(const http_settings *settings, const http_handler *handler, http_server **out) {
    http_server *s = calloc(1, sizeof *s);
    if (!s) return tf_fail(TF_NOMEM, "out of memory");
    *s = (http_server){.settings = settings, .handler = handler};
    tf_status status = callers_open(settings->connections, &s->callers);
    if (status == TF_OK) status = listen_at(s);
    if (status != TF_OK)
        http_close(s);
    else
        *out = s;
    return status;
}

const char *http_url(const http_server *s) {
    return s->url;
}

void http_close(http_server *s) {
    if (!s) return;
    if (s->daemon) MHD_stop_daemon(s->daemon);
    callers_close(s->callers);
    free(s);
}
