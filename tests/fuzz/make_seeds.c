/* make_seeds DIRECTORY: writes the seeds that are no text into DIRECTORY/<target>/, which must be there. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/session.h"
#include "tests/fuzz/shares.h"

static const char *directory;

static const char *path_of(const char *target, const char *name, int number) {
    static char path[4][4096];
    static unsigned used;
    char *out = path[used++ % 4];
    snprintf(out, sizeof path[0], "%s/%s/%s%d", directory, target, name, number);
    return out;
}

static void works(tf_status status) {
    fuzz_require(status == TF_OK, tf_error());
}

static void safetensors(void) {
    static const float data[6] = {0, 1, -2.5f, 1e-8f, 3e8f, -0.0f};
    tf_tensor_source tensor[2] = {{.name = "a.weight", .shape = tf_dims(2, 3), .data = data},
                                  {.name = "bert.b", .shape = tf_dims(3), .data = data}};
    works(tf_safetensors_write(path_of("safetensors", "float", 0), tensor, 2));
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},\"h\":{\"dtype\":\"F16\",\"shape\":[2],"
                                 "\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],"
                                 "\"data_offsets\":[4,8]},\"i\":{\"dtype\":\"I64\",\"shape\":[],"
                                 "\"data_offsets\":[8,16]}}";
    FILE *file = fopen(path_of("safetensors", "half", 0), "wb");
    fuzz_require(file != NULL, "a seed cannot be written");
    uint64_t size = htole64(sizeof header - 1);
    fwrite(&size, sizeof size, 1, file);
    fwrite(header, 1, sizeof header - 1, file);
    fwrite("\x00\x3c\x01\x80\x80\x3f\x01\x00\1\2\3\4\5\6\7\10", 1, 16, file);
    fclose(file);
}

/** Puts the byte of choices before a share file. */
static void choose(const char *path) {
    static char bytes[1 << 16];
    FILE *file = fopen(path, "rb");
    fuzz_require(file != NULL, "a seed cannot be read");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    file = fopen(path, "wb");
    fuzz_require(file != NULL, "a seed cannot be written");
    fputc(FIX_DIGEST | FIX_LENGTH, file);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static void weights(int party, const char *path) {
    static const uint8_t data[SHARES_ROWS * SHARES_COLUMNS * SHARES_BITS / 8] = {1, 2, 3};
    unsigned char key[TF_KEY_BYTES] = {9};
    const unsigned char *seed[3] = {key, key, key};
    tf_digest architecture;
    tf_share_writer *writer;
    char text[TF_DIGEST_TEXT];
    works(tf_architecture_digest(&shares_config, &architecture));
    tf_digest_text(&architecture, text);
    works(tf_share_create(path, "weights", party, &(tf_digest){{5}}, seed, &writer));
    works(tf_share_add(writer, "w", tf_dims(SHARES_ROWS, SHARES_COLUMNS), SHARES_FRAC, SHARES_BITS, true));
    works(tf_share_write(writer, data, sizeof data));
    works(tf_share_add(writer, "b", tf_dims(SHARES_COLUMNS), SHARES_FRAC, SHARES_BITS, false));
    works(tf_share_fact(writer, "architecture", json_string(text)));
    works(tf_share_fact(writer, "fraction_bits", json_integer(SHARES_FRAC)));
    works(tf_share_finish(writer));
    tf_share_abandon(writer);
}

static void shares(void) {
    static const size_t lengths[2] = {3, 2}, order[2] = {1, 0};
    static const int32_t ids[6] = {1, 10, 2, 1, 2, 0}, types[6] = {0, 1, 1, 0, 0, 0};
    const tf_batch batch = {.texts = 2, .length = 3, .lengths = lengths, .ids = ids, .types = types, .pairs = true};
    const char *path[TF_PARTIES];
    for (int p = 0; p < TF_PARTIES; p++) path[p] = path_of("shares", "texts", p);
    works(tf_share_texts_write(path, &shares_config, &batch, 1, order, 2));
    for (int p = 0; p < TF_PARTIES; p++) {
        choose(path[p]);
        weights(p, path_of("shares", "weights", p));
        choose(path_of("shares", "weights", p));
        works(shares_results(path_of("shares", "results", p), p));
        choose(path_of("shares", "results", p));
    }
}

/** Frames as the target reads them: choices, the length, and the first flight of a client; or choices alone. */
static void handshake(void) {
    tf_identity *identity;
    unsigned char flight[4096];
    works(tf_identity_make(&identity));
    SSL *tls = fuzz_tls(identity, 1);
    (void)SSL_do_handshake(tls);
    int size = BIO_read(SSL_get_wbio(tls), flight, sizeof flight);
    fuzz_require(size > 0, "TLS says nothing");
    for (int how = 0; how < 6; how++) {
        FILE *file = fopen(path_of("handshake", "flight", how), "wb");
        fuzz_require(file != NULL, "a seed cannot be written");
        fputc(how, file);
        for (int frame = 0; frame < 2; frame++) {
            unsigned char head[3] = {0, (unsigned char)(size >> 8), (unsigned char)size};
            fwrite(head, 1, sizeof head, file);
            fwrite(flight, 1, (size_t)size, file);
        }
        fclose(file);
    }
    for (int how = 0; how < 6; how++) { /* two honest peers, five rounds, and in the last ones no change or some */
        FILE *file = fopen(path_of("handshake", "honest", how), "wb");
        fuzz_require(file != NULL, "a seed cannot be written");
        fputc(how, file);
        for (int frame = 0; frame < 10; frame++) fwrite(frame < 6 ? "\x10\0" : "\x30\0", 1, 2, file);
        fclose(file);
    }
    SSL_free(tls);
    tf_identity_free(identity);
}

static void records(void) {
    static const unsigned char seed[][8] = {{0, 0, 1, 0, 0, 9, 1, 0}, {0, 1, 0, 5, 1, 2, 3, 4}, {1}, {0, 0x22, 2, 0}};
    for (int i = 0; i < 4; i++) {
        FILE *file = fopen(path_of("records", "record", i), "wb");
        fuzz_require(file != NULL, "a seed cannot be written");
        fwrite(seed[i], 1, i == 2 ? 1 : sizeof seed[i], file);
        fclose(file);
    }
}

int main(int argc, char **argv) {
    fuzz_require(argc == 2, "usage: make_seeds DIRECTORY");
    directory = argv[1];
    safetensors();
    shares();
    handshake();
    records();
    return 0;
}
