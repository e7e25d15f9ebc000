#include "tests/support/prefix_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Which keys an archive holds, and which it refuses. */

TestSuite(prefix_archive_keys, .timeout = 100);

/* Page after page of keys; a store may send pages with nothing in them, and more behind. */
static void check_pages(unsigned empty_pages)
{
    struct prefix_rig rig;
    struct ps_buf rows;

    prefix_rig_open(&rig);
    ps_buf_init(&rows, SIZE_MAX);
    rig.prefix = "p/";
    memory_store_set_empty_pages(rig.memory, empty_pages);
    for (unsigned i = 0; i < 1003; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "p/%04u", i);
        prefix_rig_put(&rig, key, i % 3 == 0 ? "" : key);
        prefix_rig_add_row(&rows, key + 2, i % 3 == 0 ? "" : key);
    }

    prefix_rig_make(&rig);

    prefix_rig_expect_rows(&rig, &rows);
    cr_expect_eq(memory_store_counts(rig.memory).gets, 668, "an empty object needs none");
    cr_expect_eq(rig.asked_count, 1003);
    ps_buf_clear(&rows);
    prefix_rig_close(&rig);
}

Test(prefix_archive_keys, keys_of_many_pages_are_all_in_it)
{
    check_pages(0);
}

Test(prefix_archive_keys, pages_without_keys_are_not_the_end)
{
    check_pages(2);
}

Test(prefix_archive_keys, zip_of_more_members_than_two_bytes_can_count)
{
    struct prefix_rig rig;
    struct ps_buf rows;

    prefix_rig_open(&rig);
    ps_buf_init(&rows, SIZE_MAX);
    rig.format = PS_ARCHIVE_ZIP;
    for (unsigned i = 0; i < 66000; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "%08u", i);
        prefix_rig_put(&rig, key, "");
        prefix_rig_add_row(&rows, key, "");
    }

    prefix_rig_make(&rig);

    prefix_rig_expect_rows(&rig, &rows);
    ps_buf_clear(&rows);
    prefix_rig_close(&rig);
}

Test(prefix_archive_keys, names_of_a_thousand_bytes_fit)
{
    char key[1025];

    memset(key, 'k', 1024);
    key[1024] = '\0';
    for (size_t i = 100; i < 1024; i += 200) {
        key[i] = '/';
    }
    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct prefix_rig rig;
        struct ps_buf rows;

        prefix_rig_open(&rig);
        ps_buf_init(&rows, SIZE_MAX);
        rig.format = prefix_formats[i];
        prefix_rig_put(&rig, key, "x");
        prefix_rig_add_row(&rows, key, "x");

        prefix_rig_make(&rig);

        prefix_rig_expect_rows(&rig, &rows);
        ps_buf_clear(&rows);
        prefix_rig_close(&rig);
    }
}

/* --- what is refused --- */

static const struct {
    const char *key;
    bool zip_only;
    size_t size_bytes;
} refused[] = {
    { "p/../etc/passwd", false, 1 }, { "p/a/..", false, 1 },         { "p/..", false, 0 },
    { "p//etc/passwd", false, 1 },   { "p/a//b", false, 1 },         { "p/./a", false, 1 },
    { "p/a/.", false, 0 },           { "p/a/../", false, 0 },        { "p//", false, 0 },
    { "p/dir/", false, 1 },          { "p/a\\..\\b", true, 1 },      { "p/\xff", true, 1 },
    { "p/\xc3", true, 1 },           { "p/\xed\xa0\x80x", true, 1 },
};

Test(prefix_archive_keys, keys_that_an_extractor_would_put_elsewhere_are_refused)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        for (size_t j = 0; j < PREFIX_FORMATS; j++) {
            struct prefix_rig rig;
            bool accepted = refused[i].zip_only && prefix_formats[j] != PS_ARCHIVE_ZIP;

            prefix_rig_open(&rig);
            rig.format = prefix_formats[j];
            rig.prefix = "p/";
            (void)memory_store_put(rig.memory, "p/!", "first", 5);
            (void)memory_store_put(rig.memory, refused[i].key, NULL, refused[i].size_bytes);
            if (accepted) {
                prefix_rig_make(&rig);
            } else {
                prefix_rig_expect_failure(&rig, PS_E_INVALID, refused[i].key + 2);
                cr_expect_eq(memory_store_counts(rig.memory).gets, 0,
                             "%s: told before the first byte", refused[i].key);
            }
            prefix_rig_close(&rig);
        }
    }
}

Test(prefix_archive_keys, reason_is_told_of_a_long_key_too)
{
    char key[1025];
    struct prefix_rig rig;

    memset(key, 'k', 1024);
    memcpy(key + 1020, "/../", 5);
    prefix_rig_open(&rig);
    prefix_rig_put(&rig, key, "");
    prefix_rig_expect_failure(&rig, PS_E_INVALID, "cannot be a name in an archive");
    prefix_rig_close(&rig);

    key[1019] = '\0';
    prefix_rig_open(&rig);
    prefix_rig_put(&rig, key, "x");
    memory_store_object(rig.memory, key)->fault = MEMORY_DENIED;
    prefix_rig_expect_failure(&rig, PS_E_DENIED, "AccessDenied");
    prefix_rig_close(&rig);
}

Test(prefix_archive_keys, nothing_below_the_prefix_is_not_an_empty_archive)
{
    for (unsigned empty_pages = 0; empty_pages < 2; empty_pages++) {
        struct prefix_rig rig;

        prefix_rig_open(&rig);
        rig.prefix = "p/";
        memory_store_set_empty_pages(rig.memory, empty_pages);
        prefix_rig_put(&rig, "o", "x");
        prefix_rig_put(&rig, "p/", "");
        prefix_rig_put(&rig, "q", "x");
        prefix_rig_expect_failure(&rig, PS_E_NOT_FOUND, "nothing lies below it");
        prefix_rig_close(&rig);
    }
}

Test(prefix_archive_keys, hook_is_asked_of_all_of_a_page_before_one_is_fetched)
{
    struct prefix_rig rig;

    prefix_rig_open(&rig);
    for (unsigned i = 0; i < 100; i++) {
        char key[8];

        (void)snprintf(key, sizeof(key), "%03u", i);
        prefix_rig_put(&rig, key, i == 50 ? "" : "x");
    }
    rig.denied = "099";
    prefix_rig_expect_failure(&rig, PS_E_REFUSED, "not that one");

    cr_expect_eq(rig.asked_count, 100);
    cr_expect_eq(rig.gets_when_asked, 0);
    cr_expect_eq(memory_store_counts(rig.memory).gets, 0);
    prefix_rig_close(&rig);
}

Test(prefix_archive_keys, directory_of_a_zip_needs_leave_for_its_memory)
{
    for (size_t i = 0; i < PREFIX_FORMATS; i++) {
        struct prefix_rig rig;

        prefix_rig_open(&rig);
        rig.format = prefix_formats[i];
        rig.reserve_max = 2 * 65536;
        for (unsigned j = 0; j < 600; j++) {
            char key[8];

            (void)snprintf(key, sizeof(key), "%03u", j);
            prefix_rig_put(&rig, key, "x");
        }
        if (prefix_formats[i] == PS_ARCHIVE_ZIP) {
            prefix_rig_expect_failure(&rig, PS_E_NO_MEMORY, "ask for a tar");
            cr_expect_eq(rig.reserved_bytes, 2 * 65536);
        } else {
            prefix_rig_make(&rig);
            cr_expect_eq(rig.reserved_bytes, 0);
        }
        prefix_rig_close(&rig);
    }
}

Test(prefix_archive_keys, list_that_fails_fails_the_archive)
{
    for (unsigned page = 0; page < 2; page++) {
        struct prefix_rig rig;

        prefix_rig_open(&rig);
        memory_store_set_empty_pages(rig.memory, 1);
        memory_store_set_failing_page(rig.memory, page);
        prefix_rig_put(&rig, "a", "x");
        prefix_rig_expect_failure(&rig, PS_E_TEMPORARY, "SlowDown");
        cr_expect_eq(ps_prefix_archive_error(rig.archive)->http_status, 503);
        prefix_rig_close(&rig);
    }
}
