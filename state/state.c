#include "state/state.h"

#include "base/str.h"
#include "state/state_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Version of the layout, in meta under "schema". A later one is refused; an earlier one would be converted here. */
enum {
    SCHEMA_VERSION = 1
};

/** Readers at once, over all processes. Lower: "readers full" with many purser on one node. 64 bytes each. */
enum {
    READERS_MAX = 1024
};

/** Room for the databases of all issues to come; costs a few words each. */
enum {
    DBS_MAX = 32
};

static const char *const db_names[PS_DB_COUNT] = {
    [PS_DB_META] = "meta",
    [PS_DB_UPLOADS] = "uploads",
    [PS_DB_PARTS] = "parts",
    [PS_DB_DOWNLOADS] = "downloads",
    [PS_DB_DOWNLOAD_RANGES] = "download_ranges",
    [PS_DB_ARTIFACTS] = "artifacts",
    [PS_DB_ARTIFACT_URLS] = "artifact_urls",
    [PS_DB_WORKFLOWS] = "workflows",
    [PS_DB_WORKFLOW_NAMES] = "workflow_names",
    [PS_DB_WORKFLOW_ARTIFACTS] = "workflow_artifacts",
    [PS_DB_WORKFLOW_TEMPLATES] = "workflow_templates",
    [PS_DB_PLAN_QUEUE] = "plan_queue",
    [PS_DB_RECLAIMS] = "reclaims",
    [PS_DB_RECLAIMS_DUE] = "reclaims_due",
    [PS_DB_HOLDS] = "holds",
    [PS_DB_DECISIONS] = "decisions",
};

/* --- the directory --- */

static enum ps_code make_dirs(const char *dir, struct ps_err *err)
{
    char *path = ps_strdup(dir);
    enum ps_code code = PS_OK;

    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", dir);
    }
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            code = ps_err_set_errno(err, errno, "state directory %s", dir);
            break;
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    free(path);
    return code;
}

/* LMDB syncs its file, not the directory that names it. */
static enum ps_code sync_dir(const char *dir, struct ps_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ps_code code = PS_OK;

    if (fd < 0) {
        return ps_err_set_errno(err, errno, "state directory %s", dir);
    }
    if (fsync(fd) != 0 && errno != EINVAL) { /* EINVAL: a file system that has no such thing */
        code = ps_err_set_errno(err, errno, "state directory %s", dir);
    }
    (void)close(fd);
    return code;
}

/* True when dir has no lock file: then no process writes there. */
static bool has_no_lock_file(const char *dir)
{
    char *path = ps_str_format("%s/lock.mdb", dir);
    bool missing = path != NULL && access(path, F_OK) != 0 && errno == ENOENT;

    free(path);
    return missing;
}

/* --- databases --- */

static enum ps_code write_schema(struct ps_txn *txn, const struct ps_key *key)
{
    struct ps_buf buf;
    unsigned char version = SCHEMA_VERSION;
    enum ps_code code;

    ps_buf_init(&buf, 0);
    code = ps_buf_append(&buf, &version, 1, txn->err);
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_META, key, &buf);
    }
    ps_buf_clear(&buf);
    return code;
}

static enum ps_code check_schema(struct ps_txn *txn, bool create)
{
    struct ps_key key;
    MDB_val value;
    enum ps_code code;
    unsigned version;

    ps_key_from_text(&key, "schema", 0);
    code = ps_txn_get(txn, PS_DB_META, &key, &value);
    if (code != PS_OK) {
        return code;
    }
    if (value.mv_data == NULL) {
        return create ? write_schema(txn, &key)
                      : ps_err_set(txn->err, PS_E_NOT_FOUND, "%s holds no state", txn->state->dir);
    }
    version = value.mv_size > 0 ? *(const unsigned char *)value.mv_data : 0;
    if (version == SCHEMA_VERSION) {
        return PS_OK;
    }
    if (version == 0) {
        return ps_err_set(txn->err, PS_E_PARSE, "%s: the state's schema is damaged",
                          txn->state->dir);
    }
    return ps_err_set(txn->err, PS_E_PARSE,
                      "%s has schema %u; this purser reads %d: use the purser that made it, or "
                      "another --state-dir",
                      txn->state->dir, version, SCHEMA_VERSION);
}

static enum ps_code open_dbs(struct ps_txn *txn, bool create)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < PS_DB_COUNT && code == PS_OK; i++) {
        int rc = mdb_dbi_open(txn->mdb, db_names[i], create ? MDB_CREATE : 0, &txn->state->dbs[i]);

        if (rc != 0) {
            return ps_txn_fail(txn, rc, db_names[i]);
        }
        if (i == PS_DB_META) {
            code = check_schema(txn, create);
        }
    }
    return code;
}

static enum ps_code look_body(struct ps_txn *txn, void *user)
{
    (void)user;
    return open_dbs(txn, false);
}

static enum ps_code create_body(struct ps_txn *txn, void *user)
{
    (void)user;
    return open_dbs(txn, true);
}

/* mdb_dbi_open of a database that exists needs no write transaction: opening costs no flush then. */
static enum ps_code open_all_dbs(struct ps_state *state, bool read_only, struct ps_err *err)
{
    enum ps_code code = ps_state_read(state, look_body, NULL, err);

    if (code != PS_E_NOT_FOUND || read_only) {
        return code;
    }
    ps_err_clear(err);
    code = ps_state_write(state, create_body, NULL, err);
    return code == PS_OK ? sync_dir(state->dir, err) : code;
}

/* --- the environment --- */

static int open_env_with(struct ps_state *state, size_t map_size_bytes, unsigned flags)
{
    int rc = mdb_env_create(&state->env);

    if (rc != 0) {
        return rc;
    }
    (void)mdb_env_set_maxdbs(state->env, DBS_MAX);
    (void)mdb_env_set_maxreaders(state->env, READERS_MAX);
    (void)mdb_env_set_mapsize(state->env, map_size_bytes);
    rc = mdb_env_open(state->env, state->dir, flags, 0600);
    if (rc != 0) {
        mdb_env_close(state->env); /* as LMDB wants it after a failed open */
        state->env = NULL;
    }
    return rc;
}

static enum ps_code open_env(struct ps_state *state, const struct ps_state_options *options,
                             struct ps_err *err)
{
    size_t map_size_bytes =
        options->map_size_bytes != 0 ? options->map_size_bytes : PS_STATE_MAP_SIZE_BYTES;
    unsigned flags = MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0);
    int dead_count = 0;
    int rc = open_env_with(state, map_size_bytes, flags);

    /* On a read-only file system LMDB does without a lock file by itself. In a directory that we may not write to it
     * is safe only while there is none: a writer would reuse pages that a reader without a lock looks at. */
    if (rc == EACCES && options->read_only && has_no_lock_file(state->dir)) {
        rc = open_env_with(state, map_size_bytes, flags | MDB_NOLOCK);
    }
    if (rc != 0) {
        return ps_state_error(rc, state->dir, err);
    }
    /* Readers that died would keep old pages for ever. */
    (void)mdb_reader_check(state->env, &dead_count);
    return PS_OK;
}

static void init_lock(struct ps_state *state)
{
    pthread_rwlockattr_t attr;

    (void)pthread_rwlockattr_init(&attr);
    /* Or a steady stream of reads would keep the map from growing. No transaction is begun within another. */
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&state->resize_lock, &attr);
    (void)pthread_rwlockattr_destroy(&attr);
}

static enum ps_code open_state(struct ps_state *state, const struct ps_state_options *options,
                               struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (state->dir == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory");
    }
    if (state->dir[0] == '\0') {
        return ps_err_set(err, PS_E_INVALID, "the state directory has no name");
    }
    if (!options->read_only) {
        code = make_dirs(state->dir, err);
    }
    if (code == PS_OK) {
        code = open_env(state, options, err);
    }
    return code == PS_OK ? open_all_dbs(state, options->read_only, err) : code;
}

enum ps_code ps_state_open(struct ps_state **state_out, const struct ps_state_options *options,
                           struct ps_err *err)
{
    struct ps_state *state = calloc(1, sizeof(*state));
    enum ps_code code;

    if (state == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory");
    }
    init_lock(state);
    state->pid = getpid();
    state->clock = options->clock;
    state->dir = ps_strdup(options->dir);
    code = open_state(state, options, err);
    if (code != PS_OK) {
        ps_state_close(state);
        return code;
    }
    *state_out = state;
    return PS_OK;
}

void ps_state_close(struct ps_state *state)
{
    if (state == NULL) {
        return;
    }
    /* In a child after fork this would free the parent's slots in the table of readers: it is left to the exit. */
    if (state->env != NULL && state->pid == getpid()) {
        mdb_env_close(state->env);
    }
    (void)pthread_rwlock_destroy(&state->resize_lock);
    free(state->dir);
    free(state);
}
