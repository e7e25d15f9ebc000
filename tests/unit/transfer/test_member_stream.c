#include "transfer/member_stream.h"

#include "base/str.h"
#include "tests/support/archive_judge.h"
#include "tests/support/memory_store.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#define MIB ((size_t)1024 * 1024)

/* As main.c has it: a reader that goes is an error of write(2). */
static void ignore_sigpipe(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

TestSuite(member_stream, .timeout = 100, .init = ignore_sigpipe);

/* --- the rig --- */

/** Memory that is in use, whatever allocates it. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t memory_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

struct rig {
    uv_loop_t loop;
    struct memory_store *memory;
    struct ps_member_stream *stream;
    struct ps_member_stream_options options;
    unsigned threads_before;
    unsigned fds_before;

    bool inside;
    bool opened;
    bool ready;
    struct ps_member member;
    size_t read_size; /* 0 = nothing is read */
    struct ps_buf bytes;
    bool ended;
    bool failed;
    enum ps_code format_code; /* what format answers */
    uint64_t reserve_max;
    uint64_t reserved_bytes;
    bool keeps_nothing;
    size_t memory_max;
};

/* Entries of a directory of /proc/self. */
static unsigned count(const char *path)
{
    DIR *dir = opendir(path);
    unsigned found = 0;

    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        found++;
    }
    (void)closedir(dir);
    return found;
}

static void on_open(void *user, const struct ps_member *member)
{
    struct rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    cr_assert_not(rig->opened, "a second time");
    rig->opened = true;
    rig->ready = true;
    rig->member = *member;
}

static void on_ready(void *user)
{
    struct rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    rig->ready = true;
}

/* "kind name size\n"; what stands behind the last: "end\n". */
static enum ps_code format(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err)
{
    static const char *const kinds[] = { "file", "directory", "link", "other" };
    const struct rig *rig = user;

    if (rig->format_code != PS_OK) {
        return ps_err_set(err, rig->format_code, "no row for that");
    }
    if (member == NULL) {
        return ps_buf_append_str(buf, "end\n", err);
    }
    return ps_buf_append_format(buf, err, "%s %s %lld%s%s\n", kinds[member->kind], member->name,
                                member->has_size ? (long long)member->size_bytes : -1,
                                member->link_target != NULL ? " to " : "",
                                member->link_target != NULL ? member->link_target : "");
}

static bool reserve(void *user, uint64_t size_bytes)
{
    struct rig *rig = user;

    if (rig->reserved_bytes + size_bytes > rig->reserve_max) {
        return false;
    }
    rig->reserved_bytes += size_bytes;
    return true;
}

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->reserve_max = UINT64_MAX;
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->memory = memory_store_new(&rig->loop);
    rig->read_size = 65536;
    ps_buf_init(&rig->bytes, SIZE_MAX);
    rig->options = (struct ps_member_stream_options){
        .loop = &rig->loop,
        .store = memory_store_get(rig->memory),
        .key = "archive",
        .limits = { .entry_count_max = 100000, .size_max_bytes = 1 << 30, .ratio_max = 2000 },
        .format = format,
        .format_user = rig,
        .reserve = reserve,
        .on_open = on_open,
        .on_ready = on_ready,
        .user = rig,
    };
}

/* The stored archive; its size and etag are those of the options. */
static struct memory_object *rig_put(struct rig *rig, const struct ps_buf *archive)
{
    struct memory_object *object =
        memory_store_put(rig->memory, "archive", ps_buf_peek(archive), archive->size_bytes);

    rig->options.etag = object->etag;
    rig->options.size_bytes = object->size_bytes;
    return object;
}

static struct memory_object *rig_make(struct rig *rig, const char *name)
{
    struct memory_object *object;
    struct ps_buf archive;

    ps_buf_init(&archive, SIZE_MAX);
    archive_judge_make(name, &archive);
    object = rig_put(rig, &archive);
    ps_buf_clear(&archive);
    return object;
}

static void rig_start(struct rig *rig)
{
    struct ps_err err = { .code = PS_OK };

    rig->opened = false;
    rig->ready = false;
    rig->ended = false;
    rig->failed = false;
    rig->reserved_bytes = 0;
    ps_buf_rewind(&rig->bytes);
    rig->threads_before = count("/proc/self/task");
    rig->fds_before = count("/proc/self/fd");
    rig->inside = true;
    cr_assert_eq(ps_member_stream_start(&rig->stream, &rig->options, &err), PS_OK, "%s",
                 err.message);
    rig->inside = false;
}

/* Stop, however far it is: no thread, no descriptor, no request may be left. */
static void rig_stop(struct rig *rig)
{
    rig->inside = true;
    ps_member_stream_free(rig->stream);
    rig->inside = false;
    rig->stream = NULL;
    cr_expect_eq(memory_store_counts(rig->memory).under_way, 0, "a request goes on");
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(count("/proc/self/task"), rig->threads_before, "a thread is left");
    cr_expect_eq(count("/proc/self/fd"), rig->fds_before, "a descriptor is left");
}

static void rig_close(struct rig *rig)
{
    if (rig->stream != NULL) {
        rig_stop(rig);
    }
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    memory_store_free(rig->memory);
    ps_buf_clear(&rig->bytes);
}

/* As the gateway does: bytes from on_open on, until there are none; then after on_ready. An error before needs no
 * read. */
static void rig_read(struct rig *rig)
{
    static char block[65536];

    if (!rig->opened) {
        rig->failed = ps_member_stream_error(rig->stream)->code != PS_OK;
        return;
    }
    while (rig->ready && !rig->ended && !rig->failed) {
        ssize_t got_bytes;

        rig->inside = true;
        got_bytes = ps_member_stream_read(rig->stream, block, rig->read_size);
        rig->inside = false;
        if (got_bytes == PS_MEMBER_STREAM_LATER) {
            rig->ready = false;
        } else if (got_bytes == PS_MEMBER_STREAM_END) {
            rig->ended = true;
        } else if (got_bytes == PS_MEMBER_STREAM_FAILED) {
            rig->failed = true;
        } else {
            cr_assert(got_bytes > 0 && (size_t)got_bytes <= rig->read_size);
            cr_assert(rig->keeps_nothing ||
                      ps_buf_append(&rig->bytes, block, (size_t)got_bytes, NULL) == PS_OK);
        }
    }
}

static bool rig_step(struct rig *rig, uv_run_mode mode)
{
    size_t in_use;

    (void)uv_run(&rig->loop, mode);
    in_use = memory_in_use();
    rig->memory_max = in_use > rig->memory_max ? in_use : rig->memory_max;
    if (rig->read_size > 0) {
        rig_read(rig);
    }
    return !rig->ended && !rig->failed;
}

static void rig_run(struct rig *rig)
{
    while (rig_step(rig, UV_RUN_ONCE)) {
    }
}

/* The list, or a member, to its end. */
static void rig_get(struct rig *rig, const char *member)
{
    rig->options.member = member;
    rig_start(rig);
    rig_run(rig);
    cr_assert(rig->ended, "%s: %s", member, ps_member_stream_error(rig->stream)->message);
}

static void rig_expect_failure(struct rig *rig, const char *member, enum ps_code code,
                               const char *words)
{
    const struct ps_err *err;

    rig->options.member = member;
    rig_start(rig);
    rig_run(rig);
    err = ps_member_stream_error(rig->stream);
    cr_expect(rig->failed, "%s: it ends well", words);
    cr_expect_eq(err->code, code, "%s: %s: %s", words, ps_code_name(err->code), err->message);
    cr_expect_not_null(strstr(err->message, words), "\"%s\" is not in: %s", words, err->message);
}

/* --- archives of all sorts --- */

/* The members of archive_judge.py's usual archive. */
static const char files_list[] = "file a.txt 7\nfile big.bin 400000\nfile dir/\xc3\xa9 3\n"
                                 "file empty 0\nfile zeros 3145728\nfile last 12\n";
static const char links_list[] = "link link -1 to ../../etc/passwd\nlink hard -1 to ./a.txt\n"
                                 "other fifo -1\n";

static const struct {
    const char *name;
    bool zip;
} archives[] = {
    { "tar", false },     { "gnu.tar", false }, { "tar.gz", false },
    { "tar.zst", false }, { "zip", true },      { "stream.zip", true },
};
#define ARCHIVES (sizeof(archives) / sizeof(archives[0]))

Test(member_stream, members_are_listed_in_their_order)
{
    for (size_t i = 0; i < ARCHIVES; i++) {
        struct rig rig;
        char *wanted = ps_str_format("%s%send\n", files_list, archives[i].zip ? "" : links_list);

        rig_open(&rig);
        (void)rig_make(&rig, archives[i].name);

        rig_get(&rig, NULL);

        cr_expect_str_eq(ps_buf_peek(&rig.bytes), wanted, "%s", archives[i].name);
        free(wanted);
        rig_close(&rig);
    }
}

static void expect_bytes(const struct rig *rig, const char *name, const void *bytes,
                         size_t size_bytes)
{
    cr_expect_eq(rig->bytes.size_bytes, size_bytes, "%s: %zu", name, rig->bytes.size_bytes);
    cr_expect(size_bytes == 0 || (rig->bytes.size_bytes == size_bytes &&
                                  memcmp(ps_buf_peek(&rig->bytes), bytes, size_bytes) == 0),
              "%s: other bytes", name);
}

Test(member_stream, members_are_read_byte_for_byte)
{
    char *noise = archive_judge_noise(400000);
    char *zeros = calloc(1, 3 * MIB);
    const struct {
        const char *name;
        const void *bytes;
        size_t size_bytes;
    } members[] = {
        { "a.txt", "a text\n", 7 }, { "big.bin", noise, 400000 }, { "dir/\xc3\xa9", "<p>", 3 },
        { "empty", "", 0 },         { "zeros", zeros, 3 * MIB },  { "last", "the last one", 12 },
    };

    for (size_t i = 0; i < ARCHIVES; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(members) / sizeof(members[0]); j++) {
            rig_get(&rig, members[j].name);
            expect_bytes(&rig, members[j].name, members[j].bytes, members[j].size_bytes);
            cr_expect(rig.member.kind == PS_MEMBER_FILE && rig.member.has_size &&
                          rig.member.size_bytes == members[j].size_bytes &&
                          rig.member.name == NULL && rig.member.link_target == NULL,
                      "%s: %s", archives[i].name, members[j].name);
            rig_stop(&rig);
        }
        rig_close(&rig);
    }
    free(noise);
    free(zeros);
}

Test(member_stream, blocks_and_reads_of_any_size_make_no_difference)
{
    static const struct {
        size_t block;
        size_t read;
    } sizes[] = { { 1000, 65536 }, { 65536, 100 }, { 4097, 333 } };
    char *noise = archive_judge_noise(400000);

    for (size_t i = 0; i < ARCHIVES; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            memory_store_set_block(rig.memory, sizes[j].block);
            rig.read_size = sizes[j].read;
            rig_get(&rig, "big.bin");
            expect_bytes(&rig, archives[i].name, noise, 400000);
            rig_stop(&rig);
        }
        rig_close(&rig);
    }
    free(noise);
}

Test(member_stream, sparse_files_have_zeros_in_their_holes)
{
    struct rig rig;
    char *wanted = calloc(1, 4 * MIB);

    memcpy(wanted + 3 * MIB, "end", 3);
    rig_open(&rig);
    (void)rig_make(&rig, "sparse.tar");
    rig_get(&rig, "sparse");
    expect_bytes(&rig, "sparse", wanted, 4 * MIB);
    free(wanted);
    rig_close(&rig);
}

Test(member_stream, empty_archives_have_no_members)
{
    static const char *const names[] = { "none.zip", "none.tar" };

    for (size_t i = 0; i < 2; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, names[i]);
        rig_get(&rig, NULL);
        cr_expect_str_eq(ps_buf_peek(&rig.bytes), "end\n", "%s", names[i]);
        rig_stop(&rig);
        rig_expect_failure(&rig, "a", PS_E_NOT_FOUND, "a: is not in it");
        rig_close(&rig);
    }
}

Test(member_stream, small_member_of_a_large_zip_costs_little)
{
    struct rig rig;
    uint64_t first_bytes;
    uint64_t last_bytes;

    rig_open(&rig);
    (void)rig_make(&rig, "large.zip"); /* 24 members, each second one of 2 MiB */
    rig_get(&rig, "0");
    expect_bytes(&rig, "0", "small", 5);
    first_bytes = ps_member_stream_received(rig.stream);
    rig_stop(&rig);
    rig_get(&rig, "22");
    expect_bytes(&rig, "22", "small", 5);
    last_bytes = ps_member_stream_received(rig.stream);

    cr_expect_leq(first_bytes, MIB / 2, "%zu bytes", (size_t)first_bytes);
    cr_expect_leq(last_bytes, 6 * MIB, "%zu bytes past 11 large ones", (size_t)last_bytes);
    rig_close(&rig);
}

/* --- what is not there, or hostile --- */

Test(member_stream, what_is_no_file_is_told)
{
    static const struct {
        const char *archive;
        const char *member;
        const char *words;
    } rows[] = {
        { "tar.gz", "nothing", "nothing: is not in it" },
        { "zip", "nothing", "nothing: is not in it" },
        { "tar", "link", "but a link to ../../etc/passwd" },
        { "tar", "hard", "but a link to ./a.txt" },
        { "tar", "fifo", "is no file that can be read" },
        { "tar", "./a.txt", "./a.txt: is not in it" },
        { "encrypted.zip", "secret", "is no file that can be read" },
        { "lzma.zip", "packed", "is no file that can be read" },
        { "bzip2.zip", "packed", "is no file that can be read" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, rows[i].archive);
        rig_expect_failure(&rig, rows[i].member, PS_E_NOT_FOUND, rows[i].words);
        cr_expect_not(rig.opened);
        cr_expect_eq(ps_member_stream_error(rig.stream)->http_status, 0, "these words are ours");
        rig_close(&rig);
    }
}

Test(member_stream, hostile_names_are_shown_and_nothing_else)
{
    struct rig rig;
    const char *list;

    rig_open(&rig);
    (void)rig_make(&rig, "hostile.tar");
    rig_get(&rig, NULL);
    list = ps_buf_peek(&rig.bytes);
    cr_expect(ps_str_has_prefix(list, "file ../up 2\nfile /etc/passwd 4\nfile a\nb 4\n"
                                      "file same 5\nfile same 6\nfile xxxx"),
              "%s", list);
    rig_stop(&rig);
    rig_get(&rig, "../up");
    expect_bytes(&rig, "../up", "up", 2);
    rig_stop(&rig);
    rig_get(&rig, "same");
    expect_bytes(&rig, "same", "first", 5);
    rig_stop(&rig);
    rig_get(&rig, "/etc/passwd");
    expect_bytes(&rig, "/etc/passwd", "root", 4);
    rig_close(&rig);
}

Test(member_stream, encrypted_members_hide_no_others)
{
    struct rig rig;

    rig_open(&rig);
    (void)rig_make(&rig, "encrypted.zip");
    rig_get(&rig, "plain");
    expect_bytes(&rig, "plain", "seen", 4);
    rig_close(&rig);
}

Test(member_stream, what_is_no_archive_or_a_broken_one_is_corrupt)
{
    static const struct {
        const char *archive;
        const char *member;
        bool opens; /* what came before was good */
    } rows[] = {
        { "text", NULL, false },           { "text", "a", false },
        { "cut.zip", NULL, false },        { "cut.zip", "a.txt", false },
        { "cut.tar.gz", NULL, true },      { "cut.tar.gz", "last", false },
        { "cut.tar.gz", "big.bin", true }, { "flipped.zip", "one", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, rows[i].archive);
        rig_expect_failure(&rig, rows[i].member, PS_E_CORRUPT, "");
        cr_expect_eq(rig.opened, rows[i].opens, "%s %s", rows[i].archive, rows[i].member);
        cr_expect_neq(ps_member_stream_error(rig.stream)->message[0], 0, "%s %s", rows[i].archive,
                      rows[i].member);
        rig_close(&rig);
    }
}

Test(member_stream, what_grows_without_end_is_refused)
{
    static const struct {
        const char *archive;
        const char *member;
        struct ps_extract_limits limits;
        const char *words;
    } rows[] = {
        { "huge.zip", "bomb", { 100, (uint64_t)1 << 40, 100 }, "grows more than 100 times" },
        { "huge.tar.gz", NULL, { 100, (uint64_t)1 << 40, 100 }, "grows more than 100 times" },
        { "bomb.zip", "bomb", { 100, 1000000, 100000 }, "it holds more than" },
        { "bomb.tar.gz", NULL, { 100, 1000000, 100000 }, "it holds more than" },
        { "bomb.tar.gz", "none", { 100, 1000000, 100000 }, "it holds more than" },
        { "tar", "zeros", { 100, 1000000, 100000 }, "it holds more than" },
        { "many.tar", NULL, { 2999, 1 << 30, 1000 }, "more than 2999 members" },
        { "zip", "last", { 5, 1 << 30, 1000 }, "more than 5 members" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, rows[i].archive);
        rig.options.limits = rows[i].limits;
        rig_expect_failure(&rig, rows[i].member, PS_E_REFUSED, rows[i].words);
        cr_expect_lt(rig.bytes.size_bytes, 300 * MIB);
        rig_close(&rig);
    }
}

Test(member_stream, list_of_many_members_comes_in_pieces)
{
    struct rig rig;

    rig_open(&rig);
    (void)rig_make(&rig, "many.tar");
    rig.options.limits.entry_count_max = 3000;
    rig_get(&rig, NULL);
    cr_expect(ps_str_has_prefix(ps_buf_peek(&rig.bytes), "file 00000 1\nfile 00001 1\n"));
    cr_expect(ps_str_has_suffix(ps_buf_peek(&rig.bytes), "file 02998 4\nfile 02999 4\nend\n"));
    rig_close(&rig);
}

Test(member_stream, row_that_cannot_be_made_ends_the_list)
{
    struct rig rig;

    rig_open(&rig);
    (void)rig_make(&rig, "tar");
    rig.format_code = PS_E_TOO_LARGE;
    rig_expect_failure(&rig, NULL, PS_E_TOO_LARGE, "no row for that");
    rig_close(&rig);
}

/* --- what the store does --- */

static const struct {
    const char *name;
    enum memory_fault fault;
    uint64_t at_bytes;
    enum ps_code code;
    const char *store_code;
} broken[] = {
    { "gone", MEMORY_GONE, 0, PS_E_NOT_FOUND, "NoSuchKey" },
    { "denied", MEMORY_DENIED, 0, PS_E_DENIED, "AccessDenied" },
    { "archived", MEMORY_ARCHIVED, 0, PS_E_DENIED, "InvalidObjectState" },
    { "cut at once", MEMORY_CUT, 0, PS_E_TEMPORARY, "connection reset" },
    { "cut in the middle", MEMORY_CUT, 200000, PS_E_TEMPORARY, "connection reset" },
};

static void expect_broken(struct rig *rig, size_t index, const char *name, const char *member)
{
    rig_expect_failure(rig, member, broken[index].code, "");
    cr_expect_str_eq(ps_member_stream_error(rig->stream)->store_code, broken[index].store_code,
                     "%s: %s", name, broken[index].name);
    rig_stop(rig);
}

Test(member_stream, error_of_the_store_is_told_as_the_cause)
{
    for (size_t i = 0; i < ARCHIVES; i++) {
        struct rig rig;
        struct memory_object *object;

        rig_open(&rig);
        object = rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(broken) / sizeof(broken[0]); j++) {
            object->fault = broken[j].fault;
            object->fault_at_bytes = broken[j].at_bytes;
            expect_broken(&rig, j, archives[i].name, "big.bin");
            if (!archives[i].zip || broken[j].at_bytes == 0) { /* its list needs no such byte */
                expect_broken(&rig, j, archives[i].name, NULL);
            }
        }
        rig_close(&rig);
    }
}

/* A tar that ends between two members without its end is good to libarchive, as to GNU tar: but the store was cut. */
Test(member_stream, tar_that_the_store_cuts_between_two_members_is_not_whole)
{
    static const enum memory_fault faults[] = { MEMORY_CUT, MEMORY_SHORT };
    struct rig rig;
    struct memory_object *object;

    rig_open(&rig);
    object = rig_make(&rig, "many.tar");
    for (size_t i = 0; i < 2; i++) {
        for (unsigned members = 1; members < 200; members += 40) {
            object->fault = faults[i];
            object->fault_at_bytes = members * (uint64_t)1024; /* a header and a block each */
            rig_expect_failure(&rig, NULL, PS_E_TEMPORARY, "");
            rig_stop(&rig);
            rig_expect_failure(&rig, "02000", PS_E_TEMPORARY, "");
            rig_stop(&rig);
        }
    }
    rig_close(&rig);
}

Test(member_stream, other_version_of_the_archive_is_not_read)
{
    static const char *const names[] = { "tar.gz", "zip" };

    for (size_t i = 0; i < 2; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, names[i]);
        rig.options.etag = "\"older\"";
        rig_expect_failure(&rig, "a.txt", PS_E_CHANGED, "");
        rig_stop(&rig);
        rig.options.etag = "";
        rig_get(&rig, "a.txt");
        rig_close(&rig);
    }
}

/* --- pace --- */

/* POSIX.1-1988 ustar, of a file "big". */
static void fill_header(char header[512], size_t size_bytes)
{
    unsigned sum = 0;

    ps_str_copy(header, 100, "big");
    ps_str_copy(header + 100, 8, "0000644");
    ps_str_copy(header + 108, 8, "0000000");
    ps_str_copy(header + 116, 8, "0000000");
    (void)snprintf(header + 124, 12, "%011o", (unsigned)size_bytes);
    ps_str_copy(header + 136, 12, "14524635360"); /* 1700000000 */
    memcpy(header + 148, "        0", 9);
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < 512; i++) {
        sum += (unsigned char)header[i];
    }
    (void)snprintf(header + 148, 8, "%06o", sum);
}

Test(member_stream, reader_that_takes_nothing_stops_thread_and_store)
{
    char *noise = archive_judge_noise(8 * MIB);
    struct rig rig;
    struct ps_buf tar;
    uint64_t before_bytes = 0;
    char header[512] = { 0 };

    fill_header(header, 8 * MIB);
    ps_buf_init(&tar, SIZE_MAX);
    cr_assert_eq(ps_buf_append(&tar, header, sizeof(header), NULL), PS_OK);
    cr_assert_eq(ps_buf_append(&tar, noise, 8 * MIB, NULL), PS_OK);
    rig_open(&rig);
    (void)rig_put(&rig, &tar);
    ps_buf_clear(&tar);
    rig.options.member = "big";
    rig.read_size = 0;
    rig_start(&rig);
    while (!rig.opened || before_bytes < 100000) {
        (void)rig_step(&rig, UV_RUN_ONCE);
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)rig_step(&rig, UV_RUN_NOWAIT);
        before_bytes = memory_store_counts(rig.memory).sent_bytes;
        cr_assert_leq(before_bytes, 512 * 1024, "two pipes, a block and libarchive's buffers");
    }

    rig.read_size = 65536;
    rig_read(&rig);
    rig_run(&rig);

    expect_bytes(&rig, "big", noise, 8 * MIB);
    free(noise);
    rig_close(&rig);
}

/* --- memory --- */

Test(member_stream, memory_is_what_is_said_whatever_the_archive)
{
    static const struct {
        const char *archive;
        bool zstd;
    } rows[] = { { "tar", false },        { "tar.gz", false },       { "zip", false },
                 { "stream.zip", false }, { "bomb.tar.gz", false },  { "bomb.zip", false },
                 { "tar.zst", true },     { "ultra.tar.zst", true }, { "skip.tar.zst", true } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        size_t before;

        rig_open(&rig);
        (void)rig_make(&rig, rows[i].archive);
        rig.keeps_nothing = true;
        rig.options.limits.ratio_max = 1 << 20;
        before = memory_in_use();

        rig_get(&rig, ps_str_has_prefix(rows[i].archive, "bomb") ? "bomb" : "last");

        cr_expect_eq(rig.reserved_bytes, rows[i].zstd ? PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES : 0,
                     "%s: %zu", rows[i].archive, (size_t)rig.reserved_bytes);
        cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES + rig.reserved_bytes,
                      "%s: %zu", rows[i].archive, rig.memory_max - before);
        rig_close(&rig);
    }
}

Test(member_stream, zstd_without_memory_for_it_is_not_read)
{
    static const size_t blocks[] = { 65536, 3, 1 };

    for (size_t i = 0; i < 3; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, "tar.zst");
        memory_store_set_block(rig.memory, blocks[i]);
        rig.reserve_max = PS_MEMBER_STREAM_ZSTD_MEMORY_BYTES - 1;
        rig_expect_failure(&rig, NULL, PS_E_NO_MEMORY, "try again");
        cr_expect_eq(rig.reserved_bytes, 0);
        rig_close(&rig);
    }
}

Test(member_stream, zstd_of_a_window_that_takes_much_memory_is_refused)
{
    struct rig rig;
    size_t before;

    rig_open(&rig);
    (void)rig_make(&rig, "long.tar.zst");
    before = memory_in_use();
    rig_expect_failure(&rig, "a.txt", PS_E_REFUSED, "its window is larger than 8 MiB");
    cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES, "%zu",
                  rig.memory_max - before);
    rig_close(&rig);

    rig_open(&rig);
    (void)rig_make(&rig, "twice.tar.gz"); /* unpacked once, it is no tar */
    before = memory_in_use();
    rig_expect_failure(&rig, "a.txt", PS_E_CORRUPT, "no tar, tar.gz, tar.zst or zip");
    cr_expect_leq(rig.memory_max - before, PS_MEMBER_STREAM_MEMORY_BYTES, "%zu",
                  rig.memory_max - before);
    rig_close(&rig);
}

/* --- the end at any time --- */

Test(member_stream, given_up_at_any_point_it_leaves_nothing)
{
    static const char *const names[] = { "tar.gz", "zip", "tar.zst" };
    static const char *const members[] = { NULL, "last" };

    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 2; k++) {
            struct rig rig;
            bool ended = false;

            rig_open(&rig);
            (void)rig_make(&rig, names[i]);
            memory_store_set_block(rig.memory, 30000);
            rig.options.member = members[k];
            for (unsigned steps = 0; !ended; steps++) {
                rig_start(&rig);
                for (unsigned j = 0; j < steps && rig_step(&rig, UV_RUN_ONCE); j++) {
                }
                ended = rig.ended;
                rig_stop(&rig);
            }
            rig_close(&rig);
        }
    }
}

Test(member_stream, given_up_while_nobody_reads_it_ends_at_once)
{
    static const char *const names[] = { "tar.gz", "zip", "tar.zst", "bomb.tar.gz", "bomb.zip" };

    for (size_t i = 0; i < 5; i++) {
        struct rig rig;

        rig_open(&rig);
        (void)rig_make(&rig, names[i]);
        rig.options.limits.ratio_max = 1 << 20;
        rig.options.member = i < 3 ? "zeros" : "bomb";
        rig.read_size = 0;
        rig_start(&rig);
        while (!rig.opened) {
            (void)rig_step(&rig, UV_RUN_ONCE);
        }
        rig_stop(&rig);
        rig_close(&rig);
    }
}

Test(member_stream, given_up_while_the_store_is_silent_it_ends_at_once)
{
    static const uint64_t places[] = { 0, 3, 100, 150000 };

    for (size_t i = 0; i < ARCHIVES; i++) {
        struct rig rig;
        struct memory_object *object;

        rig_open(&rig);
        object = rig_make(&rig, archives[i].name);
        object->fault = MEMORY_STALLED;
        rig.options.member = "zeros";
        for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
            object->fault_at_bytes = places[j];
            rig_start(&rig);
            for (unsigned k = 0; k < 100; k++) {
                (void)rig_step(&rig, UV_RUN_NOWAIT);
            }
            cr_expect_not(rig.ended);
            rig_stop(&rig);
        }
        rig_close(&rig);
    }
}

Test(member_stream, without_descriptors_it_does_not_start_and_leaves_none)
{
    struct rig rig;
    struct rlimit limit;
    unsigned fds;
    bool started = false;

    rig_open(&rig);
    (void)rig_make(&rig, "tar.gz");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    fds = count("/proc/self/fd");
    for (unsigned more = 0; !started; more++) {
        struct ps_err err = { .code = PS_OK };
        const struct rlimit less = { fds - 1 + more, limit.rlim_max }; /* count had its own open */

        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
        started = ps_member_stream_start(&rig.stream, &rig.options, &err) == PS_OK;
        cr_expect(started || err.message[0] != '\0');
        if (started) {
            rig_run(&rig); /* perhaps the store's bytes find none */
            cr_expect(rig.ended || ps_member_stream_error(rig.stream)->message[0] != '\0');
            ps_member_stream_free(rig.stream);
            rig.stream = NULL;
        }
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        (void)uv_run(&rig.loop, UV_RUN_DEFAULT);
        cr_expect_leq(count("/proc/self/fd"), fds + 1);
    }
    rig_close(&rig);
}
