/* trefoil sweep: batches of experiments. The driver is a Python program of its own, which calls this one for each
 * point. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/sweep.h"

/** Finds the driver: beside an installed program, or in the tree that this one was built from. */
static const char *driver(const char *program, char path[PATH_MAX]) {
    const char *slash = strrchr(program, '/');
    int length = slash ? (int)(slash - program) : 0;
    snprintf(path, PATH_MAX, "%.*s/../share/trefoil/sweep/main.py", length, program);
    if (!access(path, R_OK)) return path;
    snprintf(path, PATH_MAX, "%s/experiments/sweep/main.py", TREFOIL_SOURCE_DIR);
    return path;
}

tf_status sweep_start(int argc, char **argv) {
    static char path[PATH_MAX], program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) return tf_fail(TF_IO, "sweep: this program does not find itself: %s", strerror(errno));
    program[length] = '\0';
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words) return tf_fail(TF_NOMEM, "sweep: no memory");
    words[0] = "/usr/bin/python3"; /* Debian's own, whatever comes first in PATH */
    words[1] = (char *)driver(program, path);
    for (int i = 1; i < argc; i++) words[i + 1] = argv[i];
    setenv("TREFOIL", program, 0);
    execv(words[0], words);
    tf_status status = tf_fail(TF_IO, "sweep needs Python 3.11 at %s: %s", words[0], strerror(errno));
    free(words);
    return status;
}
