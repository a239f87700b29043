/** The terminal that a person looks at, also from behind mpirun, whose processes write into pipes. */
#ifndef TF_APP_TERMINAL_H
#define TF_APP_TERMINAL_H

#include <stdbool.h>

/** Whether what goes to standard error is shown on a terminal, by this process or by the launcher that started it. */
bool terminal_watched(void);

/** Whether the width of a terminal is known: what is printed is then for people, and no file. */
bool terminal_known(void);

/** How many columns tables and help may take: COLUMNS, or the terminal's, or what is given. From 40 to 200. */
int terminal_columns(int otherwise);

#endif
