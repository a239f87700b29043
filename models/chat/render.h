/** Part of models/chat: runs a template's statements. */
#ifndef TF_CHAT_RENDER_H
#define TF_CHAT_RENDER_H

#include "models/chat/tags.h"
#include "models/chat/value.h"

/**
 * Writes what the template makes of the variables. Statements: if, elif, else, for over lists (loop.index, index0,
 * revindex, revindex0, first, last, length), set of variables and of a namespace's names; Hugging Face's generation
 * does nothing. Others are refused with TF_FORMAT, by name and line, when they are reached.
 */
TF_CHECKED tf_status tf_tags_render(const tf_tags *tags, tf_rendering *rendering, tf_value *text);

#endif
