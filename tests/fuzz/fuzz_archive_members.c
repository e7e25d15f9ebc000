/* archive_members: any bytes as an archive. It ends, within the limits, with a message where it fails. */
#include "sink/archive_members.h"

#include "tests/fuzz/fuzz_pull.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_BYTES ((uint64_t)1024 * 1024)

struct source {
    struct fuzz_bytes bytes;
    size_t member_count;
    size_t wanted; /* the member that is read */
    uint64_t got_bytes;
};

static bool seek(void *user, uint64_t offset_bytes, struct ps_err *err)
{
    struct source *source = user;

    (void)err;
    if (offset_bytes > source->bytes.size) {
        abort(); /* nobody asks a store for what is not there */
    }
    source->bytes.at = (size_t)offset_bytes;
    return true;
}

static enum ps_member_wish on_member(void *user, const struct ps_member *member, struct ps_err *err)
{
    struct source *source = user;

    (void)err;
    if (strlen(member->name) > 1024 * 1024) {
        abort();
    }
    return source->member_count++ == source->wanted && member->kind == PS_MEMBER_FILE
               ? PS_MEMBER_READ
               : PS_MEMBER_NEXT;
}

static bool on_data(void *user, const void *data, size_t size_bytes, struct ps_err *err)
{
    struct source *source = user;

    (void)data;
    (void)err;
    source->got_bytes += size_bytes;
    if (source->got_bytes > SIZE_MAX_BYTES) {
        abort();
    }
    return true;
}

static void walk(const uint8_t *data, size_t size, size_t wanted)
{
    struct source source = { .bytes = { data, size, 0 }, .wanted = wanted };
    const struct ps_members_options options = {
        .size_bytes = size,
        .limits = { 100, SIZE_MAX_BYTES, 100 },
        .pull = fuzz_pull,
        .seek = seek,
        .on_member = on_member,
        .on_data = on_data,
        .user = &source,
    };
    struct ps_err err = { .code = PS_OK };

    if (ps_archive_members(&options, &err) != PS_OK && err.message[0] == '\0') {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(data, size, SIZE_MAX); /* the list */
    walk(data, size, 0);
    walk(data, size, 1);
    return 0;
}
