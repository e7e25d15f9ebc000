#include "serve/admin_route.h"

#include "reclaim/verdict.h"
#include "serve/admin_change.h"
#include "state/artifact.h"
#include "state/pending_reclaim.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The handlers on a real state: artifacts s3://b/N of one workflow, due in N days. */

TestSuite(admin_route, .timeout = 60);

#define NOW ((int64_t)1700000000)
#define DAY ((int64_t)86400)

static char dir[] = "/tmp/purser-admin-XXXXXX";
static struct ps_state *state;
static uv_loop_t loop;

static int64_t fixed_ms(void *user)
{
    (void)user;
    return NOW * 1000;
}

static const struct ps_clock fixed_clock = { .unix_ms = fixed_ms };

static void require(enum ps_code code, const struct ps_err *err)
{
    cr_assert_eq(code, PS_OK, "%s", err->message);
}

static void record(unsigned number)
{
    char url[32];
    char days[16];
    const struct ps_workflow workflow = { .ns = "n", .name = "w", .uid = "u" };
    struct ps_artifact_entry entry = {
        .artifact = { .url = url,
                      .etag = "\"e\"",
                      .strategy = PS_GC_ON_COMPLETION,
                      .has_size = true,
                      .size_bytes = number,
                      .created_unix_s = NOW,
                      .recorded_unix_s = NOW,
                      .labels = { .count = 1, .items = { { "purser/reclaim-after", days } } } },
        .workflow = &workflow,
    };
    struct ps_err err;

    (void)snprintf(url, sizeof(url), "s3://b/%u", number);
    (void)snprintf(days, sizeof(days), "%ud", number);
    require(ps_artifact_record(state, &entry, 1, &err), &err);
}

static struct ps_reclaim_rules rules(void *user)
{
    (void)user;
    return (struct ps_reclaim_rules){ .decider = ps_decider_builtin() };
}

static void plan(void)
{
    struct ps_reclaim_rules builtin = rules(NULL);
    struct ps_reclaim_batch batch = { 0 };
    struct ps_err err;

    do {
        require(ps_reclaim_take_queued(state, 100, NOW, &batch, &err), &err);
        for (size_t i = 0; i < batch.count; i++) {
            ps_verdict_plan(&batch.items[i], &builtin, NOW);
        }
        require(ps_reclaim_settle(state, &batch, NOW, &err), &err);
    } while (batch.queue_count > 0);
    ps_reclaim_batch_clear(&batch);
}

static void hold(const char *url, const char *why)
{
    const struct ps_hold hold = { .url = url, .since_unix_s = NOW, .why = why };
    uint64_t deleting = 0;
    struct ps_err err;

    require(ps_hold_set(state, &hold, &deleting, &err), &err);
}

static void set_up(void)
{
    const struct ps_state_options options = { .dir = dir, .clock = &fixed_clock };
    const struct ps_workflow workflow = {
        .ns = "n", .name = "w", .uid = "u", .status = "Succeeded"
    };
    const struct ps_workflow_report report = { &workflow, PS_EVENT_COMPLETED, NOW };
    struct ps_err err;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(uv_loop_init(&loop), 0);
    require(ps_state_open(&state, &options, &err), &err);
    for (unsigned i = 1; i <= 12; i++) {
        record(i);
    }
    require(ps_workflow_report(state, &report, 1, NULL, &err), &err);
    plan();
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    ps_state_close(state);
    (void)uv_loop_close(&loop);
    cr_expect_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct ps_admin_context context_of(struct ps_state *of)
{
    return (struct ps_admin_context){
        .clock = &fixed_clock, .state = of, .policy_digest = "", .rules = rules
    };
}

/* NULL: the code is not PS_OK, and *err says why. */
static json_t *get(const char *raw, struct ps_err *err)
{
    const struct ps_admin_context context = context_of(state);
    struct ps_target target = { 0 };
    const struct ps_admin_route *route;
    json_t *json = NULL;

    require(ps_target_parse(raw, &target, err), err);
    route = ps_admin_route_find(target.path);
    cr_assert_not_null(route, "%s", raw);
    if (ps_admin_route_answer(route, &context, &target, &json, err) != PS_OK) {
        cr_expect_null(json);
    }
    ps_target_clear(&target);
    return json;
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The last digits of the URLs: "1 2 3". */
static void urls_of(const json_t *page, const char *name, char *into, size_t size)
{
    size_t used = 0;
    json_t *item;
    size_t i;

    into[0] = '\0';
    json_array_foreach(json_object_get(page, name), i, item)
    {
        used += (size_t)snprintf(into + used, size - used, "%s%s", i > 0 ? " " : "",
                                 text(item, "url") + strlen("s3://b/"));
    }
}

Test(admin_route, lists_reclaims_by_time_with_every_filter, .init = set_up, .fini = tear_down)
{
    static const struct row {
        const char *target;
        const char *urls;
        bool more;
    } rows[] = {
        { "/v1/reclaims", "1 2 3 4 5 6 7 8 9 10 11 12", false },
        { "/v1/reclaims?limit=3", "1 2 3", true },
        { "/v1/reclaims?limit=12", "1 2 3 4 5 6 7 8 9 10 11 12", false },
        { "/v1/reclaims?prefix=s3://b/1", "1 10 11 12", false },
        { "/v1/reclaims?prefix=s3%3A%2F%2Fb%2F1&limit=2", "1 10", true },
        { "/v1/reclaims?prefix=s3://c", "", false },
        { "/v1/reclaims?due_max_unix_s=1700259200", "1 2 3", false }, /* 3 days */
        { "/v1/reclaims?due_max_unix_s=1700259199", "1 2", false },
        { "/v1/reclaims?due_max_unix_s=1700259200&limit=2", "1 2", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { 0 };
        json_t *page = get(rows[i].target, &err);
        char urls[128];

        cr_assert_not_null(page, "%s: %s", rows[i].target, err.message);
        urls_of(page, "reclaims", urls, sizeof(urls));
        cr_expect_str_eq(urls, rows[i].urls, "%s: %s", rows[i].target, urls);
        cr_expect_eq(text(page, "next") != NULL, rows[i].more, "%s", rows[i].target);
        json_decref(page);
    }
}

Test(admin_route, goes_on_where_a_page_ended, .init = set_up, .fini = tear_down)
{
    char target[128] = "/v1/reclaims?limit=5";
    char all[128] = "";
    size_t used = 0;
    unsigned pages = 0;

    while (target[0] != '\0') {
        struct ps_err err = { 0 };
        json_t *page = get(target, &err);
        char urls[128];

        cr_assert_not_null(page, "%s: %s", target, err.message);
        urls_of(page, "reclaims", urls, sizeof(urls));
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s|", urls);
        target[0] = '\0';
        if (text(page, "next") != NULL) {
            (void)snprintf(target, sizeof(target), "/v1/reclaims?limit=5&after=%s",
                           text(page, "next"));
        }
        json_decref(page);
        pages++;
    }
    cr_expect_str_eq(all, "1 2 3 4 5|6 7 8 9 10|11 12|");
    cr_expect_eq(pages, 3);
}

static bool count_row(void *user, const struct ps_reclaim_row *row)
{
    (void)row;
    ++*(unsigned *)user;
    return true;
}

Test(admin_route, looks_at_so_many_rows_and_no_more, .init = set_up, .fini = tear_down)
{
    static const unsigned told[] = { 0, 0, 1 }; /* of rows 1 to 5, 6 to 10, 11 and 12 */
    struct ps_reclaim_query query = {
        .prefix = "s3://b/12", .due_max_unix_s = INT64_MAX, .now_unix_s = NOW, .row_count_max = 5
    };
    struct ps_err err = { 0 };

    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        unsigned count = 0;
        bool more = false;

        require(ps_reclaim_each(state, &query, count_row, &count, &more, &err), &err);
        cr_expect_eq(count, told[i], "page %zu", i);
        cr_expect_eq(more, i < 2, "page %zu", i);
    }
}

Test(admin_route, says_what_a_reclaim_is_and_what_holds_it, .init = set_up, .fini = tear_down)
{
    struct ps_err err = { 0 };
    json_t *page;
    const json_t *first;
    const json_t *second;

    hold("s3://b/1", "audit");
    hold("s3://b/", "all of it");
    page = get("/v1/reclaims?limit=2", &err);

    cr_assert_not_null(page, "%s", err.message);
    first = json_array_get(json_object_get(page, "reclaims"), 0);
    second = json_array_get(json_object_get(page, "reclaims"), 1);
    cr_expect_str_eq(text(first, "due"), "2023-11-15T22:13:20Z"); /* date -ud @1700086400 */
    cr_expect_eq(json_integer_value(json_object_get(first, "due_unix_s")), NOW + DAY);
    cr_expect_str_eq(text(first, "action"), "delete");
    cr_expect_str_eq(text(first, "state"), "pending");
    cr_expect_str_eq(text(first, "event"), "completed");
    cr_expect_str_eq(text(first, "workflow"), "n/w");
    cr_expect_eq(json_integer_value(json_object_get(first, "size_bytes")), 1);
    cr_expect(json_is_true(json_object_get(first, "held")));
    cr_expect_str_eq(text(first, "hold_url"), "s3://b/1");
    cr_expect_str_eq(text(first, "hold_why"), "audit");
    cr_expect_str_eq(text(first, "hold_until"), "");
    cr_expect_str_eq(text(second, "hold_url"), "s3://b/");
    cr_expect_str_eq(text(second, "hold_why"), "all of it");
    json_decref(page);
}

Test(admin_route, tells_a_hold_that_ended_from_one_that_holds, .init = set_up, .fini = tear_down)
{
    const struct ps_hold brief = {
        .url = "s3://b/1", .since_unix_s = NOW, .until_unix_s = NOW + 60, .why = "a minute"
    };
    uint64_t deleting = 0;
    struct ps_err err = { 0 };

    require(ps_hold_set(state, &brief, &deleting, &err), &err);
    for (int64_t after_s = 0; after_s <= 60; after_s += 60) {
        char target[64];
        json_t *page;
        const json_t *item;

        (void)snprintf(target, sizeof(target), "/v1/reclaims?limit=1&now_unix_s=%lld",
                       (long long)(NOW + after_s));
        page = get(target, &err);
        item = json_array_get(json_object_get(page, "reclaims"), 0);
        cr_expect_eq(json_is_true(json_object_get(item, "held")), after_s < 60);
        cr_expect_eq(json_is_null(json_object_get(item, "hold_url")), after_s == 60);
        json_decref(page);
    }
}

Test(admin_route, pages_holds_and_decisions, .init = set_up, .fini = tear_down)
{
    static const struct row {
        const char *path;
        const char *name;
        const char *urls[3];
    } rows[] = {
        { "/v1/holds", "holds", { "1 2", "3", NULL } },
        { "/v1/decisions", "decisions", { "3 2", "1 12", "11 10" } },
    };

    hold("s3://b/1", "a");
    hold("s3://b/2", "b");
    hold("s3://b/3", "c");
    for (size_t i = 0; i < 2; i++) {
        char after[64] = "";

        for (size_t k = 0; k < 3 && rows[i].urls[k] != NULL; k++) {
            char target[128];
            char urls[64];
            struct ps_err err = { 0 };
            json_t *page;

            (void)snprintf(target, sizeof(target), "%s?limit=2%s%s", rows[i].path,
                           after[0] != '\0' ? "&after=" : "", after);
            page = get(target, &err);
            cr_assert_not_null(page, "%s: %s", target, err.message);
            urls_of(page, rows[i].name, urls, sizeof(urls));
            cr_expect_str_eq(urls, rows[i].urls[k], "%s: %s", target, urls);
            (void)snprintf(after, sizeof(after), "%s",
                           text(page, "next") != NULL ? text(page, "next") : "");
            json_decref(page);
        }
    }
}

Test(admin_route, refuses_what_it_was_not_made_for, .init = set_up, .fini = tear_down)
{
    static const struct row {
        const char *target;
        enum ps_code code;
    } rows[] = {
        { "/v1/reclaims?prefiks=s3://b", PS_E_UNSUPPORTED },
        { "/v1/status?limit=1", PS_E_UNSUPPORTED },
        { "/v1/reclaims?due_max_unix_s=soon", PS_E_INVALID },
        { "/v1/reclaims?due_max_unix_s=-1", PS_E_INVALID },
        { "/v1/reclaims?now_unix_s=", PS_E_INVALID },
        { "/v1/reclaims?after=x", PS_E_INVALID },
        { "/v1/decisions?since_unix_ms=9999999999999999999", PS_E_INVALID },
        { "/v1/holds?limit=501", PS_E_INVALID },
        { "/v1/explain", PS_E_INVALID },
        { "/v1/explain?url=", PS_E_INVALID },
        { "/v1/explain?url=s3://b/13", PS_E_NOT_FOUND },
    };

    cr_expect_null(ps_admin_route_find("/v1/nothing"));
    cr_expect_null(ps_admin_route_find("/v1/status/"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err = { 0 };

        cr_expect_null(get(rows[i].target, &err), "%s", rows[i].target);
        cr_expect_eq(err.code, rows[i].code, "%s: %s", rows[i].target, err.message);
    }
}

Test(admin_route, explains_with_all_that_the_text_needs, .init = set_up, .fini = tear_down)
{
    struct ps_err err = { 0 };
    json_t *json;
    const json_t *one;

    hold("s3://b/2", "audit");
    json = get("/v1/explain?url=s3://b/2", &err);

    cr_assert_not_null(json, "%s", err.message);
    one = json_array_get(json_object_get(json, "records"), 0);
    cr_expect_str_eq(text(one, "etag"), "\"e\"");
    cr_expect_str_eq(text(one, "strategy"), "OnWorkflowCompletion");
    cr_expect_str_eq(text(json_object_get(one, "labels"), "purser/reclaim-after"), "2d");
    cr_expect_str_eq(text(one, "workflow"), "n/w");
    cr_expect_str_eq(text(one, "workflow_status"), "Succeeded");
    cr_expect_str_eq(text(one, "action"), "delete");
    cr_expect_str_eq(text(one, "due"), "2023-11-16T22:13:20Z"); /* date -ud @1700172800 */
    cr_expect_str_eq(text(one, "state"), "pending");
    cr_expect_str_eq(text(one, "hold_why"), "audit");
    cr_expect_eq(json_array_size(json_object_get(one, "answers")), 1);
    cr_expect_eq(json_array_size(json_object_get(json, "history")), 2); /* planned, held */
    json_decref(json);
}

/* --- changes --- */

struct end {
    enum ps_code code;
    json_int_t count;
    char message[256];
    bool done;
};

static void on_end(void *user, json_t *answer, const struct ps_err *err)
{
    struct end *end = user;

    end->done = true;
    end->code = err != NULL ? err->code : PS_OK;
    end->count = json_integer_value(json_object_get(answer, "count"));
    (void)snprintf(end->message, sizeof(end->message), "%s", err != NULL ? err->message : "");
}

static struct end change(const char *verb, const char *query)
{
    const struct ps_admin_context context = context_of(state);
    struct end end = { .done = false };
    const struct ps_admin_change_options options = {
        .loop = &loop, .context = &context, .why = "test", .done = on_end, .user = &end
    };
    struct ps_admin_change *started = NULL;
    struct ps_target target = { 0 };
    struct ps_err err = { 0 };
    char raw[128];
    enum ps_code code;

    (void)snprintf(raw, sizeof(raw), "/v1/%s?%s", verb, query);
    require(ps_target_parse(raw, &target, &err), &err);
    code = ps_admin_change_ask(&started, &options, ps_admin_route_find(target.path), &target, &err);
    ps_target_clear(&target);
    if (code != PS_OK) {
        return (struct end){ .code = code };
    }
    while (!end.done && uv_run(&loop, UV_RUN_ONCE) != 0) {
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect(end.done);
    return end;
}

Test(admin_route, changes_what_it_says_and_counts_it, .init = set_up, .fini = tear_down)
{
    static const struct row {
        const char *verb;
        const char *query;
        enum ps_code code;
        json_int_t count;
    } rows[] = {
        { "hold", "url=s3://b/1", PS_OK, 1 },
        { "hold", "url=s3://b/2&until_unix_s=1700000001", PS_OK, 1 },
        { "hold", "url=s3://b/2&until_unix_s=1700000000", PS_E_INVALID, 0 },
        { "hold", "url=s3://b/2&until_unix_s=tomorrow", PS_E_INVALID, 0 },
        { "hold", "url=2", PS_E_INVALID, 0 },
        { "hold", "", PS_E_INVALID, 0 },
        { "release", "url=s3://b/1", PS_OK, 0 }, /* nothing was kept by it yet */
        { "release", "url=s3://b/1", PS_E_NOT_FOUND, 0 },
        { "cancel", "url=s3://b/3", PS_OK, 1 },
        { "cancel", "url=s3://b/3", PS_E_NOT_FOUND, 0 },
        { "cancel", "url=s3://b/", PS_OK, 11 },
        { "plan", "", PS_OK, 12 },
        { "abort", "id=7", PS_E_NOT_FOUND, 0 },
        { "abort", "id=0", PS_E_INVALID, 0 },
        { "abort", "", PS_E_INVALID, 0 },
        { "abort", "id=x", PS_E_INVALID, 0 },
    };
    enum ps_admin_verb verb;

    cr_expect_not(ps_admin_verb_parse("run", &verb));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct end end = change(rows[i].verb, rows[i].query);

        cr_expect_eq(end.code, rows[i].code, "%s %s: %s", rows[i].verb, rows[i].query, end.message);
        cr_expect_eq(end.count, rows[i].count, "%s %s: %lld", rows[i].verb, rows[i].query,
                     (long long)end.count);
    }
}

static void never(void *user, json_t *answer, const struct ps_err *err)
{
    (void)answer;
    (void)err;
    *(bool *)user = true;
}

Test(admin_route, makes_a_change_that_nobody_waits_for_any_more, .init = set_up, .fini = tear_down)
{
    bool called = false;
    struct ps_err err = { 0 };
    json_t *page;

    {
        const struct ps_admin_context context = context_of(state);
        const struct ps_admin_change_options options = { .loop = &loop,
                                                         .context = &context,
                                                         .verb = PS_ADMIN_HOLD,
                                                         .url = "s3://b/1",
                                                         .done = never,
                                                         .user = &called };
        struct ps_admin_change *started = NULL;

        require(ps_admin_change_start(&started, &options, &err), &err);
        ps_admin_change_abandon(started);
    } /* the context is gone */
    (void)uv_run(&loop, UV_RUN_DEFAULT);

    cr_expect_not(called);
    page = get("/v1/holds", &err);
    cr_expect_eq(json_array_size(json_object_get(page, "holds")), 1);
    json_decref(page);
}
