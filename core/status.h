/* core/status.h - what a fallible function returns, and how it says why.
 *
 * Every function that can fail returns a ub_status and writes its outputs only
 * on success.  The sentence for the user is stored in a thread-local record.
 *
 * Layer: core, ground floor (includes nothing of ours).  Nothing communicates.
 */
#ifndef UB_CORE_STATUS_H
#define UB_CORE_STATUS_H

#include <stddef.h>

/* One line per code: X(enumerator, short text).  Append only: the numbers end
 * up in logs. */
#define UB_STATUS_LIST(X)                                                                          \
    X(UB_OK, "success")                                                                            \
    X(UB_ESTOP, "stopped early on request; state is intact")                                       \
    X(UB_EARG, "argument violates the documented contract")                                        \
    X(UB_ERANGE, "value outside its permitted range")                                              \
    X(UB_ESHAPE, "array shapes do not agree")                                                      \
    X(UB_ENOENT, "no such name, file or key")                                                      \
    X(UB_EFORMAT, "file or message has the wrong format")                                          \
    X(UB_ESTATE, "call is out of order for this object")                                           \
    X(UB_ENUMERIC, "result is not finite or not convergent")                                       \
    X(UB_ENOTSAME, "collective argument differs between ranks")                                    \
    X(UB_EIO, "operating system or file system failure")                                           \
    X(UB_ENOMEM, "memory exhausted")                                                               \
    X(UB_EMPI, "an MPI call failed")                                                               \
    X(UB_EBUG, "internal invariant broken")                                                        \
    X(UB_EINPUT, "the input data or configuration is not usable")

typedef enum ub_status {
#define UB_STATUS_ENUM(name, text) name,
    UB_STATUS_LIST(UB_STATUS_ENUM)
#undef UB_STATUS_ENUM
        UB_STATUS_COUNT
} ub_status;

#if defined(__GNUC__)
#define UB_NODISCARD __attribute__((warn_unused_result))
#define UB_PRINTF(fmt, a) __attribute__((format(printf, fmt, a)))
#else
#define UB_NODISCARD
#define UB_PRINTF(fmt, a)
#endif

/* Name ("UB_EARG") and short text of a code; never NULL, static storage. */
const char *ub_status_name(ub_status st);
const char *ub_status_text(ub_status st);

/* Exit code of the program for a status: 0 done; 2 bad input, configuration or
 * usage (EARG, ERANGE, ESHAPE, ENOENT, EFORMAT, EINPUT); 75 ESTOP (stopped in
 * time, run me again); 70 EBUG, ENOTSAME; 1 the rest. */
int ub_status_exit_code(ub_status st);

/* Start a failure: store the sentence and this call site.  Call it by UB_FAIL. */
void ub_err_set(ub_status st, const char *file, int line, const char *func, const char *fmt, ...)
    UB_PRINTF(5, 6);
/* Add one caller to the trace of the current failure. */
void ub_err_trace(const char *file, int line, const char *func);
/* The sentence of the last failure on this thread, without the trace; "" if none. */
const char *ub_err_message(void);
/* The sentence and the trace, several lines; "" if none. */
const char *ub_err_report(void);
/* Forget the current failure (after it was handled). */
void ub_err_clear(void);

/* Start a failure; an expression of type ub_status: return UB_FAIL(UB_EARG, "...").  It evaluates
 * `code` twice, so that compilers and analyzers see which code it returns. */
#define UB_FAIL(code, ...)                                                                         \
    (ub_err_set((code), __FILE__, __LINE__, __func__, __VA_ARGS__), (ub_status)(code))

/* Call, and on failure return the code to our caller. */
#define UB_TRY(call)                                                                               \
    do {                                                                                           \
        ub_status ub_try_st_ = (call);                                                             \
        if (ub_try_st_ != UB_OK) {                                                                 \
            ub_err_trace(__FILE__, __LINE__, __func__);                                            \
            return ub_try_st_;                                                                     \
        }                                                                                          \
    } while (0)

/* The same for functions that hold resources: needs `ub_status st` and one
 * label `out:` that releases in reverse order and returns st. */
#define UB_TRY_OUT(call)                                                                           \
    do {                                                                                           \
        st = (call);                                                                               \
        if (st != UB_OK) {                                                                         \
            ub_err_trace(__FILE__, __LINE__, __func__);                                            \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* A wrong program, never a wrong input: stops in debug builds only. */
#ifdef NDEBUG
#define UB_ASSERT(cond) ((void)sizeof(cond))
#else
#include <assert.h>
#define UB_ASSERT(cond) assert(cond)
#endif

#endif /* UB_CORE_STATUS_H */
