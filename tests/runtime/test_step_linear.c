/* Linear layers: secret weights through a session, which keeps them packed, and public weights. */
#include "runtime/session/session.h"
#include "tests/support/rig.h"

typedef struct layer {
    int owner, frac; /* of the model; who puts in x and gets y is the party after it */
    size_t rows, in, out;
    bool biased, open; /* public weights */
    bool plus;         /* n gamma is added */
    bool scaled;       /* the layer is one of rows times a factor each */
    bool cut;          /* thirds end with rows */
    int threads;
    float *x, *w, *b, *n, *gamma, *factor;
    double *y;
    uint64_t setup[TF_PARTIES]; /* bytes sent beyond those of the run itself */
    tf_session_stats stats[TF_PARTIES];
    tf_program *program;
    int products[TF_PARTIES]; /* of elements */
} layer;

/* One party: x comes in as a weight too, in its plain form, so that all of it goes through the session. */
static tf_status play(tf_link *link, int id, void *context) {
    layer *l = context;
    int user = tf_next(l->owner);
    bool holds = id == l->owner;
    tf_leaf kind = l->open ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    tf_node x = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->rows, l->in), .data = holds ? l->x : NULL};
    tf_node w = {.name = "w", .leaf = kind, .shape = tf_dims(l->out, l->in), .data = holds || l->open ? l->w : NULL};
    tf_node b = {.name = "b", .leaf = kind, .shape = tf_dims(l->out), .data = holds || l->open ? l->b : NULL};
    tf_node n = {.name = "n", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->rows, l->out), .data = holds ? l->n : NULL};
    tf_node gamma = {.name = "g", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->out), .data = holds ? l->gamma : NULL};
    tf_node f = {.name = "f", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(l->rows, 1), .data = holds ? l->factor : NULL};
    tf_program program;
    tf_program_init(&program, l->frac, l->owner, user);
    if (l->cut) program.cut = (tf_cut){.rows = l->rows, .width = {l->in, l->out}};
    double bound = tf_default_bound(&program);
    tf_value in = tf_weight(&program, tf_program_leaf(&program, &x), l->frac, tf_width(l->frac, bound));
    tf_value matrix = tf_program_leaf(&program, &w), bias = l->biased ? tf_program_leaf(&program, &b) : -1;
    tf_result result = {l->frac, 0, false};
    tf_value added =
        l->plus ? tf_weight(&program, tf_program_leaf(&program, &n), l->frac, tf_width(l->frac, bound)) : -1;
    if (l->scaled)
        in = tf_scale_rows(&program, in, tf_weight(&program, tf_program_leaf(&program, &f), l->frac + 4, 64), result);
    tf_value y = l->plus ? tf_linear_plus(&program, in, matrix, bias, added, tf_program_leaf(&program, &gamma), result)
                         : tf_linear(&program, in, matrix, bias, result);
    tf_output(&program, y, user, 0);
    tf_leave_out(&program);
    for (int i = 0; i < program.nodes; i++)
        l->products[id] += program.node[i].step && !strcmp(program.node[i].step->name, "multiply");
    tf_session session;
    tf_status status = tf_session_open(&session, link);
    if (!status) status = tf_party_set_threads(&session.party, l->threads);
    tf_slots slots = {.output = id == user ? &l->y : NULL};
    for (int run = 0; run < 2 && !status; run++)
        status = tf_session_run_program(&session, &program, &slots, &l->stats[id], NULL);
    tf_session_close(&session);
    tf_program_free(&program);
    return status;
}

static float *floats(size_t n, double scale) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)rig_uniform(-scale, scale);
    return x;
}

static double fixed(float x, int frac) {
    return ldexp(rint(ldexp(x, frac)), -frac);
}

static void check_layer(layer l) {
    three_outcome outcome;
    l.x = floats(l.rows * l.in, 2), l.w = floats(l.out * l.in, 1), l.b = floats(l.out, 3);
    l.n = floats(l.rows * l.out, 5), l.gamma = floats(l.out, 2), l.factor = floats(l.rows, 2);
    l.y = malloc(l.rows * l.out * sizeof *l.y);
    cr_assert_eq(three_do(play, &l, &outcome), TF_OK, "%s", tf_error());
    double unit = ldexp(1, -l.frac), most = l.scaled ? 1.75 : 1.501; /* what is scaled has four bits more */
    for (int p = 0; p < TF_PARTIES; p++) cr_assert_eq(l.products[p], l.scaled, "the rows' own product is left out");
    for (size_t r = 0; r < l.rows; r++)
        for (size_t o = 0; o < l.out; o++) {
            double sum = l.biased ? fixed(l.b[o], 2 * l.frac) : 0;
            if (l.plus) sum += fixed(l.n[r * l.out + o], l.frac) * fixed(l.gamma[o], l.frac);
            for (size_t i = 0; i < l.in; i++)
                sum += fixed(l.x[r * l.in + i], l.frac) * fixed(l.w[o * l.in + i], l.frac) *
                       (l.scaled ? fixed(l.factor[r], l.frac + 4) : 1);
            cr_assert_leq(fabs(l.y[r * l.out + o] - sum), most * unit, "%zu x %zu x %zu: %g, not %g", l.rows, l.in,
                          l.out, l.y[r * l.out + o], sum);
        }
    free(l.x), free(l.w), free(l.b), free(l.n), free(l.gamma), free(l.factor), free(l.y);
}

static void check_sizes(bool open, bool plus, bool scaled) {
    const size_t size[][3] = {{1, 1, 1},     {1, 70, 3},     {7, 64, 65},  {130, 5, 2},   {33, 129, 40},
                              {3, 300, 200}, {1, 20000, 31}, {97, 9, 129}, {130, 20, 150}};
    const int fracs[] = {12, 16, 18};
    /* a message of the set-up ends within a line of the third last one's panels; the last two are made in bands of
     * rows, which end within thirds; the very last by several threads too */
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int owner = 0; owner < TF_PARTIES; owner++)
            for (int biased = 0; biased < 2; biased++)
                check_layer((layer){.owner = owner,
                                    .frac = fracs[(s + (size_t)owner) % 3],
                                    .rows = size[s][0],
                                    .in = size[s][1],
                                    .out = size[s][2],
                                    .biased = biased,
                                    .open = open,
                                    .plus = plus,
                                    .scaled = scaled,
                                    .threads = biased ? 3 : 1});
}

Test(step_linear, secret_weights) {
    check_sizes(false, false, false);
}

Test(step_linear, secret_weights_and_what_is_added) {
    check_sizes(false, true, false);
}

Test(step_linear, secret_weights_of_rows_that_are_scaled_afterwards) {
    check_sizes(false, false, true);
}

Test(step_linear, thirds_that_end_with_rows) {
    const size_t size[][3] = {{3, 128, 128}, {25, 256, 128}, {41, 128, 384}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int owner = 0; owner < TF_PARTIES; owner++)
            for (int k = 0; k < 3; k++)
                check_layer((layer){.owner = owner,
                                    .frac = 16,
                                    .rows = size[s][0],
                                    .in = size[s][1],
                                    .out = size[s][2],
                                    .biased = k < 2,
                                    .plus = k == 1,
                                    .scaled = k == 2,
                                    .cut = true,
                                    .threads = k ? 1 : 3});
}

Test(step_linear, public_weights) {
    check_sizes(true, false, false);
}

/* A linear layer's request that cannot be met says why. */
static void check_refused(tf_shape x, tf_shape w, tf_shape b, tf_leaf w_kind, tf_leaf b_kind, const char *reason) {
    float zeros[64] = {0};
    tf_node input = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = x},
            weight = {.name = "w", .leaf = w_kind, .shape = w},
            bias = {.name = "b", .leaf = b_kind, .shape = b, .data = zeros};
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value in = tf_weight(&program, tf_program_leaf(&program, &input), 16, 48);
    tf_value y = tf_linear(&program, in, tf_program_leaf(&program, &weight), tf_program_leaf(&program, &bias),
                           (tf_result){16, 0, false});
    cr_assert_eq(y, -1);
    cr_assert_eq(tf_program_status(&program), TF_INVALID, "%s", tf_error());
    cr_assert(strstr(tf_error(), reason) != NULL, "%s", tf_error());
    tf_program_free(&program);
}

/* What is to be added has the shape of the result, and a factor for each column; and the weight is secret. */
static void check_refused_plus(tf_shape n, tf_shape gamma, tf_leaf kind) {
    tf_node input = {.name = "x", .leaf = TF_LEAF_WEIGHT, .shape = tf_dims(4, 5)},
            weight = {.name = "w", .leaf = kind, .shape = tf_dims(3, 5)},
            added = {.name = "n", .leaf = TF_LEAF_WEIGHT, .shape = n},
            factors = {.name = "g", .leaf = TF_LEAF_WEIGHT, .shape = gamma};
    tf_program program;
    tf_program_init(&program, 16, 0, 1);
    tf_value x = tf_weight(&program, tf_program_leaf(&program, &input), 16, 48);
    tf_value y = tf_linear_plus(&program, x, tf_program_leaf(&program, &weight), -1,
                                tf_weight(&program, tf_program_leaf(&program, &added), 16, 48),
                                tf_program_leaf(&program, &factors), (tf_result){16, 0, false});
    cr_assert_eq(y, -1);
    cr_assert_eq(tf_program_status(&program), TF_INVALID, "%s", tf_error());
    cr_assert(strstr(tf_error(), "does not fit its result") != NULL, "%s", tf_error());
    tf_program_free(&program);
}

Test(step_linear, refuses_what_cannot_be_added) {
    check_refused_plus(tf_dims(4, 5), tf_dims(3), TF_LEAF_WEIGHT);
    check_refused_plus(tf_dims(5, 3), tf_dims(3), TF_LEAF_WEIGHT);
    check_refused_plus(tf_dims(4, 3), tf_dims(4), TF_LEAF_WEIGHT);
    check_refused_plus(tf_dims(4, 3), tf_dims(3), TF_LEAF_PUBLIC_WEIGHT);
}

Test(step_linear, refuses_what_does_not_fit) {
    const tf_leaf secret = TF_LEAF_WEIGHT, open = TF_LEAF_PUBLIC_WEIGHT;
    tf_shape none = {.rank = 0};
    check_refused(tf_dims(4, 5), tf_dims(3, 4), tf_dims(3), secret, secret, "weight does not fit");
    check_refused(tf_dims(4, 5), tf_dims(5), tf_dims(3), secret, secret, "weight does not fit");
    check_refused(none, tf_dims(3, 1), tf_dims(3), secret, secret, "weight does not fit");
    check_refused(none, tf_dims(3, 1), tf_dims(3), open, open, "weight does not fit");
    check_refused(tf_dims(4, 5), tf_dims(3, 5), tf_dims(4), secret, secret, "bias does not fit");
    check_refused(tf_dims(4, 5), tf_dims(3, 5), tf_dims(2), open, open, "bias does not fit");
    check_refused(tf_dims(4, 5), tf_dims(3, 5), tf_dims(3), open, secret, "bias");
}
