/**
 * The desk between the clients and the party: a bounded queue of requests, what the model is, and counts of all that
 * happened. The threads of connections submit and wait; the party's thread takes and answers (see runs.h).
 */
#ifndef TF_APP_DESK_H
#define TF_APP_DESK_H

#include <pthread.h>
#include <stdatomic.h>

#include "experiments/app/data/model_files.h"
#include "experiments/app/gateway/request.h"

typedef struct desk_settings {
    const char *name;            /**< of the model, as clients call it */
    long created;                /**< when its files were written, in seconds of Unix */
    size_t queue;                /**< the most requests that wait */
    size_t texts;                /**< the most texts of a run */
    double window;               /**< seconds for which a run waits for more requests to join it */
    int model_owner, data_owner; /**< parties; TF_OUTSIDE: none of the three */
    const atomic_int *stop;      /**< not 0: a signal asks the gateway to end */
    tf_sampling sampling;        /**< how tokens are drawn where a request does not say */
} desk_settings;

/** What clients can ask of the model. */
typedef struct desk_model {
    tf_head head;
    tf_problem problem;
    size_t width, labels, context;
    char **label;   /**< `labels` names, or NULL */
    bool chats;     /**< it has a template of conversations */
    bool sentences; /**< its embeddings have length 1 */
    bool logits;    /**< the data owner chooses tokens from logits, otherwise they are chosen inside */
} desk_model;

/** DESK_TEXTS: the most texts of a request, or turns of a conversation. */
enum { DESK_TEXTS = 1024, DESK_OUTCOMES = 96, DESK_BUCKETS = 10 };

/** Upper bounds of the buckets in which requests are counted by their seconds. */
extern const double desk_bucket[DESK_BUCKETS];

typedef struct desk_counts {
    struct {
        const char *endpoint;
        int status; /**< of HTTP */
        uint64_t count;
    } outcome[DESK_OUTCOMES];
    size_t outcomes;
    uint64_t bucket[DESK_BUCKETS + 1], answers; /**< answered requests by seconds; the last bucket: longer ones */
    uint64_t runs, texts, prompt_tokens, generated_tokens, dropped, connections, losses;
    uint64_t bytes_online, bytes_setup, bytes_encryption, rounds;
    double seconds, seconds_queue, seconds_setup, seconds_online;
} desk_counts;

typedef struct gateway_desk {
    const desk_settings *settings;
    pthread_mutex_t lock;
    pthread_cond_t changed;    /**< anything of what follows, or of a request */
    gateway_request **waiting; /**< first come first */
    size_t waits, runs;        /**< requests that wait, and that are in the run at hand */
    atomic_bool ready;         /**< the three parties have met and agreed */
    bool was_ready;            /**< once at least */
    double lost_at;            /**< when they were not any more */
    bool stopping;             /**< nothing new is taken; see desk_stops */
    uint64_t numbers;          /**< given out to requests */
    desk_model model;          /**< since the parties first met */
    desk_counts counts;
    double started;
} gateway_desk;

TF_CHECKED tf_status desk_open(const desk_settings *settings, gateway_desk *desk);
/** Every connection's thread has ended, and so has the party's. */
void desk_close(gateway_desk *desk);

/** What became of a submission. */
typedef enum desk_reply { DESK_TAKEN, DESK_FULL, DESK_AWAY, DESK_STOPS } desk_reply;

/** Puts a request into the queue, where the desk holds it too. */
desk_reply desk_submit(gateway_desk *desk, gateway_request *request);

/**
 * Waits, with the lock held, until anything has changed or for a fifth of a second. A request whose client has gone is
 * given up; one that waits while the parties have been apart for long ends as END_AWAY.
 */
void desk_rest(gateway_desk *desk, gateway_request *request);

/** Waits, with the lock held, for a change or at most so many seconds. */
void desk_nap(gateway_desk *desk, double seconds);

/** Gives a request up and lets go of it. */
void desk_leave(gateway_desk *desk, gateway_request *request);

/** Whether the gateway is to end; the lock is held. */
bool desk_stops(gateway_desk *desk);

/** Whether the parties have met once, so that `model` says what clients can ask. */
bool desk_knows_model(gateway_desk *desk);

/** The parties have met, and the model is open: the same one each time. Or they are apart. */
TF_CHECKED tf_status desk_met(gateway_desk *desk, const model_files *model, size_t context, bool logits);
void desk_lost(gateway_desk *desk);

/** Ends a request, with the lock held; `reason` NULL where it was answered. */
void desk_end(gateway_desk *desk, gateway_request *request, request_end end, const char *reason);

/** Puts a request of a run back in front of the queue, with the lock held. */
void desk_put_back(gateway_desk *desk, gateway_request *request);

/** Takes the i-th waiting request out, with the lock held; the caller has the desk's hold on it. */
gateway_request *desk_take(gateway_desk *desk, size_t i);

/** Counts an answer of HTTP. */
void desk_count(gateway_desk *desk, const char *endpoint, int status, double seconds);

/** How long a client should wait before it asks again, in seconds. */
unsigned desk_retry_after(const gateway_desk *desk);

#endif
