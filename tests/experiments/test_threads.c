/* How many threads a party uses where nobody says: those that were granted, not those that the machine has. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>

#include "experiments/app/parties/threads.h"

static void forget_grants(void) {
    unsetenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    unsetenv("SLURM_CPUS_PER_TASK");
}

/* Leaves this process the first of its processors alone. */
static void take_one_processor(void) {
    cpu_set_t granted, one;
    cr_assert_eq(sched_getaffinity(0, sizeof granted, &granted), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &granted)) CPU_SET(i, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
}

static int granted_processors(void) {
    cpu_set_t granted;
    cr_assert_eq(sched_getaffinity(0, sizeof granted, &granted), 0);
    return CPU_COUNT(&granted);
}

Test(threads, are_the_granted_processors, .init = forget_grants) {
    link_settings alone = {.id = 1};
    cr_assert_eq(party_threads(&alone), granted_processors());
    take_one_processor();
    cr_assert_eq(party_threads(&alone), 1);
}

Test(threads, are_divided_among_the_parties_of_the_host, .init = forget_grants) {
    link_settings local = {.id = -1, .local = true}, ranks = {.id = -1};
    int third = granted_processors() / 3;
    cr_assert_eq(party_threads(&local), third > 1 ? third : 1);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "1", 1);
    cr_assert_eq(party_threads(&ranks), granted_processors());
}

Test(threads, of_a_task_of_slurm_are_its_own, .init = forget_grants) {
    link_settings ranks = {.id = -1}, local = {.id = -1, .local = true};
    setenv("SLURM_CPUS_PER_TASK", "1", 1);
    cr_assert_eq(party_threads(&ranks), 1);
    setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "3", 1); /* which does not divide what each of the three has */
    setenv("SLURM_CPUS_PER_TASK", "64", 1);
    cr_assert_eq(party_threads(&ranks), granted_processors() < 64 ? granted_processors() : 64);
    cr_assert_leq(party_threads(&local), 21);
}

Test(threads, are_what_the_command_line_says, .init = forget_grants) {
    link_settings said = {.id = 1, .threads = 7};
    setenv("SLURM_CPUS_PER_TASK", "2", 1);
    cr_assert_eq(party_threads(&said), 7);
}
