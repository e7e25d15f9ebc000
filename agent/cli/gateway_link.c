#include "cli/gateway_link.h"

#include "base/str.h"
#include "serve/signed_link.h"

#include <stdlib.h>
#include <string.h>

char *ps_gateway_link_key_path(struct ps_app *app, struct ps_err *err)
{
    return ps_app_state_path(app, app->settings.gateway_link_key_file, "link.key", err);
}

/* The key below the store's URL. */
static const char *key_of(const struct ps_store_settings *store, const char *url)
{
    const char *key = url + strlen(store->url);

    while (*key == '/') {
        key++;
    }
    return key;
}

static enum ps_code append_base(struct ps_app *app, struct ps_buf *buf, struct ps_err *err)
{
    const char *base = app->settings.gateway_public_url;
    const char *scheme = app->settings.gateway_tls_cert[0] != '\0' ? "https" : "http";
    size_t length = strlen(base);

    while (length > 0 && base[length - 1] == '/') {
        length--;
    }
    return length > 0
               ? ps_buf_append(buf, base, length, err)
               : ps_buf_append_format(buf, err, "%s://%s", scheme, app->settings.gateway_listen);
}

enum ps_code ps_gateway_link_make(struct ps_app *app, const char *url, uint32_t expires_s,
                                  char **link_out, struct ps_err *err)
{
    const struct ps_store_settings *store = ps_settings_store_of_url(&app->settings, url);
    struct ps_link link = {
        .is_prefix = ps_str_has_suffix(url, "/"),
        .expires_unix_s = ps_clock_unix_ms(app->clock) / 1000 + expires_s,
    };
    char *path = NULL;
    struct ps_link_key key;
    struct ps_buf buf;
    enum ps_code code;

    if (store == NULL) {
        return ps_err_set(
            err, PS_E_INVALID,
            "%s: lies below no store of the settings, so the gateway does not serve it", url);
    }
    link.store = store->name;
    link.key = key_of(store, url);
    ps_buf_init(&buf, 0);
    path = ps_gateway_link_key_path(app, err);
    code = path != NULL ? ps_link_key_load(&key, path, err) : err->code;
    if (code == PS_OK) {
        code = append_base(app, &buf, err);
    }
    if (code == PS_OK) {
        code = ps_signed_link_format(&buf, &key, &link, err);
    }
    if (code == PS_OK) {
        *link_out = ps_buf_steal(&buf);
    }
    ps_buf_clear(&buf);
    free(path);
    return code;
}
