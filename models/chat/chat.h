/**
 * From a conversation to the prompt of a model that was trained on conversations, by the template in its directory: the
 * subset of Jinja that such templates use, evaluated as Hugging Face's apply_chat_template does. What is beyond the
 * subset is refused by name, never guessed.
 *
 * One thing differs on purpose. Hugging Face renders one text and tokenises all of it, so a message that holds
 * "<|im_end|>" ends its turn and may begin another in the name of the system. Here special tokens are found in what the
 * template writes; in messages and roles they are ordinary text. For other conversations the ids are the same.
 */
#ifndef TF_CHAT_H
#define TF_CHAT_H

#include "models/tokenize/tokenizer.h"

typedef struct tf_chat tf_chat;

/** One turn: role "system", "user" or "assistant" as the template wants it, and what is said, both in UTF-8. */
typedef struct tf_chat_message {
    const char *role;
    const char *content;
    size_t length; /**< of the content, in bytes */
} tf_chat_message;

/** What a template writes; `literal` is 1 for each byte that comes from a message. The caller frees both. */
typedef struct tf_chat_text {
    char *text; /**< a zero byte follows */
    unsigned char *literal;
    size_t length;
} tf_chat_text;

/**
 * Reads DIR/chat_template.jinja, or else "chat_template" of DIR/tokenizer_config.json: a text, or a list of named ones,
 * of which "default" is taken. The texts of special tokens (bos_token ...) come from tokenizer_config.json or
 * special_tokens_map.json. TF_INVALID when there is no template; TF_FORMAT for one that cannot be read.
 */
TF_CHECKED tf_status tf_chat_open(const char *directory, tf_chat **chat);
/**
 * Makes the SHA-256 of the template and of the texts of special tokens that it may use, without understanding it: all
 * zero where there is no template.
 */
TF_CHECKED tf_status tf_chat_digest(const char *directory, tf_digest *digest);

/** Frees it. NULL is allowed. */
void tf_chat_close(tf_chat *chat);

/**
 * Renders a conversation; with `generate` it ends where the assistant begins to speak (add_generation_prompt). Fails
 * with TF_INVALID when the template refuses the conversation (raise_exception) and with TF_FORMAT, and the line, when
 * it asks for what is not supported. A template may ask for today's date (strftime_now).
 */
TF_CHECKED tf_status tf_chat_render(const tf_chat *chat, const tf_chat_message *messages, size_t count, bool generate,
                                    tf_chat_text *out);
void tf_chat_text_free(tf_chat_text *text);

/**
 * Renders and tokenises a conversation, without any special tokens but those of the template: at most `limit` ids (0:
 * any number), or TF_INVALID. The caller frees the encoding.
 */
TF_CHECKED tf_status tf_chat_encode(const tf_chat *chat, const tf_tokenizer *tokenizer, const tf_chat_message *messages,
                                    size_t count, bool generate, size_t limit, tf_encoding *encoding);

#endif
