/** Scenarios on three ends of a link in one process, a thread each. For Criterion tests. */
#ifndef TF_TEST_THREE_ENDS_H
#define TF_TEST_THREE_ENDS_H

#include <criterion/criterion.h>
#include <pthread.h>

#include "tests/support/scenarios.h"

typedef struct scenario_party {
    tf_link *link;
    scenario *run;
    char complaint[1600];
} scenario_party;

static void *run_scenario_party(void *argument) {
    scenario_party *self = argument;
    const char *complaint = self->run(self->link);
    if (complaint) {
        snprintf(self->complaint, sizeof self->complaint, "%s", complaint);
        tf_link_announce_failure(self->link, complaint);
    }
    tf_link_close(self->link);
    return NULL;
}

/** Runs a scenario on the ends, which are closed then, and fails the test with what the parties complain of. */
static inline void run_on_ends(tf_link *const ends[TF_PARTIES], scenario *run) {
    static scenario_party parties[TF_PARTIES];
    pthread_t threads[TF_PARTIES];
    for (int i = 0; i < TF_PARTIES; i++) {
        parties[i] = (scenario_party){.link = ends[i], .run = run};
        cr_assert_eq(tf_link_party(ends[i]), i);
        cr_assert_eq(pthread_create(&threads[i], NULL, run_scenario_party, &parties[i]), 0);
    }
    for (int i = 0; i < TF_PARTIES; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < TF_PARTIES; i++)
        cr_expect_str_empty(parties[i].complaint, "party %d: %s", i, parties[i].complaint);
}

#endif
