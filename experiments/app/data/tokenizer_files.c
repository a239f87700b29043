#include "experiments/app/data/tokenizer_files.h"

#include <unistd.h>

#include "models/chat/chat.h"
#include "net/base/file.h"

enum { PATH_TEXT = 4096 };

const char *const tokenizer_file[TOKENIZER_FILES] = {"tokenizer.json",          "vocab.txt",
                                                     "tokenizer_config.json",   "added_tokens.json",
                                                     "special_tokens_map.json", "chat_template.jinja"};

static bool has_file(const char *directory, const char *name) {
    char path[PATH_TEXT];
    return tf_path_join(directory, name, path, sizeof path) == TF_OK && access(path, F_OK) == 0;
}

tf_status tokenizer_digest(const tf_tokenizer *tokenizer, const char *directory, tf_digest *digest) {
    tf_digest part[2];
    TF_TRY(tf_tokenizer_digest(tokenizer, &part[0]));
    TF_TRY(tf_chat_digest(directory, &part[1]));
    *digest = tf_digest_of(part, sizeof part);
    return TF_OK;
}

tf_status tokenizer_directory_digest(const char *directory, tf_digest *digest) {
    tf_tokenizer *tokenizer;
    *digest = (tf_digest){{0}};
    if (!has_file(directory, "tokenizer.json") && !has_file(directory, "vocab.txt")) return TF_OK;
    TF_TRY(tf_tokenizer_open(directory, &tokenizer));
    tf_status status = tokenizer_digest(tokenizer, directory, digest);
    tf_tokenizer_close(tokenizer);
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
