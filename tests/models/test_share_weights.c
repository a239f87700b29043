/* Weights from share files: no party knows them, and results are those of weights that a party puts in. */
#include <unistd.h>

#include "models/shares/share_texts.h"
#include "models/shares/share_weights.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny.h"

static void setup(void) {
    scratch_make();
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
}

TestSuite(share_weights, .init = setup, .fini = scratch_remove);

static const char *part(const char *name, int party) {
    char full[64];
    snprintf(full, sizeof full, "%s%d", name, party);
    return scratch_path(full);
}

static void write_program(const char *name, const tf_program *program, const tf_digest *architecture, bool packed) {
    const char *path[TF_PARTIES];
    for (int p = 0; p < TF_PARTIES; p++) path[p] = part(name, p);
    works(tf_share_weights_write(path, program, architecture, packed, NULL));
}

/* Linear layers ---------------------------------------------------------------------------------------------------- */

typedef struct layer {
    int frac;
    size_t rows, in, out;
    bool biased, stream, packed;
    bool cut; /* thirds end with rows */
    double bound;
    float *x, *w, *b;
    double *y;
    uint64_t sent[TF_PARTIES]; /* beyond the runs' own */
    char path[TF_PARTIES][128];
} layer;

static void build_layer(const layer *l, tf_node node[3], bool data, tf_program *program) {
    node[0] = (tf_node){.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->rows, l->in)};
    node[1] = (tf_node){.name = "w", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->out, l->in)};
    node[2] = (tf_node){.name = "b", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->out)};
    if (data) node[0].data = l->x, node[1].data = l->w, node[2].data = l->b;
    tf_program_init(program, l->frac, TF_OUTSIDE, 1);
    if (l->cut) program->cut = (tf_cut){.rows = l->rows, .width = {l->in, l->out}};
    tf_value x =
        tf_weight(program, tf_program_leaf(program, &node[0]), l->frac, tf_width(l->frac, tf_default_bound(program)));
    tf_value w = tf_program_leaf(program, &node[1]), b = l->biased ? tf_program_leaf(program, &node[2]) : -1;
    tf_output(program, tf_linear(program, x, w, b, (tf_result){l->frac, l->bound, false}), 1, 0);
    works(tf_program_status(program));
}

static tf_status play_layer(tf_link *link, int id, void *context) {
    layer *l = context;
    tf_digest architecture = {{1}};
    tf_node node[3];
    tf_program program;
    tf_session session;
    tf_session_stats stats;
    tf_share_file *file;
    TF_TRY(tf_share_weights_open(l->path[id], id, &architecture, l->frac, &file));
    tf_provider provider = tf_share_weights_provider(file);
    build_layer(l, node, false, &program);
    tf_status status = tf_session_open(&session, link);
    session.store.provider = &provider;
    session.store.stream = l->stream;
    tf_slots slots = {.output = id == 1 ? &l->y : NULL};
    for (int run = 0; run < 2 && !status; run++) {
        tf_link_counters before = tf_link_read_counters(link);
        status = tf_session_run_program(&session, &program, &slots, &stats, NULL);
        tf_link_counters after = tf_link_read_counters(link);
        for (int p = 0; p < TF_PARTIES; p++)
            l->sent[id] += after.bytes_sent[p] - before.bytes_sent[p] - stats.bytes[id][p];
    }
    tf_session_close(&session);
    tf_program_free(&program);
    tf_share_close(file);
    return status;
}

static float *floats(size_t n, double scale, uint64_t *state) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * (ldexp((double)(random_next(state) >> 11), -52) - 1));
    return x;
}

static double fixed(float x, int frac) {
    return ldexp(rint(ldexp(x, frac)), -frac);
}

static unsigned ring_of(const tf_program *program, const char *name) {
    for (int i = 0; i < program->params; i++)
        if (!strcmp(program->param[i].leaf->name, name)) return program->node[program->param[i].value].type.bits;
    return 0;
}

static void check_layer(layer l) {
    uint64_t state = 1 + l.rows * 1000 + l.in;
    three_outcome outcome;
    tf_node node[3];
    tf_program program;
    l.x = floats(l.rows * l.in, 2, &state), l.w = floats(l.out * l.in, 1, &state), l.b = floats(l.out, 3, &state);
    l.y = malloc(l.rows * l.out * sizeof *l.y);
    build_layer(&l, node, true, &program);
    write_program("layer", &program, &(tf_digest){{1}}, l.packed);
    if (l.bound > 0) cr_assert_eq(ring_of(&program, "w"), 64, "the case of a ring that leaves no bit");
    tf_program_free(&program);
    for (int p = 0; p < TF_PARTIES; p++) strcpy(l.path[p], part("layer", p));
    works(three_do(play_layer, &l, &outcome));
    double unit = ldexp(1, -l.frac);
    for (size_t r = 0; r < l.rows; r++)
        for (size_t o = 0; o < l.out; o++) {
            double sum = l.biased ? fixed(l.b[o], 2 * l.frac) : 0;
            for (size_t i = 0; i < l.in; i++)
                sum += fixed(l.x[r * l.in + i], l.frac) * fixed(l.w[o * l.in + i], l.frac);
            cr_assert_leq(fabs(l.y[r * l.out + o] - sum), 1.51 * unit, "%zu x %zu x %zu: %g, not %g", l.rows, l.in,
                          l.out, l.y[r * l.out + o], sum);
        }
    /* three digests to each of two parties before each run, and nothing else: no weight travels */
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(l.sent[p], 2 * 2 * 3 * sizeof(tf_digest));
    free(l.x), free(l.w), free(l.b), free(l.y);
    for (int p = 0; p < TF_PARTIES; p++) remove(part("layer", p));
}

Test(share_weights, linear_layers_whose_weights_no_party_knows) {
    const size_t size[][3] = {{1, 1, 1}, {1, 70, 3}, {7, 64, 65}, {130, 5, 2}, {33, 129, 40}, {3, 300, 200}};
    const int fracs[] = {12, 16, 18};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int k = 0; k < 8; k++)
            check_layer((layer){.frac = fracs[(s + (size_t)k) % 3],
                                .rows = size[s][0],
                                .in = size[s][1],
                                .out = size[s][2],
                                .biased = k & 1,
                                .stream = k & 2,
                                .packed = k & 4});
}

/* Streamed weights are packed for each phase in which rows are made. */
Test(share_weights, linear_layers_whose_thirds_end_with_rows) {
    for (int k = 0; k < 4; k++)
        check_layer((layer){.frac = 16,
                            .rows = 26,
                            .in = 128,
                            .out = 256,
                            .biased = k & 1,
                            .stream = k & 2,
                            .packed = true,
                            .cut = true});
}

Test(share_weights, linear_layers_in_the_widest_ring) {
    for (int k = 0; k < 4; k++)
        check_layer(
            (layer){.frac = 16, .rows = 9, .in = 33, .out = 20, .biased = k & 1, .stream = k & 2, .bound = 0x1p29});
}

/* A whole model ---------------------------------------------------------------------------------------------------- */

static tf_digest architecture(void) {
    tf_digest digest;
    works(tf_architecture_digest(&tiny_config, &digest));
    return digest;
}

static void share_tiny(const char *name, const char *approximations) {
    tf_graph graph;
    tf_program program;
    tf_digest digest = architecture();
    works(tiny_graph(&graph, approximations, 1, NULL, -1));
    works(tf_lower(&graph, 16, TF_OUTSIDE, 0, &program, NULL));
    write_program(name, &program, &digest, false);
    tf_program_free(&program);
    tf_graph_free(&graph);
}

typedef struct model {
    const char *approximations, *name[TF_PARTIES];
    bool stream;
    char path[TF_PARTIES][128];
    double logits[TINY_TEXTS * TINY_LABELS];
} model;

static tf_status play_model(tf_link *link, int id, void *context) {
    model *m = context;
    tf_digest digest;
    tf_graph graph;
    tf_session session;
    tf_share_file *file;
    TF_TRY(tf_architecture_digest(&tiny_config, &digest));
    TF_TRY(tf_share_weights_open(m->path[id], id, &digest, 16, &file));
    tf_provider provider = tf_share_weights_provider(file);
    tf_status status = tiny_graph(&graph, m->approximations, TINY_TEXTS, tiny_ids, id == 1 ? TINY_DATA_OWNER : 2);
    if (!status) status = tf_session_open(&session, link);
    session.store.provider = &provider;
    session.store.stream = m->stream;
    if (!status)
        status =
            tf_session_run(&session, &graph, 16, TF_OUTSIDE, TINY_DATA_OWNER, id == 1 ? m->logits : NULL, NULL, NULL);
    tf_session_close(&session);
    tf_graph_free(&graph);
    tf_share_close(file);
    return status;
}

static tf_status run_model(model *m) {
    three_outcome outcome;
    for (int p = 0; p < TF_PARTIES; p++) strcpy(m->path[p], part(m->name[p], p));
    return three_do(play_model, m, &outcome);
}

Test(share_weights, of_a_model) {
    const char *approximations[] = {"exact", "paper"};
    for (int k = 0; k < 4; k++) {
        const char *name = k & 1 ? "paper" : "exact";
        if (k < 2) share_tiny(name, approximations[k]);
        model m = {.approximations = approximations[k & 1], .name = {name, name, name}, .stream = k & 2};
        works(run_model(&m));
        double worst = tiny_error(m.logits, m.approximations, TINY_TEXTS, tiny_ids);
        cr_assert_lt(worst, 0.02, "%g", worst);
    }
}

/* A party that stays while another one starts anew. */
typedef struct staying {
    tf_share_file *file[TF_PARTIES];
    tf_provider inner[TF_PARTIES], provider[TF_PARTIES];
    tf_session session[TF_PARTIES];
    size_t found[TF_PARTIES]; /* how many weights were read, by party */
    double logits[TINY_TEXTS * TINY_LABELS];
} staying;
static staying stay;

static tf_status find_and_count(void *context, const char *name, const tf_type *type, bool packed, tf_source *source) {
    const tf_provider *inner = context;
    stay.found[inner - stay.inner]++;
    return inner->find(inner->context, name, type, packed, source);
}

static tf_status resume_and_run(tf_link *link, int id, void *context) {
    tf_graph graph;
    TF_TRY(tf_session_resume(&stay.session[id], link));
    tf_status status = tiny_graph(&graph, "exact", TINY_TEXTS, tiny_ids, id == 1 ? TINY_DATA_OWNER : 2);
    if (!status)
        status = tf_session_run(&stay.session[id], &graph, 16, TF_OUTSIDE, TINY_DATA_OWNER,
                                id == 1 ? stay.logits : NULL, NULL, NULL);
    tf_graph_free(&graph);
    return status;
}

static void start_anew(int id) {
    tf_session_close(&stay.session[id]);
    stay.session[id] = (tf_session){.store = {.provider = &stay.provider[id], .stream = id == 2}};
}

Test(share_weights, are_read_once_while_a_party_stays) {
    three_outcome outcome;
    tf_digest digest = architecture();
    share_tiny("tiny", "exact");
    for (int p = 0; p < TF_PARTIES; p++) {
        works(tf_share_weights_open(part("tiny", p), p, &digest, 16, &stay.file[p]));
        stay.inner[p] = tf_share_weights_provider(stay.file[p]);
        stay.provider[p] = (tf_provider){&stay.inner[p], find_and_count};
        start_anew(p);
    }
    works(three_do(resume_and_run, NULL, &outcome));
    size_t all = stay.found[0];
    cr_assert(all > 0 && stay.found[1] == all && stay.found[2] == all);
    start_anew(1);
    works(three_do(resume_and_run, NULL, &outcome));
    cr_expect(stay.found[0] == all && stay.found[1] == 2 * all && stay.found[2] == all, "%zu, %zu, %zu", stay.found[0],
              stay.found[1], stay.found[2]);
    double worst = tiny_error(stay.logits, "exact", TINY_TEXTS, tiny_ids);
    cr_expect_lt(worst, 0.02, "%g", worst);
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_session_close(&stay.session[p]);
        tf_share_close(stay.file[p]);
    }
}

Test(share_weights, one_party_holds_seeds_alone) {
    share_tiny("tiny", "exact");
    size_t elements = 0, tensors = 0;
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_share_file *file;
        size_t data = 0, bytes = 0;
        works(tf_share_open(part("tiny", p), "weights", p, &file));
        for (size_t i = 0; i < file->entries; i++) {
            size_t n = tf_shape_count(file->entry[i].shape);
            data += file->entry[i].has_data ? n : 0;
            bytes += n * ((file->entry[i].bits + 7) / 8);
        }
        for (int j = 0; j < TF_PARTIES; j++)
            cr_assert_eq(file->prf[j] != NULL, j != 2 && (j == p || j == tf_next(p)), "component %d of party %d", j, p);
        if (p == 0) {
            cr_assert_eq(data, 0);
            cr_assert_lt(file->size, 16384, "%zu", file->size);
        } else {
            if (p == 1) elements = data, tensors = file->entries;
            cr_assert(data > 0 && data == elements && file->entries == tensors);
            cr_assert_geq(file->size, bytes);
            cr_assert_leq(file->size, bytes + 64 * file->entries + 16384);
        }
        tf_share_close(file);
    }
}

/* Roots are the same in all three files and name one sharing; each party makes those of what it holds and cannot make
 * the third, for it lacks what that component's holders alone know: with it, a guess of the model would be checked. */
Test(share_weights, roots_name_the_model_and_check_no_guess) {
    tf_share_roots roots[TF_PARTIES], other, changed;
    tf_share_file *file;
    share_tiny("tiny", "exact");
    share_tiny("again", "exact");
    for (int p = 0; p < TF_PARTIES; p++) {
        works(tf_share_open(part("tiny", p), "weights", p, &file));
        works(tf_share_weights_roots(file, &roots[p]));
        cr_assert_arr_eq(&roots[p], &roots[0], sizeof roots[p]);
        bool salted = json_object_get(file->facts, "salt") != NULL;
        int missing = (p + 2) % 3;
        cr_assert(missing == 2 ? !salted : file->prf[missing] == NULL, "party %d could make root %d", p, missing);

        file->entry[1].digest.byte[3] ^= 1; /* another component than the published one */
        tf_status status = tf_share_weights_roots(file, &changed);
        cr_assert_eq(status, p == 0 ? TF_OK : TF_MISMATCH, "party %d", p);
        file->entry[1].digest.byte[3] ^= 1;
        file->entry[1].frac++;
        fails(tf_share_weights_roots(file, &changed), TF_MISMATCH, "not that of the model");
        file->entry[1].frac--;
        json_object_del(file->facts, "roots");
        fails(tf_share_weights_roots(file, &changed), TF_FORMAT, "share the model again");
        tf_share_close(file);
    }
    works(tf_share_open(part("again", 0), "weights", 0, &file));
    works(tf_share_weights_roots(file, &other));
    for (int j = 0; j < TF_PARTIES; j++)
        cr_assert_not(tf_digest_equal(&other.component[j], &roots[0].component[j]), "component %d", j);
    tf_share_close(file);
}

/* What parties 1 and 2 hold of one number is uniform, whatever the number. */
Test(share_weights, stored_components_are_uniform) {
    enum { N = 1 << 16 };
    static float zeros[N];
    tf_node node = {.name = "w", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(N), .data = zeros};
    tf_program program;
    size_t seen[256] = {0};
    const uint8_t *data;
    tf_share_file *file;
    tf_program_init(&program, 16, TF_OUTSIDE, 1);
    cr_assert_geq(tf_weight(&program, tf_program_leaf(&program, &node), 16, 48), 0);
    write_program("zeros", &program, &(tf_digest){{1}}, false);
    works(tf_share_open(part("zeros", 1), "weights", 1, &file));
    works(tf_share_data(file, &file->entry[0], &data));
    for (size_t i = 0; i < 6 * N; i++) seen[data[i]]++;
    double chi = 0, expected = 6.0 * N / 256;
    for (int i = 0; i < 256; i++) chi += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    cr_assert_lt(fabs(chi - 255), 6 * sqrt(510), "chi-square %g of 255", chi);
    tf_share_close(file);
    tf_program_free(&program);
}

/* Refusals --------------------------------------------------------------------------------------------------------- */

Test(share_weights, refuses_another_model_party_or_precision) {
    share_tiny("tiny", "exact");
    tf_share_file *file;
    tf_digest digest = architecture(), other = {{9}};
    const char *path = part("tiny", 1);
    fails(tf_share_weights_open(path, 2, &digest, 16, &file), TF_MISMATCH, "the shares of party 1");
    fails(tf_share_weights_open(path, 1, &other, 16, &file), TF_MISMATCH, "the shares of another model");
    fails(tf_share_weights_open(path, 1, &digest, 12, &file), TF_MISMATCH, "shared with 16 fractional bits");
    works(tf_share_weights_open(path, 1, &digest, 16, &file));
    tf_source source;
    tf_provider provider = tf_share_weights_provider(file);
    tf_type type = {.shape = tf_dims(16, 16), .kind = TF_SHARE, .bits = 48, .frac = 18}; /* after a LayerNorm */
    const char *name = "encoder.layer.0.attention.self.query.weight.folded";
    works(provider.find(provider.context, name, &type, false, &source));
    type.bits = 40;
    works(provider.find(provider.context, name, &type, false, &source));
    type.bits = 56;
    fails(provider.find(provider.context, name, &type, false, &source), TF_MISMATCH, "in a ring of 48 bits");
    type.bits = 48, type.frac = 16;
    fails(provider.find(provider.context, name, &type, false, &source), TF_MISMATCH, "with the same --approx");
    type.frac = 16, type.shape = tf_dims(16, 17);
    fails(provider.find(provider.context, name, &type, false, &source), TF_MISMATCH, "holds no such weight");
    tf_share_close(file);
}

Test(share_weights, refuses_data_that_were_damaged) {
    share_tiny("tiny", "exact");
    const char *path = part("tiny", 2);
    FILE *file = fopen(path, "r+b");
    cr_assert(file && !fseek(file, 1000, SEEK_SET));
    int byte = fgetc(file);
    cr_assert(!fseek(file, 1000, SEEK_SET) && fputc(byte ^ 4, file) != EOF && !fclose(file));
    model m = {.approximations = "exact", .name = {"tiny", "tiny", "tiny"}};
    fails(run_model(&m), TF_FORMAT, "does not have its digest");
}

Test(share_weights, are_needed_where_no_party_owns_the_model) {
    tf_node node = {.name = "w", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(4)};
    tf_program program;
    tf_store store = {.count = 0};
    tf_party party = {.id = 0};
    tf_view view;
    tf_program_init(&program, 16, TF_OUTSIDE, 1);
    cr_assert_geq(tf_weight(&program, tf_program_leaf(&program, &node), 16, 48), 0);
    fails(tf_store_provide(&store, &party, &program, NULL, &view), TF_INVALID, "no share files were given");
    tf_store_free(&store);
    tf_program_free(&program);
}

/* What stays in memory between runs, by the planner's numbers. */
Test(share_weights, take_the_memory_that_is_forecast) {
    tf_config config;
    tf_approx approx;
    tf_graph graph;
    tf_program program;
    size_t length = 1;
    uint64_t packed = 0, tables = 0, all = 0;
    works(tf_config_named("bert-base", &config));
    works(tf_approx_parse("paper", &approx));
    tf_batch batch = {.texts = 1, .length = 1, .lengths = &length};
    works(tf_model_build(&config, &approx, &batch, NULL, false, &graph));
    works(tf_lower(&graph, 16, TF_OUTSIDE, 1, &program, NULL));
    for (int i = 0; i < program.params; i++) {
        const tf_param *param = &program.param[i];
        uint64_t n = tf_shape_count(tf_type_of(&program, param->value)->shape), bytes = tf_store_bytes(&program, param);
        const unsigned ring = tf_type_of(&program, param->value)->bits + 1; /* of this party's operand */
        const uint64_t packed_bytes = n * ((ring + 7) / 8) + TF_PANEL_SLACK;
        cr_assert_eq(bytes, param->packed ? packed_bytes : n * (param->table ? 6 : 16), "%s",
                     param->leaf->name); /* a table has the ring of the layers that read its rows */
        packed += param->packed ? n : 0;
        tables += param->table ? n : 0;
        all += bytes;
    }
    cr_assert_eq(packed, 12 * (4 * 768 * 768 + 2 * 768 * 3072));
    cr_assert_eq(tables, 30522 * 768);
    cr_assert_lt(all, 710 << 20);
    tf_program_free(&program);
    tf_graph_free(&graph);
}
