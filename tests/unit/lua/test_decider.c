#include "tests/unit/lua/policy_rig.h"

TestSuite(decider, .timeout = 60);

#define RETRY(body) "return { api = 1, name = 't', retry = function(f, now) " body " end }"
#define PART_SIZE(body) "return { api = 1, name = 't', part_size = function(o, now) " body " end }"

static const char second_text[] =
    "return { api = 1, name = 'second',\n upload = function() return "
    "{ concurrency = 3, metadata = { k = 'v' }, reason = 'two' } end }";

Test(decider, the_last_answer_wins_for_each_field)
{
    static const char first[] = "return { api = 1, name = 'first', upload = function() return "
                                "{ concurrency = 2, storage_class = 'A', reason = 'one' } end }";
    static const char silent[] = "return { api = 1, name = 'silent', upload = function() end }";
    static const char broken[] = "return { api = 1, name = 'broken', upload = function() return "
                                 "{ concurrency = 9, skip = 'x', reason = 'three' } end }";
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;
    struct ps_err err;

    policy_rig_init(&rig);
    policy_rig_write(&rig, "20-second.lua", second_text, strlen(second_text));
    policy_rig_write(&rig, "10-first.lua", first, strlen(first));
    policy_rig_write(&rig, "30-silent.lua", silent, strlen(silent));
    policy_rig_write(&rig, "40-broken.lua", broken, strlen(broken));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    rig.decider.upload(rig.decider.user, &object, 1, &decision);

    cr_assert_eq(decision.set, PS_UPLOAD_FIELD_CONCURRENCY | PS_UPLOAD_FIELD_STORAGE_CLASS |
                                   PS_UPLOAD_FIELD_METADATA);
    cr_assert_eq(decision.concurrency, 3);
    cr_assert_not(decision.skip);
    cr_assert_str_eq(decision.storage_class, "A");
    cr_assert_eq(decision.metadata.count, 1);
    cr_assert_str_eq(decision.metadata.items[0].name, "k");
    cr_assert_str_eq(decision.metadata.items[0].value, "v");
    cr_assert_str_eq(decision.origins[1].policy, "second");
    cr_assert_str_eq(decision.origins[1].reason, "two");
    cr_assert(strstr(decision.origins[1].where, "/20-second.lua:2") != NULL, "%s",
              decision.origins[1].where);
    cr_assert_str_eq(decision.origins[1].digest, ps_policy_set_digest(rig.set));
    cr_assert_str_eq(decision.origins[3].policy, "first");
    cr_assert_str_eq(decision.origins[0].policy, "built-in");
    cr_assert_eq(policy_rig_faults(&rig).count, 1);
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}

/* Lua's own order of a table is another in every process. */
Test(decider, entries_come_in_the_order_of_their_names)
{
    static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;

    policy_rig_start_upload(&rig, "local m = {} for c in ('hgbadcef'):gmatch('.') do m[c] = c end "
                                  "return { metadata = m, tags = m, reason = 'r' }");
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(decision.metadata.count, 8);
    cr_assert_eq(decision.tags.count, 8);
    for (size_t i = 0; i < 8; i++) {
        cr_assert_str_eq(decision.metadata.items[i].name, names[i]);
        cr_assert_str_eq(decision.tags.items[i].value, names[i]);
    }
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}

Test(decider, the_same_facts_give_the_same_answer_again_and_in_another_state)
{
    static const char body[] =
        "local t = {} for k, v in pairs(o) do t[#t + 1] = k .. '=' .. tostring(v) end "
        "return { storage_class = 'X', reason = table.concat(t, ' ') .. ' ' .. now }";
    const struct ps_object_facts object = policy_rig_object();
    char reasons[4][256];

    for (size_t i = 0; i < 4; i += 2) {
        struct policy_rig rig;

        policy_rig_start_upload(&rig, body);
        for (size_t again = 0; again < 2; again++) {
            struct ps_upload_decision decision;

            rig.decider.upload(rig.decider.user, &object, 5, &decision);
            (void)snprintf(reasons[i + again], sizeof(reasons[0]), "%s",
                           decision.origins[3].reason);
            ps_upload_decision_clear(&decision);
        }
        policy_rig_clear(&rig);
    }
    cr_assert_str_eq(reasons[0], "bucket=b key=logs/a.txt labels=table name=a.txt size_bytes=1000 "
                                 "store=s3 url=s3://b/logs/a.txt 5");
    for (size_t i = 1; i < 4; i++) {
        cr_assert_str_eq(reasons[i], reasons[0]);
    }
}

Test(decider, facts_are_fresh_for_every_policy)
{
    static const char first[] = "return { api = 1, name = 'first', upload = function(o) "
                                "pcall(function() o.key = 'x' end) pcall(next, o) end }";
    static const char second[] = "return { api = 1, name = 'second', upload = function(o) return "
                                 "{ storage_class = o.labels.team, reason = o.key } end }";
    const struct ps_pairs labels = { .count = 1, .items = { { "team", "blue" } } };
    struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;
    struct ps_err err;

    object.labels = &labels;
    policy_rig_init(&rig);
    policy_rig_write(&rig, "10-first.lua", first, strlen(first));
    policy_rig_write(&rig, "20-second.lua", second, strlen(second));
    cr_assert_eq(policy_rig_load(&rig, &err), PS_OK, "%s", err.message);
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_str_eq(decision.storage_class, "blue");
    cr_assert_str_eq(decision.origins[3].reason, "logs/a.txt");
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}

Test(decider, every_upload_field_is_taken)
{
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;

    policy_rig_start_upload(&rig,
                            "return { threshold = '1MiB', concurrency = 64, checksum = 'crc32c', "
                            "storage_class = 'STANDARD_IA', skip = true, tags = { a = 'b' }, "
                            "metadata = {}, reason = ('r'):rep(300) }");
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(decision.set, (1u << PS_UPLOAD_FIELD_COUNT) - 1, "%s",
                 policy_rig_faults(&rig).last);
    cr_assert_eq(decision.threshold_bytes, 1024 * 1024);
    cr_assert_eq(decision.concurrency, 64);
    cr_assert_str_eq(decision.checksum, "crc32c");
    cr_assert_str_eq(decision.storage_class, "STANDARD_IA");
    cr_assert(decision.skip);
    cr_assert_eq(decision.tags.count, 1);
    cr_assert_eq(decision.metadata.count, 0);
    cr_assert_eq(strlen(decision.origins[0].reason), sizeof(decision.origins[0].reason) - 1);
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}

Test(decider, a_part_size_is_bytes_or_a_size)
{
    static const struct row {
        const char *text;
        uint64_t bytes; /* 0 = a fault: the built-in 16 MiB */
    } rows[] = {
        { PART_SIZE("return { bytes = 5242880, reason = 'r' }"), 5242880 },
        { PART_SIZE("return { bytes = '8MiB', reason = 'r' }"), 8388608 },
        { PART_SIZE("return { bytes = 8e6, reason = 'r' }"), 8000000 },
        { PART_SIZE("return { bytes = '5GiB', reason = 'r' }"), (uint64_t)5 << 30 },
        { PART_SIZE("return { bytes = '6GiB', reason = 'r' }"), 0 },
        { PART_SIZE("return { bytes = 0, reason = 'r' }"), 0 },
        { PART_SIZE("return { bytes = 1.5, reason = 'r' }"), 0 },
        { PART_SIZE("return { bytes = '8 MiB', reason = 'r' }"), 0 },
        { PART_SIZE("return { reason = 'r' }"), 0 },
        { PART_SIZE("return { bytes = 5242880 }"), 0 },
    };
    const struct ps_object_facts object = policy_rig_object();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_rig rig;
        struct ps_part_size_decision decision;

        policy_rig_start(&rig, rows[i].text);
        rig.decider.part_size(rig.decider.user, &object, 1, &decision);
        cr_expect_eq(decision.bytes,
                     rows[i].bytes != 0 ? rows[i].bytes : PS_DEFAULT_PART_SIZE_BYTES, "%s",
                     rows[i].text);
        cr_expect_str_eq(decision.origin.policy, rows[i].bytes != 0 ? "t" : "built-in");
        cr_expect_eq(policy_rig_faults(&rig).count, rows[i].bytes != 0 ? 0 : 1, "%s", rows[i].text);
        policy_rig_clear(&rig);
    }
}

Test(decider, a_retry_waits_or_gives_up)
{
    static const struct row {
        const char *text;
        bool fault;
        bool give_up;
        bool has_after;
        uint64_t after_ms;
    } rows[] = {
        { RETRY("return { after = 2, reason = 'r' }"), false, false, true, 2000 },
        { RETRY("return { after = 0.25, reason = 'r' }"), false, false, true, 250 },
        { RETRY("return { after = '15m', reason = 'r' }"), false, false, true, 900000 },
        { RETRY("return { after = '250ms', give_up = false, reason = 'r' }"), false, false, true,
          250 },
        { RETRY("return { give_up = true, reason = 'r' }"), false, true, false, 0 },
        { RETRY("return { give_up = false, reason = 'r' }"), false, false, false, 0 },
        { RETRY("assert(f.object.key == 'logs/a.txt' and f.class == 'throttle' and f.attempt == 3 "
                "and "
                "f.http_status == 503 and f.store_code == 'SlowDown' and f.retry_after_ms == 7000 "
                "and f.part_number == 4 and f.elapsed_ms == 60 and f.operation == 'put_part' and "
                "now == 9) return { give_up = true, reason = 'r' }"),
          false, true, false, 0 },
        { RETRY("return { after = 1, give_up = true, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { after = -1, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { after = 0/0, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { after = math.huge, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { after = '2d', reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { after = 'soon', reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { give_up = 1, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { giveup = true, reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { reason = 'r' }"), true, false, false, 0 },
        { RETRY("return { give_up = true }"), true, false, false, 0 },
    };
    const struct ps_object_facts object = policy_rig_object();
    const struct ps_retry_facts failure = { .operation = "put_part",
                                            .retry_class = "throttle",
                                            .http_status = 503,
                                            .store_code = "SlowDown",
                                            .attempt = 3,
                                            .elapsed_ms = 60,
                                            .has_retry_after = true,
                                            .retry_after_ms = 7000,
                                            .part_number = 4,
                                            .object = &object };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_rig rig;
        struct ps_retry_decision decision;

        policy_rig_start(&rig, rows[i].text);
        rig.decider.retry(rig.decider.user, &failure, 9, &decision);
        cr_expect_eq(decision.give_up, rows[i].give_up, "%s", rows[i].text);
        cr_expect_eq(decision.has_after, rows[i].has_after, "%s", rows[i].text);
        cr_expect_eq(decision.after_ms, rows[i].after_ms, "%s", rows[i].text);
        cr_expect_str_eq(decision.origin.policy, rows[i].fault ? "built-in" : "t");
        cr_expect_eq(policy_rig_faults(&rig).count, rows[i].fault ? 1 : 0, "%s: %s", rows[i].text,
                     policy_rig_faults(&rig).last);
        policy_rig_clear(&rig);
    }
}

Test(decider, a_fault_is_told_with_its_file_and_line)
{
    static const struct row {
        const char *text;
        const char *fault; /* after the path */
    } rows[] = {
        { "return { api = 1, name = 't',\n upload = function(o)\n  return nil + 1 end }",
          ":3: attempt to perform arithmetic on a nil value" },
        { "return { api = 1, name = 't',\n upload = function(o)\n  o.key = 1 end }",
          ":3: facts are read-only" },
        { "return { api = 1, name = 't',\n upload = function(o)\n  return { concurrency = 2 } end "
          "}",
          ":2: the answer has no reason" },
        { "return { api = 1, name = 't',\n upload = function(o)\n  while true do end end }",
          ":3: took longer than 50 ms" },
    };
    const struct ps_object_facts object = policy_rig_object();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_rig rig;
        struct ps_upload_decision decision;
        struct policy_rig_faults faults;
        char wanted[256];

        policy_rig_start(&rig, rows[i].text);
        for (int again = 0; again < 3; again++) {
            rig.decider.upload(rig.decider.user, &object, 1, &decision);
            ps_upload_decision_clear(&decision);
        }
        faults = policy_rig_faults(&rig);
        (void)snprintf(wanted, sizeof(wanted), "%s%s", rig.path, rows[i].fault);
        cr_expect_eq(faults.count, 3);
        cr_expect_eq(strncmp(faults.last, wanted, strlen(wanted)), 0, "%s", faults.last);
        policy_rig_clear(&rig);
    }
}

Test(decider, of_a_long_path_the_end_and_the_line_are_kept)
{
    char name[256];
    struct ps_policy_options options = { .dir_count = 1 };
    const struct ps_object_facts object = policy_rig_object();
    struct policy_rig rig;
    struct ps_upload_decision decision;
    struct ps_err err;
    char dir[256];
    char path[300];

    policy_rig_init(&rig);
    memset(name, 'd', sizeof(name));
    (void)snprintf(dir, sizeof(dir), "%s/%.*s", rig.dir, 180, name);
    (void)snprintf(path, sizeof(path), "%s/20-second.lua", dir);
    cr_assert_eq(mkdir(dir, 0700), 0);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL);
    cr_assert_eq(fwrite(second_text, 1, strlen(second_text), file), strlen(second_text));
    cr_assert_eq(fclose(file), 0);
    options.dirs[0] = dir;
    options.clock = &rig.clock;
    cr_assert_eq(ps_policy_set_load(&rig.set, &options, &err), PS_OK, "%s", err.message);
    rig.decider = ps_policy_set_decider(rig.set);
    rig.decider.upload(rig.decider.user, &object, 1, &decision);
    cr_assert_eq(strncmp(decision.origins[1].where, "...d", 4), 0, "%s", decision.origins[1].where);
    cr_assert(strstr(decision.origins[1].where, "d/20-second.lua:2") != NULL, "%s",
              decision.origins[1].where);
    ps_upload_decision_clear(&decision);
    policy_rig_clear(&rig);
}
