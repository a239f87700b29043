/** How the three parties of a TCP link find each other: for link_tcp.c only. */
#ifndef TF_TCP_MEETING_H
#define TF_TCP_MEETING_H

#include "net/tcp_hello.h"

/** Connects to both peers; see tf_link_tcp. The sockets do not block; those of the party itself are -1. */
TF_CHECKED tf_status tf_tcp_meet(const tf_tcp_options *options, int socket[TF_PARTIES][TF_TCP_CHANNELS]);

#endif
