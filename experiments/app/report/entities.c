#include "experiments/app/report/entities.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

tf_status aggregation_find(const char *name, aggregation *out) {
    static const char *const names[] = {"none", "simple", "first", "average", "max"};
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(name, names[i])) return *out = (aggregation)i, TF_OK;
    return tf_fail(TF_INVALID, "--aggregation '%s' is none of none, simple, first, average and max", name);
}

const char *entity_group(const char *label) {
    bool tagged = (label[0] == 'B' || label[0] == 'I') && label[1] == '-';
    return tagged ? label + 2 : label;
}

typedef struct finding {
    const tf_config *config;
    const tf_tokenizer *tokenizer;
    const text_item *text;
    const encoded_text *tokens;
    double *score; /* tokens x labels: softmax */
    int32_t unknown;
    entity *found;
    size_t count;
} finding;

static void softmax(const float *logits, size_t count, double *out) {
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < count; i++) sum += out[i] = exp((double)logits[i] - largest);
    for (size_t i = 0; i < count; i++) out[i] /= sum;
}

static size_t largest_of(const double *score, size_t count) {
    size_t largest = 0;
    for (size_t i = 1; i < count; i++)
        if (score[i] > score[largest]) largest = i;
    return largest;
}

static size_t characters(const char *bytes, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return count;
}

static const char *text_of(const finding *f, int which) {
    return which ? f->text->second : f->text->first;
}

/* Whether a token continues the word of the one before: WordPiece marks it, elsewhere no space stands between. */
static bool continues(const finding *f, size_t i) {
    tf_token_place p = f->tokens->place[i];
    const char *text = text_of(f, p.text), *token;
    size_t length = 0;
    if (f->tokens->ids[i] == f->unknown || i == 0 || f->tokens->place[i - 1].text != p.text) return false;
    if (!tf_tokenizer_marks_pieces(f->tokenizer))
        return p.start > 0 && text[p.start - 1] != ' ' && text[p.start] != ' ';
    token = tf_tokenizer_token(f->tokenizer, f->tokens->ids[i], &length);
    return token && characters(token, length) != characters(text + p.start, p.end - p.start);
}

/* A unit of one token; its scores are the label's choice. */
static entity unit_of(const finding *f, size_t i, const double *score) {
    size_t label = largest_of(score, f->config->labels);
    tf_token_place p = f->tokens->place[i];
    return (entity){label, i, score[label], p.start, p.end, p.text};
}

/* The word of tokens from..to-1. */
static entity word_of(const finding *f, size_t from, size_t to, aggregation how) {
    size_t labels = f->config->labels, chosen = from;
    double *sum = f->score + from * labels; /* the first token's scores are not needed after this */
    for (size_t i = from + 1; i < to && how == AGGREGATE_MAX; i++) {
        const double *a = f->score + i * labels, *b = f->score + chosen * labels;
        if (a[largest_of(a, labels)] > b[largest_of(b, labels)]) chosen = i;
    }
    for (size_t k = 0; k < labels && how == AGGREGATE_AVERAGE; k++) {
        for (size_t i = from + 1; i < to; i++) sum[k] += f->score[i * labels + k];
        sum[k] /= (double)(to - from);
    }
    entity word = unit_of(f, chosen, f->score + chosen * labels);
    word.token = from;
    word.start = f->tokens->place[from].start;
    word.end = f->tokens->place[to - 1].end;
    return word;
}

/* Tokens or words, each with a label. */
static void find_units(finding *f, aggregation how) {
    size_t labels = f->config->labels, length = f->tokens->length;
    for (size_t i = 0; i < length;) {
        size_t to = i + 1;
        if (f->tokens->place[i].text < 0) {
            i++;
            continue;
        }
        while (how > AGGREGATE_SIMPLE && to < length && f->tokens->place[to].text >= 0 && continues(f, to)) to++;
        f->found[f->count++] = how > AGGREGATE_SIMPLE ? word_of(f, i, to, how) : unit_of(f, i, f->score + i * labels);
        i = to;
    }
}

static bool joins(const finding *f, const entity *last, const entity *next) {
    char a[32], b[32];
    const char *before = tf_model_label(f->config, last->label, a, sizeof a);
    const char *label = tf_model_label(f->config, next->label, b, sizeof b);
    return last->text == next->text && !(label[0] == 'B' && label[1] == '-') &&
           !strcmp(entity_group(before), entity_group(label));
}

/* Units in a row with labels of one kind become one, with the mean of their scores. */
static void join_units(finding *f) {
    size_t kept = 0;
    for (size_t i = 0, to; i < f->count; i = to) {
        entity group = f->found[i], last = group;
        double sum = group.score;
        for (to = i + 1; to < f->count && joins(f, &last, &f->found[to]); to++) {
            last = f->found[to];
            sum += last.score;
        }
        group.end = last.end;
        group.score = sum / (double)(to - i);
        f->found[kept++] = group;
    }
    f->count = kept;
}

static void drop_outside(finding *f) {
    size_t kept = 0;
    char name[32];
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(tf_model_label(f->config, f->found[i].label, name, sizeof name), "O") != 0)
            f->found[kept++] = f->found[i];
    f->count = kept;
}

tf_status entities_find(const tf_config *config, const tf_tokenizer *tokenizer, const text_item *text,
                        const encoded_text *tokens, const float *logits, aggregation how, entity **entities,
                        size_t *count) {
    finding f = {.config = config, .tokenizer = tokenizer, .text = text, .tokens = tokens};
    f.score = calloc(tokens->length + 1, config->labels * sizeof *f.score);
    f.found = calloc(tokens->length + 1, sizeof *f.found);
    if (!f.score || !f.found) {
        free(f.score);
        free(f.found);
        return tf_fail(TF_NOMEM, "out of memory");
    }
    f.unknown = tf_tokenizer_find(tokenizer, "[UNK]");
    if (f.unknown < 0) f.unknown = tf_tokenizer_find(tokenizer, "<unk>");
    for (size_t i = 0; i < tokens->length; i++)
        softmax(logits + i * config->labels, config->labels, f.score + i * config->labels);
    find_units(&f, how);
    if (how != AGGREGATE_NONE) join_units(&f);
    drop_outside(&f);
    free(f.score);
    *entities = f.found;
    *count = f.count;
    return TF_OK;
}
