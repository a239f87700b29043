/** Errors, as people read them. */
#ifndef TF_APP_ERROR_H
#define TF_APP_ERROR_H

/** Prints a message as one line on stderr, whatever a file name or a library put into it. */
void print_error(const char *message);

#endif
