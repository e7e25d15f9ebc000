/**
 * key_filter - --include and --exclude for the keys below a prefix: the rules of source/tree_walk.h on what follows it.
 *
 * Flow:    source/tree_walk.h -> [key_filter] -> cli/cmd_ls.c, cli/cmd_rm.c
 * Thread:  any; holds no state
 * Source:  none
 */
#ifndef PS_TRANSFER_KEY_FILTER_H
#define PS_TRANSFER_KEY_FILTER_H

#include "source/tree_walk.h"

#include <stdbool.h>
#include <stddef.h>

struct ps_key_filter {
    size_t skip_bytes; /* of each key: the directory of the prefix */
    struct ps_tree_filter rules;
};

/** Of "a/b" it is below "a/". The patterns are borrowed. */
struct ps_key_filter ps_key_filter_of(const char *prefix, const char *const *include,
                                      size_t include_count, const char *const *exclude,
                                      size_t exclude_count);

/** key begins with the prefix. With patterns to include, a key that ends in "/" (an empty directory) is left out. */
bool ps_key_filter_takes(const struct ps_key_filter *filter, const char *key);

#endif
