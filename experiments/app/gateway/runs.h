/**
 * Runs of the model for requests of the desk: which requests go together, their tokens, and what each of them gets.
 * This is the party's thread; see service/resident.h.
 */
#ifndef TF_APP_RUNS_H
#define TF_APP_RUNS_H

#include "experiments/app/gateway/desk.h"
#include "experiments/app/service/resident.h"

typedef struct run_of_requests run_of_requests;

/** Makes the party's side of a desk. All but `run` must outlive it; `party`, which is open, is
 *  read once the parties have met. Fails where the settings do not suit the model, if that is known by now. */
TF_CHECKED tf_status runs_open(gateway_desk *desk, const resident *party, const generation_settings *generation,
                               const batch_settings *batches, run_of_requests **run);
void runs_close(run_of_requests *run);

/** Tells the desk that the connection has ended, as `status` says; what was asked is asked again over the next one. */
void runs_lost(run_of_requests *run, tf_status status);

/** Whether the connection has ended because the settings do not suit the model, which another one does not change. */
bool runs_unfit(const run_of_requests *run);

/** What resident_open takes. */
resident_desk runs_desk(run_of_requests *run);

#endif
