#include "net/parties.h"

#include <stdio.h>
#include <string.h>

#include "net/base/file.h"

enum { LARGEST_FILE = 64 << 10 };

/** Where something stands, for messages. */
typedef struct place {
    const char *where;
    int party;
} place;

static tf_status malformed(const place *at, const char *member, const char *wanted) {
    return tf_fail(TF_FORMAT, "%s: \"%s\" of party %d is missing or not %s", at->where, member, at->party, wanted);
}

/** A string without blanks or control characters, NULL where there is none. */
static const char *word(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));
    return text && *text && tf_printable(text) && !strchr(text, ' ') ? text : NULL;
}

static tf_status check_members(const place *at, const json_t *object) {
    static const char *const known[] = {"host", "port", "fingerprint", "roles"};
    enum { KNOWN = sizeof known / sizeof *known };
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)object, member, value) {
        size_t i = 0;
        while (i < KNOWN && strcmp(member, known[i])) i++;
        if (i == KNOWN && tf_printable(member))
            return tf_fail(TF_FORMAT, "%s: party %d has an unknown member \"%.40s\"", at->where, at->party, member);
        if (i == KNOWN) return tf_fail(TF_FORMAT, "%s: party %d has an unknown member", at->where, at->party);
    }
    return TF_OK;
}

static tf_status read_role(const place *at, const json_t *role, tf_parties *parties) {
    const char *name = json_string_value(role);
    int *owner = !name                              ? NULL
                 : strcmp(name, "model owner") == 0 ? &parties->model_owner
                 : strcmp(name, "data owner") == 0  ? &parties->data_owner
                                                    : NULL;
    if (!owner) return malformed(at, "roles", "a list of \"model owner\" and \"data owner\" (it may be empty)");
    if (*owner >= 0)
        return tf_fail(TF_FORMAT, "%s: parties %d and %d are both called %s", at->where, *owner, at->party, name);
    *owner = at->party;
    return TF_OK;
}

static tf_status read_party(const place *at, const json_t *object, tf_parties *parties) {
    if (!json_is_object(object)) return tf_fail(TF_FORMAT, "%s: party %d is not an object", at->where, at->party);
    TF_TRY(check_members(at, object));
    struct tf_party_entry *entry = &parties->party[at->party];
    const char *host = word(object, "host"), *fingerprint = word(object, "fingerprint");
    if (!host || strlen(host) >= sizeof entry->host) return malformed(at, "host", "the name or address of a host");
    snprintf(entry->host, sizeof entry->host, "%s", host);

    json_int_t port = json_integer_value(json_object_get(object, "port"));
    if (port < 1 || port > UINT16_MAX) return malformed(at, "port", "a whole number from 1 to 65535");
    entry->port = (uint16_t)port;

    if (!fingerprint || tf_fingerprint_parse(fingerprint, &parties->fingerprint[at->party]) != TF_OK)
        return malformed(at, "fingerprint", "64 hexadecimal digits, as trefoil fingerprint prints");
    for (int other = 0; other < at->party; other++)
        if (memcmp(&parties->fingerprint[other], &parties->fingerprint[at->party], sizeof(tf_fingerprint)) == 0)
            return tf_fail(TF_FORMAT, "%s: parties %d and %d have the same fingerprint", at->where, other, at->party);

    const json_t *roles = json_object_get(object, "roles");
    if (!json_is_array(roles)) return malformed(at, "roles", "a list");
    for (size_t i = 0; i < json_array_size(roles); i++) TF_TRY(read_role(at, json_array_get(roles, i), parties));
    return TF_OK;
}

static tf_status read_root(const char *where, const json_t *root, tf_parties *parties) {
    const json_t *list = json_object_get(root, "parties");
    if (!json_is_array(list) || json_array_size(list) != TF_PARTIES || json_object_size(root) != 1)
        return tf_fail(TF_FORMAT, "%s: should hold \"parties\", a list of three objects, and nothing else", where);
    *parties = (tf_parties){.model_owner = -1, .data_owner = -1};
    for (int party = 0; party < TF_PARTIES; party++)
        TF_TRY(read_party(&(place){where, party}, json_array_get(list, (size_t)party), parties));
    return TF_OK;
}

tf_status tf_parties_parse(const char *where, const char *data, size_t size, tf_parties *parties) {
    json_t *root;
    TF_TRY(tf_json_parse(where, data, size, &root));
    tf_status status = read_root(where, root, parties);
    json_decref(root);
    return status;
}

tf_status tf_parties_read(const char *path, tf_parties *parties) {
    json_t *root;
    TF_TRY(tf_json_read(path, LARGEST_FILE, &root));
    tf_status status = read_root(path, root, parties);
    json_decref(root);
    return status;
}

tf_status tf_parties_find(const tf_parties *parties, const tf_fingerprint *fingerprint, int expected, int *party) {
    char text[TF_FINGERPRINT_TEXT], wanted[TF_FINGERPRINT_TEXT];
    tf_fingerprint_text(fingerprint, text);
    *party = 0;
    while (*party < TF_PARTIES && memcmp(fingerprint, &parties->fingerprint[*party], sizeof *fingerprint)) ++*party;
    if (*party == TF_PARTIES) return tf_fail(TF_MISMATCH, "no party has the fingerprint %s in the parties file", text);
    if (expected < 0 || *party == expected) return TF_OK;
    return tf_fail(
        TF_MISMATCH,
        "it is the key of party %d (fingerprint %s), and this is party %d, whose fingerprint in the parties file is %s",
        *party, text, expected, tf_fingerprint_text(&parties->fingerprint[expected], wanted));
}
