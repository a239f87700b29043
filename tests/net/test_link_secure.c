/** What every link must do, over the secure one; its handshake; its keys and counters. */
#include "secure_rig.h"

TestSuite(secure_link, .init = rig_identities, .fini = rig_free_identities);

static void expect_success(scenario *run, bool pinned) {
    secure_party parties[TF_PARTIES];
    rig_parties(parties, run);
    for (int i = 0; i < TF_PARTIES && !pinned; i++) parties[i].options.fingerprints = NULL;
    rig_join(parties);
    for (int i = 0; i < TF_PARTIES; i++) cr_expect_str_empty(parties[i].error, "party %d: %s", i, parties[i].error);
}

Test(secure_link, keeps_order_and_counts) {
    expect_success(order_and_counters, true);
}
Test(secure_link, moves_big_messages) {
    expect_success(big_messages_between_all_pairs, true);
}
Test(secure_link, deadline) {
    expect_success(deadline_names_the_peer, true);
}
Test(secure_link, failure) {
    expect_success(failure_reaches_everyone, true);
}
Test(secure_link, too_short) {
    expect_success(too_short, true);
}
Test(secure_link, too_long) {
    expect_success(too_long, true);
}
Test(secure_link, requests_are_checked) {
    expect_success(requests_are_checked, true);
}
Test(secure_link, without_pinned_fingerprints) {
    expect_success(order_and_counters, false);
}

static const char *in_small_records(tf_link *link) {
    tf_link_secure_set_records(link, 1000, 7); // a new key every seven records
    return big_messages_between_all_pairs(link);
}
Test(secure_link, in_small_records_with_many_keys) {
    expect_success(in_small_records, true);
}
