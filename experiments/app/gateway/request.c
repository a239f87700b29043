#define _GNU_SOURCE /* POLLRDHUP */
#include "experiments/app/gateway/request.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/clock.h"

gateway_request *request_new(const char *endpoint) {
    gateway_request *r = calloc(1, sizeof *r);
    if (r)
        *r = (gateway_request){.endpoint = endpoint, .holders = 1, .copies = 1, .connection = -1, .made = tf_clock()};
    return r;
}

static void wipe(char *text, size_t length) {
    if (text) explicit_bzero(text, length);
    free(text);
}

void request_release(gateway_request *r) {
    if (!r || --r->holders > 0) return;
    for (size_t i = 0; i < r->texts.count; i++) {
        text_item *item = &r->texts.item[i];
        if (item->first) explicit_bzero(item->first, item->first_length);
        if (item->second) explicit_bzero(item->second, item->second_length);
    }
    for (size_t i = 0; i < r->messages; i++) {
        free((char *)r->message[i].role);
        wipe((char *)r->message[i].content, r->message[i].length);
    }
    for (size_t i = 0; i < r->writing.stops; i++) wipe((char *)r->writing.stop[i], strlen(r->writing.stop[i]));
    for (size_t i = 0; i < r->answers; i++) wipe(r->answer[i].text, r->answer[i].length);
    if (r->values) explicit_bzero(r->values, r->texts.count * r->width * sizeof *r->values);
    json_decref(r->results);
    texts_free(&r->texts);
    free(r->message);
    free((void *)r->writing.stop);
    free(r->answer);
    free(r->values);
    free(r);
}

tf_status request_add_text(gateway_request *r, const char *first, size_t first_length, const char *second,
                           size_t second_length) {
    text_item *item;
    TF_TRY(texts_add(&r->texts, 0, &item));
    item->first_length = first_length;
    item->second_length = second_length;
    TF_TRY(text_duplicate(first, first_length, &item->first));
    return second ? text_duplicate(second, second_length, &item->second) : TF_OK;
}

tf_status request_add_message(gateway_request *r, const char *role, const char *content, size_t length) {
    tf_chat_message *grown = reallocarray(r->message, r->messages + 1, sizeof *grown);
    char *copy;
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    r->message = grown;
    grown[r->messages] = (tf_chat_message){.role = strdup(role)};
    if (!grown[r->messages].role) return tf_fail(TF_NOMEM, "out of memory");
    r->messages++;
    TF_TRY(text_duplicate(content, length, &copy));
    grown[r->messages - 1].content = copy;
    grown[r->messages - 1].length = length;
    return TF_OK;
}

tf_status request_add_stop(gateway_request *r, const char *stop) {
    const char **grown = reallocarray((void *)r->writing.stop, r->writing.stops + 1, sizeof *grown);
    if (!grown) return tf_fail(TF_NOMEM, "out of memory");
    r->writing.stop = grown;
    grown[r->writing.stops] = strdup(stop);
    if (!grown[r->writing.stops]) return tf_fail(TF_NOMEM, "out of memory");
    r->writing.stops++;
    return TF_OK;
}

bool request_restart(gateway_request *r) {
    for (size_t i = 0; i < r->answers; i++)
        if (r->streams && r->answer[i].length) return false;
    for (size_t i = 0; i < r->answers; i++) {
        wipe(r->answer[i].text, r->answer[i].length);
        r->answer[i] = (answer_text){.text = NULL};
    }
    return true;
}

bool request_has_news(const gateway_request *r) {
    bool news = false;
    for (size_t i = 0; i < r->answers; i++) news |= r->answer[i].length || r->answer[i].done;
    return news;
}

bool request_client_gone(const gateway_request *r) {
    struct pollfd client = {.fd = r->connection, .events = POLLRDHUP};
    return r->connection >= 0 && poll(&client, 1, 0) > 0 && client.revents & (POLLRDHUP | POLLHUP | POLLERR);
}
