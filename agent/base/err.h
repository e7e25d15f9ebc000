/**
 * err - the one error type of purser: what happened, on what, and whether trying again can help.
 *
 * Flow:    every module -> [err] -> the caller that handles it (cli/exit_code.h, log.h)
 * Thread:  any; a struct ps_err belongs to one thread at a time
 * Source:  shared error classes of S3 and OSS (AWS SDK "standard" retry mode, OSS error reference)
 */
#ifndef PS_BASE_ERR_H
#define PS_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define PS_MUST_USE __attribute__((warn_unused_result))
#define PS_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))

/** What went wrong, for a program. Exit codes are derived from it in cli/exit_code.h. */
enum ps_code {
    PS_OK = 0,
    PS_E_BUG,             /* an impossible state of ours */
    PS_E_INVALID,         /* a bad argument, setting, URL or policy */
    PS_E_PARSE,           /* bytes from the wire or the disk that make no sense */
    PS_E_NO_MEMORY,       /* malloc said no, or a named limit is reached */
    PS_E_IO,              /* a local read or write failed (EIO and its kin) */
    PS_E_NO_SPACE,        /* ENOSPC, EDQUOT, EFBIG, MDB_MAP_FULL */
    PS_E_NOT_FOUND,       /* file, bucket, key or record is not there */
    PS_E_EXISTS,          /* it is there and was not to be (create-only writes) */
    PS_E_DENIED,          /* 401, 403, EACCES, EPERM; credentials missing or wrong */
    PS_E_TEMPORARY,       /* network or store trouble that outlived the retries */
    PS_E_TOO_LARGE,       /* over a limit of the store or of a setting */
    PS_E_LOCKED,          /* another living process works on the same target */
    PS_E_REFUSED,         /* a policy or a fuse said no */
    PS_E_CORRUPT,         /* a checksum differs: the bytes are not what they should be */
    PS_E_CHANGED,         /* the source file or the remote object changed under us */
    PS_E_NO_UPLOAD,       /* the store does not know this upload_id (NoSuchUpload) */
    PS_E_UNKNOWN_OUTCOME, /* the request may or may not have taken effect */
    PS_E_CANCELLED,       /* stopped on request; resumable */
    PS_E_UNSUPPORTED,     /* this store or build cannot do it */
    PS_E_PARTIAL,         /* some of many items failed */
};

/** Whether the same request may be sent again. Set by store/error_class only. */
enum ps_retry {
    PS_RETRY_NEVER = 0,
    PS_RETRY_TRANSIENT,   /* network, 5xx */
    PS_RETRY_THROTTLE,    /* the store asks to slow down: all transfers to it do */
    PS_RETRY_AFTER_FIX,   /* once, after clock, credentials or region were corrected */
    PS_RETRY_RESEND_PART, /* the store saw other bytes than we hashed: read and hash again */
};

struct ps_err {
    enum ps_code code; /* equals the returned code */
    enum ps_retry retry;
    int sys_errno;       /* 0 = no system call failed */
    int http_status;     /* 0 = no answer came */
    char store_code[64]; /* "NoSuchUpload"; empty = none */
    char request_id[64]; /* x-amz-request-id, x-oss-request-id; empty = none */
    char message[256]; /* outermost first: "upload a/b.tar: part 7: connect: Connection refused" */
};

/**
 * Fill *err (all fields; the ones not given become 0) and return code.
 *
 * err: NULL is allowed and ignored. A message that is too long is cut.
 */
PS_PRINTF(3, 4)
enum ps_code ps_err_set(struct ps_err *err, enum ps_code code, const char *format, ...);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time and cannot know that what comes back is what was given. */
#define ps_err_set(err, code, ...) ((void)(ps_err_set)((err), (code), __VA_ARGS__), (code))
#endif

/**
 * As ps_err_set, with an errno: the message ends in ": " and its text, and the code is derived.
 *
 * ENOENT, ENOTDIR = NOT_FOUND; EACCES, EPERM, EROFS = DENIED; ENOSPC, EDQUOT, EFBIG = NO_SPACE; ENOMEM =
 * NO_MEMORY; EEXIST = EXISTS; all others = IO.
 */
PS_PRINTF(3, 4)
enum ps_code ps_err_set_errno(struct ps_err *err, int sys_errno, const char *format, ...);

#ifdef __clang_analyzer__
#define ps_err_set_errno(err, sys_errno, ...)                                                      \
    ((void)(ps_err_set_errno)((err), (sys_errno), __VA_ARGS__), PS_E_IO)
#endif

/**
 * Put the caller's words and ": " in front of err->message. Returns err->code.
 *
 * err: NULL is allowed; then code is returned unchanged, so the usual form is
 *      `return ps_err_wrap(err, code, "part %u", part_number);`.
 */
PS_PRINTF(3, 4)
enum ps_code ps_err_wrap(struct ps_err *err, enum ps_code code, const char *format, ...);

/** Set all of *err to 0: code PS_OK, empty message. NULL is allowed. */
void ps_err_clear(struct ps_err *err);

/** Name of a code without prefix, lower case: "not_found". Never NULL; static. */
const char *ps_code_name(enum ps_code code);

/** Name of a retry class, lower case: "throttle". Never NULL; static. */
const char *ps_retry_name(enum ps_retry retry);

#endif
