#include "tests/unit/lua/policy_rig.h"

TestSuite(sandbox, .timeout = 60);

struct hole {
    const char *name;
    const char *body;
};

/* Each must end, be counted once, and leave the built-in answer. */
static void check_holes(const struct hole *holes, size_t count)
{
    const struct ps_object_facts object = policy_rig_object();

    for (size_t i = 0; i < count; i++) {
        struct policy_rig rig;
        struct ps_upload_decision decision;
        struct policy_rig_faults faults;

        policy_rig_start_upload(&rig, holes[i].body);
        rig.decider.upload(rig.decider.user, &object, 1, &decision);
        faults = policy_rig_faults(&rig);
        cr_expect_eq(decision.set, 0, "%s", holes[i].name);
        cr_expect_eq(decision.concurrency, PS_DEFAULT_CONCURRENCY, "%s", holes[i].name);
        cr_expect_eq(faults.count, 1, "%s: %zu faults", holes[i].name, (size_t)faults.count);
        cr_expect_eq(strncmp(faults.last, rig.path, strlen(rig.path)), 0, "%s: %s", holes[i].name,
                     faults.last);
        ps_upload_decision_clear(&decision);
        policy_rig_clear(&rig);
    }
}

#define CHECK_HOLES(holes) check_holes(holes, sizeof(holes) / sizeof((holes)[0]))

Test(sandbox, every_loop_ends)
{
    static const struct hole holes[] = {
        { "endless loop", "while true do end" },
        { "goto", "::again:: goto again" },
        { "inside pcall", "while true do pcall(function() while true do end end) end" },
        { "nested pcall", "local function f() while true do pcall(f) end end f()" },
        { "handler of xpcall, which Lua runs inside of the hook",
          "while true do xpcall(error, function() while true do end end) end" },
        { "handler of xpcall at the deadline",
          "xpcall(function() while true do end end, function() while true do end end)" },
        { "xpcall as its own handler", "while true do xpcall(xpcall, pcall, error, error) end" },
        { "__index", "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end})"
                     " return t.a" },
        { "__close", "local x <close> = setmetatable({}, {__close = function() while true do end "
                     "end}) error('x')" },
        { "__close at the deadline",
          "local mt = {__close = function() while true do end end} "
          "pcall(function() local x <close> = setmetatable({}, mt) while true do end end) "
          "while true do end" },
        { "__close of a for loop",
          "for _ in next, {1}, nil, setmetatable({}, {__close = function() while true do end end})"
          " do end" },
        { "__tostring",
          "return tostring(setmetatable({}, {__tostring = function() while true do end end}))" },
        { "__tostring in format", "return ('%s'):format(setmetatable({}, {__tostring = function() "
                                  "while true do end end}))" },
        { "__tostring in the log", "purser.log(setmetatable({}, {__tostring = function() "
                                   "while true do end end}))" },
        { "__eq", "local mt = {__eq = function() while true do end end} "
                  "return setmetatable({}, mt) == setmetatable({}, mt)" },
        { "__concat",
          "return setmetatable({}, {__concat = function() while true do end end}) .. 1" },
        { "__pairs", "for k in pairs(setmetatable({}, {__pairs = function() while true do end "
                     "end})) do end" },
        { "__call", "setmetatable({}, {__call = function(f) return f() end})()" },
        { "function of gsub", "return ('a'):gsub('a', function() while true do end end)" },
        { "comparison of sort", "table.sort({3, 2, 1}, function() while true do end end)" },
        { "many matches, each within the budget",
          "local s = ('a'):rep(500) while true do s:find('.-b') end" },
        { "many globs", "local s = ('a'):rep(4000) while true do purser.glob('*a*a*b', s) end" },
        { "many plain finds",
          "local s = ('a'):rep(6000) while true do s:find('aaaaaaaab', 1, true) end" },
    };

    CHECK_HOLES(holes);
}

/* No hook runs inside of a C function: these must be refused before they begin. */
Test(sandbox, no_function_of_the_library_runs_away)
{
    static const struct hole holes[] = {
        { "repeating nothing", "return (''):rep(1e18)" },
        { "__len of insert",
          "table.insert(setmetatable({}, {__len = function() return 1 << 62 end}), 1, 'x')" },
        { "__len of remove",
          "table.remove(setmetatable({}, {__len = function() return 1 << 62 end}), 1)" },
        { "__len of sort",
          "table.sort(setmetatable({}, {__len = function() return 1 << 30 end, __index = rawlen, "
          "__newindex = rawequal}))" },
        { "__index of concat",
          "return table.concat(setmetatable({}, {__index = rawlen}), '', 1, 1e15)" },
        { "range of concat", "return table.concat({}, '', 1, 1e15)" },
        { "range over all integers",
          "return table.concat({}, '', math.mininteger, math.maxinteger)" },
        { "range of unpack", "return table.unpack({}, 1, 1e7)" },
        { "a length by powers of two",
          "local t = {} for i = 0, 61 do t[1 << i] = 1 t[(1 << i) + 1] = 1 end "
          "table.insert(t, 1, 1)" },
        { "a C function as comparison",
          "local t = {} for i = 1, 1000 do t[i] = '1' end table.sort(t, utf8.len)" },
        { "sort of long strings that are alike", "local s = ('a'):rep(65536) s = s .. s .. s local "
                                                 "t = {} for i = 1, 10000 do t[i] = s end "
                                                 "table.sort(t)" },
        { "plain find of a long text", "local s = ('a'):rep(65536) s = s .. s .. s "
                                       "return s:find(('a'):rep(60000) .. 'b', 1, true)" },
        { "a text without magic is a plain find too",
          "local s = ('a'):rep(65536) s = s .. s .. s return s:find(('a'):rep(60000) .. 'b')" },
        { "stars", "return (('a'):rep(40)):find(('a*'):rep(30) .. 'b')" },
        { "question marks", "return (('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(30))" },
        { "lazy", "return (('a'):rep(500)):gsub('.-.-.-b', 'x')" },
        { "sets", "return (('a'):rep(500)):match('[a]*[a]*[a]*b')" },
        { "captures again", "return (('a'):rep(500)):find('(.-)%1(.-)%2b')" },
        { "balances", "return (('('):rep(2000)):find('%b()%b()%b()')" },
        { "gmatch takes ^ as itself", "for a in (('a'):rep(3000)):gmatch('^.-.-b') do end" },
        { "glob on a long text", "return purser.glob('*a', ('a'):rep(60000))" },
        { "glob with a long pattern", "return purser.glob(('*'):rep(2000), 'a')" },
        { "lines of the log", "for i = 1, 1000 do purser.log('x') end" },
    };

    CHECK_HOLES(holes);
}

Test(sandbox, memory_is_bounded)
{
    static const struct hole holes[] = {
        { "string.rep", "local s = ('x'):rep(1e9)" },
        { "string.rep with separator", "local s = ('x'):rep(10, ('y'):rep(60000))" },
        { "doubling strings", "local s = 'x' while true do s = s .. s end" },
        { "inside pcall", "while true do pcall(string.rep, 'x', 65000) end" },
        { "doubling inside pcall",
          "local s = 'x' while true do pcall(function() s = s .. s end) end" },
        { "table of strings", "local t = {} for i = 1, 1e9 do t[i] = tostring(i) end" },
        { "table.concat", "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1000) end "
                          "return table.concat(t)" },
        { "garbage for ever", "for i = 1, 1e9 do local t = {} end" },
        { "gsub that grows", "local s = ('x'):rep(60000) return s:gsub('x', s)" },
        { "deep recursion", "local function f() return 1 + f() end return f()" },
        { "recursion over C", "local function f() return ('a'):gsub('a', f) end return f()" },
        { "arguments", "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, 9, ...) end f()" },
        { "format width", "return string.format('%99999d', 1)" },
    };

    CHECK_HOLES(holes);
}

Test(sandbox, what_is_left_out_is_not_there)
{
    static const struct hole holes[] = {
        { "load", "return load('return 1')()" },
        { "loadstring", "return loadstring('return 1')()" },
        { "dofile", "return dofile('/etc/passwd')" },
        { "require", "return require('os')" },
        { "package", "return package.loaded.os" },
        { "io", "return io.open('/etc/passwd')" },
        { "os", "return os.execute('true')" },
        { "os.time", "return os.time()" },
        { "debug", "return debug.getregistry()" },
        { "collectgarbage", "collectgarbage('stop')" },
        { "print", "print('x')" },
        { "random", "return math.random()" },
        { "randomseed", "math.randomseed(1)" },
        { "coroutine", "return coroutine.wrap(function() end)()" },
        { "string.dump", "return string.dump(function() end)" },
        { "string.pack", "return string.pack('i4', 1)" },
        { "rawset", "rawset({}, 1, 1)" },
        { "_G", "return _G.string" },
        { "library in the string's metatable", "return ('').dump(function() end)" },
    };

    CHECK_HOLES(holes);
}

Test(sandbox, nothing_of_purser_or_lua_can_be_changed)
{
    static const struct hole holes[] = {
        { "rawset on facts", "rawset(o, 'key', 'x')" },
        { "writing facts", "o.key = 'x'" },
        { "a new fact", "o.mine = 'x'" },
        { "writing labels", "o.labels.x = 'y'" },
        { "insert into facts", "table.insert(o.labels, 'x')" },
        { "metatable of facts", "getmetatable(o).__index = {}" },
        { "new metatable of facts", "setmetatable(o, {})" },
        { "global", "leak = 1" },
        { "global through _ENV", "_ENV.leak = 1" },
        { "metatable of strings", "getmetatable('').__index = {}" },
        { "metatable of the environment", "setmetatable(_ENV, {})" },
        { "finalizer", "setmetatable({}, {__gc = function() end})" },
        { "weak table", "setmetatable({}, {__mode = 'k'})" },
        { "metatable of a table with one", "setmetatable(setmetatable({}, {}), {})" },
        { "reaching the copy", "getmetatable(setmetatable({}, {})).__gc = 1" },
    };

    CHECK_HOLES(holes);
}

Test(sandbox, a_finalizer_that_is_put_in_later_never_runs)
{
    struct policy_rig rig;
    struct ps_upload_decision decision;
    const struct ps_object_facts object = policy_rig_object();

    policy_rig_start_upload(
        &rig,
        "for i = 1, 10 do local mt = {} local t = setmetatable({}, mt) "
        "mt.__gc = function() while true do end end mt.__mode = 'k' t.x = setmetatable({}, {}) "
        "end return { concurrency = 2, reason = 'r' }");
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(decision.concurrency, 2, "%s", policy_rig_faults(&rig).last);
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig); /* lua_close would run it */
}

Test(sandbox, wrong_answers_and_errors_are_faults)
{
    static const struct hole holes[] = {
        { "error object", "error({})" },
        { "error object with __tostring",
          "error(setmetatable({}, {__tostring = function() while true do end end}))" },
        { "error nil", "error(nil)" },
        { "error number", "error(5)" },
        { "error of a MiB", "local s = ('x'):rep(65536) error(s .. s .. s .. s)" },
        { "number", "return 5" },
        { "text", "return 'concurrency'" },
        { "false", "return false" },
        { "facts for an answer", "return o" },
        { "no reason", "return { concurrency = 2 }" },
        { "empty reason", "return { concurrency = 2, reason = '' }" },
        { "reason is no text", "return { concurrency = 2, reason = 5 }" },
        { "reason alone", "return { reason = 'r' }" },
        { "unknown field", "return { concurency = 2, reason = 'r' }" },
        { "wrong type", "return { concurrency = {}, reason = 'r' }" },
        { "number in a text", "return { concurrency = '2', reason = 'r' }" },
        { "below the range", "return { concurrency = 0, reason = 'r' }" },
        { "above the range", "return { concurrency = 65, reason = 'r' }" },
        { "fraction", "return { concurrency = 1.5, reason = 'r' }" },
        { "not a number", "return { concurrency = 0/0, reason = 'r' }" },
        { "threshold of nothing", "return { threshold = 0, reason = 'r' }" },
        { "negative threshold", "return { threshold = -1, reason = 'r' }" },
        { "unit unknown", "return { threshold = '5XB', reason = 'r' }" },
        { "zero byte after a size", "return { threshold = '5MiB\\0x', reason = 'r' }" },
        { "bad checksum", "return { checksum = 'sha1', reason = 'r' }" },
        { "skip is no boolean", "return { skip = 1, reason = 'r' }" },
        { "zero byte in text", "return { storage_class = 'a\\0b', reason = 'r' }" },
        { "a header of one's own", "return { storage_class = 'A\\r\\nX: y', reason = 'r' }" },
        { "a header in a value", "return { metadata = { a = 'b\\r\\nX: y' }, reason = 'r' }" },
        { "a header in a name", "return { metadata = { ['a\\r\\nX'] = 'y' }, reason = 'r' }" },
        { "zero byte in a name", "return { metadata = { ['a\\0b'] = 'y' }, reason = 'r' }" },
        { "empty name", "return { tags = { [''] = 'y' }, reason = 'r' }" },
        { "tags are no table", "return { tags = 'a=b', reason = 'r' }" },
        { "number for a tag", "return { tags = { a = 1 }, reason = 'r' }" },
        { "list for tags", "return { tags = { 'a' }, reason = 'r' }" },
        { "long value", "return { metadata = { a = ('x'):rep(3000) }, reason = 'r' }" },
        { "much text", "local m = {} for i = 1, 20 do m['k' .. i] = ('x'):rep(2000) end "
                       "return { metadata = m, reason = 'r' }" },
        { "many entries", "local m = {} for i = 1, 33 do m['k' .. i] = 'x' end "
                          "return { metadata = m, reason = 'r' }" },
        { "number key", "return { 1, reason = 'r' }" },
    };

    CHECK_HOLES(holes);
}

Test(sandbox, what_is_allowed_works)
{
    static const char *const bodies[] = {
        "local names = {} for k, v in pairs(o) do names[#names + 1] = k end "
        "assert(table.concat(names, ' ') == 'bucket key labels name size_bytes store url')",
        "assert(o.key:match('^logs/(.*)%.txt$') == 'a')",
        "assert(o.key:find('.', 1, true) == 7 and o.key:find('txt') == 8)",
        "assert(('a,b'):gsub(',', ';') == 'a;b')",
        "local n = 0 for w in ('a b c'):gmatch('%a') do n = n + 1 end assert(n == 3)",
        "assert(('[%w-]+'):len() == 6 and ('a-b'):match('^[%w-]+$') == 'a-b')",
        "assert(purser.glob('logs/*.txt', o.key) and not purser.glob('*.txt', o.key))",
        "assert(purser.prefix('logs/', o.key) and not purser.prefix('x', o.key))",
        "assert(purser.duration('15m') == 900 and purser.duration('250ms') == 0.25)",
        "assert(purser.duration(5) == 5 and purser.duration('7d') == 604800)",
        "assert(purser.size('64MiB') == 67108864 and purser.size(5) == 5)",
        "assert(purser.clamp(5, 1, 3) == 3 and purser.clamp(0, 1, 3) == 1)",
        "assert(math.type(purser.clamp(5, 1, 3)) == 'integer')",
        "purser.log('x') purser.log({}) purser.log(nil)",
        "assert(math.max(1, 2) == 2 and table.concat({'a', 'b'}) == 'ab' and utf8.len('x') == 1)",
        "local t = {3, 1, 2} table.sort(t) assert(table.concat(t) == '123')",
        "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) "
        "assert(table.concat(t, ',', 2, 3) == '2,1')",
        "local t = {} table.insert(t, 'a') table.insert(t, 1, 'b') "
        "assert(table.remove(t) == 'a' and #t == 1)",
        "local a, b = table.unpack({1, 2}) assert(a == 1 and b == 2 and select('#', a, b) == 2)",
        "assert(('x'):rep(3, '-') == 'x-x-x' and (''):rep(5) == '' and ('x'):rep(-1) == '')",
        "assert(('%d %s %5.1f %%p'):format(1, 'a', 2) == '1 a   2.0 %p')",
        "assert(tostring({}) == 'table' and ('%s'):format(print or {}) == 'table')",
        "assert(not pcall(string.format, '%p', {}))",
        "local p = setmetatable({}, {__index = {a = 1}, __tostring = function() return 'p' end}) "
        "assert(p.a == 1 and tostring(p) == 'p' and getmetatable(p) == false)",
        "assert(o.size_bytes == 1000 and now == 77 and o.nothing == nil and o.labels.x == nil)",
        "local ok, why = pcall(error, 'x') assert(not ok and why == 'x')",
        "local ok, why, more = xpcall(error, function(e) return e .. '!', 2 end, 'x') "
        "assert(ok == false and why == 'x!' and more == 2)",
        "local ok, a, b = xpcall(function(...) return ... end, error, 1, 2) "
        "assert(ok == true and a == 1 and b == 2)",
        "assert(select('#', xpcall(function() end, error)) == 1)",
    };
    const struct ps_object_facts object = policy_rig_object();

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char body[1024];
        struct policy_rig rig;
        struct ps_upload_decision decision;

        (void)snprintf(body, sizeof(body), "%s return { concurrency = 2, reason = 'r' }",
                       bodies[i]);
        policy_rig_start_upload(&rig, body);
        rig.decider.upload(rig.decider.user, &object, 77, &decision);
        cr_expect_eq(decision.concurrency, 2, "%s: %s", bodies[i], policy_rig_faults(&rig).last);
        ps_upload_decision_clear(&decision);
        policy_rig_clear(&rig);
    }
}

Test(sandbox, one_policy_cannot_change_anothers_library)
{
    static const char bad[] = "string.lower = function() return 'hacked' end\n"
                              "table.concat = nil\npurser.clamp = nil\ntostring = nil\n"
                              "return { api = 1, name = 'bad' }";
    static const char good[] = "return { api = 1, name = 'good', upload = function() return "
                               "{ storage_class = string.lower('X') .. ('Y'):lower() .. "
                               "table.concat({'z'}) .. tostring(purser.clamp(1, 1, 1)), "
                               "reason = 'r' } end }";
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, "10-bad.lua", bad, strlen(bad));
    policy_rig_write(&rig, "20-good.lua", good, strlen(good));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_str_eq(decision.storage_class, "xyz1");
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}

Test(sandbox, a_call_that_used_up_its_limits_leaves_the_next_one_all_of_them)
{
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;

    policy_rig_start_upload(&rig,
                            "if now == 1 then while true do pcall(string.rep, 'x', 65000) end "
                            "elseif now == 2 then while true do end end "
                            "return { concurrency = 2, reason = 'r' }");
    for (int64_t now = 1; now <= 3; now++) {
        struct ps_upload_decision decision;

        rig.decider.upload(rig.decider.user, &object, now, &decision);
        cr_assert_eq(decision.concurrency, now == 3 ? 2 : PS_DEFAULT_CONCURRENCY, "%d", (int)now);
        ps_upload_decision_clear(&decision);
    }
    cr_assert_eq(policy_rig_faults(&rig).count, 2);
    policy_rig_clear(&rig);
}

/* Ten milliseconds of work a look, however much of the clock went by. */
static int64_t worked_ms(void *user)
{
    static int64_t cpu_ms;

    (void)user;
    return cpu_ms += 10;
}

static int64_t no_work(void *user)
{
    (void)user;
    return 0;
}

Test(sandbox, time_that_others_had_does_not_count)
{
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;

    policy_rig_start_upload(&rig, "for i = 1, 100000 do now = now + i end "
                                  "return { concurrency = 2, reason = 'r' }");
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(policy_rig_faults(&rig).count, 1, "more than 50 looks at the clock");
    ps_upload_decision_clear(&decision);
    rig.clock.cpu_ms = no_work;
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(decision.concurrency, 2);
    ps_upload_decision_clear(&decision);
    rig.clock.cpu_ms = worked_ms;
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(policy_rig_faults(&rig).count, 2);
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}
