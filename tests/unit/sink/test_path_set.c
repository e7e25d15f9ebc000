#include "sink/path_set.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(path_set, .timeout = 20);

static bool add(struct ps_path_set *set, const char *path, bool directory, bool *was_directory)
{
    bool known = false;

    cr_assert_eq(ps_path_set_add(set, path, directory, &known, was_directory, NULL), PS_OK);
    return known;
}

Test(path_set, knows_what_was_added)
{
    struct ps_path_set set = { .key = 42 };
    bool was_directory = false;
    char path[32];

    for (int i = 0; i < 50000; i++) {
        (void)snprintf(path, sizeof(path), "d/%d", i);
        cr_assert_not(add(&set, path, i % 2 == 0, &was_directory), "%s", path);
    }
    for (int i = 0; i < 50000; i++) {
        (void)snprintf(path, sizeof(path), "d/%d", i);
        cr_assert(add(&set, path, false, &was_directory), "%s", path);
        cr_assert_eq(was_directory, i % 2 == 0, "%s", path);
    }
    cr_assert_not(add(&set, "D/1", false, &was_directory));
    ps_path_set_clear(&set);
    cr_assert_not(add(&set, "d/1", false, &was_directory));
    ps_path_set_clear(&set);
}

Test(path_set, folds_case_where_the_file_system_does)
{
    struct ps_path_set set = { .fold_case = true };
    bool was_directory = false;

    cr_assert_not(add(&set, "README", false, &was_directory));
    cr_assert(add(&set, "readme", false, &was_directory));
    ps_path_set_clear(&set);
}
