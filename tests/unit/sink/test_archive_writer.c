#include "sink/archive_writer.h"

#include "base/str.h"
#include "source/archive_encoder.h"
#include "tests/support/archive_judge.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* Extractions that stop at a note and go on from it: the result is that of one that was never stopped. */

#define ENTRIES 60
#define NOTE_MAX 64

static char top[64];

static void make_top(void)
{
    ps_str_copy(top, sizeof(top), "/tmp/purser-writer-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
}

static void remove_top(void)
{
    char command[256];

    (void)snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", top, top);
    cr_assert_eq(system(command), 0);
}

TestSuite(archive_writer, .timeout = 60, .init = make_top, .fini = remove_top);

/* --- archives --- */

/* Text that packs, and some that does not: blocks of many kinds. */
static void fill_content(char *content, size_t size, unsigned int number)
{
    unsigned int state = number * 2654435761U + 1;

    for (size_t i = 0; i < size; i++) {
        state = state * 1103515245U + 12345U;
        content[i] = number % 3 == 0 ? (char)(state >> 16) : (char)('a' + (i / 7 + number) % 26);
    }
}

static void make_archive(enum ps_archive_format format, struct ps_buf *out)
{
    static char content[70000];
    struct ps_archive_encoder *encoder = NULL;

    ps_buf_init(out, SIZE_MAX);
    cr_assert_eq(ps_archive_encoder_new(&encoder, format, 6, out, NULL), PS_OK);
    for (unsigned int i = 0; i < ENTRIES; i++) {
        char path[64];
        struct ps_archive_entry entry = { .path = path,
                                          .mode = 0640,
                                          .mtime_ns = (int64_t)(1000000000 + i) * 1000000000 };

        if (i % 10 == 0) {
            (void)snprintf(path, sizeof(path), "d%u", i / 10);
            entry.kind = PS_ARCHIVE_DIRECTORY;
            entry.mode = 0750;
        } else {
            (void)snprintf(path, sizeof(path), "d%u/f%u", i / 10, i);
            entry.kind = PS_ARCHIVE_FILE;
            entry.size_bytes = (uint64_t)i * 1100;
        }
        fill_content(content, entry.size_bytes, i);
        cr_assert_eq(ps_archive_encoder_entry(encoder, &entry, NULL), PS_OK);
        cr_assert_eq(ps_archive_encoder_data(encoder, content, entry.size_bytes, NULL), PS_OK);
        cr_assert_eq(ps_archive_encoder_entry_end(encoder, NULL), PS_OK);
    }
    cr_assert_eq(ps_archive_encoder_end(encoder, NULL), PS_OK);
    ps_archive_encoder_free(encoder);
}

/* zlib as the maker; member_bytes of input a member. */
static void gzip(struct ps_buf *data, size_t member_bytes)
{
    struct ps_buf out;

    ps_buf_init(&out, SIZE_MAX);
    for (size_t at = 0; at < data->size_bytes; at += member_bytes) {
        size_t size = data->size_bytes - at < member_bytes ? data->size_bytes - at : member_bytes;
        z_stream stream = { 0 };
        unsigned char *packed = malloc(size + 1024);

        cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
        stream.next_in = (unsigned char *)data->data + at;
        stream.avail_in = (uInt)size;
        stream.next_out = packed;
        stream.avail_out = (uInt)size + 1024;
        cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
        cr_assert_eq(ps_buf_append(&out, packed, stream.total_out, NULL), PS_OK);
        (void)deflateEnd(&stream);
        free(packed);
    }
    ps_buf_clear(data);
    *data = out;
}

/* libzstd as the maker; frame_bytes of input a frame. */
static void zstd(struct ps_buf *data, size_t frame_bytes)
{
    struct ps_buf out;

    ps_buf_init(&out, SIZE_MAX);
    for (size_t at = 0; at < data->size_bytes; at += frame_bytes) {
        size_t size = data->size_bytes - at < frame_bytes ? data->size_bytes - at : frame_bytes;
        size_t room = ZSTD_compressBound(size);
        char *packed = malloc(room);
        size_t packed_bytes = ZSTD_compress(packed, room, data->data + at, size, 3);

        cr_assert_eq(ZSTD_isError(packed_bytes), 0);
        cr_assert_eq(ps_buf_append(&out, packed, packed_bytes, NULL), PS_OK);
        free(packed);
        if (size < frame_bytes) {
            break;
        }
    }
    ps_buf_clear(data);
    *data = out;
}

/* --- runs --- */

struct run {
    const struct ps_buf *object;
    size_t at;
    uint64_t stop_at_note; /* 0 = never */
    uint64_t note_count;
    uint64_t pulled_bytes;
    struct ps_buf point;
    struct ps_buf pieces[NOTE_MAX];
    size_t piece_count;
};

static bool pull(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct run *run = user;
    size_t left = run->object->size_bytes - run->at;
    size_t take = left < 5000 ? left : 5000;

    (void)err;
    take = take < size ? take : size;
    memcpy(into, run->object->data + run->at, take);
    run->at += take;
    run->pulled_bytes += take;
    *got_out = take;
    return true;
}

static bool on_entry(void *user, uint64_t finished_count, uint64_t written_bytes)
{
    (void)user;
    (void)finished_count;
    (void)written_bytes;
    return true;
}

static enum ps_code note(void *user, const struct ps_extract_note *told, int dest_fd,
                         struct ps_err *err)
{
    struct run *run = user;

    cr_assert_geq(dest_fd, 0);
    ps_buf_rewind(&run->point);
    cr_assert_eq(
        ps_buf_append(&run->point, ps_buf_peek(told->point), told->point->size_bytes, NULL), PS_OK);
    if (told->piece->size_bytes > 0) {
        cr_assert_lt(run->piece_count, NOTE_MAX);
        cr_assert_eq(ps_buf_append(&run->pieces[run->piece_count++], ps_buf_peek(told->piece),
                                   told->piece->size_bytes, NULL),
                     PS_OK);
    }
    return ++run->note_count == run->stop_at_note ? ps_err_set(err, PS_E_CANCELLED, "stopped")
                                                  : PS_OK;
}

static enum ps_code extract(struct run *run, const char *name, const struct ps_extract_point *from,
                            struct ps_extract_result *result, struct ps_err *err)
{
    char dest[128];
    struct ps_extract_options options = {
        .dest = dest,
        .limits = { 1000, (uint64_t)1 << 30, 1000 },
        .mode = -1,
        .root_mode = -1,
        .algorithm = PS_CHECKSUM_CRC64_NVME,
        .identity = 77,
        .from = from,
        .pieces = run->pieces,
        .piece_count = from != NULL ? run->piece_count : 0,
        .pull = pull,
        .on_entry = on_entry,
        .note = note,
        .user = run,
    };

    (void)snprintf(dest, sizeof(dest), "%s/%s", top, name);
    return ps_archive_extract(&options, result, err);
}

static void run_clear(struct run *run)
{
    ps_buf_clear(&run->point);
    for (size_t i = 0; i < NOTE_MAX; i++) {
        ps_buf_clear(&run->pieces[i]);
    }
}

static void same_trees(const char *name, uint64_t stop)
{
    char command[1024];

    /* Contents, then modes and times of all: two tools that are not ours. */
    (void)snprintf(
        command, sizeof(command),
        "cd %s && diff -r whole %s && (cd whole && find . ! -path . -printf '%%p %%m %%T@\\n' | "
        "sort) >a && "
        "(cd %s && find . ! -path . -printf '%%p %%m %%T@\\n' | sort) >b && cmp a b && rm -rf %s",
        top, name, name, name);
    cr_assert_eq(system(command), 0, "stopped at note %u", (unsigned int)stop);
}

static void stop_everywhere(struct ps_buf *object, bool restarts)
{
    struct run whole = { .object = object };
    struct ps_extract_result result;
    struct ps_checksum sum;
    struct ps_err err = { 0 };
    uint64_t stop = 0;
    uint64_t saved_bytes = 0;
    enum ps_code code;

    cr_assert_eq(extract(&whole, "whole", NULL, &result, &err), PS_OK, "%s", err.message);
    cr_assert_eq(result.entry_count, ENTRIES);
    cr_assert_gt(whole.note_count, restarts ? 5 : 3);
    sum = result.checksum;
    do {
        struct run run = { .object = object, .stop_at_note = ++stop };
        struct ps_extract_point *point = malloc(sizeof(*point));

        code = extract(&run, "part", NULL, &result, &err);
        if (code != PS_OK) {
            cr_assert_eq(code, PS_E_CANCELLED, "%s", err.message);
            cr_assert(ps_extract_point_decode(run.point.data, run.point.size_bytes, point));
            cr_expect_eq(point->identity, 77);
            cr_assert(restarts || !point->restartable);
            run.at = point->restartable ? (size_t)point->mark.offset_bytes : 0;
            saved_bytes += run.at;
            run.stop_at_note = 0;
            code = extract(&run, "part", point, &result, &err);
            cr_assert_eq(code, PS_OK, "stopped at note %u: %s", (unsigned int)stop, err.message);
            cr_expect_eq(result.entry_count, ENTRIES);
            cr_expect(ps_checksum_equal(&result.checksum, &sum), "stopped at note %u",
                      (unsigned int)stop);
            same_trees("part", stop);
            code = PS_E_CANCELLED;
        }
        free(point);
        run_clear(&run);
    } while (code != PS_OK);
    cr_expect_eq(saved_bytes > 0, restarts);
    run_clear(&whole);
    ps_buf_clear(object);
}

Test(archive_writer, a_tar_goes_on_from_any_entry)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_TAR, &object);

    stop_everywhere(&object, true);
}

Test(archive_writer, a_zip_goes_on_from_any_entry)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_ZIP, &object);

    stop_everywhere(&object, true);
}

Test(archive_writer, gzip_goes_on_from_the_end_of_a_block)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_TAR, &object);
    gzip(&object, SIZE_MAX);

    stop_everywhere(&object, true);
}

Test(archive_writer, gzip_of_several_members_goes_on)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_TAR, &object);
    gzip(&object, 100000);

    stop_everywhere(&object, true);
}

Test(archive_writer, zstd_goes_on_from_the_begin_of_a_frame)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_TAR, &object);
    zstd(&object, 60000);

    stop_everywhere(&object, true);
}

Test(archive_writer, zstd_of_one_frame_is_read_again)
{
    struct ps_buf object;

    make_archive(PS_ARCHIVE_TAR, &object);
    zstd(&object, SIZE_MAX);

    stop_everywhere(&object, false);
}

Test(archive_writer, what_was_seen_before_the_stop_is_still_refused_twice)
{
    static const char again[] = "d0/f3";
    struct ps_buf object;
    struct run run = { .object = &object, .stop_at_note = 20 };
    struct ps_extract_point *point = malloc(sizeof(*point));
    struct ps_extract_result result;
    struct ps_err err = { 0 };
    char *last;

    /* The last header's name becomes that of an early file; its checksum follows. */
    make_archive(PS_ARCHIVE_TAR, &object);
    last = memmem(object.data, object.size_bytes, "d5/f59", 6);
    cr_assert_not_null(last);
    for (size_t i = 0; i < 6; i++) {
        unsigned int sum = (unsigned int)strtoul(last + 148, NULL, 8);
        const unsigned int before = (unsigned char)last[i];
        const unsigned int after = i < sizeof(again) ? (unsigned char)again[i] : 0;

        (void)snprintf(last + 148, 7, "%06o", sum - before + after);
        last[i] = (char)after;
    }
    cr_assert_eq(extract(&run, "part", NULL, &result, &err), PS_E_CANCELLED);
    cr_assert(ps_extract_point_decode(run.point.data, run.point.size_bytes, point));
    run.at = (size_t)point->mark.offset_bytes;

    cr_expect_eq(extract(&run, "part", point, &result, &err), PS_E_REFUSED);

    cr_expect_not_null(strstr(err.message, "twice"), "%s", err.message);
    free(point);
    run_clear(&run);
    ps_buf_clear(&object);
}

Test(archive_writer, a_point_that_was_cut_is_none)
{
    struct ps_buf object;
    struct run run = { .object = &object, .stop_at_note = 9 };
    struct ps_extract_point *point = malloc(sizeof(*point));
    struct ps_extract_result result;

    make_archive(PS_ARCHIVE_TAR, &object);
    gzip(&object, SIZE_MAX);
    cr_assert_eq(extract(&run, "part", NULL, &result, NULL), PS_E_CANCELLED);

    for (size_t size = 0; size < run.point.size_bytes; size++) {
        cr_assert_not(ps_extract_point_decode(run.point.data, size, point), "%zu bytes", size);
    }
    cr_expect(ps_extract_point_decode(run.point.data, run.point.size_bytes, point));
    free(point);
    run_clear(&run);
    ps_buf_clear(&object);
}

/* Nothing is left out because a checkpoint says that it was written to what is not there any more. */
static void removed_meanwhile(const char *what)
{
    struct ps_buf object;
    struct run run = { .object = &object, .stop_at_note = 30 };
    struct ps_extract_point *point = malloc(sizeof(*point));
    struct ps_extract_result result;
    struct ps_err err = { 0 };
    char command[256];

    make_archive(PS_ARCHIVE_TAR, &object);
    cr_assert_eq(extract(&run, "part", NULL, &result, NULL), PS_E_CANCELLED);
    cr_assert(ps_extract_point_decode(run.point.data, run.point.size_bytes, point));
    (void)snprintf(command, sizeof(command), "rm -r %s/%s && mkdir -p %s/part", top, what, top);
    cr_assert_eq(system(command), 0);
    run.at = (size_t)point->mark.offset_bytes;

    cr_expect_eq(extract(&run, "part", point, &result, &err), PS_E_PARSE, "%s", err.message);

    cr_expect_not(result.begun);
    free(point);
    run_clear(&run);
    ps_buf_clear(&object);
}

Test(archive_writer, a_directory_that_was_removed_is_not_gone_on_with)
{
    removed_meanwhile("part");
}

Test(archive_writer, one_below_it_that_was_removed_too)
{
    removed_meanwhile("part/d1");
}

/* To libarchive that is a warning; unzip ends with an error, too. */
Test(archive_writer, zip_whose_bytes_do_not_have_their_crc_is_broken)
{
    struct ps_buf object;
    struct run run = { .object = &object };
    struct ps_extract_result result;
    struct ps_err err = { 0 };

    ps_buf_init(&object, SIZE_MAX);
    archive_judge_make("flipped.zip", &object);

    cr_expect_eq(extract(&run, "dest", NULL, &result, &err), PS_E_CORRUPT, "%s", err.message);

    cr_expect_not_null(strstr(err.message, "CRC"), "%s", err.message);
    run_clear(&run);
    ps_buf_clear(&object);
}
