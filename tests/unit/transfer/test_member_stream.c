#include "base/str.h"
#include "tests/support/archive_judge.h"
#include "tests/support/member_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* What is in archives of all sorts. What stores and readers do: test_member_stream_feed.c. */

#define MIB ((size_t)1024 * 1024)

TestSuite(member_stream, .timeout = 100, .init = member_rig_ignore_sigpipe);

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
        struct member_rig rig;
        char *wanted = ps_str_format("%s%send\n", files_list, archives[i].zip ? "" : links_list);

        member_rig_open(&rig);
        (void)member_rig_make(&rig, archives[i].name);

        member_rig_get(&rig, NULL);

        cr_expect_str_eq(ps_buf_peek(&rig.bytes), wanted, "%s", archives[i].name);
        free(wanted);
        member_rig_close(&rig);
    }
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
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(members) / sizeof(members[0]); j++) {
            member_rig_get(&rig, members[j].name);
            member_rig_expect_bytes(&rig, members[j].name, members[j].bytes, members[j].size_bytes);
            cr_expect(rig.member.kind == PS_MEMBER_FILE && rig.member.has_size &&
                          rig.member.size_bytes == members[j].size_bytes &&
                          rig.member.name == NULL && rig.member.link_target == NULL,
                      "%s: %s", archives[i].name, members[j].name);
            member_rig_stop(&rig);
        }
        member_rig_close(&rig);
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
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, archives[i].name);
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            memory_store_set_block(rig.memory, sizes[j].block);
            rig.read_size = sizes[j].read;
            member_rig_get(&rig, "big.bin");
            member_rig_expect_bytes(&rig, archives[i].name, noise, 400000);
            member_rig_stop(&rig);
        }
        member_rig_close(&rig);
    }
    free(noise);
}

Test(member_stream, sparse_files_have_zeros_in_their_holes)
{
    struct member_rig rig;
    char *wanted = calloc(1, 4 * MIB);

    memcpy(wanted + 3 * MIB, "end", 3);
    member_rig_open(&rig);
    (void)member_rig_make(&rig, "sparse.tar");
    member_rig_get(&rig, "sparse");
    member_rig_expect_bytes(&rig, "sparse", wanted, 4 * MIB);
    free(wanted);
    member_rig_close(&rig);
}

Test(member_stream, empty_archives_have_no_members)
{
    static const char *const names[] = { "none.zip", "none.tar" };

    for (size_t i = 0; i < 2; i++) {
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, names[i]);
        member_rig_get(&rig, NULL);
        cr_expect_str_eq(ps_buf_peek(&rig.bytes), "end\n", "%s", names[i]);
        member_rig_stop(&rig);
        member_rig_expect_failure(&rig, "a", PS_E_NOT_FOUND, "a: is not in it");
        member_rig_close(&rig);
    }
}

Test(member_stream, small_member_of_a_large_zip_costs_little)
{
    struct member_rig rig;
    uint64_t first_bytes;
    uint64_t last_bytes;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "large.zip"); /* 24 members, each second one of 2 MiB */
    member_rig_get(&rig, "0");
    member_rig_expect_bytes(&rig, "0", "small", 5);
    first_bytes = ps_member_stream_received(rig.stream);
    member_rig_stop(&rig);
    member_rig_get(&rig, "22");
    member_rig_expect_bytes(&rig, "22", "small", 5);
    last_bytes = ps_member_stream_received(rig.stream);

    cr_expect_leq(first_bytes, MIB / 2, "%zu bytes", (size_t)first_bytes);
    cr_expect_leq(last_bytes, 6 * MIB, "%zu bytes past 11 large ones", (size_t)last_bytes);
    member_rig_close(&rig);
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
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, rows[i].archive);
        member_rig_expect_failure(&rig, rows[i].member, PS_E_NOT_FOUND, rows[i].words);
        cr_expect_not(rig.opened);
        cr_expect_eq(ps_member_stream_error(rig.stream)->http_status, 0, "these words are ours");
        member_rig_close(&rig);
    }
}

Test(member_stream, hostile_names_are_shown_and_nothing_else)
{
    struct member_rig rig;
    const char *list;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "hostile.tar");
    member_rig_get(&rig, NULL);
    list = ps_buf_peek(&rig.bytes);
    cr_expect(ps_str_has_prefix(list, "file ../up 2\nfile /etc/passwd 4\nfile a\nb 4\n"
                                      "file same 5\nfile same 6\nfile xxxx"),
              "%s", list);
    member_rig_stop(&rig);
    member_rig_get(&rig, "../up");
    member_rig_expect_bytes(&rig, "../up", "up", 2);
    member_rig_stop(&rig);
    member_rig_get(&rig, "same");
    member_rig_expect_bytes(&rig, "same", "first", 5);
    member_rig_stop(&rig);
    member_rig_get(&rig, "/etc/passwd");
    member_rig_expect_bytes(&rig, "/etc/passwd", "root", 4);
    member_rig_close(&rig);
}

Test(member_stream, encrypted_members_hide_no_others)
{
    struct member_rig rig;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "encrypted.zip");
    member_rig_get(&rig, "plain");
    member_rig_expect_bytes(&rig, "plain", "seen", 4);
    member_rig_close(&rig);
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
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, rows[i].archive);
        member_rig_expect_failure(&rig, rows[i].member, PS_E_CORRUPT, "");
        cr_expect_eq(rig.opened, rows[i].opens, "%s %s", rows[i].archive, rows[i].member);
        cr_expect_neq(ps_member_stream_error(rig.stream)->message[0], 0, "%s %s", rows[i].archive,
                      rows[i].member);
        member_rig_close(&rig);
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
        struct member_rig rig;

        member_rig_open(&rig);
        (void)member_rig_make(&rig, rows[i].archive);
        rig.options.limits = rows[i].limits;
        member_rig_expect_failure(&rig, rows[i].member, PS_E_REFUSED, rows[i].words);
        cr_expect_lt(rig.bytes.size_bytes, 300 * MIB);
        member_rig_close(&rig);
    }
}

Test(member_stream, list_of_many_members_comes_in_pieces)
{
    struct member_rig rig;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "many.tar");
    rig.options.limits.entry_count_max = 3000;
    member_rig_get(&rig, NULL);
    cr_expect(ps_str_has_prefix(ps_buf_peek(&rig.bytes), "file 00000 1\nfile 00001 1\n"));
    cr_expect(ps_str_has_suffix(ps_buf_peek(&rig.bytes), "file 02998 4\nfile 02999 4\nend\n"));
    member_rig_close(&rig);
}

Test(member_stream, row_that_cannot_be_made_ends_the_list)
{
    struct member_rig rig;

    member_rig_open(&rig);
    (void)member_rig_make(&rig, "tar");
    rig.format_code = PS_E_TOO_LARGE;
    member_rig_expect_failure(&rig, NULL, PS_E_TOO_LARGE, "no row for that");
    member_rig_close(&rig);
}
