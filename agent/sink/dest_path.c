#include "sink/dest_tree.h"

#include "base/str.h"

#include <limits.h>
#include <string.h>

/* The lexical half of dest_tree.h: what a path says, before anything is opened. */

enum ps_code ps_dest_path_clean(const char *path, char *clean, struct ps_err *err)
{
    size_t used_bytes = 0;

    if (path[0] == '/') {
        return ps_err_set(err, PS_E_REFUSED, "'%.150s' is an absolute path", path);
    }
    while (*path != '\0') {
        size_t length = strcspn(path, "/");

        if (length == 2 && path[0] == '.' && path[1] == '.') {
            return ps_err_set(err, PS_E_REFUSED, "a path leads out with '..'");
        }
        if (length > 0 && !(length == 1 && path[0] == '.')) {
            if (length > NAME_MAX || used_bytes + length + 2 > PATH_MAX) {
                return ps_err_set(err, PS_E_REFUSED, "'%.80s...' is too long for a path", path);
            }
            if (used_bytes > 0) {
                clean[used_bytes++] = '/';
            }
            memcpy(clean + used_bytes, path, length);
            used_bytes += length;
        }
        path += length;
        path += strspn(path, "/");
    }
    clean[used_bytes] = '\0';
    if (ps_str_has_prefix(clean, PS_DEST_TEMP_PREFIX)) {
        return ps_err_set(err, PS_E_REFUSED, "'%.150s': names like this are purser's own", clean);
    }
    return PS_OK;
}

bool ps_dest_link_stays_inside(const char *path, const char *target)
{
    size_t depth = 0;
    bool leading = true;

    if (target[0] == '/' || target[0] == '\0') {
        return false;
    }
    for (const char *c = path; *c != '\0'; c++) {
        depth += *c == '/' ? 1 : 0;
    }
    while (*target != '\0') {
        size_t length = strcspn(target, "/");
        bool up = length == 2 && target[0] == '.' && target[1] == '.';

        if (up && (!leading || depth == 0)) {
            return false;
        }
        if (up) {
            depth--;
        } else if (length > 0 && !(length == 1 && target[0] == '.')) {
            leading = false;
        }
        target += length;
        target += strspn(target, "/");
    }
    return true;
}
