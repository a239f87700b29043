/* Files with random damage: every reader must give a status, whatever it is, and stay within its memory. */
#include <unistd.h>

#include "models/model.h"
#include "tests/support/scratch.h"

TestSuite(hostile, .init = scratch_make, .fini = scratch_remove);

enum { ROUNDS = 20000, MAX_BYTES = 4096 };

static uint64_t state = 88172645463325252u;

static size_t below(size_t n) {
    return random_next(&state) % n;
}

/* Damages some bytes; the result is not longer than MAX_BYTES. Digits and brackets reach deeper than plain noise. */
static size_t damage(char *bytes, size_t size) {
    static const char telling[] = "{}[]\":,0123456789-.eE\\\x80\xff #tfnu";
    for (size_t edits = 1 + below(4); edits > 0; edits--) {
        size_t at = below(size + 1), length = below(8), from = below(size + 1);
        switch (below(6)) {
        case 0: /* another byte */
            if (at < size) bytes[at] = (char)random_next(&state);
            break;
        case 1:
            if (at < size) bytes[at] = telling[below(sizeof telling - 1)];
            break;
        case 2: /* cut out */
            if (length > size - at) length = size - at;
            memmove(bytes + at, bytes + at + length, size - at - length);
            size -= length;
            break;
        case 3: /* put in */
            if (size + length > MAX_BYTES) break;
            memmove(bytes + at + length, bytes + at, size - at);
            for (size_t i = 0; i < length; i++) bytes[at + i] = telling[below(sizeof telling - 1)];
            size += length;
            break;
        case 4: /* copied from elsewhere */
            length = below(64);
            if (at + length > size || from + length > size) break;
            memmove(bytes + at, bytes + from, length);
            break;
        default: /* truncated, now and then */
            if (below(8) == 0) size = at;
        }
    }
    return size;
}

/* Writes damaged variants of `bytes` to a file and reads them; returns how many were read without complaint. */
static size_t run(const char *name, const char *bytes, size_t size, bool (*read)(void)) {
    static char copy[MAX_BYTES];
    size_t good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(copy, bytes, size);
        scratch_write(name, copy, i ? damage(copy, size) : size);
        good += read();
    }
    return good;
}

static bool read_safetensors(void) {
    tf_safetensors *file;
    if (tf_safetensors_open(scratch, &file)) return false;
    float sum = 0;
    for (size_t i = 0; i < tf_safetensors_count(file); i++) {
        const char *name = tf_safetensors_name(file, i);
        const float *data;
        tf_shape shape;
        if (tf_safetensors_shape(file, name, &shape) || tf_safetensors_floats(file, name, shape, 1e9, &data)) continue;
        for (size_t j = 0; j < tf_shape_count(shape); j++) sum += data[j];
    }
    tf_safetensors_close(file);
    return sum == sum;
}

Test(hostile, safetensors) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"bert.a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[24,40]},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[40,42]}} ";
    char bytes[8 + sizeof header - 1 + 42] = {(char)(sizeof header - 1)};
    memcpy(bytes + 8, header, sizeof header - 1);
    size_t good = run("model.safetensors", bytes, sizeof bytes, read_safetensors);
    cr_assert(good > 100 && good < ROUNDS - 100, "%zu of %d were read", good, ROUNDS);
}

static bool read_config(void) {
    tf_config config;
    if (tf_config_read(scratch, &config)) return false;
    bool sane = config.hidden && config.heads && config.hidden % config.heads == 0 && config.layers &&
                (size_t)config.pad_token < config.vocabulary;
    for (size_t i = 0; config.label && i < config.labels; i++) sane = sane && config.label[i];
    cr_assert(sane);
    tf_config_free(&config);
    return true;
}

Test(hostile, config) {
    static const char json[] =
        "{\"architectures\":[\"BertForSequenceClassification\"],\"model_type\":\"bert\",\"hidden_act\":\"gelu\","
        "\"hidden_size\":128,\"intermediate_size\":512,\"num_hidden_layers\":2,\"num_attention_heads\":2,"
        "\"max_position_embeddings\":512,\"type_vocab_size\":2,\"vocab_size\":30522,\"layer_norm_eps\":1e-12,"
        "\"pad_token_id\":0,\"id2label\":{\"0\":\"negative\",\"1\":\"positive\"},\"trefoil_approx\":"
        "\"paper,layernorm@1=exact\"}";
    size_t good = run("config.json", json, sizeof json - 1, read_config);
    cr_assert(good > 100 && good < ROUNDS - 100, "%zu of %d were read", good, ROUNDS);
}

static bool read_tokenizer(void) {
    static const char text[] = "He said: \xc3\xa9llo [MASK] \xe6\x97\xa5hello <x> y";
    tf_tokenizer *tokenizer;
    if (tf_tokenizer_open(scratch, &tokenizer)) return false;
    int32_t *ids, *types;
    size_t count;
    if (!tf_tokenize(tokenizer, text, sizeof text - 1, text, 9, 16, true, &ids, &types, &count)) {
        cr_assert_leq(count, 16);
        for (size_t i = 0; i < count; i++)
            cr_assert(ids[i] >= 0 && (size_t)ids[i] < tf_tokenizer_vocabulary(tokenizer));
        free(ids), free(types);
    }
    tf_tokenizer_close(tokenizer);
    return true;
}

Test(hostile, tokenizer_json) {
    static const char json[] =
        "{\"added_tokens\":[{\"id\":4,\"content\":\"[MASK]\",\"special\":true,\"lstrip\":true},{\"id\":14,\"content\":"
        "\"<x>\",\"special\":false,\"rstrip\":true,\"single_word\":true}],\"normalizer\":{\"type\":\"BertNormalizer\","
        "\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
        "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":"
        "[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
        "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,"
        "\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"he\":5,\"##l\":6,\"##lo\":7,\"said\":8,\":\":9,\"e\":10,\"##o\":11,"
        "\"\xe6\x97\xa5\":12,\"y\":13}}}";
    size_t good = run("tokenizer.json", json, sizeof json - 1, read_tokenizer);
    cr_assert(good > 100 && good < ROUNDS - 100, "%zu of %d were read", good, ROUNDS);
}

Test(hostile, vocab_txt) {
    static const char text[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n##l\n##lo\nsaid\n:\ne\n##o\n\xe6\x97\xa5\ny\n";
    size_t good = run("vocab.txt", text, sizeof text - 1, read_tokenizer);
    cr_assert(good > 100 && good < ROUNDS - 100, "%zu of %d were read", good, ROUNDS);
}

/* Texts of random bytes, and of random characters. */
Test(hostile, texts) {
    scratch_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n##b\n,\n");
    tf_tokenizer *tokenizer;
    works(tf_tokenizer_open(scratch, &tokenizer));
    size_t good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char text[64];
        size_t length = below(sizeof text);
        for (size_t j = 0; j < length; j++)
            text[j] = i % 2 ? (char)random_next(&state) : "ab,[MASK] \xcc\x81\xe6\x97\xa5"[below(15)];
        int32_t *ids, *types;
        size_t count;
        tf_status status = tf_tokenize(tokenizer, text, length, NULL, 0, 0, false, &ids, &types, &count);
        cr_assert(status == TF_OK || status == TF_FORMAT);
        if (status != TF_OK) continue;
        good++;
        cr_assert(ids[0] == 2 && ids[count - 1] == 3 && count <= length + 2);
        free(ids), free(types);
    }
    cr_assert(good > 100 && good < ROUNDS - 100, "%zu of %d were read", good, ROUNDS);
    tf_tokenizer_close(tokenizer);
}
