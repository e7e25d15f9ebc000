#include "cli/app.h"
#include "cli/output.h"
#include "cli/wishes.h"

#include "base/str.h"
#include "transfer/copy.h"
#include "transfer/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cp {
    struct ps_app *app;
    const char *from_url;
    char *url; /* of the target, with its key */
    struct ps_open_store from;
    struct ps_open_store to;
    struct ps_wishes wishes;
    struct ps_copy *copy;   /* by the store */
    struct ps_relay *relay; /* through memory */
    bool done;
    enum ps_exit exit;
    int64_t started_ms;
};

static enum ps_code start_relay(struct cp *cp, struct ps_err *err);

/* --- the end --- */

/* What was done, whichever way. */
struct outcome {
    uint64_t size_bytes;
    struct ps_checksum checksum;
    const char *etag;
    bool verified;
    bool by_store;
    bool skipped;
    uint32_t part_count;
    uint32_t resumed_count;
};

static void print_json(const struct cp *cp, const struct outcome *outcome)
{
    char sum[PS_CHECKSUM_TEXT_SIZE];
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:I, s:o, s:s, s:s, s:b, s:s, s:i, s:i, s:b}", "command", "cp", "from",
        ps_output_text(cp->from_url), "url", ps_output_text(cp->url), "size_bytes",
        (json_int_t)outcome->size_bytes, "etag", ps_output_text(outcome->etag),
        "checksum_algorithm", ps_checksum_name(outcome->checksum.algorithm), "checksum",
        ps_checksum_format(&outcome->checksum, sum), "verified", (int)outcome->verified, "way",
        outcome->by_store ? "store" : "stream", "parts", (int)outcome->part_count, "resumed_parts",
        (int)outcome->resumed_count, "skipped", (int)outcome->skipped);

    ps_output_json("result", &object);
}

static void print_plain(const struct cp *cp, const struct outcome *outcome)
{
    char size[16];
    double seconds = (double)(ps_clock_mono_ms(cp->app->clock) - cp->started_ms) / 1000.0;

    if (outcome->skipped) {
        (void)fprintf(stderr, "skipped by policy: %s\n", cp->url);
        return;
    }
    if (outcome->resumed_count > 0) {
        (void)fprintf(stderr, "resumed: %" PRIu32 " parts were there already\n",
                      outcome->resumed_count);
    }
    (void)fprintf(stderr, "%s: %s in %.1f s, %s, ", cp->url,
                  ps_size_format(outcome->size_bytes, size, sizeof(size)), seconds,
                  outcome->by_store ? "by the store" : "streamed");
    if (outcome->part_count > 0) {
        (void)fprintf(stderr, "%" PRIu32 " parts, ", outcome->part_count);
    }
    if (outcome->by_store && !outcome->verified) {
        (void)fprintf(stderr, "not verified: the store knows no checksum of both\n");
    } else {
        ps_output_proof(&outcome->checksum, outcome->verified);
    }
}

static void finish(struct cp *cp, const struct outcome *outcome, const struct ps_err *err)
{
    struct ps_app *app = cp->app;

    cp->done = true;
    ps_progress_bar_stop(&app->bar);
    if (err != NULL) {
        cp->exit = err->code == PS_E_CANCELLED && app->caught_signal != 0 ? ps_app_signal_exit(app)
                                                                          : ps_app_fail(app, err);
        if (cp->exit >= PS_EXIT_SIGINT && !app->quiet) {
            (void)fprintf(stderr, "purser: interrupted; the same command resumes\n");
        }
    } else if (app->json) {
        print_json(cp, outcome);
    } else if (!app->quiet) {
        print_plain(cp, outcome);
    }
}

static void on_copied(void *user, const struct ps_copy_result *result, const struct ps_err *err)
{
    struct cp *cp = user;
    const struct outcome outcome = {
        .size_bytes = result->size_bytes,
        .checksum = result->checksum,
        .etag = result->etag,
        .verified = result->verified,
        .by_store = true,
        .part_count = result->part_count,
        .resumed_count = result->resumed_count,
    };
    struct ps_err failure;

    cp->copy = NULL;
    /* It cannot after all, as an old or a small one may not: the long way works everywhere. */
    if (err != NULL && err->code == PS_E_UNSUPPORTED) {
        ps_log(&cp->app->log, PS_LOG_INFO, "cp", "%s; streaming instead", err->message);
        if (start_relay(cp, &failure) == PS_OK) {
            return;
        }
        finish(cp, &outcome, &failure);
        return;
    }
    finish(cp, &outcome, err);
}

static void on_relayed(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct cp *cp = user;
    const struct outcome outcome = {
        .size_bytes = result->size_bytes,
        .checksum = result->checksum,
        .etag = result->etag != NULL ? result->etag : "",
        .verified = result->confirmed,
        .skipped = result->skipped,
        .part_count = result->part_count,
        .resumed_count = result->resumed_count,
    };

    cp->relay = NULL;
    finish(cp, &outcome, err);
}

/* --- while it runs --- */

static void on_event(void *user, const struct ps_transfer_event *event)
{
    struct cp *cp = user;

    ps_output_event(cp->app, event);
}

static void ask_progress(void *user, struct ps_progress *progress_out)
{
    const struct cp *cp = user;

    memset(progress_out, 0, sizeof(*progress_out));
    progress_out->state = "ending";
    if (cp->copy != NULL) {
        ps_copy_progress(cp->copy, progress_out);
    } else if (cp->relay != NULL) {
        ps_relay_progress(cp->relay, progress_out);
    }
}

static void on_stop(void *user)
{
    struct cp *cp = user;

    if (cp->copy != NULL) {
        ps_copy_stop(cp->copy);
    } else if (cp->relay != NULL) {
        ps_relay_stop(cp->relay);
    }
}

static void on_report(void *user)
{
    struct cp *cp = user;

    ps_progress_bar_report(&cp->app->bar);
}

/* --- the start --- */

static enum ps_code start_copy(struct cp *cp, struct ps_err *err)
{
    struct ps_app *app = cp->app;
    const struct ps_upload_wishes *wishes = &cp->wishes.upload;
    char *bucket = ps_store_copy_bucket(&cp->from);
    const struct ps_copy_options options = {
        .loop = app->loop,
        .from = cp->from.store,
        .from_key = cp->from.key,
        .from_url = cp->from_url,
        .from_bucket = bucket,
        .store = cp->to.store,
        .key = cp->to.key,
        .url = cp->url,
        .clock = app->clock,
        .log = &app->log,
        .open_state = ps_app_open_state,
        .open_state_user = app,
        .threshold_bytes = wishes->threshold_bytes,
        .part_size_bytes = wishes->part_size_bytes,
        .concurrency = wishes->concurrency,
        .write = { .checksum = wishes->checksum,
                   .storage_class = wishes->storage_class,
                   .content_type = wishes->content_type,
                   .metadata = wishes->metadata,
                   .metadata_count = wishes->metadata_count,
                   .tags = wishes->tags,
                   .tag_count = wishes->tag_count,
                   .create_only = wishes->create_only },
        .restart = wishes->restart,
        .on_event = on_event,
        .on_done = on_copied,
        .user = cp,
    };
    enum ps_code code = bucket != NULL ? ps_copy_start(&cp->copy, &options, err)
                                       : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(bucket);
    return code;
}

static enum ps_code start_relay(struct cp *cp, struct ps_err *err)
{
    struct ps_app *app = cp->app;
    char *path = ps_store_local_path(&cp->from);
    const struct ps_relay_options options = {
        .from = cp->from.store,
        .from_key = cp->from.key,
        .from_url = cp->from_url,
        .from_path = path,
        .upload = { .loop = app->loop,
                    .store = cp->to.store,
                    .key = cp->to.key,
                    .url = cp->url,
                    .store_name = cp->to.name,
                    .bucket = cp->to.bucket,
                    .decider = &app->decider,
                    .policy_digest = app->policy_digest,
                    .clock = app->clock,
                    .log = &app->log,
                    .open_state = ps_app_open_state,
                    .open_state_user = app,
                    .memory_limit_bytes = app->settings.transfer_memory_limit_bytes,
                    .wishes = cp->wishes.upload,
                    .on_event = on_event,
                    .on_done = on_relayed,
                    .user = cp },
    };
    enum ps_code code = ps_relay_start(&cp->relay, &options, err);

    free(path);
    return code;
}

static enum ps_code check_source(const struct cp *cp, struct ps_err *err)
{
    if (cp->from.key[0] == '\0' || ps_str_has_suffix(cp->from.key, "/")) {
        return ps_err_set(err, PS_E_INVALID, "%s: names no object: add a key", cp->from_url);
    }
    return PS_OK;
}

/* "s3://b/dir/" is a place for an object of the same name. */
static enum ps_code name_target(struct cp *cp, const char *url, struct ps_err *err)
{
    const char *slash = strrchr(cp->from.key, '/');
    const char *name = slash != NULL ? slash + 1 : cp->from.key;
    const char *after = strstr(url, "://");
    bool is_bucket = after != NULL && after[3] != '/' && strchr(after + 3, '/') == NULL;
    bool is_place = is_bucket || ps_str_has_suffix(url, "/");

    cp->url = ps_str_format("%s%s%s", url, is_bucket ? "/" : "", is_place ? name : "");
    return cp->url != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static enum ps_code start(struct cp *cp, const char *url, struct ps_err *err)
{
    enum ps_code code = ps_wishes_read(&cp->wishes, cp->app, err);

    if (code == PS_OK) {
        code = ps_store_open(&cp->app->factory, cp->from_url, &cp->from, err);
    }
    if (code == PS_OK) {
        code = check_source(cp, err);
    }
    if (code == PS_OK) {
        code = name_target(cp, url, err);
    }
    if (code == PS_OK) {
        code = ps_store_open(&cp->app->factory, cp->url, &cp->to, err);
    }
    if (code == PS_OK && strcmp(cp->url, cp->from_url) == 0) {
        code = ps_err_set(err, PS_E_INVALID, "%s: source and target are the same", cp->url);
    }
    if (code != PS_OK) {
        return code;
    }
    return ps_store_can_copy_from(&cp->to, &cp->from) ? start_copy(cp, err) : start_relay(cp, err);
}

enum ps_exit ps_cmd_cp(struct ps_app *app, const char **args, int arg_count)
{
    struct cp cp = { .app = app, .from_url = args[0], .started_ms = ps_clock_mono_ms(app->clock) };
    struct ps_err err;

    (void)arg_count;
    if (start(&cp, args[1], &err) != PS_OK) {
        cp.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_report = on_report;
        app->on_signal_user = &cp;
        ps_progress_bar_start(&app->bar, app->loop, cp.url, app->quiet || app->json, ask_progress,
                              &cp);
        ps_app_run_until(app, &cp.done);
    }
    ps_wishes_clear(&cp.wishes);
    ps_store_close(&cp.from);
    ps_store_close(&cp.to);
    free(cp.url);
    return cp.exit;
}
