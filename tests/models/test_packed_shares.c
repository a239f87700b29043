/* Share files that hold each party's operands of products: same results and messages as plain ones, on any kernels. */
#include <unistd.h>

#include "models/shares/share_weights.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"

static void setup(void) {
    scratch_make();
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(packed_shares, .init = setup, .fini = scratch_remove);

static const char *part(int packed, int party) {
    char name[32];
    snprintf(name, sizeof name, "%s%d", packed ? "packed" : "plain", party);
    return scratch_path(name);
}

static void share_tiny(bool packed) {
    const char *path[TF_PARTIES];
    tf_graph graph;
    tf_program program;
    tf_digest digest;
    for (int p = 0; p < TF_PARTIES; p++) path[p] = part(packed, p);
    works(tf_architecture_digest(&tiny_config, &digest));
    works(tiny_graph(&graph, "exact", 1, NULL, -1));
    works(tf_lower(&graph, 16, TF_OUTSIDE, 0, &program, NULL));
    works(tf_share_weights_write(path, &program, &digest, packed, NULL));
    tf_program_free(&program);
    tf_graph_free(&graph);
}

typedef struct model {
    bool packed[TF_PARTIES], stream;
    const char *kernels[TF_PARTIES]; /* NULL: the best */
    char path[TF_PARTIES][128];
    double logits[TINY_TEXTS * TINY_LABELS];
    tf_session_stats stats[TF_PARTIES];
    tf_link_counters sent[TF_PARTIES];
} model;

static tf_status play(tf_link *link, int id, void *context) {
    model *m = context;
    tf_digest digest;
    tf_graph graph;
    tf_session session;
    tf_share_file *file;
    TF_TRY(tf_architecture_digest(&tiny_config, &digest));
    TF_TRY(tf_share_weights_open(m->path[id], id, &digest, 16, &file));
    tf_provider provider = tf_share_weights_provider(file);
    tf_status status = tiny_graph(&graph, "exact", TINY_TEXTS, tiny_ids, id == 1 ? TINY_DATA_OWNER : 2);
    if (!status) status = tf_session_open(&session, link);
    session.store.provider = &provider;
    session.store.stream = m->stream;
    if (m->kernels[id]) session.party.kernels = tf_kernels_named(m->kernels[id]);
    if (!status)
        status = tf_session_run(&session, &graph, 16, TF_OUTSIDE, TINY_DATA_OWNER, id == 1 ? m->logits : NULL,
                                &m->stats[id], NULL);
    m->sent[id] = tf_link_read_counters(link);
    tf_session_close(&session);
    tf_graph_free(&graph);
    tf_share_close(file);
    return status;
}

static tf_status run(model *m) {
    three_outcome outcome;
    for (int p = 0; p < TF_PARTIES; p++) strcpy(m->path[p], part(m->packed[p], p));
    return three_do(play, m, &outcome);
}

static void check_run(model *m, const model *like) {
    works(run(m));
    double worst = tiny_error(m->logits, "exact", TINY_TEXTS, tiny_ids);
    cr_assert_lt(worst, 0.02, "%g", worst);
    for (int p = 0; p < TF_PARTIES && like; p++) {
        cr_assert_eq(m->stats[p].rounds, like->stats[p].rounds);
        cr_assert_arr_eq(m->sent[p].bytes_sent, like->sent[p].bytes_sent, sizeof m->sent[p].bytes_sent);
    }
}

Test(packed_shares, give_the_results_of_plain_ones_with_the_same_messages) {
    static model plain;
    share_tiny(false);
    share_tiny(true);
    check_run(&plain, NULL);
    check_run(&(model){.packed = {true, true, true}}, &plain);
    check_run(&(model){.packed = {true, true, true}, .stream = true}, &plain);
    /* one file serves whatever kernels a party has */
    check_run(&(model){.packed = {true, true, true}, .kernels = {"c", NULL, "c"}}, &plain);
}

/* The three files of a sharing belong together, packed or not, by its id: two sharings do not mix. */
Test(packed_shares, have_roots_like_plain_ones) {
    share_tiny(true);
    tf_share_roots roots[TF_PARTIES];
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_share_file *file;
        size_t packed = 0;
        works(tf_share_open(part(true, p), "weights", p, &file));
        works(tf_share_weights_roots(file, &roots[p]));
        for (size_t i = 0; i < file->entries; i++) {
            packed += file->entry[i].is_packed;
            works(tf_share_weights_check(file, &file->entry[i]));
        }
        cr_assert_gt(packed, 0);
        cr_assert_arr_eq(&roots[p], &roots[0], sizeof *roots);
        tf_share_close(file);
    }
}

static tf_share_entry *first_packed(tf_share_file *file) {
    size_t i = 0;
    while (i < file->entries && !file->entry[i].is_packed) i++;
    cr_assert_lt(i, file->entries);
    return &file->entry[i];
}

static void change(const char *path, uint64_t at) {
    FILE *file = fopen(path, "r+b");
    cr_assert(file && !fseek(file, (long)at, SEEK_SET));
    int byte = fgetc(file);
    cr_assert(!fseek(file, (long)at, SEEK_SET) && fputc(byte ^ 4, file) != EOF && !fclose(file));
}

Test(packed_shares, are_refused_when_damaged) {
    static model m = {.packed = {true, true, true}};
    share_tiny(true);
    tf_share_file *file;
    works(tf_share_open(part(true, 0), "weights", 0, &file));
    uint64_t at = first_packed(file)->offset;
    tf_share_close(file);
    change(part(true, 0), at + 100);
    fails(run(&m), TF_FORMAT, "does not have its digest");
}

Test(packed_shares, are_refused_by_version) {
    tf_share_file *file;
    share_tiny(true);
    change(part(true, 1), 8); /* 3 becomes 7 */
    fails(tf_share_open(part(true, 1), "weights", 1, &file), TF_FORMAT, "reads versions 2 and 3");
    share_tiny(false); /* which earlier programs read as well */
    FILE *plain = fopen(part(false, 1), "rb");
    cr_assert(plain && !fseek(plain, 8, SEEK_SET));
    cr_assert_eq(fgetc(plain), 2);
    fclose(plain);
}

Test(packed_shares, serve_products_in_their_ring_alone) {
    share_tiny(true);
    tf_share_file *file;
    tf_source source;
    works(tf_share_open(part(true, 1), "weights", 1, &file));
    tf_provider provider = tf_share_weights_provider(file);
    const tf_share_entry *e = first_packed(file);
    tf_type type = {.shape = e->shape, .kind = TF_SHARE, .bits = e->bits, .frac = e->frac};
    works(provider.find(provider.context, e->name, &type, true, &source));
    cr_assert(source.panels && (uintptr_t)source.panels % 64 == 0);
    fails(provider.find(provider.context, e->name, &type, false, &source), TF_MISMATCH, "or without --packed");
    type.bits--;
    fails(provider.find(provider.context, e->name, &type, true, &source), TF_MISMATCH, "for products, where");
    type.bits += 2;
    fails(provider.find(provider.context, e->name, &type, true, &source), TF_MISMATCH, "in a ring of");
    tf_share_close(file);
}

/* A weight that is a table and an operand, as a decoder's is, is there in both forms, and in each ring once. */
Test(packed_shares, have_a_weight_in_all_forms_that_are_wanted) {
    float data[5 * 4] = {0.25f};
    tf_node w = {.name = "w", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(5, 4), .data = data};
    tf_program program;
    tf_program_init(&program, 16, TF_OUTSIDE, 1);
    tf_value leaf = tf_program_leaf(&program, &w);
    const unsigned ring[] = {40, 48};
    for (int i = 0; i < 2; i++) cr_assert_geq(tf_packed_weight(&program, leaf, 16, ring[i]), 0);
    cr_assert_geq(tf_weight(&program, leaf, 16, 44), 0);
    const char *path[TF_PARTIES] = {part(true, 0), part(true, 1), part(true, 2)};
    works(tf_share_weights_write(path, &program, &(tf_digest){{1}}, true, NULL));
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_share_file *file;
        tf_source source;
        works(tf_share_open(path[p], "weights", p, &file));
        cr_assert_eq(file->entries, 3);
        for (size_t i = 0; i < file->entries; i++) works(tf_share_weights_check(file, &file->entry[i]));
        tf_provider provider = tf_share_weights_provider(file);
        tf_type type = {.shape = w.shape, .kind = TF_SHARE, .frac = 16};
        for (int i = 0; i < 2; i++) {
            type.bits = ring[i];
            works(provider.find(provider.context, "w", &type, true, &source));
            cr_assert_not_null(source.panels);
        }
        type.bits = 44;
        works(provider.find(provider.context, "w", &type, false, &source));
        cr_assert_null(source.panels);
        tf_share_close(file);
    }
    tf_program_free(&program);
}

/* Panels whose own digests are right, and which are not those of the components. */
Test(packed_shares, are_checked_against_the_roots) {
    const unsigned char key[2][TF_KEY_BYTES] = {{1}, {2}};
    const uint8_t panels[6 * 6] = {7};
    const tf_digest any = {{3}};
    for (int p = 0; p < TF_PARTIES; p++) {
        const unsigned char *seed[3] = {p != 1 ? key[0] : NULL, p != 2 ? key[1] : NULL, NULL};
        tf_share_writer *writer;
        tf_share_file *file;
        const uint8_t *read;
        works(tf_share_create(scratch_path("other"), "weights", p, &any, seed, &writer));
        works(tf_share_add_panels(writer, "w", tf_dims(2, 3), 16, 47, &any, panels));
        works(tf_share_finish(writer));
        tf_share_abandon(writer);
        works(tf_share_open(scratch_path("other"), "weights", p, &file));
        works(tf_share_panels(file, file->entry, &read));
        cr_assert_arr_eq(read, panels, sizeof panels);
        fails(tf_share_weights_check(file, file->entry), TF_MISMATCH, "not that of the model whose roots");
        tf_share_close(file);
    }
}
