/** Chat templates that models were published with, and what Jinja 3.1 with trim_blocks and lstrip_blocks
 *  makes of them. */
#ifndef TF_TESTS_CHAT_TEMPLATES_H
#define TF_TESTS_CHAT_TEMPLATES_H

/* Templates as the models were published with. The renderings are those of Jinja 3.1 with trim_blocks and
 * lstrip_blocks. */
static const char chatml[] = /* ChatML, as Qwen2 has it */
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n"
    "' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n"
    "' + message['content'] + '<|im_end|>' + '\n"
    "'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n"
    "' }}{% endif %}";

static const char llama2[] = /* LLaMA 2 */
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set "
    "system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set "
    "system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == "
    "'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
    "user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != "
    "false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + "
    "message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if "
    "message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif "
    "message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% "
    "endfor %}";

static const char llama3[] = /* LLaMA 3 */
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n"
    "\n"
    "'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = "
    "bos_token + content %}{% endif %}{{ content }}{% endfor %}{{ "
    "'<|start_header_id|>assistant<|end_header_id|>\n"
    "\n"
    "' }}";

static const char zephyr[] = /* Zephyr, TinyLlama */
    "{% for message in messages %}\n"
    "{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\n"
    "' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\n"
    "' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n"
    "'  + message['content'] + eos_token }}\n"
    "{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n"
    "{{ '<|assistant|>' }}\n"
    "{% endif %}\n"
    "{% endfor %}";

static const char mistral[] = /* Mistral 7B */
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % "
    "2 == 0) %}{{ raise_exception('Conversation roles must alternate "
    "user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' "
    "+ message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ "
    "message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are "
    "supported!') }}{% endif %}{% endfor %}";

static const char mistral3[] = /* Mistral with a namespace and a system message */
    "{%- if messages[0][\"role\"] == \"system\" %}\n"
    "    {%- set system_message = messages[0][\"content\"] %}\n"
    "    {%- set loop_messages = messages[1:] %}\n"
    "{%- else %}\n"
    "    {%- set loop_messages = messages %}\n"
    "{%- endif %}\n"
    "{%- if not tools is defined %}\n"
    "    {%- set tools = none %}\n"
    "{%- endif %}\n"
    "{#- This block checks for alternating user/assistant messages, skipping tool calling messages "
    "#}\n"
    "{%- set ns = namespace() %}\n"
    "{%- set ns.index = 0 %}\n"
    "{%- for message in loop_messages %}\n"
    "    {%- if not (message.role == \"tool\" or message.role == \"tool_results\" or "
    "(message.tool_calls is defined and message.tool_calls is not none)) %}\n"
    "        {%- if (message[\"role\"] == \"user\") != (ns.index % 2 == 0) %}\n"
    "            {{- raise_exception(\"After the optional system message, conversation roles must "
    "alternate user/assistant/user/assistant/...\") }}\n"
    "        {%- endif %}\n"
    "        {%- set ns.index = ns.index + 1 %}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n"
    "\n"
    "{{- bos_token }}\n"
    "{%- for message in loop_messages %}\n"
    "    {%- if message[\"role\"] == \"user\" %}\n"
    "        {%- if loop.last and system_message is defined %}\n"
    "            {{- \"[INST] \" + system_message + \"\\n\\n\" + message[\"content\"] + \"[/INST]\" "
    "}}\n"
    "        {%- else %}\n"
    "            {{- \"[INST] \" + message[\"content\"] + \"[/INST]\" }}\n"
    "        {%- endif %}\n"
    "    {%- elif message[\"role\"] == \"assistant\" %}\n"
    "        {{- \" \" + message[\"content\"]|trim + eos_token}}\n"
    "    {%- else %}\n"
    "        {{- raise_exception(\"Only user and assistant roles are supported, with the exception "
    "of an initial optional system message!\") }}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n";

enum { FIRST_ONLY, ALL, NO_SYSTEM };
static const struct {
    const char *template;
    int turns;
    const char *text;
} chat_cases[] = {
    {chatml, FIRST_ONLY,
     "<|im_start|>system\n"
     "You are a helpful assistant.<|im_end|>\n"
     "<|im_start|>user\n"
     "Hello<|im_end|>\n"
     "<|im_start|>assistant\n"},
    {chatml, ALL,
     "<|im_start|>system\n"
     " Be brief. <|im_end|>\n"
     "<|im_start|>user\n"
     " Hi\n"
     "<|im_end|>\n"
     "<|im_start|>assistant\n"
     "\n"
     "Hello! <|im_end|>\n"
     "<|im_start|>user\n"
     "x {{ z }}<|im_end|>\n"
     "<|im_start|>assistant\n"},
    {llama2, FIRST_ONLY, "<s>[INST] Hello [/INST]"},
    {llama2, ALL,
     "<s>[INST] <<SYS>>\n"
     " Be brief. \n"
     "<</SYS>>\n"
     "\n"
     " Hi [/INST] Hello! </s><s>[INST] x {{ z }} [/INST]"},
    {llama3, FIRST_ONLY,
     "<s><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Hello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"},
    {llama3, ALL,
     "<s><|start_header_id|>system<|end_header_id|>\n"
     "\n"
     "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"
     "Hello!<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
     "\n"
     "x {{ z }}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
     "\n"},
    {zephyr, FIRST_ONLY,
     "<|user|>\n"
     "Hello</s>\n"
     "<|assistant|>\n"},
    {zephyr, ALL,
     "<|system|>\n"
     " Be brief. </s>\n"
     "<|user|>\n"
     " Hi\n"
     "</s>\n"
     "<|assistant|>\n"
     "\n"
     "Hello! </s>\n"
     "<|user|>\n"
     "x {{ z }}</s>\n"
     "<|assistant|>\n"},
    {mistral, FIRST_ONLY, "<s>[INST] Hello [/INST]"},
    {mistral, NO_SYSTEM,
     "<s>[INST]  Hi\n"
     " [/INST]\n"
     "Hello! </s>[INST] x {{ z }} [/INST]"},
    {mistral3, FIRST_ONLY, "<s>[INST] Hello[/INST]"},
    {mistral3, ALL,
     "<s>[INST]  Hi\n"
     "[/INST] Hello!</s>[INST]  Be brief. \n"
     "\n"
     "x {{ z }}[/INST]"},
};

#endif
