#define _GNU_SOURCE /* sched_getaffinity */
#include "experiments/app/parties/threads.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_THREADS = 1024 };

/* A positive number in the environment, or 0. */
static long number_of(const char *variable) {
    const char *text = getenv(variable);
    long number = text ? atol(text) : 0;
    return number > 0 ? number : 0;
}

int parties_here(const link_settings *o) {
    long ranks = number_of("OMPI_COMM_WORLD_LOCAL_SIZE");
    return (int)(o->local ? TF_PARTIES : o->id >= 0 ? 1 : ranks ? ranks : TF_PARTIES);
}

int party_threads(const link_settings *o) {
    long parties = parties_here(o), of_a_task = number_of("SLURM_CPUS_PER_TASK");
    cpu_set_t granted;
    if (o->threads) return o->threads;
    bool known = sched_getaffinity(0, sizeof granted, &granted) == 0; /* fails beyond 1024 processors */
    long cores = known ? CPU_COUNT(&granted) : sysconf(_SC_NPROCESSORS_ONLN);
    long share = cores / parties;
    if (of_a_task) { /* where Slurm's task is the party, its processors need not be divided */
        long own = o->local ? of_a_task / parties : of_a_task;
        share = own < cores ? own : cores;
    }
    return share < 1 ? 1 : share > MOST_THREADS ? MOST_THREADS : (int)share;
}
