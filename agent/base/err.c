#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum ps_code code_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ENOTDIR:
        return PS_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return PS_E_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return PS_E_NO_SPACE;
    case ENOMEM:
        return PS_E_NO_MEMORY;
    case EEXIST:
        return PS_E_EXISTS;
    default:
        return PS_E_IO;
    }
}

enum ps_code(ps_err_set)(struct ps_err *err, enum ps_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        ps_err_clear(err);
        err->code = code;
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
    }
    return code;
}

enum ps_code(ps_err_set_errno)(struct ps_err *err, int sys_errno, const char *format, ...)
{
    enum ps_code code = code_of_errno(sys_errno);

    if (err != NULL) {
        va_list args;
        char reason[96];
        size_t used;

        ps_err_clear(err);
        err->code = code;
        err->sys_errno = sys_errno;
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
        used = strlen(err->message);
        (void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
                       strerror_r(sys_errno, reason, sizeof(reason)));
    }
    return code;
}

enum ps_code ps_err_wrap(struct ps_err *err, enum ps_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        char inner[sizeof(err->message)];
        size_t used;

        memcpy(inner, err->message, sizeof(inner));
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof(err->message), format, args);
        va_end(args);
        used = strlen(err->message);
        (void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", inner);
    }
    return code;
}

void ps_err_clear(struct ps_err *err)
{
    if (err != NULL) {
        memset(err, 0, sizeof(*err));
    }
}

const char *ps_code_name(enum ps_code code)
{
    switch (code) {
    case PS_OK:
        return "ok";
    case PS_E_BUG:
        return "bug";
    case PS_E_INVALID:
        return "invalid";
    case PS_E_PARSE:
        return "parse";
    case PS_E_NO_MEMORY:
        return "no_memory";
    case PS_E_IO:
        return "io";
    case PS_E_NO_SPACE:
        return "no_space";
    case PS_E_NOT_FOUND:
        return "not_found";
    case PS_E_EXISTS:
        return "exists";
    case PS_E_DENIED:
        return "denied";
    case PS_E_TEMPORARY:
        return "temporary";
    case PS_E_TOO_LARGE:
        return "too_large";
    case PS_E_LOCKED:
        return "locked";
    case PS_E_REFUSED:
        return "refused";
    case PS_E_CORRUPT:
        return "corrupt";
    case PS_E_CHANGED:
        return "changed";
    case PS_E_NO_UPLOAD:
        return "no_upload";
    case PS_E_UNKNOWN_OUTCOME:
        return "unknown_outcome";
    case PS_E_CANCELLED:
        return "cancelled";
    case PS_E_UNSUPPORTED:
        return "unsupported";
    case PS_E_PARTIAL:
        return "partial";
    }
    return "unknown";
}

const char *ps_retry_name(enum ps_retry retry)
{
    switch (retry) {
    case PS_RETRY_NEVER:
        return "never";
    case PS_RETRY_TRANSIENT:
        return "transient";
    case PS_RETRY_THROTTLE:
        return "throttle";
    case PS_RETRY_AFTER_FIX:
        return "after_fix";
    case PS_RETRY_RESEND_PART:
        return "resend_part";
    }
    return "unknown";
}
