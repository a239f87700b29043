/* chat_template.jinja: of a conversation it makes a text whose every byte is known to be a message's
 * or the template's. */
#include "models/chat/chat.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGE(who, what)                                                                                             \
    { .role = who, .content = what, .length = sizeof what - 1 }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tf_chat_message messages[] = {MESSAGE("system", " brief "), MESSAGE("user", "\xc3\xa9-b"),
                                               MESSAGE("assistant", "</a>\n"), MESSAGE("user", "{{ x }}")};
    static fuzz_file file;
    static const char *directory;
    tf_chat *chat;
    tf_chat_text text;
    if (!directory) {
        file = fuzz_file_new();
        directory = fuzz_directory(&file, "chat_template.jinja");
    }
    fuzz_file_fill(&file, data, size);
    if (tf_chat_open(directory, &chat)) return 0;
    if (tf_chat_render(chat, messages, 4, true, &text) == TF_OK) {
        for (size_t i = 0; i < text.length; i++) fuzz_require(text.literal[i] <= 1, "a byte of neither");
        fuzz_require(text.text[text.length] == '\0', "a text that does not end");
        tf_chat_text_free(&text);
    }
    tf_chat_close(chat);
    return 0;
}
