/**
 * put_tree - put --archive none: many files, their failures one a line, and what became of all of them.
 *
 * Flow:    cli/cmd_put.c -> [put_tree] -> transfer/tree_upload.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_CLI_PUT_TREE_H
#define PS_CLI_PUT_TREE_H

#include "cli/app.h"
#include "cli/put_record.h"
#include "transfer/upload.h"

/** Send the directory upload->source_path below url, by what upload says else, and record it. Runs to the end. */
enum ps_exit ps_put_tree(struct ps_app *app, const struct ps_upload_options *upload,
                         const struct ps_put_record *record, const char *url);

#endif
