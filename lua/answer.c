#include "lua/answer.h"

#include "base/str.h"
#include "lua/api_purser.h"

#include <lauxlib.h>
#include <string.h>

/* Largest part any store takes. */
#define PART_SIZE_MAX ((uint64_t)5 * 1024 * 1024 * 1024)

/* A value of tags or metadata; S3 takes 2 KiB of metadata in all. */
#define PAIR_VALUE_SIZE_MAX ((size_t)2048)

/* Longest time that a policy may have an attempt wait. */
#define RETRY_AFTER_S_MAX 86400.0

/* Walk the table: the next key is pushed as text and its value after it. False at the end. */
static PS_MAY_RAISE bool next_field(lua_State *lua, int table, const char **key_out)
{
    if (lua_next(lua, table) == 0) {
        return false;
    }
    if (lua_type(lua, -2) != LUA_TSTRING) {
        (void)luaL_error(lua, "the answer has a key that is no text");
    }
    *key_out = lua_tostring(lua, -2);
    return true;
}

/* Text goes into headers: no control bytes, so none can add a line of its own. */
static bool is_line(const char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static PS_MAY_RAISE void fail_unknown(lua_State *lua, const char *key)
{
    (void)luaL_error(lua, "unknown field `%s` in the answer",
                     is_line(key, strlen(key)) && strlen(key) < 64 ? key : "?");
}

static PS_MAY_RAISE void fail_empty(lua_State *lua)
{
    (void)luaL_error(lua, "the answer has a reason and no field: answer nil for no opinion");
}

static PS_MAY_RAISE const char *need_text(lua_State *lua, const char *key, size_t size_max)
{
    size_t size_bytes = 0;
    const char *text =
        lua_type(lua, -1) == LUA_TSTRING ? lua_tolstring(lua, -1, &size_bytes) : NULL;

    if (text == NULL || size_bytes >= size_max || !is_line(text, size_bytes)) {
        (void)luaL_error(lua, "`%s` must be a text of one line, of less than %d bytes", key,
                         (int)size_max);
    }
    return text;
}

/* A reason is for people and often has a key in it: what does not fit is cut, and no decision fails for it. */
static void flatten(char *text)
{
    for (; *text != '\0'; text++) {
        if (!is_line(text, 1)) {
            *text = '?';
        }
    }
}

static PS_MAY_RAISE void check_reason(lua_State *lua, int table, struct ps_origin *origin)
{
    if (!lua_istable(lua, table)) {
        (void)luaL_error(lua, "answered a %s: a table or nil is wanted", luaL_typename(lua, table));
    }
    lua_pushliteral(lua, "reason");
    if (lua_rawget(lua, table) != LUA_TSTRING || lua_rawlen(lua, -1) == 0) {
        (void)luaL_error(lua, "the answer has no reason");
    }
    ps_str_copy(origin->reason, sizeof(origin->reason), lua_tostring(lua, -1));
    flatten(origin->reason);
    lua_pop(lua, 1);
}

static PS_MAY_RAISE bool need_bool(lua_State *lua, const char *key)
{
    if (lua_type(lua, -1) != LUA_TBOOLEAN) {
        (void)luaL_error(lua, "`%s` must be true or false", key);
    }
    return lua_toboolean(lua, -1) != 0;
}

static PS_MAY_RAISE lua_Integer need_whole(lua_State *lua, const char *key, lua_Integer least,
                                           lua_Integer most)
{
    int is_whole = 0;
    lua_Integer value = lua_type(lua, -1) == LUA_TNUMBER ? lua_tointegerx(lua, -1, &is_whole) : 0;

    if (is_whole == 0 || value < least || value > most) {
        (void)luaL_error(lua, "`%s` must be a whole number from %d to %d", key, (int)least,
                         (int)most);
    }
    return value;
}

static PS_MAY_RAISE uint64_t need_bytes(lua_State *lua, const char *key, uint64_t least,
                                        uint64_t most)
{
    uint64_t bytes = 0;

    if (!ps_lua_to_bytes(lua, -1, &bytes) || bytes < least || bytes > most) {
        (void)luaL_error(lua, "`%s` must be whole bytes or a size like '64MiB', within limits",
                         key);
    }
    return bytes;
}

/* --- upload --- */

static PS_MAY_RAISE char *keep(lua_State *lua, struct ps_upload_decision *out, size_t *text_used,
                               int index)
{
    size_t length = 0;
    const char *text = lua_tolstring(lua, index, &length);
    char *kept;

    if (length + 1 > PS_ANSWER_TEXT_MAX - *text_used) {
        (void)luaL_error(lua, "tags and metadata are larger than %d bytes",
                         (int)PS_ANSWER_TEXT_MAX);
    }
    kept = out->text + *text_used;
    memcpy(kept, text, length + 1);
    *text_used += length + 1;
    return kept;
}

/* Lua walks tables in an order of its own, another in every process: requests shall be the same. */
static void put_in_order(struct ps_pairs *pairs, struct ps_pair pair)
{
    size_t at = pairs->count++;

    for (; at > 0 && strcmp(pairs->items[at - 1].name, pair.name) > 0; at--) {
        pairs->items[at] = pairs->items[at - 1];
    }
    pairs->items[at] = pair;
}

static PS_MAY_RAISE void take_pairs(lua_State *lua, const char *field, struct ps_pairs *pairs,
                                    struct ps_upload_decision *out, size_t *text_used)
{
    int table = lua_gettop(lua);
    const char *key = NULL;

    if (!lua_istable(lua, table)) {
        (void)luaL_error(lua, "`%s` must be a table of texts", field);
    }
    pairs->count = 0;
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        struct ps_pair pair;

        if (pairs->count == PS_PAIRS_MAX) {
            (void)luaL_error(lua, "`%s` has more than %d entries", field, PS_PAIRS_MAX);
        }
        if (key[0] == '\0' || !is_line(key, lua_rawlen(lua, -2))) {
            (void)luaL_error(lua, "`%s` has a name that is empty or not of one line", field);
        }
        (void)need_text(lua, field, PAIR_VALUE_SIZE_MAX);
        pair.name = keep(lua, out, text_used, -2);
        pair.value = keep(lua, out, text_used, -1);
        put_in_order(pairs, pair);
        lua_pop(lua, 1);
    }
}

static PS_MAY_RAISE void take_checksum(lua_State *lua, struct ps_upload_decision *out)
{
    static const char *const names[] = { "auto",  "crc64nvme", "crc64ecma", "crc32c",
                                         "crc32", "sha256",    "md5" };
    const char *text = need_text(lua, "checksum", sizeof(out->checksum));

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            ps_str_copy(out->checksum, sizeof(out->checksum), text);
            return;
        }
    }
    (void)luaL_error(lua,
                     "`checksum` '%s' is none of auto crc64nvme crc64ecma crc32c crc32 sha256 "
                     "md5",
                     text);
}

static PS_MAY_RAISE unsigned take_upload_field(lua_State *lua, const char *key,
                                               struct ps_upload_decision *out, size_t *text_used)
{
    if (strcmp(key, "threshold") == 0) {
        out->threshold_bytes = need_bytes(lua, key, 1, PART_SIZE_MAX);
        return PS_UPLOAD_FIELD_THRESHOLD;
    }
    if (strcmp(key, "concurrency") == 0) {
        out->concurrency = (uint32_t)need_whole(lua, key, 1, 64);
        return PS_UPLOAD_FIELD_CONCURRENCY;
    }
    if (strcmp(key, "checksum") == 0) {
        take_checksum(lua, out);
        return PS_UPLOAD_FIELD_CHECKSUM;
    }
    if (strcmp(key, "storage_class") == 0) {
        ps_str_copy(out->storage_class, sizeof(out->storage_class),
                    need_text(lua, key, sizeof(out->storage_class)));
        return PS_UPLOAD_FIELD_STORAGE_CLASS;
    }
    if (strcmp(key, "skip") == 0) {
        out->skip = need_bool(lua, key);
        return PS_UPLOAD_FIELD_SKIP;
    }
    if (strcmp(key, "tags") == 0) {
        take_pairs(lua, key, &out->tags, out, text_used);
        return PS_UPLOAD_FIELD_TAGS;
    }
    if (strcmp(key, "metadata") == 0) {
        take_pairs(lua, key, &out->metadata, out, text_used);
        return PS_UPLOAD_FIELD_METADATA;
    }
    if (strcmp(key, "reason") != 0) {
        fail_unknown(lua, key);
    }
    return 0;
}

void ps_answer_take_upload(lua_State *lua, struct ps_origin *origin, struct ps_upload_decision *out,
                           size_t *text_used)
{
    int table = lua_gettop(lua);
    unsigned answered = 0;
    const char *key = NULL;

    luaL_checkstack(lua, 8, NULL);
    check_reason(lua, table, origin);
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        unsigned field = take_upload_field(lua, key, out, text_used);

        answered |= field;
        if (field != 0) {
            out->origins[__builtin_ctz(field)] = *origin;
        }
        lua_pop(lua, 1);
    }
    if (answered == 0) {
        fail_empty(lua);
    }
    out->set |= answered;
}

/* --- part_size --- */

void ps_answer_take_part_size(lua_State *lua, struct ps_origin *origin,
                              struct ps_part_size_decision *out)
{
    int table = lua_gettop(lua);
    const char *key = NULL;
    bool has_bytes = false;

    luaL_checkstack(lua, 8, NULL);
    check_reason(lua, table, origin);
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        if (strcmp(key, "bytes") == 0) {
            out->bytes = need_bytes(lua, key, 1, PART_SIZE_MAX);
            has_bytes = true;
        } else if (strcmp(key, "reason") != 0) {
            fail_unknown(lua, key);
        }
        lua_pop(lua, 1);
    }
    if (!has_bytes) {
        (void)luaL_error(lua, "`bytes` is missing in the answer");
    }
    out->origin = *origin;
}

/* --- retry --- */

static PS_MAY_RAISE uint64_t need_wait_ms(lua_State *lua)
{
    double seconds = 0;

    if (!ps_lua_to_seconds(lua, -1, &seconds) || seconds > RETRY_AFTER_S_MAX) {
        (void)luaL_error(lua, "`after` must be seconds or a duration like '2s', up to a day");
    }
    return (uint64_t)(seconds * 1000.0);
}

void ps_answer_take_retry(lua_State *lua, struct ps_origin *origin, struct ps_retry_decision *out)
{
    int table = lua_gettop(lua);
    const char *key = NULL;
    bool has_after = false;
    bool has_give_up = false;

    luaL_checkstack(lua, 8, NULL);
    check_reason(lua, table, origin);
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        if (strcmp(key, "after") == 0) {
            out->after_ms = need_wait_ms(lua);
            has_after = true;
        } else if (strcmp(key, "give_up") == 0) {
            out->give_up = need_bool(lua, key);
            has_give_up = true;
        } else if (strcmp(key, "reason") != 0) {
            fail_unknown(lua, key);
        }
        lua_pop(lua, 1);
    }
    if (!has_after && !has_give_up) {
        fail_empty(lua);
    }
    if (has_after && has_give_up && out->give_up) {
        (void)luaL_error(lua, "`after` and `give_up = true` exclude each other");
    }
    if (has_after) {
        out->has_after = true;
        out->give_up = false; /* who says when to try again wants it tried */
    }
    out->origin = *origin;
}

/* --- reclaim --- */

/* A century: what is not to go at all is kept by `keep`. */
#define RECLAIM_AFTER_S_MAX (100.0 * 366 * 86400)

static PS_MAY_RAISE enum ps_reclaim_action need_action(lua_State *lua)
{
    const char *text = need_text(lua, "action", 16);

    for (int i = PS_ACTION_KEEP; i <= PS_ACTION_ARCHIVE; i++) {
        if (strcmp(text, ps_reclaim_action_name((enum ps_reclaim_action)i)) == 0) {
            return (enum ps_reclaim_action)i;
        }
    }
    (void)luaL_error(lua, "`action` '%s' is none of keep delete archive", text);
    return PS_ACTION_KEEP;
}

static PS_MAY_RAISE uint64_t need_after_s(lua_State *lua)
{
    double seconds = 0;

    if (!ps_lua_to_seconds(lua, -1, &seconds) || !(seconds <= RECLAIM_AFTER_S_MAX)) {
        (void)luaL_error(lua, "`after` must be seconds or a duration like '7d', up to 100 years");
    }
    return (uint64_t)seconds;
}

static PS_MAY_RAISE void take_reclaim_field(lua_State *lua, const char *key,
                                            struct ps_reclaim_fields *fields)
{
    if (strcmp(key, "action") == 0) {
        fields->action = need_action(lua);
    } else if (strcmp(key, "after") == 0) {
        fields->after_s = need_after_s(lua);
        fields->has_after = true;
    } else if (strcmp(key, "class") == 0) {
        ps_str_copy(fields->storage_class, sizeof(fields->storage_class),
                    need_text(lua, key, sizeof(fields->storage_class)));
    } else if (strcmp(key, "reason") != 0) {
        fail_unknown(lua, key);
    }
}

void ps_answer_take_reclaim(lua_State *lua, struct ps_reclaim_fields *fields)
{
    int table = lua_gettop(lua);
    struct ps_origin origin;
    const char *key = NULL;

    luaL_checkstack(lua, 8, NULL);
    check_reason(lua, table, &origin);
    ps_str_copy(fields->reason, sizeof(fields->reason), origin.reason);
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        take_reclaim_field(lua, key, fields);
        lua_pop(lua, 1);
    }
    if (fields->action == PS_ACTION_NONE && !fields->has_after) {
        fail_empty(lua);
    }
    if ((fields->action == PS_ACTION_ARCHIVE) != (fields->storage_class[0] != '\0')) {
        (void)luaL_error(lua, "`class` goes with `action = 'archive'`, and each needs the other");
    }
    if (fields->action == PS_ACTION_KEEP && fields->has_after) {
        (void)luaL_error(lua, "`after` and `action = 'keep'` exclude each other");
    }
}

/* --- download --- */

/* Faster than any network: the same as no limit. */
#define RATE_MAX ((uint64_t)1 << 50)

static PS_MAY_RAISE enum ps_download_action need_download_action(lua_State *lua)
{
    const char *text = need_text(lua, "action", 16);

    for (int i = PS_DOWNLOAD_STREAM; i <= PS_DOWNLOAD_RESTORE; i++) {
        if (strcmp(text, ps_download_action_name((enum ps_download_action)i)) == 0) {
            return (enum ps_download_action)i;
        }
    }
    (void)luaL_error(lua, "`action` '%s' is none of stream redirect deny restore", text);
    return PS_DOWNLOAD_DENY;
}

void ps_answer_take_download(lua_State *lua, struct ps_origin *origin,
                             struct ps_download_decision *out)
{
    int table = lua_gettop(lua);
    const char *key = NULL;
    bool has_field = false;

    luaL_checkstack(lua, 8, NULL);
    check_reason(lua, table, origin);
    lua_pushnil(lua);
    while (next_field(lua, table, &key)) {
        if (strcmp(key, "action") == 0) {
            out->action = need_download_action(lua);
            out->has_action = true;
        } else if (strcmp(key, "rate") == 0) {
            out->rate_bytes_per_s = need_bytes(lua, key, 1, RATE_MAX);
        } else if (strcmp(key, "reason") != 0) {
            fail_unknown(lua, key);
        }
        has_field = has_field || strcmp(key, "reason") != 0;
        lua_pop(lua, 1);
    }
    if (!has_field) {
        fail_empty(lua);
    }
    out->origin = *origin;
}
