#include "store/store_open.h"

#include "base/str.h"
#include "store/file_store.h"
#include "store/oss_store.h"
#include "store/s3_store.h"

#include <stdlib.h>
#include <string.h>

static const char *first_set(const char *a, const char *b, const char *c, const char *d)
{
    const char *const all[] = { a, b, c, d };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL && all[i][0] != '\0') {
            return all[i];
        }
    }
    return "";
}

static const char *env(const struct ps_store_factory *factory, const char *name)
{
    return factory->getenv(factory->getenv_user, name);
}

/* The root of file:///a/b/key is /a/b; that of file:///a/b/ is /a/b itself, with the key "". */
static enum ps_code open_file(const struct ps_store_factory *factory,
                              const struct ps_store_url *url, struct ps_open_store *open,
                              struct ps_err *err)
{
    const char *slash = strrchr(url->key, '/');
    size_t dir_length = slash != NULL ? (size_t)(slash - url->key) : 0;
    char *root = ps_str_format("/%.*s", (int)dir_length, url->key);
    const struct ps_file_store_options options = {
        .loop = factory->loop,
        .root_dir = root,
        .clock = factory->clock,
        .log = factory->log,
    };
    enum ps_code code;

    open->key = ps_strdup(slash != NULL ? slash + 1 : url->key);
    code = root != NULL && open->key != NULL ? ps_file_store_new(&open->store, &options, err)
                                             : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    free(root);
    return code;
}

static enum ps_code choose_checksum(struct ps_s3_options *options, const char *name,
                                    struct ps_err *err)
{
    options->checksum_fixed = strcmp(name, "auto") != 0;
    if (options->checksum_fixed && !ps_checksum_parse_name(name, &options->checksum)) {
        return ps_err_set(err, PS_E_INVALID, "checksum '%s' is none of purser's", name);
    }
    return PS_OK;
}

static enum ps_code make_parts(const struct ps_store_factory *factory, enum ps_creds_family family,
                               const char *profile, struct ps_open_store *open, struct ps_err *err)
{
    const struct ps_creds_options creds = {
        .family = family,
        .getenv = factory->getenv,
        .getenv_user = factory->getenv_user,
        .profile = profile[0] != '\0' ? profile : NULL,
        .clock = factory->clock,
        .loop = factory->loop,
        .http = factory->http,
        .log = factory->log,
    };

    open->retrier = calloc(1, sizeof(*open->retrier));
    if (open->retrier == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_retry_init(open->retrier, factory->ask_retry, factory->ask_retry_user, factory->clock);
    return ps_creds_chain_new(&open->creds, &creds, err);
}

static enum ps_code choose_style(struct ps_s3_options *options, const char *path_style,
                                 const char *checksum, struct ps_err *err)
{
    options->path_style = strcmp(path_style, "true") == 0    ? PS_S3_PATH_STYLE_ON
                          : strcmp(path_style, "false") == 0 ? PS_S3_PATH_STYLE_OFF
                                                             : PS_S3_PATH_STYLE_AUTO;
    return choose_checksum(options, checksum, err);
}

/* A flag's duration in *ms; without the flag it stays. */
static enum ps_code choose_timeout(uint32_t *ms, const char *flag, const char *text,
                                   struct ps_err *err)
{
    uint64_t given_ms = 0;

    if (text == NULL) {
        return PS_OK;
    }
    if (!ps_duration_parse(text, &given_ms) || given_ms == 0 || given_ms > UINT32_MAX) {
        return ps_err_set(err, PS_E_INVALID, "--%s %s: write a time, e.g. 5s or 2m", flag, text);
    }
    *ms = (uint32_t)given_ms;
    return PS_OK;
}

static enum ps_code choose_timeouts(struct ps_s3_options *options,
                                    const struct ps_store_overrides *flags, struct ps_err *err)
{
    enum ps_code code = choose_timeout(&options->connect_timeout_ms, "connect-timeout",
                                       flags->connect_timeout, err);

    return code == PS_OK ? choose_timeout(&options->stall_timeout_ms, "stall-timeout",
                                          flags->stall_timeout, err)
                         : code;
}

static enum ps_code new_oss(const struct ps_s3_options *base,
                            const struct ps_store_overrides *flags,
                            const struct ps_store_settings *file, struct ps_open_store *open,
                            struct ps_err *err)
{
    const char *signature = first_set(flags->signature, file->signature, "v4", NULL);
    const char *network = first_set(flags->network, file->network, "public", NULL);
    struct ps_oss_options options = { .base = *base, .sign_v1 = strcmp(signature, "v1") == 0 };

    if (!options.sign_v1 && strcmp(signature, "v4") != 0) {
        return ps_err_set(err, PS_E_INVALID, "signature '%s': it is v4 or v1", signature);
    }
    if (!ps_oss_network_parse(network, &options.network)) {
        return ps_err_set(err, PS_E_INVALID,
                          "network '%s': it is one of public internal accelerate dual-stack",
                          network);
    }
    return ps_oss_store_new(&open->store, &options, err);
}

/* The environment's word for what neither a flag nor the settings say. */
static const char *endpoint_of(const struct ps_store_factory *factory, bool is_oss,
                               const struct ps_store_settings *file)
{
    const char *given = first_set(factory->overrides.endpoint, file->endpoint, NULL, NULL);

    return is_oss ? first_set(given, env(factory, "OSS_ENDPOINT"), NULL, NULL)
                  : first_set(given, env(factory, "AWS_ENDPOINT_URL_S3"),
                              env(factory, "AWS_ENDPOINT_URL"), NULL);
}

static enum ps_code open_bucket(const struct ps_store_factory *factory,
                                const struct ps_store_url *url,
                                const struct ps_store_settings *named, struct ps_open_store *open,
                                struct ps_err *err)
{
    static const struct ps_store_settings nothing = { 0 };
    const struct ps_store_overrides *flags = &factory->overrides;
    const struct ps_store_settings *file = named != NULL ? named : &nothing;
    bool is_oss = strcmp(url->scheme, "oss") == 0;
    const char *endpoint = endpoint_of(factory, is_oss, file);
    const char *ca_bundle = first_set(flags->ca_bundle, file->ca_bundle,
                                      is_oss ? NULL : env(factory, "AWS_CA_BUNDLE"), NULL);
    struct ps_s3_options options = {
        .loop = factory->loop,
        .http = factory->http,
        .clock = factory->clock,
        .log = factory->log,
        .bucket = url->bucket,
        .endpoint = endpoint,
        .region = first_set(flags->region, file->region, NULL, NULL),
        .kind = first_set(flags->kind, file->kind, NULL, NULL),
        .extras = { .encryption = first_set(flags->encryption, file->encryption, NULL, NULL),
                    .encryption_key =
                        first_set(flags->encryption_key, file->encryption_key, NULL, NULL),
                    .encryption_key_file = first_set(flags->encryption_key_file,
                                                     file->encryption_key_file, NULL, NULL),
                    .requester_pays = flags->requester_pays || file->requester_pays },
        .sign_payload = flags->sign_payload || file->sign_payload,
        .ca_bundle = ca_bundle[0] != '\0' ? ca_bundle : NULL,
        .connect_timeout_ms = (uint32_t)file->connect_timeout_ms,
        .stall_timeout_ms = (uint32_t)file->stall_timeout_ms,
    };
    enum ps_code code = make_parts(factory, is_oss ? PS_CREDS_ALIYUN : PS_CREDS_AWS,
                                   first_set(flags->profile, file->profile, NULL, NULL), open, err);

    if (code == PS_OK) {
        code = choose_style(&options, first_set(flags->path_style, file->path_style, "auto", NULL),
                            first_set(flags->checksum, file->checksum, "auto", NULL), err);
    }
    if (code == PS_OK) {
        code = choose_timeouts(&options, flags, err);
    }
    if (code != PS_OK) {
        return code;
    }
    options.creds = open->creds;
    options.retry = open->retrier;
    open->key = ps_strdup(url->key);
    ps_str_copy(open->endpoint, sizeof(open->endpoint),
                first_set(endpoint, is_oss ? "OSS" : "AWS", NULL, NULL));
    if (open->key == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return is_oss ? new_oss(&options, flags, file, open, err)
                  : ps_s3_store_new(&open->store, &options, err);
}

enum ps_code ps_store_open(const struct ps_store_factory *factory, const char *url,
                           struct ps_open_store *open_out, struct ps_err *err)
{
    const struct ps_store_settings *named = ps_settings_store_of_url(factory->settings, url);
    struct ps_open_store open = { 0 };
    struct ps_store_url parts = { 0 };
    enum ps_code code = ps_store_url_parse(url, &parts, err);

    if (code != PS_OK) {
        return code;
    }
    ps_str_copy(open.name, sizeof(open.name), named != NULL ? named->name : parts.scheme);
    open.bucket = ps_strdup(parts.bucket);
    if (open.bucket == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else if (strcmp(parts.scheme, "file") == 0) {
        code = open_file(factory, &parts, &open, err);
    } else {
        code = open_bucket(factory, &parts, named, &open, err);
    }
    ps_store_url_clear(&parts);
    if (code != PS_OK) {
        ps_store_close(&open);
        return code;
    }
    *open_out = open;
    return PS_OK;
}

bool ps_store_can_copy_from(const struct ps_open_store *to, const struct ps_open_store *from)
{
    const struct ps_store_capabilities *a = &to->store->capabilities;
    const struct ps_store_capabilities *b = &from->store->capabilities;

    if (!a->copy || strcmp(a->family, b->family) != 0) {
        return false;
    }
    return a->local ||
           (strcmp(to->name, from->name) == 0 && strcmp(to->endpoint, from->endpoint) == 0);
}

/* "file:///dir" -> "/dir" */
static const char *local_root(const struct ps_open_store *open)
{
    return open->store->root_url + strlen("file://");
}

char *ps_store_copy_bucket(const struct ps_open_store *from)
{
    return ps_strdup(from->store->capabilities.local ? local_root(from) : from->bucket);
}

char *ps_store_local_path(const struct ps_open_store *open)
{
    return open->store->capabilities.local ? ps_str_format("%s/%s", local_root(open), open->key)
                                           : NULL;
}

void ps_store_close(struct ps_open_store *open)
{
    ps_store_free(open->store);
    ps_creds_chain_free(open->creds);
    free(open->retrier);
    free(open->key);
    free(open->bucket);
    memset(open, 0, sizeof(*open));
}
