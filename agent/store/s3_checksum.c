#include "store/s3_checksum.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

/** What OSS answers to each write, HEAD and GET; it takes no checksum but Content-MD5 with a request. */
#define OSS_ANSWER_HEADER "x-oss-hash-crc64ecma"

struct name {
    enum ps_checksum_algorithm algorithm;
    const char *wire_name;
    const char *header;
};

static const struct name names[] = {
    { PS_CHECKSUM_CRC64_NVME, "CRC64NVME", "x-amz-checksum-crc64nvme" },
    { PS_CHECKSUM_CRC32C, "CRC32C", "x-amz-checksum-crc32c" },
    { PS_CHECKSUM_CRC32, "CRC32", "x-amz-checksum-crc32" },
    { PS_CHECKSUM_SHA256, "SHA256", "x-amz-checksum-sha256" },
};

static const struct name *find(enum ps_checksum_algorithm algorithm)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].algorithm == algorithm) {
            return &names[i];
        }
    }
    return NULL;
}

const char *ps_s3_checksum_wire_name(enum ps_checksum_algorithm algorithm)
{
    const struct name *name = find(algorithm);

    return name != NULL ? name->wire_name : NULL;
}

const char *ps_s3_checksum_header(enum ps_checksum_algorithm algorithm)
{
    const struct name *name = find(algorithm);

    return name != NULL ? name->header : NULL;
}

enum ps_checksum_algorithm ps_s3_checksum_parse_wire_name(const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(names[i].wire_name, name) == 0) {
            return names[i].algorithm;
        }
    }
    return PS_CHECKSUM_NONE;
}

const char *ps_s3_checksum_answered(const struct ps_http_answer *answer,
                                    enum ps_checksum_algorithm algorithm)
{
    const char *header =
        algorithm == PS_CHECKSUM_CRC64_ECMA ? OSS_ANSWER_HEADER : ps_s3_checksum_header(algorithm);

    return header != NULL ? ps_http_answer_header(answer, header) : NULL;
}

bool ps_s3_checksum_is_known(const struct ps_s3_dialect *dialect,
                             enum ps_checksum_algorithm algorithm)
{
    return (dialect->checksum_set & 1U << (unsigned)algorithm) != 0;
}

enum ps_code ps_s3_checksum_add(struct ps_s3_pairs *headers, const struct ps_checksum *sum,
                                struct ps_err *err)
{
    char text[PS_CHECKSUM_TEXT_SIZE];
    const char *header = ps_s3_checksum_header(sum->algorithm);

    if (sum->algorithm == PS_CHECKSUM_MD5) {
        header = "content-md5";
    }
    if (header == NULL) {
        return PS_OK;
    }
    return ps_s3_pairs_add(headers, header, ps_checksum_to_base64(sum, text), err);
}

enum ps_code ps_s3_checksum_add_of(struct ps_s3_pairs *headers,
                                   enum ps_checksum_algorithm algorithm, const struct ps_buf *text,
                                   struct ps_err *err)
{
    struct ps_hasher hasher;
    struct ps_checksum sum;
    enum ps_code code = ps_hasher_init(&hasher, algorithm, err);

    if (code != PS_OK) {
        return code;
    }
    ps_hasher_update(&hasher, text->data, text->size_bytes);
    sum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    return ps_s3_checksum_add(headers, &sum, err);
}

static void mark_unconfirmed(struct ps_s3_store *store)
{
    if (store->checksum_unconfirmed) {
        return;
    }
    store->checksum_unconfirmed = true;
    store->base.capabilities.object_checksum = false;
    ps_log(
        store->log, PS_LOG_WARN, store->dialect->family,
        "%s: the store does not answer the checksums that are sent with writes, so it may ignore "
        "them; set checksum: md5 for this store to have each write verified",
        store->base.root_url);
}

static bool md5_is_confirmed(const struct ps_s3_store *store, const struct ps_http_answer *answer,
                             const struct ps_checksum *sum)
{
    const char *etag = ps_http_answer_header(answer, "etag");
    char hex[2 * PS_CHECKSUM_SIZE_MAX + 1];

    if (store->is_aws || store->dialect != &ps_s3_dialect_s3) {
        return true;
    }
    return etag != NULL && strlen(etag) == 34 &&
           strncasecmp(etag + 1, ps_checksum_to_hex(sum, hex), 32) == 0;
}

enum ps_code ps_s3_checksum_confirm(struct ps_s3_store *store, const struct ps_http_answer *answer,
                                    const struct ps_checksum *sum, bool *confirmed_out,
                                    struct ps_err *err)
{
    const char *value = ps_s3_checksum_answered(answer, sum->algorithm);
    struct ps_checksum theirs;
    char text[PS_CHECKSUM_TEXT_SIZE];

    *confirmed_out = false;
    if (sum->algorithm == PS_CHECKSUM_NONE) {
        return PS_OK;
    }
    if (sum->algorithm == PS_CHECKSUM_MD5) {
        *confirmed_out = md5_is_confirmed(store, answer, sum);
        return PS_OK;
    }
    if (value == NULL) {
        mark_unconfirmed(store);
        return PS_OK;
    }
    if (ps_checksum_parse(sum->algorithm, value, &theirs) && ps_checksum_equal(sum, &theirs)) {
        *confirmed_out = true;
        return PS_OK;
    }
    (void)ps_err_set(err, PS_E_CORRUPT, "the store has %s %.44s, we sent %s",
                     ps_checksum_name(sum->algorithm), value, ps_checksum_format(sum, text));
    if (err != NULL) {
        err->retry = PS_RETRY_RESEND_PART;
        err->http_status = ps_http_answer_status(answer);
    }
    return PS_E_CORRUPT;
}

static void fall_back(struct ps_s3_store *store)
{
    struct ps_store_capabilities *can = &store->base.capabilities;

    if (can->checksum_default == PS_CHECKSUM_MD5) {
        return;
    }
    can->checksum_set = 1U << (unsigned)PS_CHECKSUM_MD5 | 1U << (unsigned)PS_CHECKSUM_NONE;
    can->checksum_default = PS_CHECKSUM_MD5;
    can->checksum_place = PS_CHECKSUM_PLACE_NONE;
    can->object_checksum = false;
    ps_log(store->log, PS_LOG_WARN, store->dialect->family,
           "%s: the store refuses checksum headers: Content-MD5 is sent from now on",
           store->base.root_url);
}

bool ps_s3_checksum_refused(struct ps_s3_store *store, enum ps_checksum_algorithm sent,
                            const struct ps_s3_outcome *outcome)
{
    static const char *const codes[] = { "InvalidArgument", "InvalidRequest", "NotImplemented" };
    const struct ps_err *err = outcome->err;
    bool refused = false;

    if (err == NULL || outcome->answer == NULL || !store->checksum_is_auto || store->is_aws ||
        ps_s3_checksum_header(sent) == NULL ||
        (err->http_status != 400 && err->http_status != 501)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        refused = refused || strcmp(err->store_code, codes[i]) == 0;
    }
    if (!refused || strcasestr(ps_http_answer_body(outcome->answer, NULL), "checksum") == NULL) {
        return false;
    }
    fall_back(store);
    return true;
}

bool ps_s3_checksum_is_taken(const struct ps_s3_store *store, enum ps_checksum_algorithm algorithm)
{
    return (store->base.capabilities.checksum_set & 1U << (unsigned)algorithm) != 0;
}
