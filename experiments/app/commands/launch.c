#include "experiments/app/commands/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_ARGUMENTS = 256, PATH_TEXT = 4096, NOT_FOUND = 127, SIGNALLED = 128, INTERRUPTED = 130 };

static volatile sig_atomic_t child, interrupted;

/* A terminal interrupts mpirun itself; what others send to this process alone is handed on. */
static void hand_on(int number, siginfo_t *how, void *context) {
    if (number == SIGINT) interrupted = 1;
    if (child > 0 && (number != SIGINT || how->si_code == SI_USER)) kill((pid_t)child, SIGTERM);
}

int launch_command(int argc, char **argv) {
    return argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;
}

/* mpirun would give it to party 0. */
int launch_reader(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--data-owner") || !strcmp(argv[i], "-D")) return atoi(argv[i + 1]);
    return 1;
}

static tf_status wait_for(int *code) {
    int ended;
    while (waitpid((pid_t)child, &ended, 0) < 0)
        if (errno != EINTR) return tf_fail(TF_IO, "mpirun was lost: %s", strerror(errno));
    *code = WIFEXITED(ended) ? WEXITSTATUS(ended) : SIGNALLED + WTERMSIG(ended);
    if (interrupted) *code = INTERRUPTED;
    if (*code == NOT_FOUND) return tf_fail(TF_IO, "mpirun could not be started: install Open MPI, or give --local");
    if (*code <= SIGNALLED || interrupted) return TF_OK;
    return tf_fail(TF_PEER, "a party was ended by signal %d (%s), and mpirun has ended the others", *code - SIGNALLED,
                   strsignal(*code - SIGNALLED));
}

tf_status launch_parties(int argc, char **argv, int *code) {
    static char *const settings[][2] = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                                        {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                                        {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                                        {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
                                        {"HWLOC_COMPONENTS", "-linuxio,-pci"}}; /* no search for devices */
    char self[PATH_TEXT], reader[16],
        *arguments[MOST_ARGUMENTS + 8] = {"mpirun", "-q", "--stdin", NULL, "-n", "3", self};
    int first = launch_command(argc, argv), used = 7;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (argc > MOST_ARGUMENTS) return tf_fail(TF_INVALID, "more than %d arguments", MOST_ARGUMENTS);
    if (length < 0) return tf_fail(TF_IO, "the path of this program could not be read: %s", strerror(errno));
    self[length] = '\0';
    snprintf(reader, sizeof reader, "%d", launch_reader(argc, argv));
    arguments[3] = reader;
    for (int i = first; i < argc; i++) arguments[used++] = argv[i];
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) setenv(settings[i][0], settings[i][1], 0);
    struct sigaction action = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    const pid_t parent = getpid();
    child = (sig_atomic_t)fork();
    if (child < 0) return tf_fail(TF_IO, "mpirun could not be started: %s", strerror(errno));
    if (child == 0) {
        /* Whatever ends this process, mpirun does not go on alone. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() != parent) _exit(NOT_FOUND);
        execvp("mpirun", arguments);
        _exit(NOT_FOUND);
    }
    return wait_for(code);
}

/* What one of the environment variables says; `otherwise` where there is none. */
static int number_in(const char *const names[], int otherwise) {
    for (; *names; names++)
        if (getenv(*names)) return atoi(getenv(*names));
    return otherwise;
}

static int pretended = -1;

void launch_pretend(int rank) {
    pretended = rank;
}

void launch_place(int *processes, int *rank) {
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", NULL};
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", NULL};
    *rank = pretended >= 0 ? pretended : number_in(ranks, 0);
    *processes = getenv("OMPI_COMM_WORLD_RANK") || getenv("PMIX_RANK") ? number_in(sizes, 1) : pretended >= 0 ? 3 : 1;
}

bool launch_alike(void) {
    const char *lines = getenv("OMPI_NUM_APP_CTX");
    return lines && atoi(lines) == 1;
}
