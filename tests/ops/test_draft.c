/* Of tokens that were chosen behind proposals those come out that are told, and nothing of what follows. */
#include "ops/draft.h"
#include "tests/support/private.h"

static float random_token(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(*seed >> 58); /* what parts hold exactly */
}

/* Text t has t right proposals; further ones may be right again, which is nobody's business. */
static private_op proposals(size_t texts, size_t rows) {
    private_op run = {.kind = "accepted", .variant = "", .inputs = 2, .calibrated = true};
    uint64_t seed = rows;
    for (int i = 0; i < 2; i++)
        run.input[i].array = (tf_array){tf_dims(texts, rows), calloc(texts * rows, sizeof(float))};
    float *chosen = run.input[0].array.data, *given = run.input[1].array.data;
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < rows; i++) {
            size_t at = text * rows + i;
            chosen[at] = random_token(&seed);
            given[at] = random_token(&seed);
            if (i > 0 && i != text + 1) given[at] = chosen[at - 1];
            if (i == text + 1) given[at] = chosen[at - 1] + (i % 2 ? 1.0f : -1.0f);
        }
    return run;
}

static void check_proposals(size_t texts, size_t rows, int rounds, uint64_t bytes) {
    private_op run = proposals(texts, rows);
    cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
    for (size_t text = 0; text < texts; text++)
        for (size_t i = 0; i < rows; i++) {
            size_t at = text * rows + i;
            double wanted = i <= text ? (double)run.input[0].array.data[at] + 1 : 0;
            cr_assert_eq(run.result[at], wanted, "%zu rows, text %zu, row %zu: %g, not %g", rows, text, i,
                         run.result[at], wanted);
            cr_assert_eq((double)run.plain.data[at], wanted);
        }
    uint64_t sent = 0;
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++) sent += run.stats.bytes[from][to];
    cr_assert_eq((int)run.stats.rounds, rounds, "%zu: %d rounds", rows, (int)run.stats.rounds);
    cr_assert_eq(sent, bytes, "%zu: %llu bytes", rows, (unsigned long long)sent);
    private_free(&run);
}

/* Putting in takes a round, and so does opening. Texts have none, some and all proposals right. */
Test(draft, tokens_up_to_the_first_wrong_proposal) {
    check_proposals(3, 2, 8, 2803);
    check_proposals(6, 5, 10, 4952);
    check_proposals(33, 1 + TF_MOST_PROPOSED, 10, 372228);
}

Test(draft, refuses_what_cannot_be_proposed) {
    float zero[64] = {0};
    tf_array none = {tf_dims(1, 1), zero}, many = {tf_dims(1, 34), zero}, two = {tf_dims(1, 2), zero};
    check_refused("accepted", ARRAYS(none, none), TF_NO_ATTRS, "0 tokens are proposed; 1 to 32 are possible");
    check_refused("accepted", ARRAYS(many, many), TF_NO_ATTRS, "33 tokens are proposed");
    check_refused("accepted", ARRAYS(two, none), TF_NO_ATTRS, "what was given has shape 1x1, not 1x2");
}
