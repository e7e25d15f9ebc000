#include "cli/app.h"
#include "cli/gateway_link.h"
#include "cli/output.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRES_DEFAULT_S 3600U
#define EXPIRES_MAX_S ((uint64_t)7 * 24 * 3600)

struct share {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    const char *method;
    uint32_t expires_s;
    bool done;
    enum ps_exit exit;
};

static void fail(struct share *share, const struct ps_err *err)
{
    share->done = true;
    share->exit = ps_app_fail(share->app, err);
}

/* The signed URL goes to standard output and nowhere else. */
static void on_signed(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct share *share = user;

    (void)size_bytes;
    if (err != NULL) {
        fail(share, err);
        return;
    }
    share->done = true;
    if (share->app->json) {
        json_t *object = json_pack("{s:s, s:o, s:s, s:o, s:i}", "command", "share", "url",
                                   ps_output_text(share->url), "method", share->method, "share_url",
                                   ps_output_text(text), "expires_s", (int)share->expires_s);

        ps_output_json("result", &object);
    } else {
        (void)printf("%s\n", text);
    }
}

/* What is not there can be put; and who may put need not be one who may look. */
static bool stands_in_no_way(const struct share *share, const struct ps_err *err)
{
    bool missing = err->code == PS_E_NOT_FOUND && strcmp(err->store_code, "NoSuchBucket") != 0;
    bool hidden = err->code == PS_E_DENIED &&
                  (err->store_code[0] == '\0' || strcmp(err->store_code, "AccessDenied") == 0);

    if (hidden) {
        ps_log(&share->app->log, PS_LOG_WARN, "share", "%s: %s: the URL may not work", share->url,
               err->message);
    }
    return strcmp(share->method, "PUT") == 0 && (missing || hidden);
}

/* A URL of nothing helps nobody; and the look corrects region and clock before they are signed. */
static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct share *share = user;
    const struct ps_presign_request request = {
        .method = share->method,
        .key = share->open.key,
        .content_type = share->app->options.values[PS_OPT_CONTENT_TYPE],
        .expires_s = share->expires_s,
    };
    struct ps_err failure;

    (void)info;
    if (err != NULL && !stands_in_no_way(share, err)) {
        failure = *err;
        (void)ps_err_wrap(&failure, failure.code, "%s", share->url);
        if (err->code == PS_E_NOT_FOUND) {
            (void)ps_err_set(&failure, PS_E_NOT_FOUND, "%s: not found", share->url);
        }
        fail(share, &failure);
        return;
    }
    if (ps_store_presign(share->open.store, &request, on_signed, share, &failure) == NULL) {
        fail(share, &failure);
    }
}

static enum ps_code read_expires(struct share *share, struct ps_err *err)
{
    const char *text = share->app->options.values[PS_OPT_EXPIRES];
    uint64_t ms = (uint64_t)EXPIRES_DEFAULT_S * 1000;

    if (text != NULL && (!ps_duration_parse(text, &ms) || ms < 1000 || ms > EXPIRES_MAX_S * 1000)) {
        return ps_err_set(err, PS_E_INVALID, "--expires %s: write 1s to 7d, e.g. 15m or 12h", text);
    }
    share->expires_s = (uint32_t)(ms / 1000);
    return PS_OK;
}

static enum ps_code read_method(struct share *share, struct ps_err *err)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT" };
    static const enum ps_option of_put[] = { PS_OPT_CONTENT_TYPE };
    const struct ps_options *flags = &share->app->options;
    const char *text = flags->values[PS_OPT_METHOD];

    share->method = text == NULL ? "GET" : NULL;
    for (size_t i = 0; text != NULL && i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcasecmp(text, methods[i]) == 0) {
            share->method = methods[i];
        }
    }
    if (share->method == NULL) {
        return ps_err_set(err, PS_E_INVALID, "--method %s: it is GET, HEAD or PUT", text);
    }
    return strcmp(share->method, "PUT") == 0
               ? PS_OK
               : ps_options_refuse(flags, of_put, 1, "--method PUT", err);
}

static enum ps_code start(struct share *share, struct ps_err *err)
{
    enum ps_code code = read_expires(share, err);

    if (code == PS_OK) {
        code = read_method(share, err);
    }
    if (code == PS_OK) {
        code = ps_store_open(&share->app->factory, share->url, &share->open, err);
    }
    if (code == PS_OK && share->open.key[0] == '\0') {
        code = ps_err_set(err, PS_E_INVALID, "%s: names no object: add a key", share->url);
    }
    if (code == PS_OK && !share->open.store->capabilities.presign) {
        code = ps_err_set(err, PS_E_UNSUPPORTED,
                          "%s: nobody serves this store, so there is no URL to share", share->url);
    }
    if (code == PS_OK &&
        ps_store_head(share->open.store, share->open.key, on_head, share, err) == NULL) {
        code = err->code;
    }
    return code;
}

static enum ps_exit share_via_gateway(struct share *share)
{
    static const enum ps_option of_stores[] = { PS_OPT_METHOD, PS_OPT_CONTENT_TYPE };
    const char *via = share->app->options.values[PS_OPT_VIA];
    char *link = NULL;
    struct ps_err err;
    enum ps_code code =
        ps_options_refuse(&share->app->options, of_stores, 2, "a store's URL", &err);

    if (code == PS_OK && strcmp(via, "gateway") != 0) {
        code = ps_err_set(&err, PS_E_INVALID, "--via %s: only a gateway is known", via);
    }
    if (code == PS_OK) {
        code = read_expires(share, &err);
    }
    if (code == PS_OK) {
        code = ps_gateway_link_make(share->app, share->url, share->expires_s, &link, &err);
    }
    if (code != PS_OK) {
        return ps_app_fail(share->app, &err);
    }
    on_signed(share, link, strlen(link), NULL);
    free(link);
    return share->exit;
}

static void on_stop(void *user)
{
    const struct share *share = user;

    exit((int)ps_app_signal_exit(share->app));
}

enum ps_exit ps_cmd_share(struct ps_app *app, const char **args, int arg_count)
{
    struct share share = { .app = app, .url = args[0], .method = "GET" };
    struct ps_err err;

    (void)arg_count;
    if (app->options.values[PS_OPT_VIA] != NULL) {
        return share_via_gateway(&share);
    }
    if (start(&share, &err) != PS_OK) {
        share.exit = ps_app_fail(app, &err);
    } else {
        app->on_stop = on_stop;
        app->on_signal_user = &share;
        ps_app_run_until(app, &share.done);
    }
    ps_store_close(&share.open);
    return share.exit;
}
