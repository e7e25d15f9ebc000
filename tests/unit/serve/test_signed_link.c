#include "serve/signed_link.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(signed_link, .timeout = 20);

static const struct ps_link_key link_key = { .bytes = "0123456789abcdef0123456789abcde" };

static enum ps_link_answer check(const char *raw, const char *store, const char *key, int64_t now)
{
    struct ps_target target = { 0 };
    enum ps_link_answer answer;

    cr_assert_eq(ps_target_parse(raw, &target, NULL), PS_OK, "%s", raw);
    answer = ps_signed_link_check(&link_key, &target, store, key, now);
    ps_target_clear(&target);
    return answer;
}

static char *make(const char *store, const char *key, bool is_prefix, int64_t expires)
{
    const struct ps_link link = { store, key, is_prefix, expires };
    struct ps_buf buf = { 0 };

    cr_assert_eq(ps_signed_link_format(&buf, &link_key, &link, NULL), PS_OK);
    return ps_buf_steal(&buf);
}

/* From Python: hmac.new(key, b'purser link 1\nmain\nkey\na/b c\n1000', hashlib.sha256).hexdigest() */
Test(signed_link, is_the_hmac_of_its_lines)
{
    char *link = make("main", "a/b c", false, 1000);

    cr_expect_str_eq(
        link,
        "/a/main/a/"
        "b%20c?expires=1000&sig=17c8f0473bbf374fa505d2516cfeaa1e0f4fee03087e34484fa5f5274bf9c078");
    free(link);
}

Test(signed_link, opens_its_key_and_nothing_else)
{
    char *link = make("main", "a/b", false, 1000);

    cr_expect_eq(check(link, "main", "a/b", 999), PS_LINK_VALID);
    cr_expect_eq(check(link, "main", "a/b", 1000), PS_LINK_EXPIRED);
    cr_expect_eq(check(link, "main", "a/bc", 999), PS_LINK_WRONG);
    cr_expect_eq(check(link, "main", "a", 999), PS_LINK_WRONG);
    cr_expect_eq(check(link, "other", "a/b", 999), PS_LINK_WRONG);
    link[strlen(link) - 1] = link[strlen(link) - 1] == '0' ? '1' : '0';
    cr_expect_eq(check(link, "main", "a/b", 999), PS_LINK_WRONG);
    free(link);
}

Test(signed_link, of_a_prefix_opens_what_is_below)
{
    char *link = make("main", "runs/7/", true, 1000);

    cr_expect_eq(check(link, "main", "runs/7/x", 999), PS_LINK_VALID);
    cr_expect_eq(check(link, "main", "runs/7/y/z", 999), PS_LINK_VALID);
    cr_expect_eq(check(link, "main", "runs/70", 999), PS_LINK_WRONG);
    cr_expect_eq(check(link, "main", "runs/7", 999), PS_LINK_WRONG);
    cr_expect_eq(check(link, "main", "", 999), PS_LINK_WRONG);
    free(link);
}

Test(signed_link, cannot_be_stretched)
{
    char *key = make("main", "runs/", false, 1000);
    char raw[512];

    cr_expect_eq(check("/a/main/x", "main", "x", 1), PS_LINK_NONE);
    cr_expect_eq(check("/a/main/x?sig=", "main", "x", 1), PS_LINK_WRONG);
    cr_expect_eq(check("/a/main/x?sig=00&expires=-5", "main", "x", 1), PS_LINK_WRONG);
    (void)snprintf(raw, sizeof(raw), "%s&prefix=runs/", key);
    cr_expect_eq(check(raw, "main", "runs/x", 1), PS_LINK_WRONG, "a key's link as a prefix");
    (void)snprintf(raw, sizeof(raw), "/x?expires=2000&%s", strchr(key, '?') + 1);
    cr_expect_eq(check(raw, "main", "runs/", 1), PS_LINK_WRONG, "another time in front");
    free(key);
}

Test(signed_link, key_is_made_once_and_kept_to_its_owner)
{
    char dir[] = "/tmp/purser-link-XXXXXX";
    char path[64];
    struct ps_link_key first;
    struct ps_link_key second;
    struct stat status;

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/link.key", dir);

    cr_assert_eq(ps_link_key_load(&first, path, NULL), PS_OK);
    cr_assert_eq(ps_link_key_load(&second, path, NULL), PS_OK);
    cr_expect_arr_eq(first.bytes, second.bytes, sizeof(first.bytes));
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    (void)chmod(path, 0604);
    cr_expect_eq(ps_link_key_load(&second, path, NULL), PS_E_DENIED);
    (void)chmod(path, 0600);
    cr_assert_eq(truncate(path, 5), 0);
    cr_expect_eq(ps_link_key_load(&second, path, NULL), PS_E_INVALID);
    (void)unlink(path);
    (void)rmdir(dir);
}
