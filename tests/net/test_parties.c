/** Identities on disk, fingerprints, and the parties file; files may hold anything. */
#define _GNU_SOURCE // nftw
#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/parties.h"

static char directory[] = "/tmp/trefoil-test-XXXXXX", path[200];

static const char *in_directory(const char *name) {
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int drop(const char *name, const struct stat *info, int type, struct FTW *walk) {
    return remove(name);
}
static void make_directory(void) {
    cr_assert_not_null(mkdtemp(directory));
}
static void drop_directory(void) {
    nftw(directory, drop, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(identity, .init = make_directory, .fini = drop_directory);

static void expect_error(tf_status status, tf_status expected, const char *text) {
    cr_expect_eq(status, expected, "%s", tf_error());
    cr_expect(strstr(tf_error(), text), "%s", tf_error());
}

Test(identity, on_disk) {
    tf_fingerprint made, read;
    tf_identity *identity;
    struct stat info;
    umask(0);
    cr_assert_eq(tf_identity_create(in_directory("a"), 1, &made), TF_OK, "%s", tf_error());
    cr_assert_eq(stat(in_directory("a/key.pem"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(stat(in_directory("a"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    cr_assert_eq(tf_identity_read(in_directory("a"), &identity), TF_OK, "%s", tf_error());
    read = tf_identity_fingerprint(identity);
    cr_expect_arr_eq(&made, &read, sizeof made);
    tf_identity_free(identity);
    cr_assert_eq(tf_fingerprint_read(in_directory("a"), &read), TF_OK);
    cr_expect_arr_eq(&made, &read, sizeof made);
    cr_assert_eq(tf_fingerprint_read(in_directory("a/certificate.pem"), &read), TF_OK);
    cr_expect_arr_eq(&made, &read, sizeof made);
    char line[80] = "";
    FILE *file = fopen(path, "r");
    cr_assert(file && fgets(line, sizeof line, file));
    fclose(file);
    cr_expect_str_eq(line, "trefoil identity, version 1\n");

    expect_error(tf_identity_create(in_directory("a"), 1, &read), TF_IO, "key.pem: exists already");
    cr_expect_eq(tf_fingerprint_read(in_directory("a"), &read), TF_OK, "the old one is still there");
    cr_expect_arr_eq(&made, &read, sizeof made);
}

Test(identity, a_key_that_others_may_read_is_refused) {
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0644};
    tf_fingerprint fingerprint;
    tf_identity *identity;
    cr_assert_eq(tf_identity_create(in_directory("a"), 0, &fingerprint), TF_OK);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(in_directory("a/key.pem"), modes[i]), 0);
        expect_error(tf_identity_read(in_directory("a"), &identity), TF_INVALID, "chmod 600");
    }
    cr_assert_eq(chmod(in_directory("a/key.pem"), 0400), 0);
    cr_assert_eq(tf_identity_read(in_directory("a"), &identity), TF_OK);
    tf_identity_free(identity);
}

static void write_file(const char *name, const char *data, size_t size) {
    FILE *file = fopen(in_directory(name), "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    fclose(file);
    cr_assert_eq(chmod(path, 0600), 0);
}

Test(identity, malformed_files) {
    tf_fingerprint fingerprint;
    tf_identity *identity;
    static char big[100000];
    cr_assert_eq(tf_identity_create(in_directory("a"), 0, &fingerprint), TF_OK);
    cr_assert_eq(tf_identity_create(in_directory("b"), 0, &fingerprint), TF_OK);
    expect_error(tf_identity_read(in_directory("none"), &identity), TF_IO, "cannot be opened");
    expect_error(tf_fingerprint_read(in_directory("none"), &fingerprint), TF_IO, "cannot be opened");
    expect_error(tf_fingerprint_read(in_directory("a/key.pem"), &fingerprint), TF_FORMAT, "no certificate");
    char other[200];
    snprintf(other, sizeof other, "%s/a/key.pem", directory);
    cr_assert_eq(rename(in_directory("b/key.pem"), other), 0);
    expect_error(tf_identity_read(in_directory("a"), &identity), TF_FORMAT, "does not belong to the key");
    static const char *const texts[] = {"", "x", "-----BEGIN PRIVATE KEY-----\n",
                                        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                                        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file("a/key.pem", texts[i], strlen(texts[i]));
        expect_error(tf_identity_read(in_directory("a"), &identity), TF_FORMAT, "no private key");
        write_file("b/certificate.pem", texts[i], strlen(texts[i]));
        expect_error(tf_fingerprint_read(in_directory("b"), &fingerprint), TF_FORMAT, "no certificate");
    }
    static const char newer[] = "trefoil identity, version 2\n-----BEGIN CERTIFICATE-----\n";
    write_file("b/certificate.pem", newer, sizeof newer - 1);
    expect_error(tf_fingerprint_read(in_directory("b"), &fingerprint), TF_FORMAT,
                 "an identity of version 2; this trefoil reads version 1");
    write_file("a/key.pem", big, sizeof big);
    expect_error(tf_identity_read(in_directory("a"), &identity), TF_FORMAT, "too many for a PEM file");
    cr_assert_eq(unlink(in_directory("a/key.pem")), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_error(tf_identity_read(in_directory("a"), &identity), TF_IO, "not a regular file");
}

Test(fingerprint, text) {
    tf_fingerprint fingerprint, again;
    char text[TF_FINGERPRINT_TEXT], colons[100] = "";
    for (unsigned i = 0; i < 32; i++) {
        fingerprint.byte[i] = (unsigned char)(i * 37 + 250);
        sprintf(colons + strlen(colons), i ? ":%02X" : "%02X", fingerprint.byte[i]);
    }
    cr_assert_eq(tf_fingerprint_parse(tf_fingerprint_text(&fingerprint, text), &again), TF_OK);
    cr_expect_arr_eq(&fingerprint, &again, sizeof again);
    cr_assert_eq(tf_fingerprint_parse(colons, &again), TF_OK);
    cr_expect_arr_eq(&fingerprint, &again, sizeof again);
    for (size_t length = 0; length < 64; length++) {
        char cut[65];
        snprintf(cut, sizeof cut, "%.*s", (int)length, text);
        cr_expect_eq(tf_fingerprint_parse(cut, &again), TF_FORMAT);
    }
    colons[strlen(colons) + 1] = '\0', colons[strlen(colons)] = 'a';
    cr_expect_eq(tf_fingerprint_parse(colons, &again), TF_FORMAT);
    text[7] = 'g';
    cr_expect_eq(tf_fingerprint_parse(text, &again), TF_FORMAT);
}

/* The parties file ------------------------------------------------------------------------------------------------- */

#define A     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define FIRST "{\"host\": \"models.example\", \"port\": 7300, \"fingerprint\": \"" A "\", \"roles\": [\"model owner\"]}"
#define NEXT  "{\"host\": \"10.0.0.7\", \"port\": 1, \"fingerprint\": \"" B "\", \"roles\": [\"data owner\"]}"
#define LAST  "{\"host\": \"::1\", \"port\": 65535, \"fingerprint\": \"" C "\", \"roles\": []}"

static const char good[] = "{\"parties\": [" FIRST ", " NEXT ", " LAST "]}";

Test(parties, well_formed) {
    tf_parties parties;
    int party;
    cr_assert_eq(tf_parties_parse("p.json", good, strlen(good), &parties), TF_OK, "%s", tf_error());
    cr_expect_str_eq(parties.party[0].host, "models.example");
    cr_expect_str_eq(parties.party[2].host, "::1");
    cr_expect_eq(parties.party[0].port, 7300);
    cr_expect_eq(parties.party[2].port, 65535);
    cr_expect_eq(parties.fingerprint[1].byte[17], 0xbb);
    cr_expect(parties.model_owner == 0 && parties.data_owner == 1);
    cr_expect_eq(tf_parties_find(&parties, &parties.fingerprint[2], -1, &party), TF_OK);
    cr_expect_eq(party, 2);
    cr_expect_eq(tf_parties_find(&parties, &parties.fingerprint[2], 2, &party), TF_OK);
    expect_error(tf_parties_find(&parties, &parties.fingerprint[2], 1, &party), TF_MISMATCH,
                 "it is the key of party 2 ");
    tf_fingerprint other = {{1}};
    expect_error(tf_parties_find(&parties, &other, 1, &party), TF_MISMATCH, "no party has the fingerprint 0100");

    const char both[] = "{\"parties\": [" LAST ",{\"host\":\"h\",\"port\":9,\"fingerprint\":\"" A
                        "\",\"roles\":[\"data owner\",\"model owner\"]},"
                        "{\"host\":\"i\",\"port\":9,\"fingerprint\":\"" B "\",\"roles\":[]}]}";
    cr_assert_eq(tf_parties_parse("p.json", both, strlen(both), &parties), TF_OK, "%s", tf_error());
    cr_expect(parties.model_owner == 1 && parties.data_owner == 1);

    const char none[] = "{\"parties\": [" LAST ",{\"host\":\"h\",\"port\":9,\"fingerprint\":\"" A "\",\"roles\":[]},"
                        "{\"host\":\"i\",\"port\":9,\"fingerprint\":\"" B "\",\"roles\":[]}]}";
    cr_assert_eq(tf_parties_parse("p.json", none, strlen(none), &parties), TF_OK, "%s", tf_error());
    cr_expect(parties.model_owner == -1 && parties.data_owner == -1);
}

/** Replaces `from` in the good file, once. */
static void expect_refused(const char *from, const char *to, const char *message) {
    char text[2000];
    tf_parties parties;
    const char *at = strstr(good, from);
    cr_assert_not_null(at, "%s", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    cr_expect_eq(tf_parties_parse("p.json", text, strlen(text), &parties), TF_FORMAT, "%s", text);
    cr_expect(strstr(tf_error(), "p.json: ") && strstr(tf_error(), message), "%s gives %s", to, tf_error());
}

Test(parties, malformed) {
    expect_refused("{\"parties\": [", "[[", "");
    expect_refused("\"parties\"", "\"Parties\"", "a list of three objects");
    expect_refused("{\"parties\"", "{\"more\": 1, \"parties\"", "and nothing else");
    expect_refused(", " LAST, "", "a list of three objects");
    expect_refused(LAST, LAST ", " LAST, "a list of three objects");
    expect_refused(LAST, "7", "party 2 is not an object");
    expect_refused("models.example", "", "\"host\" of party 0");
    expect_refused("models.example", "a b", "\"host\" of party 0");
    expect_refused("models.example", "a\\nb", "\"host\" of party 0");
    expect_refused("models.example", "a\\u0000b", "");
    expect_refused("\"models.example\"", "7", "\"host\" of party 0");
    expect_refused("\"host\": \"models.example\", ", "", "\"host\" of party 0");
    char host[400];
    memset(host, 'a', sizeof host);
    host[254] = '\0';
    expect_refused("models.example", host, "\"host\" of party 0");
    expect_refused("7300", "0", "\"port\" of party 0");
    expect_refused("7300", "65536", "\"port\" of party 0");
    expect_refused("7300", "-1", "\"port\" of party 0");
    expect_refused("7300", "7300.5", "\"port\" of party 0");
    expect_refused("7300", "\"7300\"", "\"port\" of party 0");
    expect_refused(B, "bbbb", "\"fingerprint\" of party 1");
    expect_refused(B, B "b", "\"fingerprint\" of party 1");
    expect_refused("\"" B "\"", "null", "\"fingerprint\" of party 1");
    expect_refused(B, A, "parties 0 and 1 have the same fingerprint");
    expect_refused("[\"data owner\"]", "[\"model owner\"]", "parties 0 and 1 are both called model owner");
    expect_refused("[\"data owner\"]", "[\"owner\"]", "\"roles\" of party 1");
    expect_refused("[\"data owner\"]", "[7]", "\"roles\" of party 1");
    expect_refused("[\"data owner\"]", "\"data owner\"", "\"roles\" of party 1");
    expect_refused("\"port\": 1,", "\"port\": 1, \"Port\": 1,", "unknown member \"Port\"");
    expect_refused("\"port\": 1,", "\"port\": 1, \"a\\u001bb\": 1,", "party 1 has an unknown member");
    expect_refused("\"port\": 1,", "\"port\": 1, \"port\": 1,", "");
}

/** Cut anywhere, and with any one byte changed: refused or understood, never more. */
Test(parties, hostile) {
    tf_parties parties;
    char text[sizeof good];
    for (size_t length = 0; length < sizeof good - 1; length++)
        cr_expect_eq(tf_parties_parse("p.json", good, length, &parties), TF_FORMAT);
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int value = 0; value < 256; value += 3) {
            memcpy(text, good, sizeof good);
            text[at] = (char)value;
            tf_status status = tf_parties_parse("p.json", text, sizeof good - 1, &parties);
            cr_assert(status == TF_OK || status == TF_FORMAT);
            for (const char *c = tf_error(); *c; c++) cr_assert((unsigned char)*c >= ' ');
        }
}
