#include "models/chat/render.h"

#include <string.h>

#include "models/chat/evaluate.h"

typedef struct runner {
    const tf_tags *tags;
    tf_rendering *rendering;
    size_t at; /* the next tag */
    int depth;
    tf_value *part; /* what is written */
    size_t parts, capacity;
} runner;

/* ---- Tags ---- */

static tf_status start(runner *run, tf_reader *reader) {
    const tf_tag *tag = &run->tags->tag[run->at];
    return tf_reader_start(run->rendering, tag->text, tag->length, reader);
}

/* Whether the next tag is a statement that begins with this word. */
static bool is_statement(const runner *run, const char *word) {
    const tf_tag *tag = run->at < run->tags->count ? &run->tags->tag[run->at] : NULL;
    size_t length = strlen(word);
    if (!tag || tag->kind != TF_TAG_STATEMENT) return false;
    if (tag->length < length || memcmp(tag->text, word, length) != 0) return false;
    char next = tag->length > length ? tag->text[length] : ' ';
    return next == ' ' || next == '\n' || next == '\t' || next == '(';
}

static bool ends_block(const runner *run) {
    return run->at == run->tags->count || is_statement(run, "elif") || is_statement(run, "else") ||
           is_statement(run, "endif") || is_statement(run, "endfor");
}

/* Goes to what ends this block, past the blocks within. */
static tf_status skip_block(runner *run) {
    for (size_t open = 0; run->at < run->tags->count && (open || !ends_block(run)); run->at++) {
        TF_TRY(tf_rendering_step(run->rendering, 1));
        open += is_statement(run, "if") || is_statement(run, "for");
        open -= is_statement(run, "endif") || is_statement(run, "endfor");
    }
    return TF_OK;
}

static tf_status expect_end(runner *run, const char *word) {
    if (is_statement(run, word)) {
        run->at++;
        return TF_OK;
    }
    return tf_fail(TF_FORMAT, "a block is not closed by \"%s\"", word);
}

static tf_status write(runner *run, const tf_value *text) {
    if (run->parts == run->capacity) { /* the old array stays until the end: at most as much again */
        void *more;
        size_t capacity = run->capacity ? 2 * run->capacity : 256;
        TF_TRY(tf_rendering_alloc(run->rendering, capacity, sizeof *run->part, &more));
        if (run->parts) memcpy(more, run->part, run->parts * sizeof *run->part);
        run->part = more;
        run->capacity = capacity;
    }
    run->part[run->parts++] = *text;
    return TF_OK;
}

/* ---- Statements ---- */

static tf_status run_block(runner *run);

static tf_status run_if(runner *run) {
    bool done = false, last = false;
    while (!is_statement(run, "endif")) {
        tf_reader reader;
        tf_value condition = tf_value_boolean(!done);
        if (last || run->at == run->tags->count || is_statement(run, "endfor")) return expect_end(run, "endif");
        last = is_statement(run, "else");
        TF_TRY(start(run, &reader));
        TF_TRY(tf_reader_next(&reader));
        if (!last && !done) TF_TRY(tf_evaluate(&reader, true, &condition));
        if (last || !done) TF_TRY(tf_reader_finish(&reader));
        run->at++;
        bool holds = !done && tf_value_truth(&condition);
        TF_TRY(holds ? run_block(run) : skip_block(run));
        done = done || holds;
    }
    return expect_end(run, "endif");
}

/* Sets the item's variable and `loop`. */
static tf_status set_loop(runner *run, const tf_word *name, const tf_value *list, size_t i) {
    tf_value loop;
    const struct {
        const char *key;
        tf_value value;
    } entry[] = {{"index", tf_value_integer((long long)i + 1)},
                 {"index0", tf_value_integer((long long)i)},
                 {"revindex", tf_value_integer((long long)(list->count - i))},
                 {"revindex0", tf_value_integer((long long)(list->count - i) - 1)},
                 {"length", tf_value_integer((long long)list->count)},
                 {"first", tf_value_boolean(i == 0)},
                 {"last", tf_value_boolean(i + 1 == list->count)}};
    TF_TRY(tf_dictionary_new(run->rendering, &loop));
    for (size_t k = 0; k < sizeof entry / sizeof *entry; k++)
        TF_TRY(tf_dictionary_set(loop.dictionary, entry[k].key, strlen(entry[k].key), entry[k].value));
    TF_TRY(tf_variable_set(run->rendering, "loop", 4, loop));
    return tf_variable_set(run->rendering, name->text, name->length, list->item[i]);
}

static tf_status run_turns(runner *run, const tf_word *name, const tf_value *list) {
    tf_rendering *r = run->rendering;
    size_t body = run->at, frame = r->frame, variables = r->variables;
    for (size_t i = 0; i < list->count; i++) {
        run->at = body;
        r->frame = r->variables = variables;
        TF_TRY(set_loop(run, name, list, i));
        TF_TRY(run_block(run));
        if (!is_statement(run, "endfor")) return expect_end(run, "endfor");
    }
    r->frame = frame;
    r->variables = variables;
    if (!list->count) TF_TRY(skip_block(run));
    return expect_end(run, "endfor");
}

static tf_status run_for(runner *run) {
    tf_reader reader;
    tf_word name;
    tf_value list;
    TF_TRY(start(run, &reader));
    TF_TRY(tf_reader_next(&reader));
    TF_TRY(tf_reader_name(&reader, &name));
    TF_TRY(tf_reader_expect(&reader, "in"));
    TF_TRY(tf_evaluate(&reader, false, &list));
    TF_TRY(tf_reader_finish(&reader));
    if (list.kind != TF_VALUE_LIST) return tf_fail(TF_FORMAT, "\"for\" over %s", tf_value_name(&list));
    run->at++;
    return run_turns(run, &name, &list);
}

static tf_status run_set(runner *run) {
    tf_reader reader;
    tf_word name, key = {.length = 0};
    tf_value value;
    TF_TRY(start(run, &reader));
    TF_TRY(tf_reader_next(&reader));
    TF_TRY(tf_reader_name(&reader, &name));
    if (tf_reader_sees(&reader, ".")) {
        TF_TRY(tf_reader_next(&reader));
        TF_TRY(tf_reader_name(&reader, &key));
    }
    TF_TRY(tf_reader_expect(&reader, "="));
    TF_TRY(tf_evaluate(&reader, true, &value));
    TF_TRY(tf_reader_finish(&reader));
    run->at++;
    if (!key.length) return tf_variable_set(run->rendering, name.text, name.length, value);
    const tf_value *space = tf_variable_find(run->rendering, name.text, name.length);
    if (!space || space->kind != TF_VALUE_DICTIONARY)
        return tf_fail(TF_FORMAT, "\"set\" of a name of %s", space ? tf_value_name(space) : "undefined");
    return tf_dictionary_set(space->dictionary, key.text, key.length, value);
}

static tf_status run_print(runner *run) {
    tf_reader reader;
    tf_value value;
    TF_TRY(start(run, &reader));
    TF_TRY(tf_evaluate(&reader, true, &value));
    TF_TRY(tf_reader_finish(&reader));
    TF_TRY(tf_value_print(run->rendering, &value, &value));
    run->at++;
    return write(run, &value);
}

static tf_status run_statement(runner *run) {
    tf_reader reader;
    tf_word name;
    if (is_statement(run, "if")) return run_if(run);
    if (is_statement(run, "for")) return run_for(run);
    if (is_statement(run, "set")) return run_set(run);
    if (is_statement(run, "generation") || is_statement(run, "endgeneration")) {
        run->at++;
        return TF_OK;
    }
    TF_TRY(start(run, &reader));
    TF_TRY(tf_reader_name(&reader, &name));
    return tf_fail(TF_FORMAT, "the statement \"%.*s\" is not supported", (int)(name.length < 40 ? name.length : 40),
                   name.text);
}

static tf_status run_tag(runner *run) {
    const tf_tag *tag = &run->tags->tag[run->at];
    TF_TRY(tf_rendering_step(run->rendering, 1));
    if (tag->kind == TF_TAG_PRINT) return run_print(run);
    if (tag->kind == TF_TAG_STATEMENT) return run_statement(run);
    tf_value text = tf_value_text(tag->text, tag->length);
    run->at++;
    return write(run, &text);
}

static tf_status run_block(runner *run) {
    if (run->depth == TF_CHAT_DEPTH) return tf_fail(TF_FORMAT, "more than %d blocks in each other", TF_CHAT_DEPTH);
    run->depth++;
    while (!ends_block(run)) TF_TRY(run_tag(run));
    run->depth--;
    return TF_OK;
}

/* ---- All of it ---- */

static tf_status gather(const runner *run, tf_value *text) {
    size_t length = 0, at = 0;
    void *bytes, *literal;
    for (size_t i = 0; i < run->parts; i++) length += run->part[i].count;
    TF_TRY(tf_rendering_alloc(run->rendering, length, 1, &bytes));
    TF_TRY(tf_rendering_alloc(run->rendering, length, 1, &literal));
    for (size_t i = 0; i < run->parts; i++) {
        const tf_value *part = &run->part[i];
        if (part->count) memcpy((char *)bytes + at, part->text, part->count);
        if (part->literal) memcpy((char *)literal + at, part->literal, part->count);
        at += part->count;
    }
    *text = tf_value_text(bytes, length);
    text->literal = literal;
    return TF_OK;
}

tf_status tf_tags_render(const tf_tags *tags, tf_rendering *rendering, tf_value *text) {
    runner run = {.tags = tags, .rendering = rendering};
    tf_status status = run_block(&run);
    if (status == TF_OK && run.at < tags->count) status = tf_fail(TF_FORMAT, "a block ends that did not begin");
    if (status != TF_OK)
        return tf_fail_in(status, "line %zu of the chat template",
                          tags->count ? tags->tag[run.at < tags->count ? run.at : tags->count - 1].line : 1);
    return gather(&run, text);
}
