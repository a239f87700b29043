#include "experiments/app/data/text_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tf_status text_duplicate(const char *bytes, size_t length, char **copy) {
    *copy = malloc(length + 1);
    if (!*copy) return tf_fail(TF_NOMEM, "out of memory");
    memcpy(*copy, bytes, length);
    (*copy)[length] = 0;
    return TF_OK;
}

tf_status texts_add(text_list *texts, size_t line, text_item **added) {
    if ((texts->count & (texts->count - 1)) == 0) { /* grow at powers of two */
        text_item *grown = reallocarray(texts->item, texts->count ? 2 * texts->count : 1, sizeof *grown);
        if (!grown) return tf_fail(TF_NOMEM, "out of memory");
        texts->item = grown;
    }
    *added = &texts->item[texts->count++];
    **added = (text_item){.line = line};
    return TF_OK;
}

void text_item_free(text_item *item) {
    free(item->first);
    free(item->second);
    free(item->label);
    free(item->word_end);
    *item = (text_item){0};
}

void texts_free(text_list *texts) {
    for (size_t i = 0; i < texts->count; i++) text_item_free(&texts->item[i]);
    free(texts->item);
    texts->item = NULL;
    texts->count = 0;
}

const char *text_place(const text_list *texts, size_t i, char *buffer, size_t size) {
    if (texts->file)
        snprintf(buffer, size, "%s %s %zu", texts->file, texts->in_array ? "item" : "line", texts->item[i].line);
    else
        snprintf(buffer, size, "text %zu", i);
    return buffer;
}
