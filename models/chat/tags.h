/** Part of models/chat: a template cut into text and tags, with Jinja's rules for the white space around tags. */
#ifndef TF_CHAT_TAGS_H
#define TF_CHAT_TAGS_H

#include <stddef.h>

#include "net/base/status.h"

typedef struct tf_tag {
    enum { TF_TAG_TEXT, TF_TAG_PRINT /**< {{ }} */, TF_TAG_STATEMENT /**< {% %} */ } kind;
    const char *text; /**< what is written, or what stands between the braces */
    size_t length, line;
} tf_tag;

typedef struct tf_tags {
    char *source; /**< with line feeds alone, without the last one */
    tf_tag *tag;
    size_t count, capacity;
} tf_tags;

/**
 * Cuts a template as Jinja 3 does under Hugging Face's settings: trim_blocks, the line feed behind a statement or
 * comment goes; lstrip_blocks, so do the blanks between the start of a line and one; `-` takes all white space on its
 * side, `+` turns both settings off there. Fails with TF_FORMAT on a tag that does not end.
 */
TF_CHECKED tf_status tf_tags_read(const char *text, size_t length, tf_tags *tags);
void tf_tags_free(tf_tags *tags);

#endif
