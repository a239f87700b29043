/* The parties file. */
#include "net/parties.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tf_parties parties;
    if (tf_parties_parse("the input", (const char *)data, size, &parties)) return 0;
    for (int i = 0; i < TF_PARTIES; i++) {
        int found = -1;
        fuzz_require(parties.party[i].port != 0, "port 0 was accepted");
        fuzz_require(!tf_parties_find(&parties, &parties.fingerprint[i], i, &found) && found == i,
                     "a party was not found by its fingerprint");
    }
    return 0;
}
