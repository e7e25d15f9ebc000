#include "base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(err, .timeout = 20);

static bool is_all_zero(const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* What an earlier failure left behind must not be taken for a part of this one. */
Test(err, set_forgets_the_fields_of_the_error_before)
{
    struct ps_err err;

    memset(&err, 0x5a, sizeof(err));

    cr_assert_eq(ps_err_set(&err, PS_E_PARSE, "part %u of %s", 7U, "a/b"), PS_E_PARSE);

    cr_assert_eq(err.code, PS_E_PARSE);
    cr_assert_str_eq(err.message, "part 7 of a/b");
    cr_assert_eq(err.retry, PS_RETRY_NEVER);
    cr_assert_eq(err.sys_errno, 0);
    cr_assert_eq(err.http_status, 0);
    cr_assert_str_eq(err.store_code, "");
    cr_assert_str_eq(err.request_id, "");
}

/* The table in err.h; the numbers are named in errno(3). */
Test(err, errno_becomes_the_code_that_the_header_promises)
{
    static const struct row {
        const char *name;
        int sys_errno;
        enum ps_code code;
    } rows[] = {
        { "ENOENT", ENOENT, PS_E_NOT_FOUND },
        { "ENOTDIR", ENOTDIR, PS_E_NOT_FOUND },
        { "EACCES", EACCES, PS_E_DENIED },
        { "EPERM", EPERM, PS_E_DENIED },
        { "EROFS", EROFS, PS_E_DENIED },
        { "ENOSPC", ENOSPC, PS_E_NO_SPACE },
        { "EDQUOT", EDQUOT, PS_E_NO_SPACE },
        { "EFBIG", EFBIG, PS_E_NO_SPACE },
        { "ENOMEM", ENOMEM, PS_E_NO_MEMORY },
        { "EEXIST", EEXIST, PS_E_EXISTS },
        { "EIO", EIO, PS_E_IO },
        { "EBADF", EBADF, PS_E_IO },
        { "unheard of", 99999, PS_E_IO },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_err err;

        cr_assert_eq(ps_err_set_errno(&err, rows[i].sys_errno, "open %s", "f"), rows[i].code, "%s",
                     rows[i].name);
        cr_assert_eq(err.code, rows[i].code, "%s", rows[i].name);
        cr_assert_eq(err.sys_errno, rows[i].sys_errno, "%s", rows[i].name);
        cr_assert_eq(strncmp(err.message, "open f: ", 8), 0, "%s: %s", rows[i].name, err.message);
        cr_assert_gt(strlen(err.message), 8, "%s: %s", rows[i].name, err.message);
    }
}

Test(err, callers_words_stand_outermost_first)
{
    struct ps_err err;

    cr_assert_eq(ps_err_set_errno(&err, ENOSPC, "write %s", "f"), PS_E_NO_SPACE);
    err.retry = PS_RETRY_TRANSIENT;
    err.http_status = 503;

    cr_assert_eq(ps_err_wrap(&err, err.code, "part %d", 7), PS_E_NO_SPACE);

    cr_assert_str_eq(err.message, "part 7: write f: No space left on device");
    cr_assert_eq(err.sys_errno, ENOSPC);
    cr_assert_eq(err.retry, PS_RETRY_TRANSIENT, "wrapping loses nothing");
    cr_assert_eq(err.http_status, 503);
}

Test(err, words_that_are_too_long_are_cut)
{
    struct ps_err err;
    char long_words[600];

    memset(long_words, 'w', sizeof(long_words) - 1);
    long_words[sizeof(long_words) - 1] = '\0';

    (void)ps_err_set(&err, PS_E_IO, "%s", long_words);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
    (void)ps_err_set_errno(&err, EIO, "%s", long_words);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
    (void)ps_err_wrap(&err, err.code, "%s", long_words);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
    for (int i = 0; i < 100; i++) {
        (void)ps_err_wrap(&err, err.code, "layer");
    }
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
    cr_assert_eq(strncmp(err.message, "layer: layer: ", 14), 0);
}

Test(err, nobody_has_to_ask_for_the_words)
{
    cr_assert_eq(ps_err_set(NULL, PS_E_DENIED, "x"), PS_E_DENIED);
    cr_assert_eq(ps_err_set_errno(NULL, ENOENT, "x"), PS_E_NOT_FOUND);
    cr_assert_eq(ps_err_wrap(NULL, PS_E_IO, "x"), PS_E_IO);
    ps_err_clear(NULL);
}

Test(err, clear_leaves_nothing)
{
    struct ps_err err;

    memset(&err, 0x5a, sizeof(err));

    ps_err_clear(&err);

    cr_assert(is_all_zero(&err, sizeof(err)));
}

Test(err, every_code_and_class_has_a_name_of_its_own)
{
    for (int i = PS_OK; i <= PS_E_PARTIAL; i++) {
        const char *name = ps_code_name((enum ps_code)i);

        cr_assert_str_neq(name, "unknown", "code %d", i);
        cr_assert_eq(name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")], '\0', "%s", name);
        for (int j = PS_OK; j < i; j++) {
            cr_assert_str_neq(name, ps_code_name((enum ps_code)j), "codes %d and %d", j, i);
        }
    }
    for (int i = PS_RETRY_NEVER; i <= PS_RETRY_RESEND_PART; i++) {
        cr_assert_str_neq(ps_retry_name((enum ps_retry)i), "unknown", "class %d", i);
        for (int j = PS_RETRY_NEVER; j < i; j++) {
            cr_assert_str_neq(ps_retry_name((enum ps_retry)i), ps_retry_name((enum ps_retry)j));
        }
    }
    cr_assert_str_eq(ps_code_name(PS_E_NOT_FOUND), "not_found");
    cr_assert_str_eq(ps_retry_name(PS_RETRY_THROTTLE), "throttle");
}
