#include "cli/reclaims_list.h"

#include "cli/admin_call.h"
#include "cli/output.h"
#include "cli/reclaim_cli.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

/** Lines of a list, unless --limit says another number: a million would answer no question. */
#define LIMIT_DEFAULT 1000

struct listing {
    struct ps_app *app;
    int64_t now_unix_s;
    struct ps_admin_items items;
};

/* The answer's list called name, each item by each. */
static enum ps_code ask_for(struct listing *listing, struct ps_admin_call *call, const char *name,
                            void (*each)(void *user, json_t *item), struct ps_err *err)
{
    listing->items.name = name;
    listing->items.each = each;
    listing->items.user = listing;
    return ps_admin_call_each(call, &listing->items, err);
}

static enum ps_code listing_init(struct listing *listing, struct ps_app *app, struct ps_err *err)
{
    const char *limit = app->options.values[PS_OPT_LIMIT];

    *listing = (struct listing){ .app = app, .items = { .count_max = LIMIT_DEFAULT } };
    if (limit != NULL && !ps_u64_parse(limit, &listing->items.count_max)) {
        return ps_err_set(err, PS_E_INVALID, "--limit %s: a number, 0 = all", limit);
    }
    return ps_reclaim_now(app, &listing->now_unix_s, err);
}

/* True when it was printed as JSON. */
static bool take_item(const struct listing *listing, const char *type, json_t *item)
{
    if (listing->app->json) {
        (void)json_incref(item);
        ps_output_json(type, &item);
    }
    return listing->app->json;
}

static enum ps_exit end_listing(const struct listing *listing, const char *nothing)
{
    if (listing->app->json || listing->app->quiet) {
        return PS_EXIT_DONE;
    }
    if (listing->items.count == 0) {
        (void)fprintf(stderr, "%s\n", nothing);
    } else if (listing->items.more) {
        (void)fprintf(stderr, "... and more: --limit 0 prints all\n");
    }
    return PS_EXIT_DONE;
}

/* --- ls --- */

static const char *due_text(const struct listing *listing, int64_t due_unix_s, char *text)
{
    char span[32];

    (void)ps_reclaim_span(due_unix_s - listing->now_unix_s, span);
    (void)snprintf(text, 40, "%s%s%s", due_unix_s > listing->now_unix_s ? "in " : "", span,
                   due_unix_s > listing->now_unix_s ? "" : " ago");
    return text;
}

static void print_why(const json_t *item)
{
    const char *where = ps_output_string(item, "where");
    const char *workflow = ps_output_string(item, "workflow");

    (void)printf("    %s%s%s: %s%s%s\n", ps_output_string(item, "policy"),
                 where[0] != '\0' ? " " : "", where, ps_output_string(item, "reason"),
                 workflow[0] != '\0' ? ", workflow " : "", workflow);
}

/* What a prefix holds is released by that prefix only. */
static void print_hold_of(const json_t *item)
{
    const char *until = ps_output_string(item, "hold_until");
    const char *url = ps_output_string(item, "hold_url");

    (void)printf("    on hold until %s: %s", until[0] != '\0' ? until : "released",
                 ps_output_string(item, "hold_why"));
    if (strcmp(url, ps_output_string(item, "url")) != 0) {
        (void)printf(", with all of ");
        ps_output_key(url);
    }
    (void)putchar('\n');
}

static void print_reclaim(void *user, json_t *item)
{
    const struct listing *listing = user;
    const json_t *size_bytes = json_object_get(item, "size_bytes");
    char due[40];
    char size[16] = "-";

    if (take_item(listing, "reclaim", item)) {
        return;
    }
    if (json_is_integer(size_bytes)) {
        (void)ps_size_format((uint64_t)json_integer_value(size_bytes), size, sizeof(size));
    }
    (void)printf("%-12s %-8s %9s  ", due_text(listing, ps_output_number(item, "due_unix_s"), due),
                 strcmp(ps_output_string(item, "state"), "deleting") == 0
                     ? "deleting"
                     : ps_output_string(item, "action"),
                 size);
    ps_output_key(ps_output_string(item, "url"));
    (void)putchar('\n');
    if (ps_options_has(&listing->app->options, PS_OPT_WHY)) {
        print_why(item);
    }
    if (json_is_true(json_object_get(item, "held"))) {
        print_hold_of(item);
    }
}

static enum ps_code add_due(struct ps_admin_call *call, const struct listing *listing,
                            struct ps_err *err)
{
    const char *due = call->app->options.values[PS_OPT_DUE];
    uint64_t due_ms = 0;

    if (due == NULL) {
        return PS_OK;
    }
    if (!ps_duration_parse(due, &due_ms) || due_ms / 1000 > INT32_MAX) {
        return ps_err_set(err, PS_E_INVALID, "--due %s: write a duration like 24h or 7d", due);
    }
    ps_admin_call_add_number(call, "due_max_unix_s",
                             listing->now_unix_s + (int64_t)(due_ms / 1000));
    return PS_OK;
}

enum ps_exit ps_reclaims_ls(struct ps_app *app)
{
    struct ps_admin_call call;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    ps_admin_call_init(&call, app, "GET", "/v1/reclaims");
    ps_admin_call_add(&call, "prefix", app->options.values[PS_OPT_PREFIX]);
    if (code == PS_OK) {
        code = add_due(&call, &listing, &err);
    }
    if (code == PS_OK) {
        code = ps_admin_call_add_now(&call, &err);
    }
    if (code == PS_OK) {
        code = ask_for(&listing, &call, "reclaims", print_reclaim, &err);
    }
    ps_admin_call_clear(&call);
    return code == PS_OK ? end_listing(&listing, "nothing is planned") : ps_app_fail(app, &err);
}

/* --- history --- */

static void print_entry(void *user, json_t *item)
{
    const char *policy = ps_output_string(item, "policy");
    const char *where = ps_output_string(item, "where");
    const char *reason = ps_output_string(item, "reason");

    if (take_item(user, "history", item)) {
        return;
    }
    (void)printf("%s  %-9s ", ps_output_string(item, "at"), ps_output_string(item, "what"));
    ps_output_key(ps_output_string(item, "url"));
    if (reason[0] != '\0') {
        (void)printf("\n    %s%s%s%s%s", policy, policy[0] != '\0' ? " " : "", where,
                     where[0] != '\0' ? ": " : "", reason);
    }
    (void)printf("%s\n", json_is_true(json_object_get(item, "delete_marker"))
                             ? " (a delete marker: the bytes stay)"
                             : "");
}

static enum ps_code add_since(struct ps_admin_call *call, const struct listing *listing,
                              struct ps_err *err)
{
    const char *since = call->app->options.values[PS_OPT_SINCE];
    int64_t from_unix_ms;
    uint64_t since_ms = 0;

    if (since == NULL) {
        return PS_OK;
    }
    if (!ps_duration_parse(since, &since_ms) || since_ms > INT64_MAX / 2) {
        return ps_err_set(err, PS_E_INVALID, "--since %s: write a duration like 30d", since);
    }
    from_unix_ms = listing->now_unix_s * 1000 - (int64_t)since_ms;
    ps_admin_call_add_number(call, "since_unix_ms", from_unix_ms > 0 ? from_unix_ms : 0);
    return PS_OK;
}

enum ps_exit ps_reclaims_history(struct ps_app *app)
{
    struct ps_admin_call call;
    struct listing listing;
    struct ps_err err;
    enum ps_code code = listing_init(&listing, app, &err);

    ps_admin_call_init(&call, app, "GET", "/v1/decisions");
    if (code == PS_OK) {
        code = add_since(&call, &listing, &err);
    }
    if (code == PS_OK) {
        code = ask_for(&listing, &call, "decisions", print_entry, &err);
    }
    ps_admin_call_clear(&call);
    return code == PS_OK ? end_listing(&listing, "nothing was decided yet")
                         : ps_app_fail(app, &err);
}

/* --- holds --- */

static void print_hold(void *user, json_t *item)
{
    const char *until = ps_output_string(item, "until");

    if (take_item(user, "hold", item)) {
        return;
    }
    (void)printf("%-20s  ", until[0] != '\0' ? until : "until released");
    ps_output_key(ps_output_string(item, "url"));
    (void)putchar('\n');
}

enum ps_exit ps_reclaims_holds(struct ps_app *app)
{
    struct listing listing = { .app = app };
    struct ps_admin_call call;
    struct ps_err err;
    enum ps_code code;

    ps_admin_call_init(&call, app, "GET", "/v1/holds");
    code = ask_for(&listing, &call, "holds", print_hold, &err);
    ps_admin_call_clear(&call);
    return code == PS_OK ? PS_EXIT_DONE : ps_app_fail(app, &err);
}
