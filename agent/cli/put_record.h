/**
 * put_record - the artifact's record of a put: --workflow, --uid, --node, --artifact, --gc, --label.
 *
 * Flow:    cmd_put.c, put_tree.c -> [put_record] -> state/artifact.h
 * Thread:  the loop thread; writes the state once the loop has nothing more to do
 * Source:  none
 */
#ifndef PS_CLI_PUT_RECORD_H
#define PS_CLI_PUT_RECORD_H

#include "cli/app.h"
#include "hash/checksum.h"
#include "transfer/tree_upload.h"

/** What a put leaves on record. Zeroed = nothing is asked for. */
struct ps_put_record {
    bool wanted; /* one of the flags was given */
    char *ns;    /* NULL = of no workflow */
    char *name;
    const char *label_values[PS_OPTION_LIST_MAX];
    char *label_names[PS_OPTION_LIST_MAX];
    size_t label_count;
    int gc; /* enum ps_gc_strategy */
};

/** Read the flags; before the transfer, so that a mistake costs none. Errors: PS_E_INVALID, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_put_record_init(struct ps_put_record *record, struct ps_app *app,
                                            struct ps_err *err);
void ps_put_record_clear(struct ps_put_record *record);

/** Record the object at url (stored->path is not looked at); nothing when no flag asks for it. Errors: those of the
 * state. */
PS_MUST_USE enum ps_code ps_put_record_write(const struct ps_put_record *record, struct ps_app *app,
                                             const char *url, const struct ps_tree_stored *stored,
                                             struct ps_err *err);

/**
 * The same for objects below base_url. On a worker: the state must have been opened before (by ps_app_open_state).
 *
 * Errors:  those of the state, with what failed in words.
 */
PS_MUST_USE enum ps_code ps_put_record_write_tree(const struct ps_put_record *record,
                                                  struct ps_app *app, const char *base_url,
                                                  const struct ps_tree_stored *stored, size_t count,
                                                  struct ps_err *err);

#endif
