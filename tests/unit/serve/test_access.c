#include "serve/access.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(access, .timeout = 20);

#define PLAIN "plain-token-0123456789"
#define OPERATOR "operator-token-0123456789"
#define SCOPED "scoped-token-0123456789"

/* printf %s hashed-token-0123456789 | sha256sum */
#define HASHED "hashed-token-0123456789"
#define HASHED_SHA256 "b22fd458dbe2426bebe59cfafe4c46e013df3efd439e4d91cda767ac3052ddd0"

static char path[64];

static void write_file(const char *text, mode_t mode)
{
    int fd;

    (void)snprintf(path, sizeof(path), "/tmp/purser-tokens-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    (void)close(fd);
}

static enum ps_code make(struct ps_access **access, const char *text, mode_t mode,
                         const char *allow, struct ps_err *err)
{
    struct ps_access_options options = { .tokens_file = path, .allow = allow };
    enum ps_code code;

    write_file(text, mode);
    code = ps_access_new(access, &options, err);
    (void)unlink(path);
    return code;
}

static struct ps_access *standard(void)
{
    struct ps_access *access = NULL;
    struct ps_err err;

    cr_assert_eq(make(&access,
                      "# who\n\n" PLAIN "\n" OPERATOR " operate\n" SCOPED
                      " read main/a/ main/b\nsha256:" HASHED_SHA256 "  # by hash\n",
                      0600, "main/public/,other/", &err),
                 PS_OK, "%s", err.message);
    return access;
}

struct row {
    const char *authorization;
    const char *store;
    const char *key;
    enum ps_access_level level;
    bool known;
};

static const struct row rows[] = {
    { NULL, "main", "x", PS_ACCESS_NONE, false },
    { NULL, "main", "public/x", PS_ACCESS_READ, false },
    { NULL, "main", "public", PS_ACCESS_NONE, false },
    { NULL, "mainx", "public/x", PS_ACCESS_NONE, false },
    { NULL, "other", "anything", PS_ACCESS_READ, false },
    { NULL, NULL, "", PS_ACCESS_NONE, false },
    { "Bearer " PLAIN, "main", "x", PS_ACCESS_READ, true },
    { "bearer  " PLAIN, "main", "x", PS_ACCESS_READ, true },
    { "Bearer " PLAIN, NULL, "", PS_ACCESS_READ, true },
    { "Bearer " PLAIN "x", "main", "x", PS_ACCESS_NONE, false },
    { "Bearer plain-token-012345678", "main", "x", PS_ACCESS_NONE, false },
    { "Bearer ", "main", "x", PS_ACCESS_NONE, false },
    { "Bearer", "main", "x", PS_ACCESS_NONE, false },
    { PLAIN, "main", "x", PS_ACCESS_NONE, false },
    { "Bearer " HASHED, "main", "x", PS_ACCESS_READ, true },
    { "Bearer sha256:" HASHED_SHA256, "main", "x", PS_ACCESS_NONE, false },
    { "Bearer " OPERATOR, "main", "x", PS_ACCESS_OPERATE, true },
    { "Bearer " SCOPED, "main", "a/x", PS_ACCESS_READ, true },
    { "Bearer " SCOPED, "main", "bcd", PS_ACCESS_READ, true },
    { "Bearer " SCOPED, "main", "c", PS_ACCESS_NONE, true },
    { "Bearer " SCOPED, "main", "public/x", PS_ACCESS_READ, true },
    { "Bearer " SCOPED, "elsewhere", "a/x", PS_ACCESS_NONE, true },
    /* base64 of "user:plain-token-0123456789" and of a text without a colon */
    { "Basic dXNlcjpwbGFpbi10b2tlbi0wMTIzNDU2Nzg5", "main", "x", PS_ACCESS_READ, true },
    { "Basic cGxhaW4tdG9rZW4tMDEyMzQ1Njc4OQ==", "main", "x", PS_ACCESS_NONE, false },
    { "Basic ****", "main", "x", PS_ACCESS_NONE, false },
};

Test(access, is_for_who_has_a_rule)
{
    struct ps_access *access = standard();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_access_answer answer;

        ps_access_check(access, rows[i].authorization, rows[i].store, rows[i].key, &answer);

        cr_expect_eq(answer.level, rows[i].level, "%zu %s: %d", i, rows[i].key, answer.level);
        cr_expect_eq(answer.known, rows[i].known, "%zu %s", i, rows[i].key);
        cr_expect_eq(answer.scoped,
                     rows[i].authorization != NULL && strstr(rows[i].authorization, SCOPED) != NULL,
                     "%zu %s", i, rows[i].key);
        cr_expect_null(strstr(answer.subject, "token-0123"), "a token is shown: %s",
                       answer.subject);
    }
    ps_access_free(access);
}

Test(access, without_any_rule_is_for_nobody)
{
    struct ps_access *access = NULL;
    struct ps_access_options options = { .tokens_file = "", .allow = "" };
    struct ps_access_answer answer;

    cr_assert_eq(ps_access_new(&access, &options, NULL), PS_OK);
    ps_access_check(access, "Bearer ", "main", "x", &answer);

    cr_expect_eq(answer.level, PS_ACCESS_NONE);
    ps_access_free(access);
}

Test(access, refuses_a_file_that_is_wrong_or_open)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *allow;
        enum ps_code code;
        const char *message;
    } cases[] = {
        { "short\n", 0600, "", PS_E_INVALID, ":1: a token has at least 16" },
        { "\nsha256:abcd\n", 0600, "", PS_E_INVALID, ":2: after sha256: stand 64" },
        { PLAIN " main\n", 0600, "", PS_E_INVALID, "'main' is no STORE/PREFIX" },
        { PLAIN "\n", 0604, "", PS_E_DENIED, "chmod o-rwx" },
        { PLAIN "\n", 0620, "", PS_E_DENIED, "chmod go-w" },
        { "sha256:" HASHED_SHA256 "\n", 0646, "", PS_E_DENIED, "chmod go-w" },
        { "sha256:" HASHED_SHA256 "\n", 0644, "", PS_OK, "" },
        { PLAIN "\n", 0640, "", PS_OK, "" },
        { "", 0600, "main", PS_E_INVALID, "gateway.allow: 'main' is no STORE/PREFIX" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ps_access *access = NULL;
        struct ps_err err = { 0 };

        enum ps_code code = make(&access, cases[i].text, cases[i].mode, cases[i].allow, &err);

        cr_expect_eq(code, cases[i].code, "%zu: %s", i, err.message);
        cr_expect_not_null(strstr(err.message, cases[i].message), "%zu: %s", i, err.message);
        cr_expect_null(strstr(err.message, PLAIN), "a token is shown");
        ps_access_free(access);
    }
}
