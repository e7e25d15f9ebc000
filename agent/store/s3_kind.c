#include "store/s3_kind.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TIB ((uint64_t)1 << 40)

static const struct ps_s3_kind kinds[] = {
    { .name = "auto",
      .title = "" }, /* first: a store that nobody knows; what it refuses is learned */
    { .name = "aws",
      .title = "AWS",
      .host_part = ".amazonaws.com",
      .server = "AmazonS3",
      .virtual_host = true,
      .takes_object_size = true },
    { .name = "oss-s3",
      .title = "Aliyun OSS by its S3 face",
      .host_part = "s3.oss-",
      .server = "AliyunOSS",
      .virtual_host = true,
      .no_checksums = true,
      .no_delete_checksum = true,
      .no_part_copy_checksums = true,
      .no_conditional_write = true },
    { .name = "minio",
      .title = "MinIO",
      .server = "MinIO",
      .no_part_copy_checksums = true,
      .object_size_max_bytes = 50 * TIB },
    { .name = "versitygw",
      .title = "versitygw",
      .server = "VERSITYGW",
      .no_part_copy_checksums = true,
      .no_lifecycle = true,
      .no_restore = true },
    { .name = "ceph",
      .title = "Ceph RGW",
      .server = "Ceph Object Gateway",
      .no_part_copy_checksums = true,
      .no_part_copy_percent = true,
      .no_conditional_complete = true,
      .object_size_max_bytes = 5 * TIB },
    { .name = "r2",
      .title = "Cloudflare R2",
      .host_part = ".r2.cloudflarestorage.com",
      .no_part_copy_checksums = true,
      .no_tags = true,
      .no_restore = true,
      .no_versioning = true,
      .equal_parts_only = true,
      .object_size_max_bytes = 5 * TIB },
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

const struct ps_s3_kind *ps_s3_kind_parse(const char *name)
{
    if (name == NULL || name[0] == '\0') {
        return &kinds[0];
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const struct ps_s3_kind *ps_s3_kind_of_host(const char *host)
{
    if (host[0] == '\0') {
        return ps_s3_kind_parse("aws");
    }
    for (size_t i = 1; i < KIND_COUNT; i++) {
        const char *part = kinds[i].host_part;
        const char *at = part != NULL ? strcasestr(host, part) : NULL;

        /* A part that begins with a dot ends the name, but for ".cn" and a port; the other begins it. */
        if (at != NULL && (part[0] == '.' ? at[strlen(part)] == '\0' || at[strlen(part)] == ':' ||
                                                strcmp(at + strlen(part), ".cn") == 0
                                          : at == host)) {
            return &kinds[i];
        }
    }
    return &kinds[0];
}

const struct ps_s3_kind *ps_s3_kind_of_server(const char *server)
{
    for (size_t i = 1; i < KIND_COUNT; i++) {
        const char *known = kinds[i].server;

        if (known != NULL && strncasecmp(server, known, strlen(known)) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static size_t hex_length(const char *text)
{
    size_t length = 0;

    while (isxdigit((unsigned char)text[length])) {
        length++;
    }
    return length;
}

const struct ps_s3_kind *ps_s3_kind_of_request_id(const char *id)
{
    /* Ceph RGW: "tx", a number, the time, the daemon, the zone. Before Squid it sends no Server header. */
    static const size_t lengths[] = { 21, 10, 0 }; /* 0 = any */

    if (!ps_str_has_prefix(id, "tx")) {
        return NULL;
    }
    id += 2;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t length = hex_length(id);

        if (length == 0 || (lengths[i] != 0 && length != lengths[i]) || id[length] != '-') {
            return NULL;
        }
        id += length + 1;
    }
    return ps_s3_kind_parse("ceph");
}

bool ps_s3_kind_is_unknown(const struct ps_s3_kind *kind)
{
    return kind == &kinds[0];
}

void ps_s3_kind_restrict(const struct ps_s3_kind *kind, struct ps_store_capabilities *can)
{
    can->kind = kind->title;
    can->conditional_write = can->conditional_write && !kind->no_conditional_write;
    can->tags = can->tags && !kind->no_tags;
    can->lifecycle = can->lifecycle && !kind->no_lifecycle;
    can->restore = can->restore && !kind->no_restore;
    can->versioning = can->versioning && !kind->no_versioning;
    can->part_copy_checksums = can->part_copy_checksums && !kind->no_part_copy_checksums;
    can->equal_parts_only = can->equal_parts_only || kind->equal_parts_only;
    if (kind->object_size_max_bytes != 0 &&
        kind->object_size_max_bytes < can->object_size_max_bytes) {
        can->object_size_max_bytes = kind->object_size_max_bytes;
    }
}
