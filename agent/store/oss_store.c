#include "store/oss_store.h"

#include "base/str.h"
#include "store/oss_dialect.h"
#include "store/s3_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool has_text(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* What stands between "scheme://" and the port or path. */
static const char *host_of(const char *endpoint)
{
    const char *colon = strstr(endpoint, "://");

    return colon != NULL ? colon + 3 : endpoint;
}

/* An address or localhost has no subdomains. */
static bool is_address(const char *host)
{
    size_t length = strcspn(host, ":/");

    if (host[0] == '[' ||
        (length == strlen("localhost") && strncmp(host, "localhost", length) == 0)) {
        return true;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)host[i]) && host[i] != '.') {
            return false;
        }
    }
    return length != 0;
}

/* "oss-cn-hangzhou" is what endpoints and old tools call the region cn-hangzhou. */
static const char *plain_region(const char *region)
{
    return ps_str_has_prefix(region, "oss-") ? region + strlen("oss-") : region;
}

static enum ps_code choose_region(const struct ps_oss_options *options,
                                  char region[PS_S3_REGION_SIZE], struct ps_err *err)
{
    const char *given = options->base.region;
    bool has_endpoint = has_text(options->base.endpoint);

    if (!has_text(given) && has_endpoint &&
        ps_oss_endpoint_region(host_of(options->base.endpoint), region, PS_S3_REGION_SIZE)) {
        return PS_OK;
    }
    if (!has_text(given) && options->base.creds != NULL) {
        given = ps_creds_region(options->base.creds);
    }
    if (has_text(given)) {
        given = plain_region(given);
        if (strlen(given) >= PS_S3_REGION_SIZE) {
            return ps_err_set(err, PS_E_INVALID, "\"%.64s...\" is no region", given);
        }
        ps_str_copy(region, PS_S3_REGION_SIZE, given);
        return PS_OK;
    }
    if (options->sign_v1 && has_endpoint) {
        ps_str_copy(region, PS_S3_REGION_SIZE, "none"); /* never sent */
        return PS_OK;
    }
    return ps_err_set(err, PS_E_INVALID,
                      "oss://%s: no region: set it (--region cn-hangzhou, OSS_REGION, or region of "
                      "the store)%s",
                      has_text(options->base.bucket) ? options->base.bucket : "",
                      has_endpoint ? "" : ", or the endpoint");
}

/* The endpoint with its scheme and without the bucket, which people copy along with it. NULL when memory is out. */
static char *whole_endpoint(const struct ps_oss_options *options)
{
    const char *endpoint = options->base.endpoint;
    const char *host = host_of(endpoint);
    size_t bucket_length = strlen(options->base.bucket);
    int scheme_length = (int)(host - endpoint);

    if (strncmp(host, options->base.bucket, bucket_length) == 0 && host[bucket_length] == '.') {
        host += bucket_length + 1;
    }
    return scheme_length != 0 ? ps_str_format("%.*s%s", scheme_length, endpoint, host)
                              : ps_str_format("https://%s", host);
}

static enum ps_code check_endpoint(const struct ps_oss_options *options, const char *region,
                                   struct ps_err *err)
{
    const char *endpoint = options->base.endpoint;

    if (has_text(endpoint) && ps_oss_endpoint_speaks_s3(host_of(endpoint))) {
        return ps_err_set(err, PS_E_INVALID,
                          "endpoint %s speaks S3: write s3://%s, or leave out the \"s3.\"",
                          endpoint, options->base.bucket);
    }
    if (!has_text(endpoint) && ps_oss_region_is_cloudbox(region)) {
        return ps_err_set(err, PS_E_INVALID,
                          "%s is a CloudBox: set its endpoint, %s.REGION.oss-cloudbox.aliyuncs.com",
                          region, region);
    }
    return PS_OK;
}

enum ps_code ps_oss_store_new(struct ps_store **store_out, const struct ps_oss_options *options,
                              struct ps_err *err)
{
    struct ps_s3_options base = options->base;
    char region[PS_S3_REGION_SIZE];
    char *endpoint = NULL;
    enum ps_code code;

    if (!has_text(base.bucket)) {
        return ps_err_set(err, PS_E_INVALID, "oss://: no bucket");
    }
    code = choose_region(options, region, err);
    if (code == PS_OK) {
        code = check_endpoint(options, region, err);
    }
    if (code == PS_OK && has_text(base.endpoint)) {
        endpoint = whole_endpoint(options);
        code = endpoint != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code != PS_OK) {
        return code;
    }
    if (base.path_style == PS_S3_PATH_STYLE_AUTO) {
        base.path_style = endpoint != NULL && is_address(host_of(endpoint)) ? PS_S3_PATH_STYLE_ON
                                                                            : PS_S3_PATH_STYLE_OFF;
    }
    base.region = region;
    base.endpoint = endpoint;
    base.dialect = options->sign_v1 ? &ps_s3_dialect_oss_v1 : &ps_s3_dialect_oss;
    code = ps_s3_store_new(store_out, &base, err);
    if (code == PS_OK) {
        ((struct ps_s3_store *)*store_out)->oss_network = options->network;
    }
    free(endpoint);
    return code;
}
