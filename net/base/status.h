/** Errors: a status code that travels up, and one message that says what was wrong, where, and what would be right. */
#ifndef TF_STATUS_H
#define TF_STATUS_H

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

/** Puts "context: " in front of the calling thread's message and returns `code` unchanged. */
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

#endif
