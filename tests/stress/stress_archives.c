/* Prefixes as archives and members of archives, many at once and some given up, for ThreadSanitizer and for races: a
 * worker for each batch of an archive, a thread for each member. All that is made must be read again as it was. A plain
 * program: Criterion does not start under TSan. */
#include "tests/support/memory_store.h"
#include "transfer/member_stream.h"
#include "transfer/prefix_archive.h"

#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zstd.h>

enum {
    OBJECT_COUNT = 40,
    OBJECT_SIZE_MAX = 200000,
    STREAM_COUNT = 12, /* at once */
    ROUNDS = 6,
};

static const struct {
    enum ps_archive_format format;
    const char *key;
} makes[] = {
    { PS_ARCHIVE_TAR, "x.tar" },
    { PS_ARCHIVE_TAR_GZ, "x.tar.gz" },
    { PS_ARCHIVE_ZIP, "x.zip" },
};
#define MAKES (sizeof(makes) / sizeof(makes[0]))
#define ARCHIVES (MAKES + 1) /* and x.tar.zst */

static const char *const archive_keys[ARCHIVES] = { "x.tar", "x.tar.gz", "x.tar.zst", "x.zip" };

struct stress {
    uv_loop_t loop;
    struct memory_store *memory;
    uint32_t random;
    unsigned failed;
    struct ps_buf archives[ARCHIVES]; /* in the order of archive_keys */
};

static uint32_t next_random(struct stress *stress)
{
    stress->random = stress->random * 1103515245U + 12345U;
    return stress->random >> 16;
}

static void fail(struct stress *stress, const char *what, const char *why)
{
    stress->failed++;
    (void)fprintf(stderr, "%s: %s\n", what, why);
}

/* --- objects --- */

static size_t size_of(unsigned index)
{
    return index % 5 == 0 ? index : (size_t)index * 7919 % OBJECT_SIZE_MAX;
}

static char byte_of(unsigned index, size_t at)
{
    return (char)(index % 2 == 0 ? (at * 2654435761U + index) >> 13 : at / 100 + index);
}

static void put_objects(struct stress *stress)
{
    char *bytes = malloc(OBJECT_SIZE_MAX);

    for (unsigned i = 0; i < OBJECT_COUNT; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "run/%u/%03u", i / 10, i);
        for (size_t at = 0; at < size_of(i); at++) {
            bytes[at] = byte_of(i, at);
        }
        (void)memory_store_put(stress->memory, key, bytes, size_of(i));
    }
    free(bytes);
}

/* --- archives --- */

struct making {
    struct stress *stress;
    struct ps_prefix_archive *archive;
    struct ps_buf *into; /* NULL = given up some time */
    unsigned steps_left;
    bool ended;
};

static void on_archive_ready(void *user)
{
    (void)user;
}

static void start_making(struct stress *stress, struct making *making, size_t index,
                         struct ps_buf *into)
{
    const struct ps_prefix_archive_options options = {
        .loop = &stress->loop,
        .store = memory_store_get(stress->memory),
        .prefix = "run/",
        .format = makes[index].format,
        .on_ready = on_archive_ready,
        .user = making,
    };
    struct ps_err err;

    *making = (struct making){ .stress = stress, .into = into };
    making->steps_left = next_random(stress) % 100;
    if (ps_prefix_archive_start(&making->archive, &options, &err) != PS_OK) {
        fail(stress, makes[index].key, err.message);
        making->ended = true;
    }
}

static void step_making(struct making *making)
{
    static char block[50000];
    ssize_t got_bytes;

    if (making->ended) {
        return;
    }
    if (making->into == NULL && making->steps_left-- == 0) {
        making->ended = true;
    }
    while (!making->ended) {
        got_bytes = ps_prefix_archive_read(making->archive, block, sizeof(block));
        if (got_bytes == PS_PREFIX_ARCHIVE_LATER) {
            return;
        }
        if (got_bytes == PS_PREFIX_ARCHIVE_FAILED) {
            fail(making->stress, "archive", ps_prefix_archive_error(making->archive)->message);
        }
        making->ended = got_bytes < 0;
        if (got_bytes > 0 && making->into != NULL &&
            ps_buf_append(making->into, block, (size_t)got_bytes, NULL) != PS_OK) {
            abort();
        }
    }
    ps_prefix_archive_free(making->archive);
    making->archive = NULL;
}

/* Each whole once, and as many again that are given up, all at once. */
static void make_archives(struct stress *stress)
{
    struct making makings[2 * MAKES];
    bool going = true;

    for (size_t i = 0; i < 2 * MAKES; i++) {
        /* A zip stands behind the tar.zst. */
        size_t place = i < 2 ? i : ARCHIVES - 1;

        start_making(stress, &makings[i], i % MAKES, i < MAKES ? &stress->archives[place] : NULL);
    }
    while (going) {
        (void)uv_run(&stress->loop, UV_RUN_ONCE);
        going = false;
        for (size_t i = 0; i < 2 * MAKES; i++) {
            step_making(&makings[i]);
            going = going || !makings[i].ended;
        }
    }
    (void)uv_run(&stress->loop, UV_RUN_DEFAULT);
}

static void make_zstd(struct stress *stress)
{
    const struct ps_buf *tar = &stress->archives[0];
    size_t room = ZSTD_compressBound(tar->size_bytes);
    char *packed = malloc(room);
    size_t size_bytes = ZSTD_compress(packed, room, tar->data, tar->size_bytes, 1);

    if (ZSTD_isError(size_bytes) != 0 ||
        ps_buf_append(&stress->archives[2], packed, size_bytes, NULL) != PS_OK) {
        abort();
    }
    free(packed);
}

/* --- members --- */

struct reading {
    struct stress *stress;
    struct ps_member_stream *stream;
    char name[32];
    bool lists;
    unsigned index;      /* of the object */
    unsigned steps_left; /* UINT32_MAX = to its end */
    uint64_t got_bytes;
    unsigned row_count; /* the thread's */
    bool opened;
    bool ended;
};

static enum ps_code format(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err)
{
    struct reading *reading = user;

    reading->row_count += member != NULL ? 1 : 0;
    return ps_buf_append_str(buf, member != NULL ? member->name : "end", err);
}

static void on_open(void *user, const struct ps_member *member)
{
    struct reading *reading = user;

    reading->opened = true;
    if (!reading->lists && member->has_size && member->size_bytes != size_of(reading->index)) {
        fail(reading->stress, reading->name, "another size");
    }
}

static void on_ready(void *user)
{
    (void)user;
}

static void start_reading(struct stress *stress, struct reading *reading, unsigned number)
{
    const char *key = archive_keys[number % ARCHIVES];
    const struct memory_object *object = memory_store_object(stress->memory, key);
    struct ps_member_stream_options options = {
        .loop = &stress->loop,
        .store = memory_store_get(stress->memory),
        .key = key,
        .etag = object->etag,
        .size_bytes = object->size_bytes,
        .limits = { 1000, 1 << 30, 1000 },
        .format = format,
        .format_user = reading,
        .on_open = on_open,
        .on_ready = on_ready,
        .user = reading,
    };
    struct ps_err err;

    *reading = (struct reading){ .stress = stress, .index = next_random(stress) % OBJECT_COUNT };
    reading->lists = number % 3 == 0;
    reading->steps_left = number % 2 == 0 ? UINT32_MAX : next_random(stress) % 60;
    (void)snprintf(reading->name, sizeof(reading->name), "%u/%03u", reading->index / 10,
                   reading->index);
    options.member = reading->lists ? NULL : reading->name;
    if (ps_member_stream_start(&reading->stream, &options, &err) != PS_OK) {
        fail(stress, key, err.message);
        reading->ended = true;
    }
}

static void check_bytes(struct reading *reading, const char *block, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes && !reading->lists; i++) {
        if (block[i] != byte_of(reading->index, (size_t)reading->got_bytes + i)) {
            fail(reading->stress, reading->name, "other bytes");
            return;
        }
    }
    reading->got_bytes += size_bytes;
}

static void check_end(struct reading *reading, ssize_t end)
{
    struct stress *stress = reading->stress;

    if (end == PS_MEMBER_STREAM_FAILED) {
        fail(stress, reading->name, ps_member_stream_error(reading->stream)->message);
    } else if (reading->lists && reading->row_count != OBJECT_COUNT) {
        fail(stress, "list", "other rows");
    } else if (!reading->lists && reading->got_bytes != size_of(reading->index)) {
        fail(stress, reading->name, "not all bytes");
    }
}

static void step_reading(struct reading *reading)
{
    static char block[30000];

    if (reading->ended) {
        return;
    }
    if (reading->steps_left != UINT32_MAX && reading->steps_left-- == 0) {
        reading->ended = true;
    }
    while (!reading->ended && reading->opened) {
        ssize_t got_bytes = ps_member_stream_read(reading->stream, block, sizeof(block));

        if (got_bytes == PS_MEMBER_STREAM_LATER) {
            return;
        }
        if (got_bytes > 0) {
            check_bytes(reading, block, (size_t)got_bytes);
            continue;
        }
        check_end(reading, got_bytes);
        reading->ended = true;
    }
    if (!reading->opened && ps_member_stream_error(reading->stream)->code != PS_OK) {
        check_end(reading, PS_MEMBER_STREAM_FAILED);
        reading->ended = true;
    }
    if (reading->ended) {
        ps_member_stream_free(reading->stream);
        reading->stream = NULL;
    }
}

static void read_members(struct stress *stress, unsigned round)
{
    struct reading readings[STREAM_COUNT];
    bool going = true;

    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        start_reading(stress, &readings[i], round * STREAM_COUNT + i + round);
    }
    while (going) {
        (void)uv_run(&stress->loop, UV_RUN_ONCE);
        going = false;
        for (unsigned i = 0; i < STREAM_COUNT; i++) {
            step_reading(&readings[i]);
            going = going || !readings[i].ended;
        }
    }
    (void)uv_run(&stress->loop, UV_RUN_DEFAULT);
}

int main(void)
{
    struct stress stress = { .random = 1 };

    (void)signal(SIGPIPE, SIG_IGN); /* as main.c */
    (void)uv_loop_init(&stress.loop);
    stress.memory = memory_store_new(&stress.loop);
    for (size_t i = 0; i < ARCHIVES; i++) {
        ps_buf_init(&stress.archives[i], SIZE_MAX);
    }
    put_objects(&stress);
    make_archives(&stress);
    make_zstd(&stress);
    for (size_t i = 0; i < ARCHIVES; i++) {
        (void)memory_store_put(stress.memory, archive_keys[i], ps_buf_peek(&stress.archives[i]),
                               stress.archives[i].size_bytes);
        ps_buf_clear(&stress.archives[i]);
    }
    for (unsigned round = 0; round < ROUNDS && stress.failed == 0; round++) {
        read_members(&stress, round);
    }
    memory_store_free(stress.memory);
    if (uv_loop_close(&stress.loop) != 0) {
        fail(&stress, "loop", "a handle was left open");
    }
    printf("%u archives made, %u streams of members, %u failed\n", (unsigned)(2 * MAKES),
           ROUNDS * STREAM_COUNT, stress.failed);
    return stress.failed == 0 ? 0 : 1;
}
