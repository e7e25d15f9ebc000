#include "lua/policy_set.h"

#include "hash/digest.h"
#include "lua/api_purser.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(policy_set, .timeout = 60);

static char dir[64];
static char path[128];

static int remove_one(const char *name, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(name);
}

static void write_file(const char *in, const char *name, const char *text, size_t size)
{
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", in, name);
    file = fopen(path, "we");
    cr_assert(file != NULL);
    cr_assert_eq(fwrite(text, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void make_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/purser-policies-XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
}

static void remove_dir(void)
{
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static enum ps_code load(struct ps_policy_set **set, struct ps_err *err)
{
    const struct ps_policy_options options = {
        .dirs = { dir },
        .dir_count = 1,
        .clock = ps_clock_system(),
        .digest = ps_sha256,
        .limits = { .call_ms = 30 },
    };

    return ps_policy_set_load(set, &options, err);
}

static struct ps_policy_set *load_one(const char *text)
{
    struct ps_policy_set *set = NULL;
    struct ps_err err;

    make_dir();
    write_file(dir, "50-test.lua", text, strlen(text));
    cr_assert_eq(load(&set, &err), PS_OK, "%s", err.message);
    return set;
}

static const struct ps_object_facts object = { .url = "s3://b/logs/a.txt",
                                               .store = "s3",
                                               .bucket = "b",
                                               .key = "logs/a.txt",
                                               .name = "a.txt",
                                               .has_size = true,
                                               .size_bytes = 1000 };

static void count_faults(void *user, const struct ps_policy_info *info)
{
    *(uint64_t *)user += info->fault_count;
}

static uint64_t faults_of(const struct ps_policy_set *set)
{
    uint64_t count = 0;

    ps_policy_set_each(set, count_faults, &count);
    return count;
}

/* Each of these must fail inside the policy, in bounded time, and leave the built-in answer. */
Test(policy_set, every_hole_is_closed)
{
    static const struct row {
        const char *name;
        const char *body;
    } rows[] = {
        { "endless loop", "while true do end" },
        { "loop inside pcall", "while true do pcall(function() while true do end end) end" },
        { "loop inside xpcall handlers",
          "while true do xpcall(error, function() while true do end end) end" },
        { "loop in __index",
          "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end})"
          " return t.a" },
        { "loop in __close",
          "local x <close> = setmetatable({}, {__close = function() while true do end "
          "end}) error('x')" },
        { "loop in __tostring",
          "return tostring(setmetatable({}, {__tostring = function() while true do end end}))" },
        { "finalizer", "setmetatable({}, {__gc = function() end})" },
        { "string.rep", "local s = ('x'):rep(1e9)" },
        { "string.rep with separator", "local s = ('x'):rep(10, ('y'):rep(60000))" },
        { "doubling strings", "local s = 'x' while true do s = s .. s end" },
        { "table of strings", "local t = {} for i = 1, 1e9 do t[i] = tostring(i) end" },
        { "table.concat", "local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(1000) end "
                          "return table.concat(t)" },
        { "garbage for ever", "for i = 1, 1e9 do local t = {} end" },
        { "pattern bomb", "return (('a'):rep(40)):find(('a*'):rep(30) .. 'b')" },
        { "gsub bomb", "return (('a'):rep(500)):gsub('.-.-.-b', 'x')" },
        { "format width", "return string.format('%99999d', 1)" },
        { "deep recursion", "local function f() return 1 + f() end return f()" },
        { "load", "return load('return 1')()" },
        { "require", "return require('os')" },
        { "io", "return io.open('/etc/passwd')" },
        { "os", "return os.execute('true')" },
        { "debug", "return debug.getregistry()" },
        { "collectgarbage", "collectgarbage('stop')" },
        { "random", "return math.random()" },
        { "coroutine", "return coroutine.wrap(function() end)()" },
        { "rawset on facts", "rawset(o, 'key', 'x')" },
        { "writing facts", "o.key = 'x'" },
        { "writing labels", "o.labels.x = 'y'" },
        { "global", "leak = 1" },
        { "metatable of strings", "getmetatable('').__index = {}" },
        { "metatable of facts", "getmetatable(o).__index = {}" },
        { "metatable of the environment", "setmetatable(_ENV, {})" },
        { "string.dump", "return string.dump(function() end)" },
        { "error object", "error({})" },
        { "error nil", "error(nil)" },
        { "number for an answer", "return 5" },
        { "no reason", "return { concurrency = 2 }" },
        { "unknown field", "return { concurency = 2, reason = 'r' }" },
        { "wrong type", "return { concurrency = {}, reason = 'r' }" },
        { "out of range", "return { concurrency = 65, reason = 'r' }" },
        { "fraction", "return { concurrency = 1.5, reason = 'r' }" },
        { "bad checksum", "return { checksum = 'sha1', reason = 'r' }" },
        { "NUL in text", "return { storage_class = 'a\\0b', reason = 'r' }" },
        { "huge metadata", "return { metadata = { a = ('x'):rep(3000) }, reason = 'r' }" },
        { "number key", "return { 1, reason = 'r' }" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        struct ps_policy_set *set;
        struct ps_upload_decision decision;
        struct ps_decider decider;

        (void)snprintf(text, sizeof(text),
                       "return { api = 1, name = 't', upload = function(o, now) %s end }",
                       rows[i].body);
        set = load_one(text);
        decider = ps_policy_set_decider(set);
        decider.upload(decider.user, &object, 1, &decision);
        cr_assert_eq(decision.set, 0, "%s", rows[i].name);
        cr_assert_eq(decision.concurrency, PS_DEFAULT_CONCURRENCY, "%s", rows[i].name);
        cr_assert_eq(faults_of(set), 1, "%s: %zu faults", rows[i].name, (size_t)faults_of(set));
        ps_upload_decision_clear(&decision);
        ps_policy_set_free(set);
        remove_dir();
    }
}

Test(policy_set, what_is_allowed_works)
{
    static const char *const bodies[] = {
        "local n = 0 for k, v in pairs(o) do n = n + 1 end assert(n >= 6)",
        "assert(o.key:match('^logs/(.*)%.txt$') == 'a')",
        "assert(('a,b'):gsub(',', ';') == 'a;b')",
        "assert(purser.glob('logs/*.txt', o.key) and not purser.glob('*.txt', o.key))",
        "assert(purser.prefix('logs/', o.key))",
        "assert(purser.duration('15m') == 900 and purser.size('64MiB') == 67108864)",
        "assert(purser.clamp(5, 1, 3) == 3 and purser.clamp(0, 1, 3) == 1)",
        "assert(math.max(1, 2) == 2 and table.concat({'a', 'b'}) == 'ab' and utf8.len('x') == 1)",
        "assert(o.size_bytes == 1000 and now == 77 and o.nothing == nil)",
        "local ok, why = pcall(error, 'x') assert(not ok)",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char text[512];
        struct ps_policy_set *set;
        struct ps_upload_decision decision;
        struct ps_decider decider;

        (void)snprintf(text, sizeof(text),
                       "return { api = 1, name = 't', upload = function(o, now) %s "
                       "return { concurrency = 2, reason = 'r' } end }",
                       bodies[i]);
        set = load_one(text);
        decider = ps_policy_set_decider(set);
        decider.upload(decider.user, &object, 77, &decision);
        cr_assert_eq(decision.concurrency, 2, "%s", bodies[i]);
        ps_upload_decision_clear(&decision);
        ps_policy_set_free(set);
        remove_dir();
    }
}

Test(policy_set, files_that_do_not_load_are_told_with_file_and_line)
{
    static const struct row {
        const char *text;
        const char *message; /* after the path */
    } rows[] = {
        { "return {\n  api = 1,,\n}\n", ":2: unexpected symbol near ','" },
        { "local x = 1\n", ":1: returns no table" },
        { "return { api = 2, name = 'x' }\n", ":1: `api` must be 1" },
        { "return { name = 'x' }\n", ":1: `api = 1` is missing" },
        { "return { api = 1 }\n", ":1: `name` is missing" },
        { "return { api = 1, name = 5 }\n", ":1: `name` must be a text" },
        { "return {\n  api = 1,\n  name = 'x',\n  uplaod = 1,\n}\n",
          ":4: unknown key `uplaod`: did you mean `upload`?" },
        { "return {\n  api = 1, name = 'x',\n  retry = 'no',\n}\n",
          ":3: `retry` is a string: a function is wanted" },
        { "return {\n  api = 1, name = 'x',\n  lifecycle = function() end,\n}\n",
          ":3: `lifecycle` is a function: a table is wanted" },
        { "\n\nerror('stop')\n", ":3: stop" },
        { "while true do end\n", ":1: took longer than 30 ms" },
        { "\x1bLua", ":1: is compiled Lua" },
        { "leak = 1\n", ":1: global 'leak'" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_policy_set *set = NULL;
        struct ps_err err;

        make_dir();
        write_file(dir, "50-bad.lua", rows[i].text, strlen(rows[i].text));
        cr_assert_eq(load(&set, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_assert_eq(strncmp(err.message, path, strlen(path)), 0, "%s", err.message);
        cr_assert_eq(strncmp(err.message + strlen(path), rows[i].message, strlen(rows[i].message)),
                     0, "%s", err.message);
        remove_dir();
    }
}

Test(policy_set, the_last_answer_wins_for_each_field)
{
    static const char first[] = "return { api = 1, name = 'first', upload = function() return "
                                "{ concurrency = 2, storage_class = 'A', reason = 'one' } end }";
    static const char second[] =
        "return { api = 1, name = 'second',\n upload = function() return "
        "{ concurrency = 3, metadata = { k = 'v' }, reason = 'two' } end }";
    struct ps_policy_set *set = NULL;
    struct ps_upload_decision decision;
    struct ps_decider decider;
    struct ps_err err;

    make_dir();
    write_file(dir, "20-second.lua", second, strlen(second));
    write_file(dir, "10-first.lua", first, strlen(first));
    cr_assert_eq(load(&set, &err), PS_OK, "%s", err.message);
    decider = ps_policy_set_decider(set);
    decider.upload(decider.user, &object, 1, &decision);
    cr_assert_eq(decision.concurrency, 3);
    cr_assert_str_eq(decision.storage_class, "A");
    cr_assert_eq(decision.metadata.count, 1);
    cr_assert_str_eq(decision.metadata.items[0].name, "k");
    cr_assert_str_eq(decision.metadata.items[0].value, "v");
    cr_assert_str_eq(decision.origins[1].policy, "second");
    cr_assert_str_eq(decision.origins[1].reason, "two");
    cr_assert(strstr(decision.origins[1].where, "20-second.lua:2") != NULL, "%s",
              decision.origins[1].where);
    cr_assert_str_eq(decision.origins[3].policy, "first");
    cr_assert_str_eq(decision.origins[0].policy, "built-in");
    cr_assert_eq(strlen(decision.origins[1].digest), 16);
    ps_upload_decision_clear(&decision);
    ps_policy_set_free(set);
    remove_dir();
}

struct seen {
    unsigned in_force;
    unsigned masked;
};

static void see(void *user, const struct ps_policy_info *info)
{
    struct seen *seen = user;

    seen->in_force += info->masked_by == NULL ? 1 : 0;
    seen->masked += info->masked_by != NULL ? 1 : 0;
}

Test(policy_set, a_later_directory_masks_by_name)
{
    static const char shipped[] = "return { api = 1, name = 'a', part_size = function() return "
                                  "{ bytes = '16MiB', reason = 'shipped' } end }";
    static const char own[] = "return { api = 1, name = 'a', part_size = function() return "
                              "{ bytes = '64MiB', reason = 'own' } end }";
    struct ps_policy_options options = { .dir_count = 3, .clock = ps_clock_system() };
    struct ps_policy_set *set = NULL;
    struct ps_part_size_decision decision;
    struct ps_decider decider;
    struct seen seen = { 0 };
    char low[96];
    char high[96];
    struct ps_err err;

    make_dir();
    (void)snprintf(low, sizeof(low), "%s/low", dir);
    (void)snprintf(high, sizeof(high), "%s/high", dir);
    cr_assert_eq(mkdir(low, 0700), 0);
    cr_assert_eq(mkdir(high, 0700), 0);
    write_file(low, "10-a.lua", shipped, strlen(shipped));
    write_file(high, "10-a.lua", own, strlen(own));
    options.dirs[0] = low;
    options.dirs[1] = "/no/such/directory";
    options.dirs[2] = high;
    cr_assert_eq(ps_policy_set_load(&set, &options, &err), PS_OK, "%s", err.message);
    ps_policy_set_each(set, see, &seen);
    cr_assert_eq(seen.in_force, 1);
    cr_assert_eq(seen.masked, 1);
    decider = ps_policy_set_decider(set);
    decider.part_size(decider.user, &object, 1, &decision);
    cr_assert_eq(decision.bytes, 64 * 1024 * 1024);
    cr_assert_str_eq(decision.origin.reason, "own");
    ps_policy_set_free(set);
    remove_dir();
}

Test(policy_set, two_files_may_not_have_one_name)
{
    static const char text[] = "return { api = 1, name = 'same' }";
    struct ps_policy_set *set = NULL;
    struct ps_err err;

    make_dir();
    write_file(dir, "10-a.lua", text, strlen(text));
    write_file(dir, "20-b.lua", text, strlen(text));
    cr_assert_eq(load(&set, &err), PS_E_INVALID);
    cr_assert(strstr(err.message, "20-b.lua:1: name 'same'") != NULL, "%s", err.message);
    remove_dir();
}

Test(policy_set, one_policy_cannot_change_anothers_library)
{
    static const char bad[] = "string.lower = function() return 'hacked' end\n"
                              "table.concat = nil\n"
                              "return { api = 1, name = 'bad' }";
    static const char good[] = "return { api = 1, name = 'good', upload = function() return "
                               "{ storage_class = string.lower('X') .. ('Y'):lower() .. "
                               "table.concat({'z'}), reason = 'r' } end }";
    struct ps_policy_set *set = NULL;
    struct ps_upload_decision decision;
    struct ps_decider decider;
    struct ps_err err;

    make_dir();
    write_file(dir, "10-bad.lua", bad, strlen(bad));
    write_file(dir, "20-good.lua", good, strlen(good));
    cr_assert_eq(load(&set, &err), PS_OK, "%s", err.message);
    decider = ps_policy_set_decider(set);
    decider.upload(decider.user, &object, 1, &decision);
    cr_assert_str_eq(decision.storage_class, "xyz");
    ps_upload_decision_clear(&decision);
    ps_policy_set_free(set);
    remove_dir();
}

Test(policy_set, the_shipped_policies_decide_as_documented)
{
    const struct ps_policy_options options = { .dirs = { PS_SOURCE_DIR "/policies" },
                                               .dir_count = 1,
                                               .clock = ps_clock_system(),
                                               .digest = ps_sha256 };
    static const struct {
        uint64_t size;
        uint64_t part;
    } sizes[] = {
        { 0, 16u << 20 },
        { (uint64_t)20 << 30, 16u << 20 },
        { (uint64_t)1 << 40, 210u << 20 },
        { (uint64_t)10000 * 5 << 30, (uint64_t)5 << 30 },
    };
    static const struct {
        const char *retry_class;
        uint32_t part_number;
        uint64_t elapsed_ms;
        bool give_up;
    } retries[] = {
        { "never", 1, 0, true },          { "transient", 1, 599000, false },
        { "transient", 1, 601000, true }, { "transient", 0, 29000, false },
        { "throttle", 0, 31000, true },
    };
    struct ps_policy_set *set = NULL;
    struct ps_decider decider;
    struct ps_err err;

    cr_assert_eq(ps_policy_set_load(&set, &options, &err), PS_OK, "%s", err.message);
    decider = ps_policy_set_decider(set);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ps_object_facts facts = object;
        struct ps_part_size_decision decision;

        facts.size_bytes = sizes[i].size;
        decider.part_size(decider.user, &facts, 1, &decision);
        cr_assert_eq(decision.bytes, sizes[i].part, "%zu: %zu", (size_t)sizes[i].size,
                     (size_t)decision.bytes);
        cr_assert_str_eq(decision.origin.policy, "part-size");
    }
    for (size_t i = 0; i < sizeof(retries) / sizeof(retries[0]); i++) {
        const struct ps_retry_facts facts = { .operation = "put_part",
                                              .retry_class = retries[i].retry_class,
                                              .store_code = "",
                                              .attempt = 20,
                                              .elapsed_ms = retries[i].elapsed_ms,
                                              .part_number = retries[i].part_number };
        struct ps_retry_decision decision;

        decider.retry(decider.user, &facts, 1, &decision);
        cr_assert_eq(decision.give_up, retries[i].give_up, "row %zu", i);
    }
    cr_assert_eq(faults_of(set), 0);
    ps_policy_set_free(set);
}

Test(policy_set, globs_match_as_documented)
{
    static const struct row {
        const char *pattern;
        const char *text;
        bool matches;
    } rows[] = {
        { "", "", true },           { "", "a", false },          { "a", "a", true },
        { "*", "", true },          { "*", "abc", true },        { "*", "a/b", false },
        { "**", "a/b", true },      { "a/**", "a/b/c", true },   { "a/**/c", "a/b/c", true },
        { "a/**/c", "a/c", false }, { "a**c", "a/c", true },     { "?", "a", true },
        { "?", "/", false },        { "*.txt", "a.txt", true },  { "*.txt", "a.txt.gz", false },
        { "a*b*c", "aXbYc", true }, { "a*b*c", "aXcYb", false }, { "[a]", "[a]", true },
        { "**/x", "a/b/x", true },  { "**x", "x", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(ps_glob_match(rows[i].pattern, rows[i].text), rows[i].matches, "%s on %s",
                     rows[i].pattern, rows[i].text);
    }
}
