/** How the parties of a private command are connected. */
#ifndef TF_APP_LINK_SETTINGS_H
#define TF_APP_LINK_SETTINGS_H

#include <stdbool.h>

#include "net/link_shaped.h"
#include "net/parties.h"

typedef struct link_settings {
    const char *parties,
        *identity;   /**< the parties file and the directory of this party's identity; NULL where not given */
    tf_parties file; /**< what the parties file says, where it was given */
    double timeout;
    int threads; /**< of each party; 0: what is granted, see party_threads */
    bool local, plaintext, shaped;
    tf_network network; /**< that is simulated, if `shaped` */
    int id;             /**< a party that is started by itself; -1: MPI or --local */
    const char *listen; /**< of such a party: where it listens, HOST:PORT; NULL: as the parties file says */
    double wait;        /**< of such a party: how long it waits for the others */
} link_settings;

#endif
