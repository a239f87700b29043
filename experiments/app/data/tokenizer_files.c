#include "experiments/app/data/tokenizer_files.h"

#include <stdlib.h>
#include <unistd.h>

#include "net/base/file.h"

enum { PATH_TEXT = 4096, LARGEST = 64 << 20 };

const char *const tokenizer_file[TOKENIZER_FILES] = {"tokenizer.json",          "vocab.txt",
                                                     "tokenizer_config.json",   "added_tokens.json",
                                                     "special_tokens_map.json", "chat_template.jinja"};

/* Names and lengths keep the files apart. */
static tf_status add_file(tf_hash *hash, const char *directory, const char *name, bool *there) {
    char path[PATH_TEXT], *data;
    size_t size;
    TF_TRY(tf_path_join(directory, name, path, sizeof path));
    *there = access(path, F_OK) == 0;
    if (!*there) return TF_OK;
    TF_TRY(tf_file_read(path, LARGEST, &data, &size));
    uint64_t length = size;
    tf_hash_add_text(hash, name);
    tf_hash_add(hash, &length, sizeof length);
    tf_hash_add(hash, data, size);
    free(data);
    return TF_OK;
}

tf_status tokenizer_files_digest(const char *directory, tf_digest *digest) {
    tf_hash hash;
    tf_status status = TF_OK;
    bool any = false;
    tf_hash_begin(&hash);
    for (int i = 0; i < TOKENIZER_FILES && status == TF_OK; i++) {
        bool there;
        status = add_file(&hash, directory, tokenizer_file[i], &there);
        any |= status == TF_OK && there && i < 2; /* without either of the first two it is no tokenizer */
    }
    *digest = (tf_digest){{0}};
    if (status == TF_OK && any) return tf_hash_end(&hash, digest);
    tf_hash_abandon(&hash);
    return status;
}

tf_status tokenizer_pin_check(const tokenizer_pin *pin, const char *directory, const tf_digest *digest) {
    tf_digest wanted;
    char found[TF_DIGEST_TEXT];
    if (!pin->digest) return TF_OK;
    if (!tf_digest_parse(pin->digest, &wanted))
        return tf_fail(TF_INVALID, "--tokenizer-digest %.80s: 64 hexadecimal digits are expected", pin->digest);
    if (tf_digest_equal(&wanted, digest)) return TF_OK;
    return tf_fail(TF_MISMATCH,
                   "%s: the tokenizer has the digest %s, not that of --tokenizer-digest: it is another one", directory,
                   tf_digest_text(digest, found));
}
