#include "state/pending_reclaim.h"

#include "base/str.h"
#include "state/artifact_value.h"
#include "state/decision_log.h"
#include "state/field.h"
#include "state/reclaim_internal.h"
#include "state/record.h"

#include <stdlib.h>
#include <string.h>

/* --- values: the URL first, as ps_txn_find wants it --- */

static enum ps_code encode(const struct ps_hold *hold, struct ps_buf *buf, struct ps_err *err)
{
    struct ps_field_writer writer = ps_field_writer_begin(buf, err);

    ps_field_write_text(&writer, hold->url);
    ps_field_write_number(&writer, (uint64_t)hold->until_unix_s, 8);
    ps_field_write_number(&writer, (uint64_t)hold->since_unix_s, 8);
    ps_field_write_text(&writer, hold->why);
    return writer.code;
}

static enum ps_code decode(const MDB_val *value, struct ps_hold *hold_out, struct ps_err *err)
{
    struct ps_field_reader reader;
    enum ps_code code = ps_field_reader_begin(&reader, value->mv_data, value->mv_size, err);

    if (code != PS_OK) {
        return code;
    }
    hold_out->url = ps_field_read_text(&reader);
    hold_out->until_unix_s = (int64_t)ps_field_read_number(&reader, 8);
    hold_out->since_unix_s = (int64_t)ps_field_read_number(&reader, 8);
    hold_out->why = ps_field_read_text(&reader);
    return ps_field_reader_end(&reader, "hold", err);
}

/* --- finding --- */

static enum ps_code look(struct ps_txn *txn, const char *url, int64_t now_unix_s, bool *found_out,
                         struct ps_hold *hold_out)
{
    struct ps_key key;
    MDB_val value = { 0 };
    enum ps_code code = ps_txn_find(txn, PS_DB_HOLDS, url, &key, &value);

    if (code != PS_OK || value.mv_data == NULL) {
        return code;
    }
    code = decode(&value, hold_out, txn->err);
    *found_out =
        code == PS_OK && (hold_out->until_unix_s == 0 || hold_out->until_unix_s > now_unix_s);
    return code;
}

static bool has_holds(struct ps_txn *txn)
{
    MDB_stat stat;

    return mdb_stat(txn->mdb, txn->state->dbs[PS_DB_HOLDS], &stat) != 0 || stat.ms_entries > 0;
}

enum ps_code ps_txn_find_hold(struct ps_txn *txn, const char *url, int64_t now_unix_s,
                              bool *found_out, struct ps_hold *hold_out)
{
    size_t length = strlen(url);
    char *prefix;
    enum ps_code code;

    *found_out = false;
    if (!has_holds(txn)) {
        return PS_OK;
    }
    code = look(txn, url, now_unix_s, found_out, hold_out);
    prefix = ps_strdup(url);
    if (prefix == NULL) {
        return ps_err_set(txn->err, PS_E_NO_MEMORY, "state: out of memory");
    }
    for (size_t i = length; i > 0 && code == PS_OK && !*found_out; i--) {
        if (prefix[i - 1] == '/' && i < length) {
            prefix[i] = '\0';
            code = look(txn, prefix, now_unix_s, found_out, hold_out);
        }
    }
    free(prefix);
    return code;
}

bool ps_txn_look_for_hold(struct ps_txn *txn, const char *url, int64_t now_unix_s,
                          struct ps_hold *hold_out)
{
    struct ps_txn quiet = *txn;
    bool found = false;

    quiet.err = NULL;
    if (ps_txn_find_hold(&quiet, url, now_unix_s, &found, hold_out) != PS_OK) {
        *hold_out = (struct ps_hold){ .url = url, .why = "the record of its hold is damaged" };
        found = true;
    }
    return found;
}

/* --- setting and releasing --- */

struct set {
    const struct ps_hold *hold;
    uint64_t deleting_count;
    uint64_t released_count;
    bool found;
};

static enum ps_code count_deleting(struct ps_txn *txn, void *user, uint64_t number,
                                   const struct ps_artifact *artifact)
{
    struct set *set = user;
    struct ps_reclaim reclaim;
    bool found = false;
    enum ps_code code = ps_txn_get_reclaim(txn, number, &found, &reclaim);

    (void)artifact;
    set->deleting_count += code == PS_OK && found && reclaim.state == PS_RECLAIM_DELETING ? 1 : 0;
    return code;
}

static enum ps_code each_meant(struct ps_txn *txn, const char *url, ps_artifact_fn each, void *user)
{
    return ps_str_has_suffix(url, "/") ? ps_txn_each_below(txn, url, each, user)
                                       : ps_txn_each_of_url(txn, url, each, user);
}

static enum ps_code log_hold(struct ps_txn *txn, const struct ps_hold *hold,
                             enum ps_decision_kind kind)
{
    const struct ps_decision_entry entry = {
        .at_unix_ms = hold->since_unix_s * 1000,
        .kind = kind,
        .due_unix_s = hold->until_unix_s,
        .url = hold->url,
        .reason = hold->why,
    };

    return ps_txn_log(txn, &entry);
}

static enum ps_code set_body(struct ps_txn *txn, void *user)
{
    struct set *set = user;
    struct ps_buf buf;
    struct ps_key key;
    MDB_val old;
    enum ps_code code;

    set->deleting_count = 0;
    ps_buf_init(&buf, 0);
    code = ps_txn_find(txn, PS_DB_HOLDS, set->hold->url, &key, &old);
    if (code == PS_OK) {
        code = encode(set->hold, &buf, txn->err);
    }
    if (code == PS_OK) {
        code = ps_txn_put(txn, PS_DB_HOLDS, &key, &buf);
    }
    ps_buf_clear(&buf);
    if (code == PS_OK) {
        code = log_hold(txn, set->hold, PS_LOGGED_HELD);
    }
    return code == PS_OK ? each_meant(txn, set->hold->url, count_deleting, set) : code;
}

enum ps_code ps_hold_set(struct ps_state *state, const struct ps_hold *hold, uint64_t *deleting_out,
                         struct ps_err *err)
{
    struct set set = { .hold = hold };
    enum ps_code code = ps_state_write(state, set_body, &set, err);

    if (code == PS_OK) {
        *deleting_out = set.deleting_count;
    }
    return code;
}

static enum ps_code queue_held(struct ps_txn *txn, void *user, uint64_t number,
                               const struct ps_artifact *artifact)
{
    struct set *set = user;
    struct ps_reclaim reclaim;
    bool found = false;
    enum ps_code code = ps_txn_get_reclaim(txn, number, &found, &reclaim);

    (void)artifact;
    if (code != PS_OK || !found || !reclaim.by_hold) {
        return code;
    }
    set->released_count++;
    return ps_queue_put(txn, PS_QUEUE_ARTIFACT, number, PS_EVENT_AGE);
}

static enum ps_code release_body(struct ps_txn *txn, void *user)
{
    struct set *set = user;
    struct ps_key key;
    MDB_val value = { 0 };
    enum ps_code code = ps_txn_find(txn, PS_DB_HOLDS, set->hold->url, &key, &value);

    set->found = code == PS_OK && value.mv_data != NULL;
    set->released_count = 0;
    if (!set->found) {
        return code;
    }
    code = ps_txn_delete(txn, PS_DB_HOLDS, &key);
    if (code == PS_OK) {
        code = log_hold(txn, set->hold, PS_LOGGED_RELEASED);
    }
    return code == PS_OK ? each_meant(txn, set->hold->url, queue_held, set) : code;
}

enum ps_code ps_hold_release(struct ps_state *state, const char *url, int64_t now_unix_s,
                             bool *found_out, uint64_t *queued_out, struct ps_err *err)
{
    const struct ps_hold hold = { .url = url, .since_unix_s = now_unix_s };
    struct set set = { .hold = &hold };
    enum ps_code code = ps_state_write(state, release_body, &set, err);

    if (code == PS_OK) {
        *found_out = set.found;
        *queued_out = set.released_count;
    }
    return code;
}

/* --- listing --- */

struct each {
    bool (*each)(void *user, const struct ps_hold *hold);
    void *user;
};

static enum ps_code each_one(struct ps_txn *txn, void *user, const MDB_val *key,
                             const MDB_val *value)
{
    const struct each *each = user;
    struct ps_hold hold;
    enum ps_code code = decode(value, &hold, txn->err);

    (void)key;
    if (code != PS_OK) {
        return code;
    }
    return each->each(each->user, &hold) ? PS_OK : PS_E_CANCELLED;
}

static enum ps_code each_body(struct ps_txn *txn, void *user)
{
    static const struct ps_key first = { 0 };

    return ps_txn_walk(txn, PS_DB_HOLDS, &first, 0, each_one, user);
}

enum ps_code ps_hold_each(struct ps_state *state,
                          bool (*each)(void *user, const struct ps_hold *hold), void *user,
                          struct ps_err *err)
{
    struct each own = { each, user };

    return ps_state_read(state, each_body, &own, err);
}
