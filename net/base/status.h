/** Errors: a status code that travels up, and one message that says what was wrong, where, and what would be right. */
#ifndef TF_STATUS_H
#define TF_STATUS_H

/** Around what a public header declares: with C's names in C++, and among the symbols that libtrefoil exports, where
 * all others are hidden. */
#ifdef __cplusplus
#define TF_PUBLIC_BEGIN                                                                                                \
    extern "C" {                                                                                                       \
    _Pragma("GCC visibility push(default)")
#define TF_PUBLIC_END                                                                                                  \
    _Pragma("GCC visibility pop")                                                                                      \
    }
#else
#define TF_PUBLIC_BEGIN _Pragma("GCC visibility push(default)")
#define TF_PUBLIC_END   _Pragma("GCC visibility pop")
#endif

TF_PUBLIC_BEGIN

typedef enum tf_status {
    TF_OK = 0,
    TF_INVALID,  /**< an argument, option or request is wrong */
    TF_FORMAT,   /**< a file or message is malformed */
    TF_IO,       /**< a file or device could not be read or written */
    TF_RANGE,    /**< a value leaves the range that the fixed-point ring can hold */
    TF_PEER,     /**< another party is missing, late, or reported an error */
    TF_MISMATCH, /**< the parties do not run the same computation */
    TF_NOMEM,    /**< memory could not be had */
    TF_INTERNAL  /**< a broken invariant of trefoil itself */
} tf_status;

/**
 * Records the message of the calling thread's current error and returns `code`, so that a function can
 * `return tf_fail(TF_FORMAT, "%s: ...", path)`. The message holds at most 1023 bytes and never a secret.
 */
__attribute__((format(printf, 2, 3))) tf_status tf_fail(tf_status code, const char *format, ...);

/**
 * Like tf_fail, with a message that every party may read: made of what all of them know, never of an owner's texts,
 * labels, weights, file names or of what a file or a library's reading of it says. Peers are told such messages only.
 */
__attribute__((format(printf, 2, 3))) tf_status tf_fail_public(tf_status code, const char *format, ...);

/**
 * What peers may be told of the calling thread's last failure, which had this status: its public message, without what
 * tf_fail_in put in front, or else a constant such as "it could not read its own input".
 */
const char *tf_error_for_peers(tf_status code);

/** A failure, kept while other calls may fail, or carried to another thread. */
typedef struct tf_failure {
    tf_status status;
    char text[1024], told[1024];
} tf_failure;

/** Keeps the calling thread's last failure, which had this status; TF_OK is kept as no failure. */
void tf_failure_keep(tf_status code, tf_failure *failure);
/** Makes a kept failure the calling thread's again and returns its status. */
tf_status tf_failure_raise(const tf_failure *failure);

/** Puts "context: " in front of the calling thread's message and returns `code` unchanged. Peers do not see it. */
__attribute__((format(printf, 2, 3))) tf_status tf_fail_in(tf_status code, const char *format, ...);

/** The message of the calling thread's last failure; an empty string if there was none. */
const char *tf_error(void);

/** A short name of a status, such as "malformed file". */
const char *tf_status_name(tf_status code);

#define TF_CHECKED __attribute__((warn_unused_result))

/** Returns from the calling function with the status of `expr` unless it is TF_OK. */
#define TF_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        tf_status tf_try_status_ = (expr);                                                                             \
        if (tf_try_status_ != TF_OK) return tf_try_status_;                                                            \
    } while (0)

TF_PUBLIC_END

#endif
