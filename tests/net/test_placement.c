/** Placement: who is moved, by the words of the three parties and by what the kernel then says of their threads. */
#define _GNU_SOURCE // sched_getaffinity
#include "net/placement.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "tests/support/scenarios.h"
#include "tests/support/shared_ends.h"
#include "tests/support/three_ends.h"

/** Leaves this thread, and those that it starts, two processors; false where it may not use as many. */
static bool keep_two(cpu_set_t *two) {
    cpu_set_t granted;
    cr_assert_eq(sched_getaffinity(0, sizeof granted, &granted), 0);
    CPU_ZERO(two);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(two) < 2; cpu++)
        if (CPU_ISSET(cpu, &granted)) CPU_SET(cpu, two);
    return CPU_COUNT(two) == 2 && sched_setaffinity(0, sizeof *two, two) == 0;
}

static void same_resident(tf_resident residents[TF_PARTIES]) {
    for (int i = 0; i < TF_PARTIES; i++) residents[i] = tf_placement_reside();
}

Test(placement, is_for_three_that_share_two_processors) {
    cpu_set_t two, one;
    if (!keep_two(&two)) cr_skip("one processor");
    tf_resident residents[TF_PARTIES];
    tf_place places[TF_PARTIES] = {0};
    same_resident(residents);
    cr_expect(tf_placement_of(1, residents, places).moves);
    residents[2].numbering++; // a container of its own: numbers of tasks mean something else there
    cr_expect_not(tf_placement_of(1, residents, places).moves);
    same_resident(residents);
    residents[0].processors[1]++;
    cr_expect_not(tf_placement_of(1, residents, places).moves);
    same_resident(residents);
    residents[0].task = 0; // this would be whoever asks
    cr_expect_not(tf_placement_of(1, residents, places).moves);
    residents[0].task = (int64_t)1 << 32 | 1;
    cr_expect_not(tf_placement_of(1, residents, places).moves);
    same_resident(residents);
    for (int i = 0; i < TF_PARTIES; i++) residents[i].count = 3;
    cr_expect_not(tf_placement_of(1, residents, places).moves);
    CPU_ZERO(&one);
    CPU_SET((int)residents[0].processors[0], &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    same_resident(residents);
    cr_expect_not(tf_placement_of(1, residents, places).moves);
}

/** Threads that stand for parties, and stay where they are put. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *rest(void *argument) {
    *(tf_resident *)argument = tf_placement_reside();
    atomic_store((_Atomic uint64_t *)&((tf_resident *)argument)->count, 2);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return NULL;
}

static const uint32_t COMPUTES = 2;

/** What party 0 makes of the words of two others when it begins to wait, or wakes party 1: those afterwards. */
static void expect_words(uint32_t first, uint32_t second, bool waits, uint32_t first_then, uint32_t second_then) {
    cpu_set_t two, now;
    pthread_t threads[2];
    tf_resident residents[TF_PARTIES];
    tf_place places[TF_PARTIES] = {0};
    if (!keep_two(&two)) cr_skip("one processor");
    residents[0] = tf_placement_reside();
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 2; i++) {
        residents[i + 1].count = 0;
        pthread_create(&threads[i], NULL, rest, &residents[i + 1]);
        while (!atomic_load((_Atomic uint64_t *)&residents[i + 1].count)) sched_yield();
    }
    const tf_placement p = tf_placement_of(0, residents, places);
    cr_assert(p.moves);
    CPU_ZERO(&now);
    CPU_SET((int)p.processors[0], &now);
    cr_assert_eq(sched_setaffinity(0, sizeof now, &now), 0); // party 0 runs on the first
    places[1].word = first;
    places[2].word = second;
    if (waits)
        tf_placement_wait(&p);
    else
        tf_placement_wake(&p, 1);
    cr_expect_eq(places[0].word, waits ? 0 : COMPUTES);
    cr_expect_eq(places[1].word, first_then, "%u and %u: %u", first, second, places[1].word);
    cr_expect_eq(places[2].word, second_then, "%u and %u: %u", first, second, places[2].word);
    for (int i = 1; i < TF_PARTIES; i++) { // whoever was moved may run on both, as before
        cr_assert_eq(sched_getaffinity(p.task[i], sizeof now, &now), 0);
        cr_expect(CPU_EQUAL(&now, &two));
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

Test(placement, who_waits_parts_two_that_share_a_processor) {
    expect_words(COMPUTES, COMPUTES, true, COMPUTES, COMPUTES | 1);
    expect_words(COMPUTES | 1, COMPUTES | 1, true, COMPUTES | 1, COMPUTES);
}
Test(placement, who_waits_leaves_others_alone) {
    expect_words(COMPUTES, COMPUTES | 1, true, COMPUTES, COMPUTES | 1);
    expect_words(COMPUTES | 1, 1, true, COMPUTES | 1, 1);
    expect_words(0, 0, true, 0, 0);
}
Test(placement, who_wakes_keeps_its_processor_to_itself) {
    expect_words(0, 0, false, 1, 0);
    expect_words(0, COMPUTES, false, 1, COMPUTES);
    expect_words(0, COMPUTES | 1, false, 0, COMPUTES | 1); // both are in use
}
Test(placement, words_that_nobody_writes_do_no_harm) {
    expect_words(UINT32_MAX, UINT32_MAX - 1, true, UINT32_MAX, UINT32_MAX - 1);
    expect_words(UINT32_MAX, UINT32_MAX, true, UINT32_MAX, COMPUTES);
}
Test(placement, a_task_that_has_gone_is_let_be) {
    cpu_set_t two;
    if (!keep_two(&two)) cr_skip("one processor");
    tf_resident residents[TF_PARTIES];
    tf_place places[TF_PARTIES] = {0};
    same_resident(residents);
    residents[2].task = INT32_MAX;
    const tf_placement p = tf_placement_of(0, residents, places);
    places[1].word = places[2].word = COMPUTES;
    tf_placement_wait(&p);
    cr_expect_eq(places[2].word, COMPUTES);
}

static tf_resident told[TF_PARTIES];
static pthread_barrier_t all_told;

/** Threads that hand each other work over a link do so, wherever they are moved. */
static const char *works_while_moved(tf_link *link) {
    told[tf_link_party(link)] = tf_placement_reside();
    pthread_barrier_wait(&all_told);
    tf_link_shared_place(link, told);
    return big_messages_between_all_pairs(link);
}
Test(placement, of_a_link) {
    cpu_set_t two, now;
    tf_link *ends[TF_PARTIES];
    if (!keep_two(&two)) cr_skip("one processor");
    pthread_barrier_init(&all_told, NULL, TF_PARTIES);
    make_shared_ends(4096, ends, NULL);
    run_on_ends(ends, works_while_moved);
    cr_assert_eq(sched_getaffinity(0, sizeof now, &now), 0);
    cr_expect(CPU_EQUAL(&now, &two));
}
