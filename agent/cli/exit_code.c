#include "cli/exit_code.h"

enum ps_exit ps_exit_of(enum ps_code code)
{
    switch (code) {
    case PS_OK:
        return PS_EXIT_DONE;
    case PS_E_BUG:
        return PS_EXIT_BUG;
    case PS_E_INVALID:
    case PS_E_UNSUPPORTED:
    case PS_E_TOO_LARGE:
        return PS_EXIT_USAGE;
    case PS_E_NOT_FOUND:
    case PS_E_NO_UPLOAD:
        return PS_EXIT_NOT_FOUND;
    case PS_E_DENIED:
        return PS_EXIT_DENIED;
    case PS_E_TEMPORARY:
    case PS_E_UNKNOWN_OUTCOME:
        return PS_EXIT_TEMPORARY;
    case PS_E_PARTIAL:
        return PS_EXIT_PARTIAL;
    case PS_E_LOCKED:
        return PS_EXIT_LOCKED;
    case PS_E_REFUSED:
    case PS_E_EXISTS:
        return PS_EXIT_REFUSED;
    case PS_E_CORRUPT:
    case PS_E_CHANGED:
    case PS_E_PARSE:
        return PS_EXIT_INTEGRITY;
    case PS_E_IO:
    case PS_E_NO_SPACE:
    case PS_E_NO_MEMORY:
        return PS_EXIT_LOCAL;
    case PS_E_CANCELLED:
        return PS_EXIT_SIGINT;
    }
    return PS_EXIT_BUG;
}

void ps_exit_describe(FILE *file)
{
    static const struct {
        enum ps_exit code;
        const char *meaning;
    } rows[] = {
        { PS_EXIT_DONE, "done" },
        { PS_EXIT_BUG, "a bug of purser's, or something unforeseen" },
        { PS_EXIT_USAGE, "wrong usage, setting, URL or policy; or the store cannot do it" },
        { PS_EXIT_NOT_FOUND, "file, bucket, key or upload not found" },
        { PS_EXIT_DENIED, "permission denied, credentials missing or wrong" },
        { PS_EXIT_TEMPORARY, "network or store trouble that outlived the retries: run it again" },
        { PS_EXIT_PARTIAL, "some of many failed; the list is on standard error" },
        { PS_EXIT_LOCKED, "another purser works on the same target" },
        { PS_EXIT_REFUSED, "refused by a policy, a fuse or --create-only" },
        { PS_EXIT_INTEGRITY, "a checksum differs, or the source or object changed meanwhile" },
        { PS_EXIT_LOCAL, "local disk or memory: full, or an I/O error" },
        { PS_EXIT_SIGINT, "interrupted (Ctrl-C); the same command resumes" },
        { PS_EXIT_SIGTERM, "terminated; the same command resumes" },
    };

    (void)fprintf(file, "Exit codes\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)fprintf(file, "  %3d  %s\n", (int)rows[i].code, rows[i].meaning);
    }
}
