/**
 * tree_again - whether the same command on a tree did not end well the last time: then what is there is not moved again.
 *
 * Flow:    cli/put_tree.c, cli/get_tree.c -> [tree_again] -> an empty file in the state directory while a run is unfinished
 * Thread:  the loop thread
 * Source:  none
 *
 * A file that one run leaves (when files failed, when it was interrupted or killed) makes the next run of the same
 * command compare first, as --skip-existing does. Without a state directory that can be written nothing is remembered.
 */
#ifndef PS_CLI_TREE_AGAIN_H
#define PS_CLI_TREE_AGAIN_H

#include "cli/app.h"

struct ps_tree_again {
    char *path;      /* NULL = nothing can be remembered */
    bool unfinished; /* the last run of the same command was */
};

/** Before the first file: look, and remember this run. --restart looks away. The same: these words, and all flags that
 * say what is moved and how it is stored. */
void ps_tree_again_begin(struct ps_tree_again *again, struct ps_app *app, const char *command,
                         const char *from, const char *to);

/** After the last: forget it if everything went well, or if this was the first run and it moved nothing. */
void ps_tree_again_end(struct ps_tree_again *again, bool whole, bool moved);

/** Of PS_E_PARTIAL: add what to do. */
void ps_tree_again_advise(const struct ps_tree_again *again, struct ps_err *err);

#endif
