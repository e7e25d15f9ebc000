#include "cli/exit_code.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(exit_code, .timeout = 20);

/* The numbers are a promise to scripts: 0 done, 1 bug or unforeseen, 2 usage or settings, 3 not found, 4 denied,
 * 5 temporary, 6 partial, 7 locked, 8 refused by policy or fuse, 9 integrity, 10 local disk or memory, 130 and 143
 * interrupted. */
static const struct row {
    enum ps_code code;
    int exit;
} rows[] = {
    { PS_OK, 0 },
    { PS_E_BUG, 1 },
    { PS_E_INVALID, 2 },
    { PS_E_UNSUPPORTED, 2 },
    { PS_E_TOO_LARGE, 2 },
    { PS_E_NOT_FOUND, 3 },
    { PS_E_NO_UPLOAD, 3 },
    { PS_E_DENIED, 4 },
    { PS_E_TEMPORARY, 5 },
    { PS_E_UNKNOWN_OUTCOME, 5 },
    { PS_E_PARTIAL, 6 },
    { PS_E_LOCKED, 7 },
    { PS_E_REFUSED, 8 },
    { PS_E_EXISTS, 8 },
    { PS_E_CORRUPT, 9 },
    { PS_E_CHANGED, 9 },
    { PS_E_PARSE, 9 },
    { PS_E_IO, 10 },
    { PS_E_NO_SPACE, 10 },
    { PS_E_NO_MEMORY, 10 },
    { PS_E_CANCELLED, 130 },
};

Test(exit_code, every_error_has_its_number)
{
    cr_assert_eq(sizeof(rows) / sizeof(rows[0]), PS_E_PARTIAL + 1, "a code is not in the table");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq((int)ps_exit_of(rows[i].code), rows[i].exit, "%s", ps_code_name(rows[i].code));
        for (size_t k = 0; k < i; k++) {
            cr_assert_neq(rows[i].code, rows[k].code, "%s twice", ps_code_name(rows[i].code));
        }
    }
}

Test(exit_code, a_signal_is_128_and_its_number)
{
    cr_assert_eq((int)PS_EXIT_SIGINT, 128 + 2);
    cr_assert_eq((int)PS_EXIT_SIGTERM, 128 + 15);
}

/* An error must never look like success to a script. */
Test(exit_code, what_is_unforeseen_is_no_success)
{
    cr_assert_eq((int)ps_exit_of((enum ps_code)9999), 1);
}

Test(exit_code, the_table_shows_every_number_once_within_80_columns)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    ps_exit_describe(file);
    (void)fclose(file);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[16];
        const char *found;

        (void)snprintf(line, sizeof(line), "\n  %3d  ", rows[i].exit);
        found = strstr(text, line);
        cr_assert_not_null(found, "%d", rows[i].exit);
        cr_assert_null(strstr(found + 1, line), "%d twice", rows[i].exit);
    }
    cr_assert_not_null(strstr(text, "\n  143  "));
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        cr_assert_leq(length, 80, "%.*s", (int)length, line);
        line += length + 1;
    }
    free(text);
}
