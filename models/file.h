/** Models read their files through net/file.h. */
#ifndef TF_MODELS_FILE_H
#define TF_MODELS_FILE_H

#include "net/file.h"

#endif
