#include "experiments/app/commands/launch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 256, PATH_TEXT = 4096 };

tf_status launch_parties(int argc, char **argv) {
    static char *const settings[][2] = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                                        {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                                        {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                                        {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"}};
    char self[PATH_TEXT], *arguments[MOST_ARGUMENTS + 8] = {"mpirun", "-n", "3", self};
    int first = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1, used = 4;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (first >= argc) return tf_fail(TF_INVALID, "run needs a command: trefoil run -- infer --model DIR --input FILE");
    if (argc > MOST_ARGUMENTS) return tf_fail(TF_INVALID, "more than %d arguments", MOST_ARGUMENTS);
    if (length < 0) return tf_fail(TF_IO, "the path of this program could not be read: %s", strerror(errno));
    self[length] = '\0';
    for (int i = first; i < argc; i++) arguments[used++] = argv[i];
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) setenv(settings[i][0], settings[i][1], 0);
    execvp("mpirun", arguments);
    return tf_fail(TF_IO, "mpirun could not be started (%s): install Open MPI, or give --local", strerror(errno));
}

/* What one of the environment variables says; `otherwise` where there is none. */
static int number_in(const char *const names[], int otherwise) {
    for (; *names; names++)
        if (getenv(*names)) return atoi(getenv(*names));
    return otherwise;
}

void launch_place(int *processes, int *rank) {
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", NULL};
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", NULL};
    *rank = number_in(ranks, 0);
    *processes = getenv("OMPI_COMM_WORLD_RANK") || getenv("PMIX_RANK") ? number_in(sizes, 1) : 1;
}
