#include "experiments/app/commands/commands.h"
#include "experiments/app/report/outcomes.h"
#include "net/identity.h"

static tf_status run_keygen(const command_line *o) {
    tf_fingerprint fingerprint;
    char text[TF_FINGERPRINT_TEXT];
    TF_TRY(tf_identity_create(o->out, o->party, &fingerprint));
    tf_fingerprint_text(&fingerprint, text);
    report_form form = settings_of_report(o);
    return fingerprint_print(&form, text, o->party, o->out);
}

const trefoil_command command_keygen = {
    .name = "keygen",
    .summary = "make a party's key and certificate",
    .description = "Makes a party's private key and certificate for encrypted links between hosts, and prints the "
                   "certificate's fingerprint. Each party does this on its own host; the three fingerprints go into "
                   "the parties file (net/LINKS.md), which is the same for all.",
    .example = {"trefoil keygen --party 0 --out id0", "trefoil keygen --party 1 --out /etc/trefoil/id1 --json"},
    .accepts =
        (const char[]){
            OPTION_PARTY,
            OPTION_OUT,
            0,
        },
    .requires = (const char[]){OPTION_PARTY, OPTION_OUT, 0},
    .secrets = true,
    .run = run_keygen,
};

static tf_status run_fingerprint(const command_line *o) {
    tf_fingerprint fingerprint;
    char text[TF_FINGERPRINT_TEXT];
    TF_TRY(tf_fingerprint_read(o->argument, &fingerprint));
    tf_fingerprint_text(&fingerprint, text);
    report_form form = settings_of_report(o);
    return fingerprint_print(&form, text, 0, NULL);
}

const trefoil_command command_fingerprint = {
    .name = "fingerprint",
    .summary = "print the fingerprint of a party's certificate",
    .description = "Prints the SHA-256 fingerprint of a certificate, given as a file or as the directory that keygen "
                   "wrote.",
    .example = {"trefoil fingerprint id0", "trefoil fingerprint id0/cert.pem --json"},
    .accepts = "",
    .requires = "",
    .argument = "FILE|DIR",
    .run = run_fingerprint,
};
