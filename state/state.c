#include "state/state.h"

#include "base/str.h"
#include "state/state_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/** Version of the layout, in meta under "schema". A later one is refused; an earlier one would be converted here. */
enum {
    SCHEMA_VERSION = 1
};

/** Readers at once, over all processes. Lower: "readers full" with many purser on one node. 64 bytes each. */
enum {
    READERS_MAX = 512
};

/** Room for the databases of all issues to come; costs a few words each. */
enum {
    DBS_MAX = 32
};

static const char *const db_names[PS_DB_COUNT] = {
    [PS_DB_META] = "meta",           [PS_DB_UPLOADS] = "uploads", [PS_DB_PARTS] = "parts",
    [PS_DB_DOWNLOADS] = "downloads", [PS_DB_RANGES] = "ranges",
};

enum ps_code ps_state_error(int rc, const char *what, struct ps_err *err)
{
    enum ps_code code;

    switch (rc) {
    case MDB_NOTFOUND:
        code = PS_E_NOT_FOUND;
        break;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        code = PS_E_NO_SPACE;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        code = PS_E_PARSE;
        break;
    case MDB_READERS_FULL:
        code = PS_E_TEMPORARY;
        break;
    case ENOMEM:
        code = PS_E_NO_MEMORY;
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

/* --- keys --- */

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    }
    return hash;
}

void ps_key_from_text(struct ps_key *key, const char *text)
{
    size_t length = strlen(text);
    size_t kept = length <= PS_KEY_TEXT_MAX ? length : PS_KEY_TEXT_MAX;

    memcpy(key->bytes, text, kept);
    key->size_bytes = kept;
    if (length > PS_KEY_TEXT_MAX) {
        key->bytes[key->size_bytes++] = 0xff; /* never in UTF-8, so no short text has this key */
        ps_key_append_u64(key, fnv1a(text));
    }
}

void ps_key_append_u32(struct ps_key *key, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        key->bytes[key->size_bytes++] = (unsigned char)(value >> shift);
    }
}

void ps_key_append_u64(struct ps_key *key, uint64_t value)
{
    ps_key_append_u32(key, (uint32_t)(value >> 32));
    ps_key_append_u32(key, (uint32_t)value);
}

uint32_t ps_key_last_u32(const void *key, size_t size_bytes)
{
    const unsigned char *bytes = (const unsigned char *)key + size_bytes - 4;

    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* --- transactions --- */

static int set_map_size(struct ps_state *state, size_t size_bytes)
{
    int rc;

    (void)pthread_rwlock_wrlock(&state->resize_lock);
    rc = mdb_env_set_mapsize(state->env, size_bytes);
    (void)pthread_rwlock_unlock(&state->resize_lock);
    return rc;
}

static int grow_map(struct ps_state *state)
{
    MDB_envinfo info;
    int rc = mdb_env_info(state->env, &info);

    return rc != 0 ? rc : set_map_size(state, info.me_mapsize * 2);
}

static enum ps_code run_txn(struct ps_state *state, unsigned flags, ps_txn_fn body, void *user,
                            int *rc_out, struct ps_err *err)
{
    MDB_txn *txn = NULL;
    enum ps_code code;

    *rc_out = mdb_txn_begin(state->env, NULL, flags, &txn);
    if (*rc_out != 0) {
        return ps_state_error(*rc_out, "begin", err);
    }
    code = body(state, txn, user, rc_out, err);
    if (code != PS_OK) {
        mdb_txn_abort(txn);
        return code;
    }
    /* A read is committed too: handles of databases that it opened would be closed by an abort. */
    *rc_out = mdb_txn_commit(txn);
    return *rc_out != 0 ? ps_state_error(*rc_out, "commit", err) : PS_OK;
}

/* A map that is full is doubled; one that another process has grown is mapped anew. The bound keeps a broken
 * environment from looping: 20 doublings of 1 MiB are 1 TiB. */
static enum ps_code retry_txn(struct ps_state *state, unsigned flags, ps_txn_fn body, void *user,
                              struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (int attempt = 0; attempt < 20; attempt++) {
        int rc = 0;

        (void)pthread_rwlock_rdlock(&state->resize_lock);
        code = run_txn(state, flags, body, user, &rc, err);
        (void)pthread_rwlock_unlock(&state->resize_lock);
        if (rc == MDB_MAP_FULL) {
            rc = grow_map(state);
        } else if (rc == MDB_MAP_RESIZED) {
            rc = set_map_size(state, 0);
        } else {
            return code;
        }
        if (rc != 0) {
            return ps_state_error(rc, "grow the map", err);
        }
    }
    return code;
}

enum ps_code ps_state_write(struct ps_state *state, ps_txn_fn body, void *user, struct ps_err *err)
{
    return retry_txn(state, 0, body, user, err);
}

enum ps_code ps_state_read(struct ps_state *state, ps_txn_fn body, void *user, struct ps_err *err)
{
    return retry_txn(state, MDB_RDONLY, body, user, err);
}

/* --- opening --- */

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

static enum ps_code check_schema(struct ps_state *state, MDB_txn *txn, bool read_only, int *rc_out,
                                 struct ps_err *err)
{
    unsigned char version = SCHEMA_VERSION;
    MDB_val key = ps_val("schema", 6);
    MDB_val value = { 0 };

    *rc_out = mdb_get(txn, state->dbs[PS_DB_META], &key, &value);
    if (*rc_out == 0) {
        if (value.mv_size == 1 && *(const unsigned char *)value.mv_data == SCHEMA_VERSION) {
            return PS_OK;
        }
        return ps_err_set(err, PS_E_PARSE,
                          "%s has schema %u; this purser reads %d: use the purser that made it, or "
                          "another --state-dir",
                          state->dir,
                          value.mv_size > 0 ? *(const unsigned char *)value.mv_data : 0U,
                          SCHEMA_VERSION);
    }
    if (*rc_out == MDB_NOTFOUND && !read_only) {
        value = ps_val(&version, 1);
        *rc_out = mdb_put(txn, state->dbs[PS_DB_META], &key, &value, 0);
    }
    return *rc_out != 0 ? ps_state_error(*rc_out, "schema", err) : PS_OK;
}

static enum ps_code open_dbs(struct ps_state *state, MDB_txn *txn, void *user, int *rc_out,
                             struct ps_err *err)
{
    bool read_only = *(const bool *)user;

    for (size_t i = 0; i < PS_DB_COUNT; i++) {
        *rc_out = mdb_dbi_open(txn, db_names[i], read_only ? 0 : MDB_CREATE, &state->dbs[i]);
        if (*rc_out != 0) {
            return ps_state_error(*rc_out, db_names[i], err);
        }
    }
    return check_schema(state, txn, read_only, rc_out, err);
}

static enum ps_code open_env(struct ps_state *state, const struct ps_state_options *options,
                             struct ps_err *err)
{
    size_t map_size_bytes =
        options->map_size_bytes != 0 ? options->map_size_bytes : PS_STATE_MAP_SIZE_BYTES;
    unsigned flags = MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0);
    int dead_count = 0;
    int rc = mdb_env_create(&state->env);

    if (rc != 0) {
        return ps_state_error(rc, "create", err);
    }
    (void)mdb_env_set_maxdbs(state->env, DBS_MAX);
    (void)mdb_env_set_maxreaders(state->env, READERS_MAX);
    (void)mdb_env_set_mapsize(state->env, map_size_bytes);
    rc = mdb_env_open(state->env, state->dir, flags, 0600);
    if (rc != 0) {
        return ps_state_error(rc, state->dir, err);
    }
    (void)mdb_reader_check(state->env,
                           &dead_count); /* readers that died would keep old pages for ever */
    return PS_OK;
}

/* mdb_dbi_open of a database that exists needs no write transaction: opening costs no flush then. */
static enum ps_code open_all_dbs(struct ps_state *state, bool read_only, struct ps_err *err)
{
    bool only_look = true;
    enum ps_code code = ps_state_read(state, open_dbs, &only_look, err);

    if (code != PS_E_NOT_FOUND || read_only) {
        return code;
    }
    return ps_state_write(state, open_dbs, &read_only, err);
}

enum ps_code ps_state_open(struct ps_state **state_out, const struct ps_state_options *options,
                           struct ps_err *err)
{
    struct ps_state *state = calloc(1, sizeof(*state));
    enum ps_code code;

    if (state == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory");
    }
    (void)pthread_rwlock_init(&state->resize_lock, NULL);
    state->clock = options->clock;
    state->dir = ps_strdup(options->dir);
    code = state->dir != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "state: out of memory");
    if (code == PS_OK && !options->read_only) {
        code = make_dirs(state->dir, err);
    }
    if (code == PS_OK) {
        code = open_env(state, options, err);
    }
    if (code == PS_OK) {
        code = open_all_dbs(state, options->read_only, err);
    }
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
    if (state->env != NULL) {
        mdb_env_close(state->env);
    }
    (void)pthread_rwlock_destroy(&state->resize_lock);
    free(state->dir);
    free(state);
}
