#include "experiments/app/parties/party_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/generation.h"
#include "net/base/file.h"

enum { FILES = 9, PATH_TEXT = 4096 };

static const struct {
    const char *name;
    unsigned needs;
    size_t limit; /* in bytes, of what is sent and taken */
} files[FILES] = {{"config.json", PARTY_NEEDS_CONFIG, 16 << 20},
                  {TF_RANGES_FILE, PARTY_NEEDS_CONFIG, 16 << 20},
                  {TF_GENERATION_FILE, PARTY_NEEDS_CONFIG, 16 << 20},
                  {"tokenizer.json", PARTY_NEEDS_TOKENIZER, 64 << 20},
                  {"vocab.txt", PARTY_NEEDS_TOKENIZER, 64 << 20},
                  {"chat_template.jinja", PARTY_NEEDS_TOKENIZER, 16 << 20},
                  {"tokenizer_config.json", PARTY_NEEDS_TOKENIZER, 16 << 20},
                  {"added_tokens.json", PARTY_NEEDS_TOKENIZER, 16 << 20},
                  {"special_tokens_map.json", PARTY_NEEDS_TOKENIZER, 16 << 20}};

static const uint64_t absent = UINT64_MAX; /* a length, of a file that the model does not have */

static tf_status transfer(tf_link *link, int peer, bool receive, void *data, uint64_t length) {
    tf_ticket ticket;
    if (receive)
        TF_TRY(tf_link_receive(link, peer, data, length, &ticket));
    else
        TF_TRY(tf_link_send(link, peer, data, length, &ticket));
    return tf_link_wait(link, ticket);
}

static tf_status give_file(tf_link *link, int peer, const model_settings *s, const char *directory, int file) {
    char path[PATH_TEXT], *data = NULL;
    size_t size = 0;
    TF_TRY(tf_path_join(directory, files[file].name, path, sizeof path));
    bool withheld = !s->ranges && !strcmp(files[file].name, TF_RANGES_FILE);
    bool there = !withheld && access(path, F_OK) == 0;
    if (there) TF_TRY(tf_file_read(path, files[file].limit, &data, &size));
    uint64_t length = there ? size : absent;
    tf_status status = transfer(link, peer, false, &length, sizeof length);
    if (status == TF_OK && there) status = transfer(link, peer, false, data, size);
    free(data);
    return status;
}

static tf_status write_file(const char *directory, const char *name, const char *data, size_t size) {
    char path[PATH_TEXT];
    TF_TRY(tf_path_join(directory, name, path, sizeof path));
    FILE *file = fopen(path, "wbx");
    bool good = file && fwrite(data, 1, size, file) == size;
    if (file) good &= fclose(file) == 0;
    return good ? TF_OK : tf_fail(TF_IO, "%s: %s", path, strerror(errno));
}

static tf_status take_file(tf_link *link, int owner, const char *directory, int file) {
    uint64_t length;
    TF_TRY(transfer(link, owner, true, &length, sizeof length));
    if (length == absent) return TF_OK; /* whoever needs it says so when it is opened */
    if (length > files[file].limit)
        return tf_fail(TF_FORMAT, "party %d's %s would be larger than %zu bytes", owner, files[file].name,
                       files[file].limit);
    char *data = malloc(length + 1);
    if (!data) return tf_fail(TF_NOMEM, "no memory for %s", files[file].name);
    tf_status status = transfer(link, owner, true, data, length);
    if (status == TF_OK) status = write_file(directory, files[file].name, data, length);
    free(data);
    return status;
}

/* A directory that only this user can read, for as long as the files are opened. */
static tf_status take_files(tf_link *link, const model_settings *s, int owner, unsigned needs, model_files *model) {
    const char *parent = getenv("TMPDIR");
    char directory[PATH_TEXT];
    int used = snprintf(directory, sizeof directory, "%s/trefoil.XXXXXX", parent && *parent ? parent : "/tmp");
    if (used < 0 || (size_t)used >= sizeof directory || !mkdtemp(directory))
        return tf_fail(TF_IO, "no temporary directory could be made (%s)", directory);
    tf_status status = TF_OK;
    for (int i = 0; i < FILES && status == TF_OK; i++)
        if (needs & files[i].needs) status = take_file(link, owner, directory, i);
    if (status == TF_OK) status = model_open_at(s, directory, model);
    if (status == TF_OK && needs & PARTY_NEEDS_TOKENIZER) status = model_open_tokenizer(model);
    if (status != TF_OK && status != TF_PEER) status = tf_fail_in(status, "party %d's model", owner);
    model->directory = "the model owner's model"; /* for messages: what was taken goes now */
    for (int i = 0; i < FILES; i++) {
        char path[PATH_TEXT + 32];
        snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
        unlink(path);
    }
    rmdir(directory);
    return status;
}

static tf_status exchange(tf_link *link, const model_settings *s, int owner, const char *directory, unsigned needs,
                          model_files *model) {
    unsigned char need = (unsigned char)needs;
    if (tf_link_party(link) != owner) {
        TF_TRY(transfer(link, owner, false, &need, 1));
        return needs ? take_files(link, s, owner, needs, model) : TF_OK;
    }
    for (int peer = 0; peer < TF_PARTIES; peer++) {
        if (peer == owner) continue;
        TF_TRY(transfer(link, peer, true, &need, 1));
        for (int i = 0; i < FILES; i++)
            if (need & files[i].needs) TF_TRY(give_file(link, peer, s, directory, i));
    }
    return TF_OK;
}

tf_status party_files(tf_link *link, const model_settings *s, int owner, const char *directory, unsigned needs,
                      model_files *model) {
    tf_status status = exchange(link, s, owner, directory, needs, model);
    return tf_fail_doing(status, "exchanging config.json");
}
