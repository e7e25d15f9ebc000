#include "state/state_internal.h"

#include "base/str.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

/**
 * How often the map may grow in one call: 20 doublings of 1 MiB are 1 TiB. Higher: a broken environment loops for long.
 */
enum {
    GROWTHS_MAX = 20
};

enum ps_code ps_state_error(int rc, const char *what, struct ps_err *err)
{
    enum ps_code code;

    switch (rc) {
    case MDB_NOTFOUND:
        code = PS_E_NOT_FOUND;
        break;
    case MDB_MAP_FULL:
        code = PS_E_NO_SPACE;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        code = PS_E_PARSE;
        break;
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
        code = PS_E_TEMPORARY;
        break;
    case MDB_TXN_FULL:
        code = PS_E_TOO_LARGE;
        break;
    case MDB_PANIC: /* a commit failed half way; the next process that opens it sees the last whole commit */
        code = PS_E_IO;
        break;
    default:
        if (rc > 0) {
            return ps_err_set_errno(err, rc, "state: %s", what);
        }
        code = PS_E_BUG;
        break;
    }
    return ps_err_set(err, code, "state: %s: %s", what, mdb_strerror(rc));
}

/** Free bytes of a disk that count as none: a commit writes up to so much at once. */
#define DISK_FULL_BYTES ((uint64_t)1024 * 1024)

/* The last write that fits a full disk is a short one, which LMDB calls EIO (mdb_page_flush). */
static bool is_disk_full(const struct ps_state *state)
{
    struct statvfs disk;
    int fd = -1;

    return mdb_env_get_fd(state->env, &fd) == 0 && fstatvfs(fd, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < DISK_FULL_BYTES;
}

enum ps_code ps_txn_fail(struct ps_txn *txn, int rc, const char *what)
{
    rc = rc == EIO && is_disk_full(txn->state) ? ENOSPC : rc;
    txn->rc = rc;
    return ps_state_error(rc, what, txn->err);
}

/* --- the map's size --- */

static int current_map_size(struct ps_state *state, size_t *size_bytes_out)
{
    MDB_envinfo info;
    int rc = mdb_env_info(state->env, &info);

    *size_bytes_out = rc == 0 ? info.me_mapsize : 0;
    return rc;
}

/* seen_bytes is the size that was full: when two threads found it so, only one doubles it. */
static int grow_map(struct ps_state *state, size_t seen_bytes)
{
    uint64_t doubled_bytes = 0;
    size_t now_bytes = 0;
    int rc;

    if (!ps_mul_u64(seen_bytes, 2, &doubled_bytes) || doubled_bytes > SIZE_MAX) {
        return ENOMEM;
    }
    (void)pthread_rwlock_wrlock(&state->resize_lock);
    rc = current_map_size(state, &now_bytes);
    if (rc == 0 && now_bytes == seen_bytes) {
        rc = mdb_env_set_mapsize(state->env, (size_t)doubled_bytes);
    }
    (void)pthread_rwlock_unlock(&state->resize_lock);
    return rc;
}

/* Take over the size that another process has given it. */
static int follow_map(struct ps_state *state)
{
    int rc;

    (void)pthread_rwlock_wrlock(&state->resize_lock);
    rc = mdb_env_set_mapsize(state->env, 0);
    (void)pthread_rwlock_unlock(&state->resize_lock);
    return rc;
}

/* --- running --- */

static enum ps_code run_once(struct ps_txn *txn, unsigned flags, ps_txn_fn body, void *user)
{
    enum ps_code code;
    int rc = mdb_txn_begin(txn->state->env, NULL, flags, &txn->mdb);

    if (rc != 0) {
        return ps_txn_fail(txn, rc, "begin");
    }
    code = body(txn, user);
    if (code != PS_OK) {
        mdb_txn_abort(txn->mdb);
        return code;
    }
    /* A read is committed too: handles of databases that it opened would be closed by an abort. */
    rc = mdb_txn_commit(txn->mdb);
    return rc != 0 ? ps_txn_fail(txn, rc, "commit") : PS_OK;
}

static enum ps_code run(struct ps_state *state, unsigned flags, ps_txn_fn body, void *user,
                        struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (getpid() != state->pid) {
        return ps_err_set(err, PS_E_BUG, "state: used after fork: open it anew");
    }
    for (int growth = 0; growth < GROWTHS_MAX; growth++) {
        struct ps_txn txn = { .state = state, .err = err };
        size_t seen_bytes = 0;
        int rc;

        (void)pthread_rwlock_rdlock(&state->resize_lock);
        rc = current_map_size(state, &seen_bytes);
        code = rc == 0 ? run_once(&txn, flags, body, user) : ps_state_error(rc, "map size", err);
        (void)pthread_rwlock_unlock(&state->resize_lock);
        if (code == PS_OK || (txn.rc != MDB_MAP_FULL && txn.rc != MDB_MAP_RESIZED)) {
            return code;
        }
        rc = txn.rc == MDB_MAP_FULL ? grow_map(state, seen_bytes) : follow_map(state);
        if (rc != 0) {
            return ps_state_error(rc, "grow the map", err);
        }
    }
    return code;
}

enum ps_code ps_state_write(struct ps_state *state, ps_txn_fn body, void *user, struct ps_err *err)
{
    return run(state, 0, body, user, err);
}

enum ps_code ps_state_read(struct ps_state *state, ps_txn_fn body, void *user, struct ps_err *err)
{
    return run(state, MDB_RDONLY, body, user, err);
}
