#include "serve/plugin_internal.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

#define MODE_BITS 07777

static enum ps_code set_one(const char *path, int32_t mode, struct ps_err *err)
{
    if (chmod(path, (mode_t)(mode & MODE_BITS)) != 0) {
        return ps_err_set_errno(err, errno, "%s: mode %o", path, (unsigned)(mode & MODE_BITS));
    }
    return PS_OK;
}

/* A directory after what is in it: with its new mode it may be closed to us. */
static enum ps_code set_entry(const FTSENT *entry, int32_t mode, struct ps_err *err)
{
    switch (entry->fts_info) {
    case FTS_DP:
    case FTS_F:
        return set_one(entry->fts_accpath, mode, err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return ps_err_set_errno(err, entry->fts_errno, "%s", entry->fts_path);
    default: /* a directory on the way in, a link */
        return PS_OK;
    }
}

static enum ps_code set_all(const char *path, int32_t mode, struct ps_err *err)
{
    char *const paths[] = { (char *)(uintptr_t)path, NULL };
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    enum ps_code code = PS_OK;

    if (walk == NULL) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    for (const FTSENT *entry = fts_read(walk); entry != NULL && code == PS_OK;
         entry = fts_read(walk)) {
        code = set_entry(entry, mode, err);
    }
    (void)fts_close(walk);
    return code;
}

enum ps_code ps_plugin_set_mode(const char *path, int32_t mode, bool recurse, struct ps_err *err)
{
    if (mode == 0) {
        return PS_OK;
    }
    return recurse ? set_all(path, mode, err) : set_one(path, mode, err);
}
