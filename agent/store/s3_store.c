#include "store/s3_store.h"

#include "base/str.h"
#include "store/s3_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"

static void op_cancel(struct ps_store_op *base)
{
    struct ps_s3_op *op = (struct ps_s3_op *)base;

    if (op->in_callback) {
        ps_s3_call_cancel(op->call);
        op->call = NULL;
        op->cancelled = true;
        return;
    }
    ps_s3_op_free(op);
}

static void op_wake(struct ps_store_op *base)
{
    struct ps_s3_op *op = (struct ps_s3_op *)base;

    if (op->call != NULL) {
        ps_s3_call_wake(op->call);
    } else if (op->wake != NULL) {
        op->wake(op);
    }
}

static void store_free(struct ps_store *base)
{
    struct ps_s3_store *store = (struct ps_s3_store *)base;

    free(store->base.root_url);
    free(store->bucket);
    free(store->scheme);
    free(store->host);
    free(store->base_path);
    free(store->ca_bundle);
    ps_s3_extras_clear(&store->extras);
    ps_sign_v4_key_clear(&store->sign_key);
    free(store);
}

static const struct ps_store_ops table = {
    .put = ps_s3_put,
    .begin_multipart = ps_s3_begin_multipart,
    .put_part = ps_s3_put_part,
    .list_parts = ps_s3_list_parts,
    .list_uploads = ps_s3_list_uploads,
    .complete = ps_s3_complete,
    .abort_multipart = ps_s3_abort,
    .get = ps_s3_get,
    .head = ps_s3_head,
    .list = ps_s3_list,
    .copy = ps_s3_copy,
    .presign = ps_s3_presign,
    .restore = ps_s3_restore,
    .get_tags = ps_s3_get_tags,
    .put_tags = ps_s3_put_tags,
    .get_lifecycle = ps_s3_get_lifecycle,
    .put_lifecycle = ps_s3_put_lifecycle,
    .cancel = op_cancel,
    .wake = op_wake,
    .free = store_free,
};

static const struct ps_deleter_ops deleter_table = {
    .delete_batch = ps_s3_delete_batch,
};

void *ps_s3_op_new(struct ps_store *store, size_t size_bytes, const char *key, struct ps_err *err)
{
    struct ps_s3_op *op;
    const struct ps_s3_dialect *dialect = ((struct ps_s3_store *)store)->dialect;
    size_t length = key != NULL ? strlen(key) : 1;

    if (length == 0 || length > dialect->key_max_bytes) {
        (void)ps_err_set(err, PS_E_INVALID, "a key of %s has 1 to %u bytes, this one has %zu",
                         dialect->name, dialect->key_max_bytes, length);
        return NULL;
    }
    op = calloc(1, size_bytes);
    if (op != NULL && key != NULL) {
        op->key = ps_strdup(key);
        if (op->key == NULL) {
            free(op);
            op = NULL;
        }
    }
    if (op == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    op->base.ops = &table;
    op->store = (struct ps_s3_store *)store;
    return op;
}

void ps_s3_op_free(struct ps_s3_op *op)
{
    if (op == NULL) {
        return;
    }
    ps_s3_call_cancel(op->call);
    if (op->clear != NULL) {
        op->clear(op);
    }
    free(op->key);
    free(op);
}

void ps_s3_op_enter(struct ps_s3_op *op)
{
    op->in_callback = true;
}

bool ps_s3_op_leave(struct ps_s3_op *op)
{
    op->in_callback = false;
    if (op->cancelled) {
        ps_s3_op_free(op);
        return false;
    }
    return true;
}

void ps_s3_op_end(struct ps_s3_op *op)
{
    op->in_callback = false;
    ps_s3_op_free(op);
}

struct ps_store_op *ps_s3_op_started(struct ps_s3_op *op, enum ps_code code)
{
    if (code != PS_OK) {
        ps_s3_op_free(op);
        return NULL;
    }
    return &op->base;
}

static bool has_only(const char *s, const char *extra)
{
    for (; *s != '\0'; s++) {
        if (!isalnum((unsigned char)*s) && strchr(extra, *s) == NULL) {
            return false;
        }
    }
    return true;
}

static enum ps_code check_names(const struct ps_s3_options *options, const char *region,
                                struct ps_err *err)
{
    size_t length = options->bucket != NULL ? strlen(options->bucket) : 0;

    /* Old buckets of us-east-1 have up to 255 characters, capitals and '_'. */
    if (length < 3 || length > 255 || !has_only(options->bucket, ".-_")) {
        return ps_err_set(err, PS_E_INVALID,
                          "\"%s\" is no bucket: a name has letters, digits, '-' and '.'",
                          length != 0 ? options->bucket : "");
    }
    if (strlen(region) >= PS_S3_REGION_SIZE || !has_only(region, "-_")) {
        return ps_err_set(err, PS_E_INVALID, "\"%s\" is no region", region);
    }
    return PS_OK;
}

/* "http[s]://host[:port][/path]" */
static enum ps_code take_endpoint(struct ps_s3_store *store, const char *endpoint,
                                  struct ps_err *err)
{
    const char *colon = strstr(endpoint, "://");
    const char *host = colon != NULL ? colon + 3 : endpoint;
    size_t host_length = strcspn(host, "/");
    const char *path = host + host_length;
    size_t path_length = strlen(path);

    if (!ps_str_has_prefix(endpoint, "http://") && !ps_str_has_prefix(endpoint, "https://")) {
        return ps_err_set(err, PS_E_INVALID,
                          "endpoint \"%s\": write it as https://host or http://host:port",
                          endpoint);
    }
    while (path_length > 0 && path[path_length - 1] == '/') {
        path_length--;
    }
    store->scheme = ps_strndup(endpoint, (size_t)(colon - endpoint));
    store->host = ps_strndup(host, host_length);
    store->base_path = ps_strndup(path, path_length);
    if (store->scheme == NULL || store->host == NULL || store->base_path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (host_length == 0 || !has_only(store->host, ".-_:[]") ||
        !has_only(store->base_path, ".-_~/")) {
        return ps_err_set(err, PS_E_INVALID,
                          "endpoint \"%s\": no user name, query or odd characters", endpoint);
    }
    return PS_OK;
}

/* The host follows from the region. */
static enum ps_code take_region(struct ps_s3_store *store, struct ps_err *err)
{
    store->scheme = ps_strdup("https");
    store->base_path = ps_strdup("");
    if (store->scheme == NULL || store->base_path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return PS_OK;
}

static bool wants_path_style(const struct ps_s3_store *store, enum ps_s3_path_style wanted)
{
    switch (wanted) {
    case PS_S3_PATH_STYLE_ON:
        return true;
    case PS_S3_PATH_STYLE_OFF:
        return false;
    case PS_S3_PATH_STYLE_AUTO:
        break;
    }
    /* The certificate of AWS is for one label: *.s3.REGION.amazonaws.com. */
    return !store->kind->virtual_host || strchr(store->bucket, '.') != NULL;
}

/* By the setting, else by the host; OSS's own dialect has its own rules. */
static enum ps_code take_kind(struct ps_s3_store *store, const char *name, struct ps_err *err)
{
    const struct ps_s3_kind *kind = ps_s3_kind_parse(name);

    if (kind == NULL) {
        return ps_err_set(err, PS_E_INVALID,
                          "kind \"%.40s\" is none of auto aws oss-s3 minio versitygw ceph r2",
                          name);
    }
    if (store->dialect == &ps_s3_dialect_s3 && ps_s3_kind_is_unknown(kind)) {
        kind = ps_s3_kind_of_host(store->host != NULL ? store->host : "");
    }
    store->kind = kind;
    store->is_aws = strcmp(kind->name, "aws") == 0;
    return PS_OK;
}

/* A customer's key must not cross a network in clear. */
static bool endpoint_is_safe(const struct ps_s3_store *store)
{
    return strcmp(store->scheme, "https") == 0 || ps_str_has_prefix(store->host, "127.0.0.1") ||
           ps_str_has_prefix(store->host, "localhost:");
}

/*
 * "s3.eu-west-1.amazonaws.com" names a region, not a server: the host then follows the region, so that a bucket which
 * turns out to be elsewhere is asked for there. Others of AWS (VPC endpoints, dual stack, FIPS) stay as they are given.
 */
static void follow_region(struct ps_s3_store *store, bool region_is_given)
{
    static const char before[] = "s3.";
    static const char after[] = ".amazonaws.com";
    const char *region = store->host != NULL && ps_str_has_prefix(store->host, before)
                             ? store->host + strlen(before)
                             : "";
    size_t length = strcspn(region, ".");

    if (length == 0 || length >= sizeof(store->region) || strcmp(store->scheme, "https") != 0 ||
        store->base_path[0] != '\0' ||
        (strcmp(region + length, after) != 0 &&
         strcmp(region + length, ".amazonaws.com.cn") != 0)) {
        return;
    }
    if (!region_is_given) {
        memcpy(store->region, region, length);
        store->region[length] = '\0';
    } else if (strlen(store->region) != length || strncmp(store->region, region, length) != 0) {
        return; /* they differ: the user knows why */
    }
    free(store->host);
    store->host = NULL;
}

static enum ps_code take_character(struct ps_s3_store *store, const struct ps_s3_options *options,
                                   struct ps_err *err)
{
    enum ps_code code = take_kind(store, options->kind, err);

    if (code == PS_OK && store->is_aws) {
        follow_region(store, options->region != NULL && options->region[0] != '\0');
    }
    if (code == PS_OK) {
        store->path_style = wants_path_style(store, options->path_style);
        code = store->dialect->set_capabilities(store, options, err);
    }
    if (code == PS_OK) {
        ps_s3_kind_restrict(store->kind, &store->base.capabilities);
        code = ps_s3_extras_init(&store->extras, &options->extras, store->dialect,
                                 endpoint_is_safe(store), err);
    }
    return code;
}

static enum ps_code fill(struct ps_s3_store *store, const struct ps_s3_options *options,
                         const char *region, struct ps_err *err)
{
    bool has_endpoint = options->endpoint != NULL && options->endpoint[0] != '\0';
    enum ps_code code;

    store->dialect = options->dialect != NULL ? options->dialect : &ps_s3_dialect_s3;
    store->base.ops = &table;
    store->base.deleter_ops = &deleter_table;
    store->loop = options->loop;
    store->http = options->http;
    store->creds = options->creds;
    store->retry = options->retry;
    store->clock = options->clock;
    store->log = options->log;
    store->sign_payload = options->sign_payload;
    store->connect_timeout_ms = options->connect_timeout_ms;
    store->stall_timeout_ms = options->stall_timeout_ms;
    ps_str_copy(store->region, sizeof(store->region), region);
    store->bucket = ps_strdup(options->bucket);
    store->base.root_url = ps_str_format("%s://%s", store->dialect->family, options->bucket);
    store->ca_bundle = ps_strdup(options->ca_bundle);
    if (store->bucket == NULL || store->base.root_url == NULL ||
        (options->ca_bundle != NULL && store->ca_bundle == NULL)) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = has_endpoint ? take_endpoint(store, options->endpoint, err) : take_region(store, err);
    return code == PS_OK ? take_character(store, options, err) : code;
}

static const char *choose_region(const struct ps_s3_options *options)
{
    const char *region = options->region;

    if ((region == NULL || region[0] == '\0') && options->creds != NULL) {
        region = ps_creds_region(options->creds);
    }
    return region != NULL && region[0] != '\0' ? region : DEFAULT_REGION;
}

enum ps_code ps_s3_store_new(struct ps_store **store_out, const struct ps_s3_options *options,
                             struct ps_err *err)
{
    const char *region = choose_region(options);
    struct ps_s3_store *store;
    enum ps_code code = check_names(options, region, err);

    if (code != PS_OK) {
        return code;
    }
    store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    code = fill(store, options, region, err);
    if (code != PS_OK) {
        store_free(&store->base);
        return code;
    }
    *store_out = &store->base;
    return PS_OK;
}
