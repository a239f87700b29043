#include "net/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/base/file.h"
#include "net/base/hex.h"
#include "net/identity_internal.h"

enum { PATH_SIZE = 4096, LARGEST_PEM = 64 << 10, YEARS_VALID = 30, IDENTITY_VERSION = 1 };

/** What a certificate's file begins with, before its PEM: readers of PEM skip it. */
static const char VERSION_LINE[] = "trefoil identity, version ";

static const char KEY_FILE[] = "key.pem", CERTIFICATE_FILE[] = "certificate.pem";

/* Making ----------------------------------------------------------------------------------------------------------- */

/** A certificate that says nothing but a name, signed with its own key. Its dates are not looked at by anyone. */
static X509 *self_signed(EVP_PKEY *key, const char *name) {
    X509 *certificate = X509_new();
    unsigned char serial[16];
    BIGNUM *number = NULL;
    X509_NAME *subject = certificate ? X509_get_subject_name(certificate) : NULL;
    bool good = subject && RAND_bytes(serial, sizeof serial) == 1;
    if (good) serial[0] &= 0x7f; // positive
    good = good && (number = BN_bin2bn(serial, sizeof serial, NULL)) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) &&
           X509_set_version(certificate, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600L) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), 365 * YEARS_VALID, 0, NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, NULL) > 0;
    BN_free(number);
    if (good) return certificate;
    X509_free(certificate);
    return NULL;
}

static tf_status make(const char *name, tf_identity **out) {
    tf_identity *identity = calloc(1, sizeof *identity);
    if (!identity) return tf_fail(TF_NOMEM, "no memory for an identity");
    identity->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (identity->key) identity->certificate = self_signed(identity->key, name);
    if (!identity->certificate) {
        tf_identity_free(identity);
        return tf_fail(TF_INTERNAL, "OpenSSL could not make an Ed25519 key and certificate");
    }
    tf_status status = tf_certificate_fingerprint(identity->certificate, &identity->fingerprint);
    if (status == TF_OK)
        *out = identity;
    else
        tf_identity_free(identity);
    return status;
}

tf_status tf_identity_make(tf_identity **identity) {
    return make("trefoil party of one run", identity);
}

void tf_identity_free(tf_identity *identity) {
    if (!identity) return;
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
    free(identity);
}

/* Fingerprints ----------------------------------------------------------------------------------------------------- */

tf_status tf_certificate_fingerprint(const X509 *certificate, tf_fingerprint *fingerprint) {
    unsigned length = 0;
    if (X509_digest(certificate, EVP_sha256(), fingerprint->byte, &length) == 1 && length == sizeof fingerprint->byte)
        return TF_OK;
    return tf_fail(TF_INTERNAL, "OpenSSL could not take the SHA-256 of a certificate");
}

tf_fingerprint tf_identity_fingerprint(const tf_identity *identity) {
    return identity->fingerprint;
}

const char *tf_fingerprint_text(const tf_fingerprint *fingerprint, char text[TF_FINGERPRINT_TEXT]) {
    return tf_hex_write(fingerprint->byte, sizeof fingerprint->byte, text);
}

tf_status tf_fingerprint_parse(const char *text, tf_fingerprint *fingerprint) {
    const char *at = text;
    for (size_t i = 0; i < sizeof fingerprint->byte; i++) {
        if (i > 0 && *at == ':') at++;
        at = tf_hex_read(at, &fingerprint->byte[i], 1);
        if (!at) return tf_fail(TF_FORMAT, "a fingerprint is 64 hexadecimal digits, as trefoil fingerprint prints");
    }
    return *at ? tf_fail(TF_FORMAT, "a fingerprint is 64 hexadecimal digits, this is longer") : TF_OK;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

/** Creates a file that must not exist yet and writes what `print` prints. The file is removed again on a failure. */
static tf_status write_new(const char *path, mode_t mode, int (*print)(FILE *, const tf_identity *),
                           const tf_identity *identity) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (descriptor < 0 && errno == EEXIST)
        return tf_fail(TF_IO, "%s: exists already and is not overwritten; choose another directory", path);
    if (descriptor < 0) return tf_fail(TF_IO, "%s: cannot be created: %s", path, strerror(errno));
    FILE *file = fdopen(descriptor, "w");
    if (!file) close(descriptor);
    bool good = file && print(file, identity) == 1 && fflush(file) == 0 && fsync(descriptor) == 0;
    if (file) good &= fclose(file) == 0;
    if (good) return TF_OK;
    unlink(path);
    return tf_fail(TF_IO, "%s: cannot be written: %s", path, strerror(errno));
}

static int print_key(FILE *file, const tf_identity *identity) {
    setvbuf(file, NULL, _IONBF, 0); // no copy of the key in a buffer that nobody wipes
    return PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
}

static int print_certificate(FILE *file, const tf_identity *identity) {
    if (fprintf(file, "%s%d\n", VERSION_LINE, IDENTITY_VERSION) < 0) return 0;
    return PEM_write_X509(file, identity->certificate);
}

tf_status tf_identity_create(const char *directory, int party, tf_fingerprint *fingerprint) {
    char name[64], key[PATH_SIZE], certificate[PATH_SIZE];
    TF_TRY(tf_path_join(directory, KEY_FILE, key, sizeof key));
    TF_TRY(tf_path_join(directory, CERTIFICATE_FILE, certificate, sizeof certificate));
    if (mkdir(directory, 0700) && errno != EEXIST)
        return tf_fail(TF_IO, "%s: cannot be created: %s", directory, strerror(errno));
    snprintf(name, sizeof name, "trefoil party %d", party);
    tf_identity *identity = NULL;
    TF_TRY(make(name, &identity));
    *fingerprint = identity->fingerprint;
    tf_status status = write_new(key, 0600, print_key, identity);
    if (status == TF_OK) {
        status = write_new(certificate, 0644, print_certificate, identity);
        if (status != TF_OK) unlink(key);
    }
    tf_identity_free(identity);
    return status;
}

/** Opens a PEM file for OpenSSL. A private one must be its owner's alone. */
static tf_status open_pem(const char *path, bool private, BIO **out) {
    int descriptor;
    size_t size;
    struct stat info;
    TF_TRY(tf_file_open(path, &descriptor, &size));
    if (private && (fstat(descriptor, &info) || (info.st_mode & 077))) {
        close(descriptor);
        return tf_fail(TF_INVALID, "%s: a private key that others may read is none: chmod 600 it, or make a new one",
                       path);
    }
    *out = size <= LARGEST_PEM ? BIO_new_fd(descriptor, BIO_CLOSE) : NULL;
    if (*out) return TF_OK;
    close(descriptor);
    return tf_fail(TF_FORMAT, "%s: %zu bytes are too many for a PEM file", path, size);
}

/** Refuses identities of another version; those that other tools made tell none. */
static tf_status check_version(const char *path, BIO *file) {
    char line[sizeof VERSION_LINE + 16] = "";
    int version = IDENTITY_VERSION;
    if (BIO_read(file, line, (int)sizeof line - 1) > 0 && !strncmp(line, VERSION_LINE, sizeof VERSION_LINE - 1))
        version = atoi(line + sizeof VERSION_LINE - 1);
    if (version != IDENTITY_VERSION)
        return tf_fail(TF_FORMAT,
                       "%s: an identity of version %d; this trefoil reads version %d: use the trefoil that made it, or "
                       "make another one by trefoil keygen",
                       path, version, IDENTITY_VERSION);
    return BIO_seek(file, 0) < 0 ? tf_fail(TF_IO, "%s: cannot be read", path) : TF_OK;
}

static tf_status read_certificate(const char *path, X509 **certificate) {
    BIO *file;
    TF_TRY(open_pem(path, false, &file));
    tf_status status = check_version(path, file);
    if (status != TF_OK) {
        BIO_free(file);
        return status;
    }
    *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    BIO_free(file);
    return *certificate ? TF_OK : tf_fail(TF_FORMAT, "%s: holds no certificate in PEM form", path);
}

/** Keys with a passphrase are not asked for one: parties start unattended. */
static int no_passphrase(char *buffer, int size, int writing, void *context) {
    return -1;
}

static tf_status read_both(const char *directory, tf_identity *identity) {
    char path[PATH_SIZE];
    BIO *file;
    TF_TRY(tf_path_join(directory, KEY_FILE, path, sizeof path));
    TF_TRY(open_pem(path, true, &file));
    identity->key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    BIO_free(file);
    if (!identity->key) return tf_fail(TF_FORMAT, "%s: holds no private key in PEM form without passphrase", path);
    TF_TRY(tf_path_join(directory, CERTIFICATE_FILE, path, sizeof path));
    TF_TRY(read_certificate(path, &identity->certificate));
    if (X509_check_private_key(identity->certificate, identity->key) != 1)
        return tf_fail(TF_FORMAT, "%s: the certificate does not belong to the key beside it", path);
    return tf_certificate_fingerprint(identity->certificate, &identity->fingerprint);
}

tf_status tf_identity_read(const char *directory, tf_identity **out) {
    tf_identity *identity = calloc(1, sizeof *identity);
    if (!identity) return tf_fail(TF_NOMEM, "no memory for an identity");
    tf_status status = read_both(directory, identity);
    if (status == TF_OK)
        *out = identity;
    else
        tf_identity_free(identity);
    return status;
}

tf_status tf_fingerprint_read(const char *path, tf_fingerprint *fingerprint) {
    char inside[PATH_SIZE];
    struct stat info;
    X509 *certificate;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        TF_TRY(tf_path_join(path, CERTIFICATE_FILE, inside, sizeof inside));
        path = inside;
    }
    TF_TRY(read_certificate(path, &certificate));
    tf_status status = tf_certificate_fingerprint(certificate, fingerprint);
    X509_free(certificate);
    return status;
}
