/** Those who called a party and have not yet said or proved who they are; for tcp_meeting.c only. */
#ifndef TF_TCP_STRANGERS_H
#define TF_TCP_STRANGERS_H

#include <netinet/in.h>

#include "net/tcp_hello.h"

enum { TF_STRANGERS = 32 };

typedef struct tf_stranger {
    int socket;   /**< -1: nobody */
    double until; /**< given up then */
    char address[INET6_ADDRSTRLEN];
    EVP_PKEY *challenge; /**< its hello has been answered, and its proof is awaited; NULL before */
    tf_hello hello;
    unsigned char proof[TF_HELLO_PROOF];
    size_t heard;
} tf_stranger;

typedef struct tf_strangers {
    const tf_tcp_options *options;
    bool standing[TF_PARTIES][TF_TCP_CHANNELS]; /**< which connections there are already; kept by the meeting */
    tf_stranger place[TF_STRANGERS];
} tf_strangers;

void tf_strangers_init(tf_strangers *strangers, const tf_tcp_options *options);
void tf_strangers_close(tf_strangers *strangers);

/** Gives a connection that was accepted a place, if need be another caller's. */
void tf_strangers_take(tf_strangers *strangers, int socket);

/**
 * Hears what has come from a stranger. True: it is welcome, and its socket has become the caller's. Otherwise it is
 * still awaited, or it has been dismissed; `why`, if not NULL then, says why it was refused.
 */
bool tf_stranger_hear(tf_strangers *strangers, tf_stranger *stranger, const char **why);

void tf_stranger_dismiss(tf_stranger *stranger);

#endif
