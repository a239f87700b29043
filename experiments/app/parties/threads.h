/** How many threads a party computes with. */
#ifndef TF_APP_THREADS_H
#define TF_APP_THREADS_H

#include "experiments/app/parties/settings.h"

/** How many of the parties run on this host, as far as the launcher tells: all three where nothing does. */
int parties_here(const link_settings *settings);

/** How many threads each party on this host uses: what --threads says; in a task of Slurm that was granted processors
 *  (SLURM_CPUS_PER_TASK), so many; otherwise the processors that this process may use, divided by the parties here. */
int party_threads(const link_settings *settings);

#endif
