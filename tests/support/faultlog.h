/* tests/support/faultlog.h - the log that faultio writes and crash_state replays: records one after
 * another, each followed by its two paths (without final zeros) and, for a write, by the bytes. */
#ifndef UB_TESTS_FAULTLOG_H
#define UB_TESTS_FAULTLOG_H

#include <stdint.h>

#define UB_FAULT_OPS(X)                                                                            \
    X(OPEN, "open")                                                                                \
    X(WRITE, "write")                                                                              \
    X(TRUNCATE, "truncate")                                                                        \
    X(ALLOCATE, "allocate")                                                                        \
    X(SYNC, "sync")                                                                                \
    X(CLOSE, "close")                                                                              \
    X(RENAME, "rename")                                                                            \
    X(UNLINK, "unlink")                                                                            \
    X(MKDIR, "mkdir")                                                                              \
    X(RMDIR, "rmdir")

typedef enum fault_op {
#define UB_FAULT_OP(name, text) OP_##name,
    UB_FAULT_OPS(UB_FAULT_OP)
#undef UB_FAULT_OP
        OP_COUNT
} fault_op;

typedef struct fault_record {
    int64_t number;         /* of the operation in its process, from 1 */
    int64_t offset, length; /* of a write, an allocation; the new length of a truncation */
    int32_t rank, op, fd, flags;
    int32_t failed; /* the operation changed nothing */
    int32_t path, second;
    int32_t unused;
} fault_record;

#endif /* UB_TESTS_FAULTLOG_H */
