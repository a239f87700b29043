#include "models/family.h"

#include <string.h>

static const tf_family *const families[] = {&tf_bert_family,       &tf_roberta_family, &tf_distilbert_family,
                                            &tf_electra_family,    &tf_albert_family,  &tf_mpnet_family,
                                            &tf_modernbert_family, &tf_gpt2_family,    &tf_llama_family,
                                            &tf_mistral_family,    &tf_qwen2_family,   &tf_qwen3_family};

enum { FAMILIES = sizeof families / sizeof *families };

const tf_family *tf_family_at(size_t i) {
    return i < FAMILIES ? families[i] : NULL;
}

const tf_family *tf_family_find(const char *model_type) {
    for (size_t i = 0; i < FAMILIES; i++)
        for (const char *const *type = families[i]->model_types; *type; type++)
            if (!strcmp(*type, model_type)) return families[i];
    return NULL;
}

const tf_family *tf_family_of(const tf_config *config) {
    return config->family ? config->family : &tf_bert_family;
}
