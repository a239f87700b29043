#include "experiments/app/log/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NARROWEST = 40, WIDEST = 200, PATH_TEXT = 64 };

/* Opens a standard stream of the launcher that started this process, if it is a terminal; or -1. */
static int launchers(int stream) {
    char path[PATH_TEXT];
    if (!getenv("OMPI_COMM_WORLD_RANK")) return -1;
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getppid(), stream);
    int file = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || isatty(file)) return file;
    close(file);
    return -1;
}

bool terminal_watched(void) {
    static int watched = -1;
    if (watched >= 0) return watched;
    int file = isatty(STDERR_FILENO) ? -1 : launchers(STDERR_FILENO);
    watched = file >= 0 || isatty(STDERR_FILENO);
    if (file >= 0) close(file);
    return watched;
}

static int width_of(int file) {
    struct winsize size;
    return file >= 0 && ioctl(file, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* 0: not known. */
static int columns_known(void) {
    const char *told = getenv("COLUMNS");
    int file = launchers(STDOUT_FILENO), columns = told ? atoi(told) : 0;
    if (columns <= 0) columns = width_of(file);
    if (columns <= 0 && file < 0) columns = width_of(STDOUT_FILENO);
    if (file >= 0) close(file);
    return columns > 0 ? columns : 0;
}

bool terminal_known(void) {
    return columns_known() > 0;
}

int terminal_columns(int otherwise) {
    int columns = columns_known();
    if (columns == 0) columns = otherwise;
    return columns < NARROWEST ? NARROWEST : columns > WIDEST ? WIDEST : columns;
}
