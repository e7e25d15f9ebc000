#include "store/oss_dialect.h"

#include "base/str.h"
#include "store/oss_endpoint.h"
#include "store/s3_internal.h"
#include "store/sign_oss1.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/** OSS: 10,000 parts of 5 GiB. */
#define OBJECT_SIZE_MAX_BYTES (UINT64_C(50000) * GIB)

/** OSS: "an object name is 1 to 1,023 bytes long". */
#define KEY_MAX_BYTES 1023

#define BIT(algorithm) (1U << (unsigned)(algorithm))
#define CHECKSUM_SET (BIT(PS_CHECKSUM_CRC64_ECMA) | BIT(PS_CHECKSUM_MD5) | BIT(PS_CHECKSUM_NONE))

static char *region_host(const struct ps_s3_store *store)
{
    return ps_oss_endpoint_host(store->region, store->oss_network);
}

/* A CloudBox signs for a product of its own. */
static struct ps_sign_request for_product(const struct ps_s3_store *store,
                                          const struct ps_sign_request *request)
{
    struct ps_sign_request signed_for = *request;

    signed_for.service = ps_oss_region_is_cloudbox(store->region) ? "oss-cloudbox" : NULL;
    return signed_for;
}

static enum ps_code authorize_v4(struct ps_s3_store *store, const struct ps_sign_request *request,
                                 struct ps_buf *authorization, struct ps_err *err)
{
    const struct ps_sign_request signed_for = for_product(store, request);

    return ps_sign_oss4_authorize(&signed_for, &store->sign_key, authorization, err);
}

static enum ps_code authorize_v1(struct ps_s3_store *store, const struct ps_sign_request *request,
                                 struct ps_buf *authorization, struct ps_err *err)
{
    (void)store;
    return ps_sign_oss1_authorize(request, authorization, err);
}

static enum ps_code presign_v4(struct ps_s3_store *store, const struct ps_sign_request *request,
                               uint32_t expires_s, struct ps_buf *query, struct ps_err *err)
{
    const struct ps_sign_request signed_for = for_product(store, request);

    return ps_sign_oss4_presign(&signed_for, expires_s, &store->sign_key, query, err);
}

static enum ps_code presign_v1(struct ps_s3_store *store, const struct ps_sign_request *request,
                               uint32_t expires_s, struct ps_buf *query, struct ps_err *err)
{
    (void)store;
    return ps_sign_oss1_presign(request, request->unix_ms / 1000 + expires_s, query, err);
}

static enum ps_code set_capabilities(struct ps_s3_store *store, const struct ps_s3_options *options,
                                     struct ps_err *err)
{
    struct ps_store_capabilities *can = &store->base.capabilities;

    if (options->checksum_fixed && (CHECKSUM_SET & BIT(options->checksum)) == 0) {
        return ps_err_set(err, PS_E_INVALID, "OSS knows no checksum %s: use crc64ecma, md5 or none",
                          ps_checksum_name(options->checksum));
    }
    can->family = "oss";
    can->part_size_min_bytes = 100 * KIB;
    can->part_size_max_bytes = 5 * GIB;
    can->single_put_max_bytes = 5 * GIB;
    can->object_size_max_bytes = OBJECT_SIZE_MAX_BYTES;
    can->part_count_max = 10000;
    can->equal_parts_only = options->equal_parts_only;
    can->checksum_set = CHECKSUM_SET;
    can->checksum_default = options->checksum_fixed ? options->checksum : PS_CHECKSUM_CRC64_ECMA;
    can->object_checksum = can->checksum_default == PS_CHECKSUM_CRC64_ECMA;
    can->checksum_place = can->object_checksum ? PS_CHECKSUM_PLACE_ANSWER : PS_CHECKSUM_PLACE_NONE;
    can->delete_batch_max = 1000;
    can->conditional_write = true;
    can->versioning = true;
    can->lifecycle = true;
    can->lifecycle_is_flat = true;
    can->tags = true;
    can->copy = true;
    can->part_copy_checksums = true;
    can->restore = true;
    can->presign = true;
    return PS_OK;
}

/* What both versions of the signature share. */
#define NAMES                                                                                      \
    .family = "oss", .name = "OSS", .xml_namespace = "", .security_token = "x-oss-security-token", \
    .meta_prefix = "x-oss-meta-", .tagging = "x-oss-tagging",                                      \
    .storage_class = "x-oss-storage-class", .version_id = "x-oss-version-id",                      \
    .restore = "x-oss-restore", .delete_marker = "x-oss-delete-marker",                            \
    .range_behavior = "x-oss-range-behavior", .sse = "x-oss-server-side-encryption",               \
    .sse_key = "x-oss-server-side-encryption-key-id", .sse_words = "AES256 aws:kms SM4",           \
    .sse_kms_word = "KMS", .request_payer = "x-oss-request-payer",                                 \
    .create_only = "x-oss-forbid-overwrite", .create_only_value = "true",                          \
    .copy_source = "x-oss-copy-source", .copy_source_range = "x-oss-copy-source-range",            \
    .copy_source_if_match = "x-oss-copy-source-if-match",                                          \
    .metadata_directive = "x-oss-metadata-directive",                                              \
    .tagging_directive = "x-oss-tagging-directive", .tagging_directive_replace = "Replace",        \
    .restore_parameters = "JobParameters", .begin_takes_create_only = true,                        \
    .tokens_are_encoded = true, .key_max_bytes = KEY_MAX_BYTES, .checksum_set = CHECKSUM_SET,      \
    .region_host = region_host, .endpoint_region = ps_oss_endpoint_region,                         \
    .set_capabilities = set_capabilities

const struct ps_s3_dialect ps_s3_dialect_oss = {
    NAMES,
    .date = "x-oss-date",
    .content_sha256 = "x-oss-content-sha256",
    .authorize = authorize_v4,
    .presign = presign_v4,
};

const struct ps_s3_dialect ps_s3_dialect_oss_v1 = {
    NAMES, .date = "date", .date_is_imf = true, .authorize = authorize_v1, .presign = presign_v1,
};
