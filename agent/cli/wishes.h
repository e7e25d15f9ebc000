/**
 * wishes - what flags and settings say of an upload, as transfer/upload.h takes it.
 *
 * Flow:    cli/options.h -> [wishes] -> cmd_put.c, cmd_cp.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_WISHES_H
#define PS_CLI_WISHES_H

#include "cli/app.h"
#include "transfer/upload.h"

/** upload points into this struct and into argv. Zeroed = empty. */
struct ps_wishes {
    struct ps_upload_wishes upload;
    struct ps_store_pair metadata[PS_OPTION_LIST_MAX];
    struct ps_store_pair tags[PS_OPTION_LIST_MAX];
    char *names[2 * PS_OPTION_LIST_MAX];
    size_t name_count;
};

/** Errors: PS_E_INVALID for a value that cannot be, PS_E_NO_MEMORY; ps_wishes_clear is due either way. */
PS_MUST_USE enum ps_code ps_wishes_read(struct ps_wishes *wishes, const struct ps_app *app,
                                        struct ps_err *err);
void ps_wishes_clear(struct ps_wishes *wishes);

#endif
