#define _GNU_SOURCE /* memmem */
#include "models/chat/tags.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "models/tokenize/text.h"
#include "net/base/array.h"

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Line feeds for the other ends of lines; the last one goes. */
static char *with_line_feeds(const char *text, size_t length) {
    char *source = malloc(length + 1);
    size_t count = 0;
    if (!source) return NULL;
    for (size_t i = 0; i < length; i++) {
        bool carriage = text[i] == '\r';
        if (carriage && i + 1 < length && text[i + 1] == '\n') i++;
        source[count++] = carriage ? '\n' : text[i];
    }
    if (count && source[count - 1] == '\n') count--;
    source[count] = '\0';
    return source;
}

static tf_status add(tf_tags *tags, int kind, const char *text, size_t length, size_t line) {
    tf_tag *more = tf_grow(tags->tag, &tags->capacity, tags->count + 1, sizeof *more);
    if (!more) return tf_text_no_memory();
    tags->tag = more;
    tags->tag[tags->count++] = (tf_tag){.kind = kind, .text = text, .length = length, .line = line};
    return TF_OK;
}

/* The next "{{", "{%" or "{#"; NULL when there is none. */
static const char *find_tag(const char *at) {
    while ((at = strchr(at, '{')) && at[1] != '{' && at[1] != '%' && at[1] != '#') at++;
    return at;
}

/* Where the tag that opens here closes; closing signs within quotes do not count, but in a comment all do. */
static const char *find_end(const char *open) {
    const char close = open[1] == '{' ? '}' : open[1];
    char quote = '\0';
    int braces = 0;
    for (const char *c = open + 2; *c; c++) {
        if (!quote && !braces && *c == close && c[1] == '}') return c;
        if (close == '#') continue;
        if (quote && *c == '\\' && c[1]) {
            c++;
        } else if (quote) {
            if (*c == quote) quote = '\0';
        } else if (*c == '\'' || *c == '"') {
            quote = *c;
        } else {
            braces += (*c == '{') - (*c == '}' && braces > 0);
        }
    }
    return NULL;
}

/* The end of the text before a tag, after what the tag takes of it. `start` is where the text starts, at the start of
 * a line or not. */
static const char *text_end(const char *start, bool line_start, const char *open) {
    const char *end = open, *blank = open;
    if (open[2] == '-') {
        while (end > start && is_blank(end[-1])) end--;
        return end;
    }
    while (blank > start && blank[-1] != '\n' && is_blank(blank[-1])) blank--;
    bool at_start = blank == start ? line_start : blank[-1] == '\n';
    return open[1] != '{' && open[2] != '+' && at_start ? blank : open;
}

static size_t lines_between(const char *from, const char *to) {
    size_t lines = 0;
    for (; from < to; from++) lines += *from == '\n';
    return lines;
}

/* Adds the tag from `open` to `close` and returns where the text after it starts. */
static tf_status add_tag(tf_tags *tags, const char *open, const char *close, size_t line, const char **next) {
    const char *first = open + 2 + (open[2] == '-' || open[2] == '+'), *last = close;
    char sign = close > first ? close[-1] : ' ';
    bool signed_end = sign == '-' || (sign == '+' && open[1] != '{');
    last -= signed_end;
    *next = close + 2;
    if (sign == '-')
        while (is_blank(**next)) ++*next;
    else if (open[1] != '{' && sign != '+' && **next == '\n')
        ++*next;
    if (open[1] == '#') return TF_OK;
    while (first < last && is_blank(*first)) first++;
    if (open[1] == '%' && last - first >= 3 && !memcmp(first, "raw", 3) && (last - first == 3 || is_blank(first[3])))
        return tf_fail(TF_FORMAT, "line %zu: the statement \"raw\" is not supported", line);
    return add(tags, open[1] == '{' ? TF_TAG_PRINT : TF_TAG_STATEMENT, first, (size_t)(last - first), line);
}

static tf_status cut(tf_tags *tags) {
    const char *at = tags->source, *open;
    size_t line = 1;
    for (bool line_start = true; (open = find_tag(at));) {
        const char *close = find_end(open), *next, *end = text_end(at, line_start, open);
        size_t here = line + lines_between(at, open);
        if (!close) return tf_fail(TF_FORMAT, "line %zu: a tag that does not end", here);
        if (end > at) TF_TRY(add(tags, TF_TAG_TEXT, at, (size_t)(end - at), line));
        TF_TRY(add_tag(tags, open, close, here, &next));
        line += lines_between(at, next);
        line_start = next[-1] == '\n';
        at = next;
    }
    return *at ? add(tags, TF_TAG_TEXT, at, strlen(at), line) : TF_OK;
}

tf_status tf_tags_read(const char *text, size_t length, tf_tags *tags) {
    *tags = (tf_tags){.source = NULL};
    if (memchr(text, '\0', length)) return tf_fail(TF_FORMAT, "a zero byte in the chat template");
    tags->source = with_line_feeds(text, length);
    if (!tags->source) return tf_text_no_memory();
    tf_status status = cut(tags);
    if (status != TF_OK) tf_tags_free(tags);
    return status;
}

void tf_tags_free(tf_tags *tags) {
    free(tags->source);
    free(tags->tag);
    *tags = (tf_tags){.source = NULL};
}
