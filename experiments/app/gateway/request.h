/**
 * What one HTTP request asks of the model, and what becomes of it. The thread of its connection makes it, submits it to
 * the desk and waits; the party's thread answers it. Both hold it until they let go.
 */
#ifndef TF_APP_REQUEST_H
#define TF_APP_REQUEST_H

#include "experiments/app/data/text_list.h"
#include "experiments/app/report/token_report.h"
#include "experiments/app/service/writer.h"
#include "models/chat/chat.h"

/** How an answer failed, for whoever asked. */
typedef enum request_end {
    END_ANSWERED,
    END_REFUSED, /**< the request itself: a text that is too long, say */
    END_AWAY,    /**< a peer is away; asking again later may help */
    END_FAILED   /**< anything else */
} request_end;

/** A text that grows in answer to a prompt. */
typedef struct answer_text {
    char *text; /**< a zero byte follows; NULL: nothing yet */
    size_t length, tokens;
    finish finish;
    bool done;
} answer_text;

/** What the run took in which a request was answered, with others maybe. */
typedef struct answer_cost {
    size_t requests, texts; /**< in the run */
    double seconds_queue, seconds_setup, seconds_online;
    uint64_t bytes_online, bytes_setup, bytes_encryption, rounds;
    uint64_t sent[TF_PARTIES], received[TF_PARTIES]; /**< by each party, without set-up */
} answer_cost;

typedef struct gateway_request {
    /* Asked: set before it is submitted. */
    const char *endpoint; /**< for logs and metrics */
    text_list texts;      /**< texts or pairs to be read; or prompts */
    tf_chat_message *message;
    size_t messages;         /**< a conversation in place of prompts; 0: none */
    bool generates;          /**< prompts are continued; otherwise texts are read */
    bool streams;            /**< text is sent as it grows */
    bool truncate;           /**< texts that are too long are cut */
    size_t copies;           /**< how often each prompt is continued */
    token_settings tokens;   /**< of a model with results for each token */
    writer_settings writing; /**< max_tokens 0: as many as the model proposes; stop strings are the request's own */
    int connection;          /**< its socket, to see whether the client is still there; -1: none */

    /* From the desk, under its lock. */
    uint64_t number; /**< of this gateway's requests, from 1 */
    enum { REQUEST_WAITS, REQUEST_RUNS, REQUEST_IS_DONE } state;
    bool dropped;         /**< nobody waits for an answer any more */
    bool alone;           /**< its run failed once with others in it: it gets one for itself */
    int attempts;         /**< runs it was in */
    int holders;          /**< threads that hold it */
    double made, arrived; /**< by tf_clock: when it came, and when it was submitted */
    request_end end;
    char error[512]; /**< why it was not answered */
    size_t prompt_tokens;
    float *values; /**< texts x width */
    size_t width;
    json_t *results;     /**< in place of values, of a model with results for each token: an array, one a text */
    answer_text *answer; /**< of each prompt and copy: (prompt, copy) at prompt * copies + copy */
    size_t answers;
    answer_cost cost;
} gateway_request;

/** Makes an empty request, held once. NULL without memory. */
gateway_request *request_new(const char *endpoint);

/** Wipes and frees it, once nobody holds it. The desk's lock is held, or nobody else knows of it. */
void request_release(gateway_request *request);

/** Adds a text, or a pair (second not NULL), with copies of the bytes. */
TF_CHECKED tf_status request_add_text(gateway_request *request, const char *first, size_t first_length,
                                      const char *second, size_t second_length);

/** Adds a turn of a conversation. */
TF_CHECKED tf_status request_add_message(gateway_request *request, const char *role, const char *content,
                                         size_t length);

/** Adds a string at which texts end. */
TF_CHECKED tf_status request_add_stop(gateway_request *request, const char *stop);

/** Whether it may be asked once more: not if part of the answer may have been sent. Forgets what there is of the
 * answer. The desk's lock is held. */
bool request_restart(gateway_request *request);

/** Whether there is anything of an answer. The desk's lock is held. */
bool request_has_news(const gateway_request *request);

/** Whether the client has gone, by its socket: also one that has only ended its own side, which clients that wait for
 * an answer do not do. */
bool request_client_gone(const gateway_request *request);

#endif
