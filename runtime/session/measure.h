/** What the links and processors of a session are like, as the parties find and agree on it, to plan for it. */
#ifndef TF_MEASURE_H
#define TF_MEASURE_H

#include "runtime/session/session.h"

/** Whether the three run under one kernel, by what each tells of its own: nothing is measured then unless somebody
 * asks. All three call it together. 32 B to each, 1 round; the others learn whether their kernel is this one. */
TF_CHECKED tf_status tf_session_on_one_host(tf_session *session, bool *one);

/** Replaces a figure above 0 by that of the parties' which is in the middle, in half octaves: whatever one of them
 * tells, all end with no more and no less than the two others found. 1 B to each, 1 round. */
TF_CHECKED tf_status tf_agree_middle(tf_link *link, double *figure);

/** How long a byte of keystream takes to make and to add up, on all of these threads (NULL: this one). */
TF_CHECKED tf_status tf_stream_time(tf_workers *workers, double *seconds);

/**
 * Measures how long a round takes, at what rate bytes travel when all send to all, and how long this party's threads
 * take for a byte of a protocol's work while the others do the same. Of each figure all take the one in the
 * middle; whoever tells the two others different things ends the run (TF_MISMATCH, or TF_PEER). The session's graphs
 * are planned for the outcome, session->network, from then on. All three call it together. 64 kB to 4 MB to each, until
 * a burst takes longer than the delay; about 20 rounds. Nothing but public figures is learnt.
 */
TF_CHECKED tf_status tf_session_measure(tf_session *session);

#endif
