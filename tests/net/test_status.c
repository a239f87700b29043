#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "net/base/status.h"

static tf_status open_file(void) {
    return tf_fail(TF_IO, "%s: cannot be opened (%d)", "a.bin", 2);
}

static tf_status load(bool *reached) {
    tf_status status = open_file();
    if (status != TF_OK) TF_TRY(tf_fail_in(status, "loading %s", "the model"));
    *reached = true;
    return TF_OK;
}

Test(status, message_and_context) {
    bool reached = false;
    cr_expect_str_empty(tf_error());
    cr_expect_eq(load(&reached), TF_IO);
    cr_expect_not(reached);
    cr_expect_str_eq(tf_error(), "loading the model: a.bin: cannot be opened (2)");
    cr_expect_eq(tf_fail(TF_RANGE, "new"), TF_RANGE);
    cr_expect_str_eq(tf_error(), "new");
}

Test(status, long_messages_are_cut) {
    char text[5000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tf_fail(TF_FORMAT, "%s", text);
    cr_expect_eq(strlen(tf_error()), 1023);
    tf_fail_in(TF_FORMAT, "context");
    cr_expect_eq(strlen(tf_error()), 1023);
    cr_expect_eq(strncmp(tf_error(), "context: aaa", 12), 0);
    tf_fail_in(TF_FORMAT, "%s", text);
    cr_expect_eq(strlen(tf_error()), 1023);
    cr_expect_eq(tf_error()[0], 'a');
}

static void *fail_in_thread(void *message) {
    tf_fail(TF_INVALID, "of the other thread");
    strcpy(message, tf_error());
    return NULL;
}

Test(status, each_thread_has_its_own_message) {
    char other[1024];
    pthread_t thread;
    tf_fail(TF_INVALID, "of this thread");
    cr_assert_eq(pthread_create(&thread, NULL, fail_in_thread, other), 0);
    pthread_join(thread, NULL);
    cr_expect_str_eq(other, "of the other thread");
    cr_expect_str_eq(tf_error(), "of this thread");
}

Test(status, every_code_has_a_name) {
    for (int code = TF_OK; code <= TF_INTERNAL; code++) {
        cr_expect_str_neq(tf_status_name((tf_status)code), "unknown status");
        for (int other = TF_OK; other < code; other++)
            cr_expect_str_neq(tf_status_name((tf_status)code), tf_status_name((tf_status)other));
    }
    cr_expect_str_eq(tf_status_name((tf_status)99), "unknown status");
}

Test(status, peers_are_told_public_messages_only) {
    tf_fail(TF_FORMAT, "texts.jsonl line 3: %s", "secret");
    cr_expect_str_eq(tf_error_for_peers(TF_FORMAT), "it could not read its own input");
    tf_fail_public(TF_PEER, "party %d is silent", 2);
    cr_expect_str_eq(tf_error(), "party 2 is silent");
    cr_expect_str_eq(tf_error_for_peers(TF_PEER), "party 2 is silent");
    tf_fail_in(TF_PEER, "for %s", "secret");
    cr_expect_str_eq(tf_error(), "for secret: party 2 is silent");
    cr_expect_str_eq(tf_error_for_peers(TF_PEER), "party 2 is silent");
    tf_fail(TF_NOMEM, "no memory for %s", "secret");
    cr_expect_str_eq(tf_error_for_peers(TF_NOMEM), "it has no memory left");
}

Test(status, a_kept_failure_is_raised_with_what_peers_are_told) {
    tf_failure failure;
    tf_fail_public(TF_MISMATCH, "the parties differ");
    tf_failure_keep(tf_fail_in(TF_MISMATCH, "secret"), &failure);
    tf_fail(TF_IO, "another");
    cr_expect_eq(tf_failure_raise(&failure), TF_MISMATCH);
    cr_expect_str_eq(tf_error(), "secret: the parties differ");
    cr_expect_str_eq(tf_error_for_peers(TF_MISMATCH), "the parties differ");
}
