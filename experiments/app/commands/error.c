#include "experiments/app/commands/error.h"

#include <stdio.h>

void print_error(const char *message) {
    char line[1200]; /* written at once, so that the lines of three parties do not mix */
    int length = snprintf(line, sizeof line - 1, "trefoil: %s", message);
    if (length < 0 || (size_t)length >= sizeof line - 1) length = (int)sizeof line - 2;
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ') line[i] = ' ';
    line[length] = '\n';
    fwrite(line, 1, (size_t)length + 1, stderr);
}
