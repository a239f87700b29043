/**
 * The parties file: who the three parties are, where they listen and what they own. JSON, the same file for all three:
 *
 *     {"parties": [
 *       {"host": "models.example", "port": 7300, "fingerprint": "9f2c...", "roles": ["model owner"]},
 *       {"host": "10.0.0.7",       "port": 7300, "fingerprint": "01ab...", "roles": ["data owner"]},
 *       {"host": "helper.example", "port": 7300, "fingerprint": "c55e...", "roles": []}
 *     ]}
 *
 * Party 0 comes first. The fingerprint is what `trefoil fingerprint` prints. Each role is given to one party at most,
 * and one party may have both; what nobody owns comes in share files. Host and port are only used by parties that are
 * started separately.
 */
#ifndef TF_PARTIES_H
#define TF_PARTIES_H

#include <stddef.h>
#include <stdint.h>

#include "net/identity.h"
#include "net/link.h"

TF_PUBLIC_BEGIN

enum { TF_HOST_TEXT = 254 }; /**< the longest name of a host, and a zero byte */

typedef struct tf_parties {
    struct tf_party_entry {
        char host[TF_HOST_TEXT]; /**< a name or an address; no blanks, no control characters */
        uint16_t port;           /**< never 0 */
    } party[TF_PARTIES];
    tf_fingerprint fingerprint[TF_PARTIES]; /**< all different */
    int model_owner, data_owner;            /**< -1: none of the three */
} tf_parties;

/** Reads a parties file. Fails with TF_IO or, naming file, party and member, with TF_FORMAT. */
TF_CHECKED tf_status tf_parties_read(const char *path, tf_parties *parties);

/** The same for `size` bytes of JSON in memory; `where` names them in messages. */
TF_CHECKED tf_status tf_parties_parse(const char *where, const char *data, size_t size, tf_parties *parties);

/**
 * Which party has this fingerprint. Fails with TF_MISMATCH, telling both, when `expected` (a party's number) is another
 * one, or when no party has it; `expected` -1 stands for any.
 */
TF_CHECKED tf_status tf_parties_find(const tf_parties *parties, const tf_fingerprint *fingerprint, int expected,
                                     int *party);

TF_PUBLIC_END

#endif
