#include "lua/lifecycle_rows.h"

#include "base/str.h"
#include "lua/api_purser.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400.0

/* Stores take days up to 2^31 - 1; a century is enough to say never. */
#define DAYS_MAX 36600.0

struct row {
    lua_State *lua;
    int number; /* from 1 */
    struct ps_lifecycle_rule *rule;
    bool has_prefix;
};

static PS_MAY_RAISE void fail(const struct row *row, const char *what)
{
    (void)luaL_error(row->lua, "lifecycle row %d: %s", row->number, what);
}

static PS_MAY_RAISE void fail_field(const struct row *row, const char *field, const char *what)
{
    (void)luaL_error(row->lua, "lifecycle row %d: `%s` %s", row->number, field, what);
}

static bool is_line(const char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The text at index, copied. */
static PS_MAY_RAISE void take_text(const struct row *row, int index, const char *field, char *into,
                                   size_t into_size_bytes)
{
    size_t size_bytes = 0;
    const char *text = lua_type(row->lua, index) == LUA_TSTRING
                           ? lua_tolstring(row->lua, index, &size_bytes)
                           : NULL;

    if (text == NULL || size_bytes >= into_size_bytes || !is_line(text, size_bytes)) {
        fail_field(row, field, "must be a text of one line, not longer than stores take");
    }
    ps_str_copy(into, into_size_bytes, text);
}

static PS_MAY_RAISE uint32_t need_days(const struct row *row, const char *field, double least)
{
    double seconds = 0;
    double days;

    if (!ps_lua_to_seconds(row->lua, -1, &seconds)) {
        fail_field(row, field, "must be a duration like '7d'");
    }
    days = seconds / DAY_S;
    if (days < least || days > DAYS_MAX || (double)(uint32_t)days * DAY_S != seconds) {
        fail_field(row, field, "must be whole days like '7d': stores count in days");
    }
    return (uint32_t)days;
}

/* "s3://bucket/tmp/" is "tmp/" in that bucket only; "tmp/" is that of every store it is applied to. */
static PS_MAY_RAISE void take_prefix(struct row *row)
{
    struct ps_lifecycle_rule *rule = row->rule;
    char text[sizeof(rule->prefix) + sizeof(rule->store_url)];
    const char *host;
    const char *key;

    take_text(row, -1, "prefix", text, sizeof(text));
    row->has_prefix = true;
    host = strstr(text, "://");
    key = text;
    if (host != NULL && !ps_str_has_prefix(text, "file://")) {
        key = strchr(host + 3, '/');
        if (key == NULL || key == host + 3 || (size_t)(key - text) >= sizeof(rule->store_url)) {
            fail_field(row, "prefix", "must be that of keys, or s3://BUCKET/PREFIX");
            return; /* for who does not know that it raises */
        }
        (void)snprintf(rule->store_url, sizeof(rule->store_url), "%.*s", (int)(key - text), text);
        key++;
    } else if (host != NULL) {
        fail_field(row, "prefix", "of a directory is that of keys below it, no file:// URL");
    }
    if (strlen(key) >= sizeof(rule->prefix)) {
        fail_field(row, "prefix", "is longer than a key may be");
    }
    ps_str_copy(rule->prefix, sizeof(rule->prefix), key);
}

/* Lua walks tables in an order of its own: rules shall be the same in every process. */
static void put_in_order(struct ps_lifecycle_rule *rule, const struct ps_lifecycle_tag *tag)
{
    size_t at = rule->tag_count++;

    for (; at > 0 && strcmp(rule->tags[at - 1].name, tag->name) > 0; at--) {
        rule->tags[at] = rule->tags[at - 1];
    }
    rule->tags[at] = *tag;
}

static PS_MAY_RAISE void take_tags(const struct row *row)
{
    lua_State *lua = row->lua;
    int table = lua_gettop(lua);

    if (!lua_istable(lua, table)) {
        fail_field(row, "tags", "must be a table of texts");
    }
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        struct ps_lifecycle_tag tag;

        if (row->rule->tag_count == PS_LIFECYCLE_TAGS_MAX) {
            fail_field(row, "tags", "has more than 10 entries");
        }
        take_text(row, -2, "tags", tag.name, sizeof(tag.name));
        take_text(row, -1, "tags", tag.value, sizeof(tag.value));
        put_in_order(row->rule, &tag);
        lua_pop(lua, 1);
    }
}

static PS_MAY_RAISE void take_archive(const struct row *row)
{
    lua_State *lua = row->lua;
    int table = lua_gettop(lua);
    bool has_after = false;

    if (!lua_istable(lua, table)) {
        fail_field(row, "archive", "must be a table: { after = '30d', class = 'GLACIER' }");
    }
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";

        if (strcmp(key, "after") == 0) {
            row->rule->archive_days = need_days(row, "archive.after", 0);
            has_after = true;
        } else if (strcmp(key, "class") == 0) {
            take_text(row, -1, "archive.class", row->rule->archive_class,
                      sizeof(row->rule->archive_class));
        } else {
            fail_field(row, "archive", "has another key than `after` and `class`");
        }
        lua_pop(lua, 1);
    }
    if (!has_after || row->rule->archive_class[0] == '\0') {
        fail_field(row, "archive", "needs `after` and `class`");
    }
    row->rule->archives = true;
}

static PS_MAY_RAISE void take_field(struct row *row, const char *key)
{
    if (strcmp(key, "prefix") == 0) {
        take_prefix(row);
    } else if (strcmp(key, "tags") == 0) {
        take_tags(row);
    } else if (strcmp(key, "expire") == 0) {
        row->rule->expire_days = need_days(row, key, 1);
    } else if (strcmp(key, "archive") == 0) {
        take_archive(row);
    } else if (strcmp(key, "abort_incomplete") == 0) {
        row->rule->abort_days = need_days(row, key, 1);
    } else if (strcmp(key, "expire_noncurrent") == 0) {
        row->rule->noncurrent_days = need_days(row, key, 1);
    } else {
        fail_field(row, strlen(key) < 64 && is_line(key, strlen(key)) ? key : "?",
                   "is no field of a row: prefix tags expire archive abort_incomplete "
                   "expire_noncurrent");
    }
}

/* What stores would refuse, or what is a slip that would cost objects. */
static PS_MAY_RAISE void check(const struct row *row)
{
    const struct ps_lifecycle_rule *rule = row->rule;

    if (!row->has_prefix) {
        fail(row, "`prefix` is missing: '' is the whole bucket");
    }
    if (rule->expire_days == 0 && !rule->archives && rule->abort_days == 0 &&
        rule->noncurrent_days == 0) {
        fail(row, "says neither expire, archive, abort_incomplete nor expire_noncurrent");
    }
    if (rule->expire_days != 0 && rule->archives && rule->expire_days <= rule->archive_days) {
        fail(row, "`expire` must be later than `archive.after`");
    }
    if (rule->abort_days != 0 && rule->tag_count > 0) {
        fail(row, "`abort_incomplete` cannot go with `tags`: an upload under way has none");
    }
}

static PS_MAY_RAISE void take_row(struct row *row)
{
    lua_State *lua = row->lua;
    int table = lua_gettop(lua);

    if (!lua_istable(lua, table)) {
        fail(row, "is no table");
    }
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        if (lua_type(lua, -2) != LUA_TSTRING) {
            fail(row, "has a key that is no text");
        }
        take_field(row, lua_tostring(lua, -2));
        lua_pop(lua, 1);
    }
    check(row);
}

void ps_lifecycle_rows_take(lua_State *lua, const char *name, struct ps_lifecycle_rule *rule,
                            ps_lifecycle_rule_fn each, void *user)
{
    int table = lua_gettop(lua);
    lua_Integer count = 0;
    bool goes_on = true;

    luaL_checkstack(lua, 12, NULL);
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        count++;
        lua_pop(lua, 1);
    }
    if (count > PS_LIFECYCLE_ROWS_MAX || count != (lua_Integer)lua_rawlen(lua, table)) {
        (void)luaL_error(lua, "`lifecycle` must be a list of at most %d rows",
                         PS_LIFECYCLE_ROWS_MAX);
    }
    for (int i = 1; i <= (int)count && goes_on; i++) {
        struct row row = { .lua = lua, .number = i, .rule = rule };

        memset(rule, 0, sizeof(*rule));
        (void)snprintf(rule->id, sizeof(rule->id), "%s%s-%d", PS_LIFECYCLE_ID_PREFIX, name, i);
        (void)lua_rawgeti(lua, table, i);
        take_row(&row);
        lua_pop(lua, 1);
        goes_on = each == NULL || each(user, rule);
    }
}
