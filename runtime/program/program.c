#include "runtime/program/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/array.h"
#include "net/base/digest.h"
#include "runtime/graph/graph.h"
#include "runtime/program/step.h"

void tf_program_init(tf_program *program, int frac, int model_owner, int data_owner) {
    *program = (tf_program){
        .frac = frac, .model_owner = model_owner, .data_owner = data_owner, .op = -1, .round_bytes = TF_ROUND_BYTES};
}

void tf_begin_beside(tf_program *program) {
    program->beside++;
}

void tf_end_beside(tf_program *program) {
    program->beside--;
}

double tf_round_worth(const tf_program *program) {
    return program->beside ? 0 : program->round_bytes;
}

bool tf_rounds_are_worth(const tf_program *program, double rounds, double bytes) {
    return bytes <= rounds * tf_round_worth(program);
}

void tf_program_free(tf_program *program) {
    for (int i = 0; i < program->nodes; i++) free(program->node[i].data);
    free(program->node);
    free(program->param);
    free(program->held);
    free(program->fit);
    free(program->result);
    *program = (tf_program){0};
}

tf_status tf_program_status(const tf_program *program) {
    return program->status ? tf_fail(program->status, "%s", program->error) : TF_OK;
}

tf_value tf_program_fail(tf_program *program, tf_status status) {
    if (!program->status) {
        program->status = status;
        strncpy(program->error, tf_error(), sizeof program->error - 1);
    }
    return -1;
}

const tf_type *tf_type_of(const tf_program *program, tf_value value) {
    static const tf_type none = {.zero = -1};
    return value >= 0 && value < program->nodes ? &program->node[value].type : &none;
}

static tf_value append(tf_program *program, tf_step_node node) {
    tf_step_node *grown = tf_grow(program->node, &program->capacity, (size_t)program->nodes + 1, sizeof *grown);
    if (!grown) return tf_program_fail(program, tf_fail(TF_NOMEM, "no memory for %d steps", program->nodes + 1));
    program->node = grown;
    program->node[program->nodes] = node;
    return program->nodes++;
}

tf_status tf_check_operand(const tf_program *program, const char *step, tf_value value, bool bits) {
    if (value < 0 || value >= program->nodes)
        return tf_fail(TF_INTERNAL, "step %s: value %d does not exist", step, value);
    tf_class class = program->node[value].type.kind;
    if (class == TF_LEAF) return tf_fail(TF_INTERNAL, "step %s: value %d is a leaf", step, value);
    if (class == TF_BIT && !bits)
        return tf_fail(TF_INVALID, "step %s: a split bit stands where shares are expected", step);
    return TF_OK;
}

tf_value tf_append(tf_program *program, const struct tf_step *step, tf_type type, int inputs, const tf_value *input) {
    if (program->status) return -1;
    tf_status status = tf_shape_check(type.shape);
    if (!status && type.kind == TF_SHARE && (type.bits < 1 || type.bits > 64))
        status = tf_fail(TF_RANGE, "step %s needs a ring of %u bits; 64 is the most. Use fewer --frac-bits", step->name,
                         type.bits);
    if (status) return tf_program_fail(program, status);
    tf_step_node node = {
        .step = step, .type = type, .inputs = inputs, .op = program->op, .lifted = -1, .row = -1, .factor = -1};
    for (int i = 0; i < inputs; i++) {
        status = tf_check_operand(program, step->name, input[i], step->takes_bits || step->alias);
        if (status) return tf_program_fail(program, status);
        node.input[i] = input[i];
        node.loose |= program->node[input[i]].loose && !step->takes_bits; /* what is selected is meant */
    }
    return append(program, node);
}

double tf_default_bound(const tf_program *program) {
    return ldexp(1, 30 - program->frac);
}

unsigned tf_width(int frac, double bound) {
    int exponent;
    double mantissa = frexp(bound, &exponent);
    if (mantissa == 0.5) exponent--; /* a power of two is its own bound */
    int bits = exponent + frac + 2;
    return bits < 3 ? 3 : (unsigned)bits;
}

tf_value tf_append_args(tf_program *program, const tf_step *step, tf_type type, int inputs, const tf_value *input,
                        const void *args, size_t size) {
    tf_value v = tf_append(program, step, type, inputs, input);
    if (v < 0) return -1;
    if (size > sizeof program->node[v].arg)
        return tf_program_fail(program, tf_fail(TF_INTERNAL, "step %s has too many parameters", step->name));
    memcpy(program->node[v].arg, args, size);
    return v;
}

int64_t *tf_append_data(tf_program *program, tf_value value, size_t count) {
    if (program->status) return NULL;
    int64_t *data = malloc(count * sizeof *data);
    if (!data) {
        tf_program_fail(program, tf_fail(TF_NOMEM, "no memory for %zu public numbers", count));
        return NULL;
    }
    program->node[value].data = data;
    program->node[value].data_count = count;
    return data;
}

double tf_power_at(double x, double exponent) {
    return exponent == -1 ? 1 / x : exponent == -0.5 ? 1 / sqrt(x) : pow(x, exponent);
}

unsigned tf_spare_bits(double interval, int point) {
    enum { SIXTY_FOURTH = 6 };
    int bits;
    frexp(ldexp(interval, point), &bits);
    return bits > SIXTY_FOURTH ? (unsigned)(bits - SIXTY_FOURTH) : 0;
}

typedef struct tf_fit {
    tf_digest facts;
    tf_value value;
} tf_fit;

int64_t *tf_append_fit(tf_program *program, tf_value value, size_t count, const void *facts, size_t size, bool *known) {
    *known = false;
    int64_t *data = tf_append_data(program, value, count);
    if (!data) return NULL;
    tf_digest digest = tf_digest_of(facts, size);
    for (int i = 0; i < program->fits && !*known; i++) {
        const tf_step_node *node = &program->node[program->fit[i].value];
        *known = node->step == program->node[value].step && node->data_count == count &&
                 tf_digest_equal(&program->fit[i].facts, &digest);
        if (*known) memcpy(data, node->data, count * sizeof *data);
    }
    if (*known) return data;
    tf_fit *grown = realloc(program->fit, ((size_t)program->fits + 1) * sizeof *grown);
    if (!grown) {
        tf_program_fail(program, tf_fail(TF_NOMEM, "no memory for %d fits", program->fits + 1));
        return NULL;
    }
    program->fit = grown;
    program->fit[program->fits++] = (tf_fit){digest, value};
    return data;
}

/* Leaves and parameters ------------------------------------------------------------------------------------------ */

static const tf_step parameter_step = {.name = "parameter", .summary = "a shared weight, put in once per session"};

tf_value tf_program_leaf(tf_program *program, const tf_node *leaf) {
    if (program->status) return -1;
    tf_step_node node = {.type = {.shape = leaf->shape, .kind = TF_LEAF, .zero = -1},
                         .leaf = leaf,
                         .op = -1,
                         .lifted = -1,
                         .row = -1,
                         .factor = -1};
    return append(program, node);
}

const tf_node *tf_leaf_of(const tf_program *program, tf_value value) {
    if (value < 0 || value >= program->nodes || program->node[value].type.kind != TF_LEAF) return NULL;
    return program->node[value].leaf;
}

const tf_node *tf_leaf_now(const tf_call *call, const tf_node *leaf) {
    const tf_graph *compiled = call->program->graph, *now = call->slots ? call->slots->graph : NULL;
    return compiled && now ? &now->node[leaf - compiled->node] : leaf;
}

const tf_node *tf_call_leaf(const tf_call *call) {
    return tf_leaf_now(call, call->node->leaf);
}

/** `kind`: which of its forms a parameter has. */
static tf_value parameter(tf_program *program, tf_value leaf, int frac, unsigned bits, tf_param kind) {
    if (program->status) return -1;
    const tf_node *node = tf_leaf_of(program, leaf);
    if (!node || node->leaf != TF_LEAF_WEIGHT)
        return tf_program_fail(program, tf_fail(TF_INVALID, "a secret weight is expected where %s stands",
                                                node ? node->name : "an activation"));
    for (int i = 0; i < program->params; i++) {
        tf_param *p = &program->param[i];
        tf_type *type = &program->node[p->value].type;
        if (p->leaf == node && p->packed == kind.packed && p->table == kind.table && p->fixed == kind.fixed &&
            type->frac == frac && type->bits >= bits)
            return p->value;
    }
    tf_param *grown = tf_grow(program->param, &program->param_capacity, (size_t)program->params + 1, sizeof *grown);
    if (!grown) return tf_program_fail(program, tf_fail(TF_NOMEM, "no memory for %d weights", program->params + 1));
    program->param = grown;
    tf_type type = {.shape = node->shape,
                    .kind = TF_SHARE,
                    .bits = bits,
                    .frac = frac,
                    .bound = fmin(tf_default_bound(program), ldexp(1, (int)bits - frac - 2)), /* what tf_width allows */
                    .zero = program->model_owner < 0 ? -1 : tf_zero_of(program->model_owner)};
    tf_value value = tf_append(program, &parameter_step, type, 0, NULL);
    if (value < 0) return -1;
    program->node[value].leaf = node;
    kind.leaf = node, kind.value = value;
    program->param[program->params++] = kind;
    return value;
}

tf_value tf_weight(tf_program *program, tf_value leaf, int frac, unsigned bits) {
    return parameter(program, leaf, frac, bits, (tf_param){0});
}

tf_value tf_fixed_weight(tf_program *program, tf_value leaf, int frac, unsigned bits) {
    return parameter(program, leaf, frac, bits, (tf_param){.fixed = true});
}

tf_value tf_packed_weight(tf_program *program, tf_value leaf, int frac, unsigned bits) {
    return parameter(program, leaf, frac, bits, (tf_param){.packed = true, .fixed = true});
}

tf_value tf_table_weight(tf_program *program, tf_value leaf, int frac, unsigned bits, bool fixed) {
    return parameter(program, leaf, frac, bits, (tf_param){.table = true, .fixed = fixed});
}

bool tf_step_is_parameter(const tf_step_node *node) {
    return node->step == &parameter_step;
}

bool tf_is_packed_weight(const tf_program *program, tf_value value) {
    for (int i = 0; i < program->params; i++)
        if (program->param[i].value == value) return program->param[i].packed;
    return false;
}

/** Whether a weight may take a wider ring: a session shares it as programs of graphs want it, unless it takes the same
 *  ring in all of them. */
static bool parameter_widens(const tf_program *program, tf_value value) {
    for (int i = 0; i < program->params && program->graph; i++)
        if (program->param[i].value == value) return !program->param[i].fixed;
    return false;
}

double tf_widen(tf_program *program, tf_value value, unsigned bits, bool now) {
    tf_step_node *node = &program->node[value];
    if (node->type.kind == TF_SHARE && node->type.bits >= bits) return 0;
    if (node->type.kind != TF_SHARE || bits > 64 || !node->step) return INFINITY;
    double more = tf_step_is_parameter(node) && parameter_widens(program, value) ? 0
                  : node->step->widen ? node->step->widen(program, value, bits, now)
                                      : INFINITY;
    if (now && more < INFINITY) program->node[value].type.bits = bits;
    return more;
}

double tf_widen_inputs(tf_program *program, tf_value value, unsigned bits, bool now) {
    double more = 0;
    for (int k = 0; k < program->node[value].inputs; k++)
        more += tf_widen(program, program->node[value].input[k], bits, now);
    return more;
}

/** The value of which this is another name. */
static tf_value renamed(const tf_program *program, tf_value value) {
    while (value >= 0 && program->node[value].step && program->node[value].step->alias)
        value = program->node[value].input[0];
    return value;
}

bool tf_rows_and_factor(const tf_program *program, tf_value value, tf_value *rows, tf_value *factor) {
    const tf_value made = program->status ? -1 : renamed(program, value);
    if (made < 0 || program->node[made].row < 0 ||
        !tf_shape_equal(program->node[value].type.shape, program->node[made].type.shape))
        return false;
    *rows = program->node[made].row;
    *factor = program->node[made].factor;
    return true;
}

void tf_leave_out(tf_program *program) {
    bool *read = program->status ? NULL : calloc((size_t)program->nodes + 1, sizeof *read);
    if (!read) {
        tf_program_fail(program, tf_fail(TF_NOMEM, "no memory for %d steps", program->nodes));
        return;
    }
    for (tf_value v = program->nodes; v-- > 0;) {
        tf_step_node *node = &program->node[v];
        if (!node->step) continue;
        if (program->node[renamed(program, v)].row >= 0 && !read[v])
            node->step = NULL;
        else
            for (int k = 0; k < node->inputs; k++) read[node->input[k]] = true;
    }
    free(read);
}

bool tf_step_keeps_thirds(const tf_program *program, const tf_step_node *node) {
    return node->step->elementwise || (node->step->keeps_thirds && node->step->keeps_thirds(program, node));
}

bool tf_step_reads_whole(const tf_program *program, const tf_step_node *node, int k) {
    return node->step->reads_whole && node->step->reads_whole(program, node, k);
}

bool tf_step_is_small(const tf_program *program, const tf_step_node *node) {
    bool small = tf_shape_count(node->type.shape) <= program->cut.small;
    for (int k = 0; k < node->inputs; k++)
        small &= tf_shape_count(tf_type_of(program, node->input[k])->shape) <= program->cut.small;
    return small;
}

/* Traffic ------------------------------------------------------------------------------------------------------- */

void tf_traffic_deal(tf_traffic *traffic, size_t n, uint64_t bytes_per_element) {
    for (int k = 0; k < TF_PARTS; k++)
        traffic->dealt[k] += tf_span_count(tf_part_span(n, traffic->cut, k)) * bytes_per_element;
}

void tf_traffic_swap(tf_traffic *traffic, int exchange, size_t n, uint64_t bytes_per_element) {
    for (int k = 0; k < TF_PARTS; k++)
        traffic->swapped[exchange][k] += tf_span_count(tf_part_span(n, traffic->cut, k)) * bytes_per_element;
}
