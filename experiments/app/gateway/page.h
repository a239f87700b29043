/** The page to try the gateway with, whose files the build puts into the program (page.cmake). */
#ifndef TF_APP_PAGE_H
#define TF_APP_PAGE_H

#include <stddef.h>

typedef struct page_file {
    const char *type, *text;
    size_t length;
} page_file;

extern const page_file page_html, page_css, page_js;

#endif
