#include "transfer/key_filter.h"

#include <string.h>

struct ps_key_filter ps_key_filter_of(const char *prefix, const char *const *include,
                                      size_t include_count, const char *const *exclude,
                                      size_t exclude_count)
{
    const char *slash = strrchr(prefix, '/');

    return (struct ps_key_filter){
        .skip_bytes = slash != NULL ? (size_t)(slash - prefix) + 1 : 0,
        .rules = { include, include_count, exclude, exclude_count },
    };
}

bool ps_key_filter_takes(const struct ps_key_filter *filter, const char *key)
{
    const char *path = key + filter->skip_bytes;
    size_t length = strlen(path);

    if (filter->rules.include_count > 0 && length > 0 && path[length - 1] == '/') {
        return false;
    }
    return ps_tree_filter_takes_path(&filter->rules, path);
}
