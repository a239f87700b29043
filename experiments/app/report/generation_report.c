#include "experiments/app/report/generation_report.h"

#include <stdio.h>

static const char *finish_text(finish why) {
    return why == FINISH_STOP ? "stop" : why == FINISH_LENGTH ? "length" : "cut";
}

static json_t *json_chances(const generation_report *r, const generated_text *t) {
    json_t *list = json_array();
    for (size_t i = 0; i < t->count; i++) {
        const token_chance *chance = t->chance + i * (1 + r->logprobs);
        json_t *top = json_array();
        for (size_t k = 1; k <= r->logprobs; k++)
            json_array_append_new(
                top, json_pack("{s:i,s:f}", "token", (int)chance[k].token, "logprob", chance[k].log_probability));
        json_array_append_new(list, json_pack("{s:i,s:f,s:o}", "token", (int)chance->token, "logprob",
                                              chance->log_probability, "top", top));
    }
    return list;
}

static json_t *json_text(const generation_report *r, size_t i) {
    const generated_text *t = &r->text[i];
    json_t *tokens = json_array();
    for (size_t k = 0; k < t->count; k++) json_array_append_new(tokens, json_integer(t->token[t->prompt_tokens + k]));
    json_t *object = json_pack("{s:I,s:I,s:o,s:s%,s:s}", "index", (json_int_t)(r->offset + i), "prompt_tokens",
                               (json_int_t)t->prompt_tokens, "tokens", tokens, "text", t->text ? t->text : "",
                               t->length, "finish_reason", finish_text(t->finish));
    if (object && t->chance) json_object_set_new(object, "logprobs", json_chances(r, t));
    return object;
}

static double each(double sum, size_t count) {
    return count ? sum / (double)count : 0;
}

/* How often proposals were right, of which the other parties learn as much as stands here. */
static json_t *json_draft(const generation_report *r) {
    const pass_cost *decode = &r->run.decode;
    return json_pack("{s:I,s:I,s:I,s:f}", "proposed", (json_int_t)r->proposed, "passes", (json_int_t)decode->passes,
                     "tokens", (json_int_t)decode->tokens, "tokens_per_pass",
                     each((double)decode->tokens, decode->passes));
}

/* Whole numbers: all tokens of a program cost the same, those of several programs nearly so. */
static json_int_t mean(uint64_t sum, size_t count) {
    return (json_int_t)(count ? (sum + count / 2) / count : 0);
}

static tf_status print_json(const generation_report *r) {
    const pass_cost *prefill = &r->run.prefill, *decode = &r->run.decode;
    json_t *results = json_array();
    for (size_t i = 0; i < r->texts; i++) json_array_append_new(results, json_text(r, i));
    json_t *object = json_pack("{s:o,s:{s:f,s:f,s:f,s:f,s:f}}", "results", results, "seconds", "total",
                               r->seconds_total, "setup", r->run.seconds_setup, "prefill", prefill->seconds, "decode",
                               decode->seconds, "per_token", each(decode->seconds, decode->tokens));
    if (!object || !r->private) return json_print(object);
    uint64_t bytes = prefill->bytes + decode->bytes, rounds = prefill->rounds + decode->rounds;
    json_object_set_new(object, "reveal", json_string(r->revealed));
    json_object_set_new(object, "bytes",
                        json_pack("{s:I,s:I,s:I,s:I,s:I}", "total", (json_int_t)bytes, "prefill",
                                  (json_int_t)prefill->bytes, "per_token", mean(decode->bytes, decode->tokens), "setup",
                                  (json_int_t)r->run.bytes_setup, "encryption", (json_int_t)r->run.bytes_encryption));
    json_object_set_new(object, "rounds",
                        json_pack("{s:I,s:I,s:I}", "total", (json_int_t)rounds, "prefill", (json_int_t)prefill->rounds,
                                  "per_token", mean(decode->rounds, decode->tokens)));
    if (r->proposed) json_object_set_new(object, "draft", json_draft(r));
    json_object_set_new(object, "forecast", json_forecast(bytes, rounds));
    json_object_set_new(object, "network", json_network(&r->run.network));
    return json_print(object);
}

void generation_stream(void *context, size_t text, const char *more, size_t length) {
    fwrite(more, 1, length, stdout);
    fflush(stdout);
}

static void print_texts(const generation_report *r) {
    for (size_t i = 0; i < r->texts; i++) {
        const generated_text *t = &r->text[i];
        if (!r->streamed) printf("%zu: ", r->offset + i);
        if (!r->streamed && t->text) fwrite(t->text, 1, t->length, stdout);
        puts(t->finish == FINISH_CUT ? " [cut]" : "");
    }
    fflush(stdout);
}

tf_status generation_print(const generation_report *r) {
    if (r->form->json) return print_json(r);
    print_texts(r);
    const pass_cost *decode = &r->run.decode;
    char bytes[2][32], network[NETWORK_WORDS], rate[48] = "", cost[320] = "", proposals[160] = "";
    size_t tokens = decode->tokens * (r->proposed ? 1 : r->texts); /* proposals are made to one text after the other */
    if (decode->seconds > 0) snprintf(rate, sizeof rate, ", %.2f tokens/s", (double)tokens / decode->seconds);
    if (r->private)
        snprintf(cost, sizeof cost, "; a token takes %s and %lld rounds, the prompt took %s and %llu rounds%s",
                 bytes_text((uint64_t)mean(decode->bytes, decode->tokens), bytes[0]),
                 (long long)mean(decode->rounds, decode->tokens), bytes_text(r->run.prefill.bytes, bytes[1]),
                 (unsigned long long)r->run.prefill.rounds, network_text(&r->run.network, network));
    if (r->proposed)
        snprintf(
            proposals, sizeof proposals,
            ". A pass brought %.2f tokens of %zu proposed and one; all three parties saw how many each pass brought",
            each((double)decode->tokens, decode->passes), r->proposed);
    print_prose(stderr, 0, "%zu tokens in %.2f s after %.2f s for the prompt%s%s%s", tokens, decode->seconds,
                r->run.prefill.seconds, rate, cost, proposals);
    return finish_output();
}
