/** Loops that the compiler vectorises, compiled once for each instruction set and chosen when the program is loaded. */
#ifndef TF_MULTIVERSION_H
#define TF_MULTIVERSION_H

/* Sanitizers cannot run before the loader resolves such functions, so their builds do without. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&     \
    __GNUC__ >= 12
#define TF_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TF_MULTIVERSION
#endif

#endif
