#include "store/s3_dialect.h"

#include "base/str.h"
#include "store/s3_internal.h"

#define MIB ((uint64_t)1024 * 1024)
#define GIB (1024 * MIB)

/** S3: 10,000 parts of 5 GiB. Lower: large uploads are refused here. Higher: they fail at the store, late. */
#define OBJECT_SIZE_MAX_BYTES (UINT64_C(50000) * GIB)

#define BIT(algorithm) (1U << (unsigned)(algorithm))

#define CHECKSUM_SET                                                                               \
    (BIT(PS_CHECKSUM_CRC64_NVME) | BIT(PS_CHECKSUM_CRC32C) | BIT(PS_CHECKSUM_CRC32) |              \
     BIT(PS_CHECKSUM_SHA256) | BIT(PS_CHECKSUM_MD5) | BIT(PS_CHECKSUM_NONE))

static char *region_host(const struct ps_s3_store *store)
{
    return ps_str_format("s3.%s.amazonaws.com%s", store->region,
                         ps_str_has_prefix(store->region, "cn-") ? ".cn" : "");
}

static enum ps_code authorize(struct ps_s3_store *store, const struct ps_sign_request *request,
                              struct ps_buf *authorization, struct ps_err *err)
{
    return ps_sign_v4_authorize(request, &store->sign_key, authorization, err);
}

static enum ps_code presign(struct ps_s3_store *store, const struct ps_sign_request *request,
                            uint32_t expires_s, struct ps_buf *query, struct ps_err *err)
{
    return ps_sign_v4_presign(request, expires_s, &store->sign_key, query, err);
}

static enum ps_code set_checksums(struct ps_s3_store *store, const struct ps_s3_options *options,
                                  struct ps_err *err)
{
    struct ps_store_capabilities *can = &store->base.capabilities;

    store->checksum_is_auto = !options->checksum_fixed && !store->kind->no_checksums;
    can->checksum_set = CHECKSUM_SET;
    can->checksum_default = PS_CHECKSUM_CRC64_NVME;
    can->checksum_place = PS_CHECKSUM_PLACE_HEADER;
    can->object_checksum = true;
    if (!options->checksum_fixed && !store->kind->no_checksums) {
        return PS_OK;
    }
    if (!options->checksum_fixed) {
        can->checksum_set = BIT(PS_CHECKSUM_MD5) | BIT(PS_CHECKSUM_NONE);
        can->checksum_default = PS_CHECKSUM_MD5;
        can->checksum_place = PS_CHECKSUM_PLACE_NONE;
        can->object_checksum = false;
        return PS_OK;
    }
    if ((CHECKSUM_SET & BIT(options->checksum)) == 0) {
        return ps_err_set(err, PS_E_INVALID, "S3 knows no checksum %s",
                          ps_checksum_name(options->checksum));
    }
    can->checksum_default = options->checksum;
    if (!ps_checksum_can_combine(options->checksum)) {
        can->object_checksum = false;
    }
    if (options->checksum == PS_CHECKSUM_NONE || options->checksum == PS_CHECKSUM_MD5) {
        can->checksum_set = BIT(options->checksum) | BIT(PS_CHECKSUM_NONE);
        can->checksum_place = PS_CHECKSUM_PLACE_NONE;
    }
    return PS_OK;
}

static enum ps_code set_capabilities(struct ps_s3_store *store, const struct ps_s3_options *options,
                                     struct ps_err *err)
{
    struct ps_store_capabilities *can = &store->base.capabilities;

    can->family = "s3";
    can->part_size_min_bytes = 5 * MIB;
    can->part_size_max_bytes = 5 * GIB;
    can->single_put_max_bytes = 5 * GIB;
    can->object_size_max_bytes = OBJECT_SIZE_MAX_BYTES;
    can->part_count_max = 10000;
    can->equal_parts_only = options->equal_parts_only;
    can->delete_batch_max = 1000;
    can->conditional_write = true;
    can->versioning = true;
    can->lifecycle = true;
    can->tags = true;
    can->copy = true;
    can->part_copy_checksums = true;
    can->restore = true;
    can->presign = true;
    return set_checksums(store, options, err);
}

const struct ps_s3_dialect ps_s3_dialect_s3 = {
    .family = "s3",
    .name = "S3",
    .xml_namespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
    .date = "x-amz-date",
    .content_sha256 = "x-amz-content-sha256",
    .security_token = "x-amz-security-token",
    .meta_prefix = "x-amz-meta-",
    .tagging = "x-amz-tagging",
    .storage_class = "x-amz-storage-class",
    .version_id = "x-amz-version-id",
    .restore = "x-amz-restore",
    .delete_marker = "x-amz-delete-marker",
    .checksum_mode = "x-amz-checksum-mode",
    .create_only = "if-none-match",
    .create_only_value = "*",
    .copy_source = "x-amz-copy-source",
    .copy_source_range = "x-amz-copy-source-range",
    .copy_source_if_match = "x-amz-copy-source-if-match",
    .metadata_directive = "x-amz-metadata-directive",
    .tagging_directive = "x-amz-tagging-directive",
    .tagging_directive_replace = "REPLACE",
    .restore_parameters = "GlacierJobParameters",
    .sse = "x-amz-server-side-encryption",
    .sse_key = "x-amz-server-side-encryption-aws-kms-key-id",
    .sse_words = "AES256 aws:kms aws:kms:dsse",
    .sse_kms_word = "aws:kms",
    .sse_customer = "x-amz-server-side-encryption-customer-",
    .sse_customer_source = "x-amz-copy-source-server-side-encryption-customer-",
    .request_payer = "x-amz-request-payer",
    .key_max_bytes = PS_S3_KEY_MAX_BYTES,
    .checksum_set = CHECKSUM_SET,
    .hashes_text = true,
    .region_host = region_host,
    .authorize = authorize,
    .presign = presign,
    .set_capabilities = set_capabilities,
};
