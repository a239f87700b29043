#include "models/chat/chat.h"

#include <jansson.h>

#include "tests/models/chat_templates.h"
#include "tests/support/scratch.h"

TestSuite(chat, .init = scratch_make, .fini = scratch_remove);

#define MESSAGE(who, what)                                                                                             \
    { .role = who, .content = what, .length = sizeof what - 1 }

static const tf_chat_message turns[] = {MESSAGE("system", " Be brief. "), MESSAGE("user", " Hi\n"),
                                        MESSAGE("assistant", "\nHello! "), MESSAGE("user", "x {{ z }}")};
static const tf_chat_message hello[] = {MESSAGE("user", "Hello")};

static tf_chat *open_template(const char *template) {
    json_t *config =
        json_pack("{s:s, s:s, s:{s:s}}", "chat_template", template, "bos_token", "<s>", "eos_token", "content", "</s>");
    char *text = json_dumps(config, 0);
    scratch_text("tokenizer_config.json", text);
    free(text);
    json_decref(config);
    tf_chat *chat;
    works(tf_chat_open(scratch, &chat));
    return chat;
}

static void expect(const char *template, const tf_chat_message *messages, size_t count, const char *wanted) {
    tf_chat *chat = open_template(template);
    tf_chat_text got;
    works(tf_chat_render(chat, messages, count, true, &got));
    cr_assert_str_eq(got.text, wanted);
    cr_assert_eq(got.length, strlen(wanted));
    tf_chat_text_free(&got);
    tf_chat_close(chat);
}

Test(chat, templates_of_models) {
    for (size_t i = 0; i < sizeof chat_cases / sizeof *chat_cases; i++) {
        const tf_chat_message *messages =
            chat_cases[i].turns == FIRST_ONLY ? hello : turns + (chat_cases[i].turns == NO_SYSTEM);
        expect(chat_cases[i].template, messages,
               chat_cases[i].turns == FIRST_ONLY ? 1
               : chat_cases[i].turns == ALL      ? 4
                                                 : 3,
               chat_cases[i].text);
    }
}

Test(chat, expressions_and_white_space) {
    static const struct {
        const char *template, *text;
    } cases[] = {
        {"  {% if true %}\n"
         " a \n"
         "  {% endif %}\n"
         "b\n",
         " a \n"
         "b"},
        {"x  {%- if 1 -%}  y  {%- endif -%}  z\n"
         "\n",
         "xyz\n"},
        {"a {# c #} b\n"
         " {# d #}\n"
         "e",
         "a  b\n"
         "e"},
        {"  {%+ if true %}\n"
         "A{% endif +%}\n"
         "B",
         "  A\n"
         "B"},
        {"a\n"
         "  {{ 'b' }}\n"
         "   {% if true %}  c{% endif %}\n",
         "a\n"
         "  b\n"
         "  c"},
        {"line\r\n{% if true %}\r\nb{% endif %}\r\n", "line\nb"},
        {"{{ 1 + 2 * 3 % 2 - -4 }} {{ 7 % -3 }} {{ (1 + 2) * 3 }}", "5 -2 9"},
        {"{{ 'a' ~ 1 ~ true ~ none ~ x }}", "a1TrueNone"},
        {"{{ 'a' if false }}|{{ 'b' if x else 'c' }}|{{ ('p' if 1 else 'q') + 'r' if 2 > 1 else 's' }}", "|c|pr"},
        {"{{ not 1 == 2 }} {{ not not 1 }} {{ 1 < 2 == true }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }}",
         "True True False True False"},
        {"{{ 'b' in 'abc' }} {{ 'b' not in ['a','b'] }} {{ 'role' in messages[0] }} {{ not 'x' in 'y' }}",
         "True False True True"},
        {"{{ messages|length }} {{ messages[-1].content|length }} {{ 'é'|length }}", "4 9 1"},
        {"{% for m in messages[::-1] %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last "
         "}}{{ m.role }} {% endfor %}",
         "13TrueFalseuser 22FalseFalseassistant 31FalseFalseuser 40FalseTruesystem "},
        {"{% for m in messages[1:] %}{{ m['role'] }},{% endfor %}{% for m in messages[:-1] %}{{ m['role'] "
         "}};{% endfor %}{% for m in messages[5:2:-2] %}{{m.role}}{% endfor %}",
         "user,assistant,user,system;user;assistant;user"},
        {"{% set x = 1 %}{% for m in messages %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "22221"},
        {"{% set ns = namespace(n=0, t='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.t "
         "= ns.t + m.role %}{% endfor %}{{ ns.n }}{{ ns.t }}",
         "4systemuserassistantuser"},
        {"{{ 'a-b-c'.split('-')[-1] }}{{ 'xxaxx'.strip('x') }}{{ ' a '.lstrip() }}|{{ ' a '.rstrip() "
         "}}|{{ 'a'.startswith('ab') }}{{ 'ab'.endswith('b') }}{{ 'ab'.endswith('') }}",
         "caa | a|FalseTrueTrue"},
        {"{% if x is defined %}1{% else %}2{% endif %}{{ tools is none }}{{ tools is defined }}{{ 'a' is "
         "string }}{{ messages[0] is mapping }}{{ true is true }}{{ 1 is false }}{{ not x is defined }}",
         "2TrueTrueTrueTrueTrueFalseTrue"},
        {"{{ x | default('d') }}{{ 'a' 'b' }}{{ \"a\\\"b\\\\c\\td\" }}{{ '%}' }}{{ '}}' }}", "daba\"b\\c	d%}}}"},
        {"{{ x or 'y' }}{{ 'a' and 'b' }}{{ '' and 'b' }}{{ 'a' or nope.nope }}", "yba"},
        {"{{ '  trim \n"
         "\xc2\xa0\xe2\x80\x83'|trim }}|{{ 5|trim }}",
         "trim|5"},
        {"{% for a in messages %}{% for b in messages %}{{ loop.index }}{% endfor %}{{ loop.index }}{% "
         "endfor %}",
         "12341123421234312344"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect(cases[i].template, turns, 4, cases[i].text);
}

Test(chat, what_is_not_known_is_refused_by_name) {
    static const struct {
        const char *template, *part;
        tf_status status;
    } cases[] = {
        {"a\n{{ raise_exception('no ' + messages[0].role) }}",
         "line 2 of the chat template: it refuses the conversation: no user", TF_INVALID},
        {"{{ messages|tojson }}", "the filter tojson", TF_FORMAT},
        {"{{ messages|map(attribute='role') }}", "the filter map", TF_FORMAT},
        {"{{ 'a'.upper() }}", "method upper of a text", TF_FORMAT},
        {"{{ messages.items() }}", "method items of a list", TF_FORMAT},
        {"{{ x.strip() }}", "method strip of what is not defined", TF_FORMAT},
        {"{{ x.y }}", "y of what is not defined", TF_FORMAT},
        {"{{ 'a' is sameas 'b' }}", "the test \"is sameas\"", TF_FORMAT},
        {"\n\n{% macro f() %}{% endmacro %}", "line 3 of the chat template: the statement \"macro\"", TF_FORMAT},
        {"{% for m in messages if true %}{% endfor %}", "\"if\" is not supported here", TF_FORMAT},
        {"{% for m in 'ab' %}{% endfor %}", "\"for\" over a text", TF_FORMAT},
        {"{% for m in messages %}{% else %}{% endfor %}", "not closed by \"endfor\"", TF_FORMAT},
        {"{% for a, b in messages %}{% endfor %}", "\",\" is not supported here", TF_FORMAT},
        {"{% set a %}b{% endset %}", "the tag ends too early", TF_FORMAT},
        {"{% set a.b = 1 %}", "a name of undefined", TF_FORMAT},
        {"{% if true %}", "not closed by \"endif\"", TF_FORMAT},
        {"{% if true %}{% endfor %}", "not closed by \"endif\"", TF_FORMAT},
        {"{% if 1 %}{% else %}{% else %}{% endif %}", "not closed by \"endif\"", TF_FORMAT},
        {"{% endif %}", "a block ends that did not begin", TF_FORMAT},
        {"{{ messages }}", "a list cannot be written out", TF_FORMAT},
        {"{{ 'a' + 1 }}", "a text + a number", TF_FORMAT},
        {"{{ 1 % 0 }}", "a number % a number", TF_FORMAT},
        {"{{ 2147483647 + 1 }}", "too large", TF_FORMAT},
        {"{{ 99999999999 }}", "a number that is not supported", TF_FORMAT},
        {"{{ 1.5 }}", "is not supported here", TF_FORMAT},
        {"{{ {'a': 1} }}", "\"{\" is not supported here", TF_FORMAT},
        {"{{ range(3) }}", "undefined is called", TF_FORMAT},
        {"{{ 'a\\x41' }}", "an escape", TF_FORMAT},
        {"{{ 'a }}", "a tag that does not end", TF_FORMAT},
        {"{{ a ? b }}", "byte 0x3F", TF_FORMAT},
        {"{% raw %}{% endraw %}", "the statement \"raw\"", TF_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_chat_text text;
        json_t *config = json_pack("{s:s}", "chat_template", cases[i].template);
        cr_assert(!json_dump_file(config, scratch_path("tokenizer_config.json"), 0));
        json_decref(config);
        tf_chat *chat;
        tf_status status = tf_chat_open(scratch, &chat);
        if (status == TF_OK) status = tf_chat_render(chat, hello, 1, true, &text);
        cr_assert_eq(status, cases[i].status, "case %zu: %s", i, cases[i].template);
        cr_assert(strstr(tf_error(), cases[i].part), "case %zu: \"%s\" lacks \"%s\"", i, tf_error(), cases[i].part);
        tf_chat_close(chat);
    }
}

/* Templates come from files of others: no depth, no size and no loop of theirs is followed without end. */
Test(chat, hostile_templates) {
    static char text[60000];
    tf_chat_text out;
    for (int kind = 0; kind < 4; kind++) {
        static const char *const unit[] = {"(", "{% if 1 %}", "{% for a in messages %}", "('a' if "};
        char *end = text + sprintf(text, "%s", kind == 0 || kind == 3 ? "{{" : "");
        for (int i = 0; i < 2000; i++) end += sprintf(end, "%s", unit[kind]);
        sprintf(end, "%s", kind == 0 || kind == 3 ? "}}" : "x");
        tf_chat *chat = open_template(text);
        fails(tf_chat_render(chat, hello, 1, true, &out), TF_FORMAT, "in each other");
        tf_chat_close(chat);
    }
    char *end = text;
    for (int i = 0; i < 30; i++) end += sprintf(end, "{%% for a in messages %%}");
    end += sprintf(end, "x");
    for (int i = 0; i < 30; i++) end += sprintf(end, "{%% endfor %%}");
    tf_chat *chat = open_template(text);
    fails(tf_chat_render(chat, turns, 4, true, &out), TF_INVALID, "more than 67108864 bytes");
    tf_chat_close(chat);
    end = text + sprintf(text, "{%% set a = '0123456789' %%}");
    for (int i = 0; i < 40; i++) end += sprintf(end, "{%% set a = a + a %%}");
    chat = open_template(text);
    fails(tf_chat_render(chat, hello, 1, true, &out), TF_INVALID, "more than 67108864 bytes");
    tf_chat_close(chat);
    static char content[1 << 20];
    memset(content, 'a', sizeof content);
    const tf_chat_message large = {"user", content, sizeof content};
    end = text;
    for (int i = 0; i < 20; i++) end += sprintf(end, "{%% if 'b' in messages[0].content %%}x{%% endif %%}");
    chat = open_template(text);
    fails(tf_chat_render(chat, &large, 1, true, &out), TF_INVALID, "more than 10000000 steps");
    tf_chat_close(chat);
}

Test(chat, places_of_the_template) {
    tf_chat *chat;
    tf_chat_text text;
    fails(tf_chat_open(scratch, &chat), TF_INVALID, "no chat template");
    scratch_text("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"}]}");
    fails(tf_chat_open(scratch, &chat), TF_FORMAT, "one named \"default\"");
    scratch_text("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"t\"},"
                                          "{\"name\": \"default\", \"template\": \"{{ eos_token }}d\"}]}");
    scratch_text("special_tokens_map.json", "{\"eos_token\": {\"content\": \"</s>\"}}");
    works(tf_chat_open(scratch, &chat));
    works(tf_chat_render(chat, hello, 1, true, &text));
    cr_assert_str_eq(text.text, "</s>d");
    tf_chat_text_free(&text);
    tf_chat_close(chat);
    scratch_text("chat_template.jinja", "own\n"); /* comes first */
    works(tf_chat_open(scratch, &chat));
    works(tf_chat_render(chat, hello, 1, true, &text));
    cr_assert_str_eq(text.text, "own");
    tf_chat_text_free(&text);
    tf_chat_close(chat);
    scratch_write("chat_template.jinja", "a\0b", 3);
    fails(tf_chat_open(scratch, &chat), TF_FORMAT, "a zero byte");
    scratch_text("chat_template.jinja", "a\xff");
    fails(tf_chat_open(scratch, &chat), TF_FORMAT, "not valid UTF-8 at byte 1");
}

/* ---- Ids ---- */

enum { UNKNOWN, WORD, START, END, USER, SMALL, BAR, IM };

static tf_tokenizer *open_tokenizer(const char *model) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"model\": {%s}, \"added_tokens\": ["
             "{\"id\": 2, \"content\": \"<|im_start|>\", \"special\": true}, {\"id\": 3, \"content\": \"<|im_end|>\", "
             "\"special\": true, \"lstrip\": true}, {\"id\": 1, \"content\": \"<w>\", \"special\": false}]}",
             model);
    scratch_text("tokenizer.json", text);
    tf_tokenizer *t;
    works(tf_tokenizer_open(scratch, &t));
    return t;
}

static void expect_ids(const tf_tokenizer *t, const char *template, const char *content, const int32_t *ids,
                       size_t count) {
    const tf_chat_message message = {"user", content, strlen(content)};
    tf_chat *chat = open_template(template);
    tf_encoding e;
    works(tf_chat_encode(chat, t, &message, 1, true, 0, &e));
    cr_assert_eq(e.count, count, "\"%s\": %zu ids", content, e.count);
    cr_assert_arr_eq(e.ids, ids, count * sizeof *ids);
    tf_encoding_free(&e);
    tf_chat_close(chat);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

Test(chat, messages_cannot_write_special_tokens) {
    const char *template =
        "{% for m in messages %}<|im_start|>{{ m.role + '|' + m.content | trim }}<|im_end|>{% endfor %}";
    tf_tokenizer *t = open_tokenizer("\"type\": \"WordPiece\", \"vocab\": {\"[UNK]\": 0, \"<w>\": 1, \"user\": 4, "
                                     "\"<\": 5, \"|\": 6, \"im\": 7}");
    expect_ids(t, template, "im", IDS(START, USER, BAR, IM, END));
    expect_ids(t, template, " <|im_end|> im", IDS(START, USER, BAR, SMALL, BAR, IM, 0, 0, BAR, 0, IM, END));
    expect_ids(t, template, "<|im_start|>", IDS(START, USER, BAR, SMALL, BAR, IM, 0, 0, BAR, 0, END));
    expect_ids(t, template, "<w>", IDS(START, USER, BAR, WORD, END)); /* an added token that is not special */
    /* Nor half of one. */
    expect_ids(t, "<|im_{{ messages[0].content }}", "end|>", IDS(SMALL, BAR, IM, 0, 0, BAR, 0));
    expect_ids(t, "{{ messages[0].content }}|im_end|>", "<", IDS(SMALL, BAR, IM, 0, 0, BAR, 0));
    expect_ids(t, "{{ '<|im_end|>' + messages[0].content.split('-')[1] }}", "im-<|im_end|>",
               IDS(END, SMALL, BAR, IM, 0, 0, BAR, 0));
    tf_chat *chat = open_template(template);
    tf_encoding e;
    fails(tf_chat_encode(chat, t, hello, 1, true, 4, &e), TF_INVALID, "5 tokens, and at most 4 are allowed");
    const tf_chat_message broken = {"user", "\xff", 1};
    fails(tf_chat_encode(chat, t, &broken, 1, true, 0, &e), TF_FORMAT, "the content of a message is not valid UTF-8");
    tf_chat_close(chat);
    tf_tokenizer_close(t);
    /* A model whose vocabulary makes a special token of ordinary text. */
    scratch_text("tokenizer.json", "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], "
                                   "[\"a\", -1], [\"<x>\", -1]]}, \"added_tokens\": [{\"id\": 2, \"content\": \"<x>\", "
                                   "\"special\": true}]}");
    works(tf_tokenizer_open(scratch, &t));
    expect_ids(t, "<x>{{ messages[0].content }}", "a", IDS(2, 1));
    chat = open_template("<x>{{ messages[0].content }}");
    const tf_chat_message hidden = MESSAGE("user", "a<x>");
    fails(tf_chat_encode(chat, t, &hidden, 1, true, 0, &e), TF_INVALID, "the text at byte 4 makes the special token");
    tf_chat_close(chat);
    tf_tokenizer_close(t);
}
