#include "experiments/app/report/models_report.h"

#include <stdio.h>
#include <string.h>

#include "experiments/app/log/terminal.h"
#include "models/activation.h"
#include "models/family.h"

static const struct {
    tf_head head;
    const char *name, *what;
} heads[] = {
    {TF_HEAD_CLASSIFIER, "classifier", "labels or values of a text or a pair (`infer`, `eval`)"},
    {TF_HEAD_TOKENS, "tokens", "entities (`infer --aggregation`)"},
    {TF_HEAD_SPAN, "span", "answers in a context (`infer --top`)"},
    {TF_HEAD_MASKED, "masked", "words for masks (`infer --fill-mask`); otherwise embeddings"},
    {TF_HEAD_EMBEDDING, "embedding", "embeddings (`embed`, `similarity`, `infer`)"},
    {TF_HEAD_CAUSAL, "causal", "texts (`generate`)"},
};

enum { HEADS = sizeof heads / sizeof *heads };

static const char *head_name(tf_head head) {
    int i = 0;
    while (i < HEADS - 1 && heads[i].head != head) i++;
    return heads[i].name;
}

static json_t *json_strings(const char *const *list) {
    json_t *out = json_array();
    for (; *list; list++) json_array_append_new(out, json_string(*list));
    return out;
}

static json_t *json_family(const tf_family *f) {
    json_t *architectures = json_object(), *only = json_object();
    for (const struct tf_family_head *h = f->heads; h->architecture; h++)
        json_object_set_new(architectures, h->architecture, json_string(head_name(h->head)));
    for (const tf_json_only *o = f->only; o && o->key; o++) json_object_set_new(only, o->key, json_string(o->value));
    return json_pack("{s:s,s:o,s:o,s:o,s:s}", "family", f->name, "model_types", json_strings(f->model_types),
                     "architectures", architectures, "only", only, "tried", f->tried);
}

static void print_family(const tf_family *f) {
    printf("| ");
    for (const char *const *type = f->model_types; *type; type++)
        printf("%s`%s`", type == f->model_types ? "" : ", ", *type);
    printf(" | ");
    for (const struct tf_family_head *h = f->heads; h->architecture; h++)
        printf("%s`%s`", h == f->heads ? "" : ", ", h->architecture);
    printf(" | ");
    for (const tf_json_only *o = f->only; o && o->key; o++)
        printf("%s`%s` other than %s", o == f->only ? "" : ", ", o->key, o->value);
    printf(" | %s |\n", f->tried);
}

static void print_activations(void) {
    printf("\nActivations (`hidden_act`, GPT-2's `activation_function`):");
    for (int i = 0; tf_activation_at(i); i++) printf("%s `%s`", i ? "," : "", tf_activation_at(i)->name);
    printf("; a family may have fewer.\n");
}

static const char introduction[] =
    "# Models\n\nMade by `trefoil models` from the library's own lists. A directory of Hugging Face runs when the "
    "`model_type` of its `config.json`\nis one of these, and `architectures` names one of these or is missing, which "
    "means the encoder alone. All else is refused, with\nthe file and the key: nothing is ignored that would change "
    "a result.\n\n";

static const char rest[] =
    "\nWhere a head reads each text's first token alone (classifiers, embeddings pooled by it; not MPNet's, whose keys "
    "have\nbiases by distance, nor ModernBERT's where its last layer looks at near tokens), the last layer computes "
    "that "
    "token's\nrow alone once keys and values of all are there: BERT-base as a classifier, 128 tokens, takes 0.96 GB in "
    "place of 1.04.\n"
    "\n## What else a directory holds\n\n"
    "- **Weights**: `model.safetensors`, or shards with their index; F64, F32, F16, BF16. `pytorch_model.bin` is "
    "converted first, by\n  `experiments/convert/pytorch.py`, which executes nothing of it.\n"
    "- **Tokenizer**: `tokenizer.json` with WordPiece, byte-pair encoding or Unigram, or BERT's `vocab.txt`. Steps "
    "that are not known\n  are refused when it is opened.\n"
    "- **sentence-transformers**: `modules.json` with Transformer, Pooling (all modes, one of them), Dense and "
    "Normalize in this order;\n  `max_seq_length`. A `default_prompt_name` is refused: prompts are part of the "
    "text.\n"
    "- **Other keys of `config.json`**: what only training and defaults of generation look at is left alone. What is "
    "known to make\n  another network of a model, or has a name of that kind (a quantisation, rotary or relative "
    "positions, scales of attention,\n  experts, windows, an unknown `..._type`), is refused, unless it is null, false "
    "or empty. Of all others a warning lists the\n  names.\n"
    "- **Refused everywhere**: a Git LFS pointer in place of a file, tensors of a shape other "
    "than the configuration's,\n  a tokenizer with more words than `vocab_size`.\n";

/* For a terminal: a family at a time, in lines of its width -------------------------------------------------------- */

enum { TITLES = 16, LONGEST = 4096 };

/* Markdown's text without its marks, paragraph by paragraph; a line that begins with a blank goes on. */
static void print_plainly(const char *markdown) {
    char plain[LONGEST];
    size_t used = 0;
    for (const char *at = markdown; *at; at++) {
        bool goes_on = *at == '\n' && at[1] && at[1] != '\n' && at[1] != '-' && at[1] != '#' && used;
        if (*at == '\n' && !goes_on) {
            plain[used] = '\0';
            print_words(stdout, plain, 0, plain[0] == '-' ? 2 : 0, report_columns());
            used = 0;
        } else if (goes_on || *at == ' ') {
            if (used && plain[used - 1] != ' ') plain[used++] = ' ';
        } else if (*at != '`' && *at != '*' && (*at != '#' || used) && used + 2 < sizeof plain) {
            plain[used++] = *at;
        }
    }
}

static void print_titled(const char *title, const char *words) {
    printf("  %-*s", TITLES - 2, title);
    print_words(stdout, words, TITLES, TITLES, report_columns());
}

static void join(char out[LONGEST], const char *separator, const char *word) {
    size_t used = strlen(out);
    snprintf(out + used, LONGEST - used, "%s%s", used ? separator : "", word);
}

static void print_for_people(const tf_family *f) {
    char types[LONGEST] = "", architectures[LONGEST] = "", refused[LONGEST] = "";
    for (const char *const *type = f->model_types; *type; type++) join(types, ", ", *type);
    for (const struct tf_family_head *h = f->heads; h->architecture; h++) {
        join(architectures, ", ", h->architecture);
        join(architectures, " ", "(");
        strcat(strcat(architectures, head_name(h->head)), ")");
    }
    for (const tf_json_only *o = f->only; o && o->key; o++) {
        join(refused, ", ", o->key);
        join(refused, " other than ", o->value);
    }
    printf("%s\n", f->name);
    print_titled("model_type", types);
    print_titled("architectures", architectures);
    if (refused[0]) print_titled("refused", refused);
    print_titled("compared", f->tried);
}

static void print_all_for_people(void) {
    char activations[LONGEST] = "";
    print_plainly(introduction + strcspn(introduction, "\n") + 2);
    for (size_t i = 0; tf_family_at(i); i++) print_for_people(tf_family_at(i));
    for (int i = 0; tf_activation_at(i); i++) join(activations, ", ", tf_activation_at(i)->name);
    puts("");
    print_titled("activations", activations);
    for (int i = 0; i < HEADS; i++) {
        char what[LONGEST] = "";
        for (const char *c = heads[i].what; *c; c++)
            if (*c != '`') strncat(what, c, 1);
        print_titled(heads[i].name, what);
    }
    print_plainly(rest);
}

tf_status models_report(const report_form *form) {
    if (form->json) {
        json_t *list = json_array();
        for (size_t i = 0; tf_family_at(i); i++) json_array_append_new(list, json_family(tf_family_at(i)));
        return form_print(form, json_pack("{s:o}", "families", list));
    }
    if (terminal_known()) {
        print_all_for_people();
        return finish_output();
    }
    fputs(introduction, stdout);
    puts("| `model_type` | `architectures` | refused | compared |\n|---|---|---|---|");
    for (size_t i = 0; tf_family_at(i); i++) print_family(tf_family_at(i));
    print_activations();
    puts("\n## What comes out\n\n| head | what |\n|---|---|");
    for (int i = 0; i < HEADS; i++) {
        printf("| %s: ", heads[i].name);
        const char *separator = "";
        for (size_t k = 0; tf_family_at(k); k++)
            for (const struct tf_family_head *h = tf_family_at(k)->heads; h->architecture; h++)
                if (h->head == heads[i].head) {
                    printf("%s`%s`", separator, tf_family_at(k)->name);
                    separator = ", ";
                    break;
                }
        printf(" | %s |\n", heads[i].what);
    }
    fputs(rest, stdout);
    return finish_output();
}
