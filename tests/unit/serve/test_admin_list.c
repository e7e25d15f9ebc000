#include "serve/admin_list.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(admin_list, .timeout = 10);

#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct ps_target parsed(const char *raw)
{
    struct ps_target target = { 0 };
    struct ps_err err = { 0 };

    cr_assert_eq(ps_target_parse(raw, &target, &err), PS_OK, "%s", err.message);
    return target;
}

Test(admin_list, takes_limits_from_1_to_500)
{
    static const struct row {
        const char *target;
        enum ps_code code;
        size_t max;
    } rows[] = {
        { "/v1/x", PS_OK, 500 },
        { "/v1/x?limit=1", PS_OK, 1 },
        { "/v1/x?limit=500", PS_OK, 500 },
        { "/v1/x?limit=0", PS_E_INVALID, 0 },
        { "/v1/x?limit=501", PS_E_INVALID, 0 },
        { "/v1/x?limit=-1", PS_E_INVALID, 0 },
        { "/v1/x?limit=", PS_E_INVALID, 0 },
        { "/v1/x?limit=99999999999999999999", PS_E_INVALID, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ps_target target = parsed(rows[i].target);
        struct ps_admin_list list = { .items = NULL };
        enum ps_code code = ps_admin_list_init(&list, &target, NULL);

        cr_expect_eq(code, rows[i].code, "%s", rows[i].target);
        cr_expect_eq(list.max, rows[i].max, "%s", rows[i].target);
        ps_admin_list_clear(&list);
        ps_target_clear(&target);
    }
}

Test(admin_list, is_full_when_there_is_one_more)
{
    struct ps_target target = parsed("/v1/x?limit=2");
    struct ps_admin_list list = { .items = NULL };
    json_t *json = NULL;

    cr_assert_eq(ps_admin_list_init(&list, &target, NULL), PS_OK);

    cr_expect(ps_admin_list_push(&list, json_integer(1)));
    cr_expect(ps_admin_list_push(&list, json_integer(2)));
    cr_expect_not(list.full);
    cr_expect_not(ps_admin_list_push(&list, json_integer(3)));

    cr_expect(list.full);
    cr_assert_eq(ps_admin_list_finish(&list, "numbers", "7-9", &json, NULL), PS_OK);
    cr_expect_eq(json_array_size(json_object_get(json, "numbers")), 2);
    cr_expect_str_eq(json_string_value(json_object_get(json, "next")), "7-9");
    json_decref(json);
    ps_target_clear(&target);
}

Test(admin_list, has_a_null_at_the_end)
{
    struct ps_target target = parsed("/v1/x");
    struct ps_admin_list list = { .items = NULL };
    json_t *json = NULL;

    cr_assert_eq(ps_admin_list_init(&list, &target, NULL), PS_OK);

    cr_assert_eq(ps_admin_list_finish(&list, "numbers", NULL, &json, NULL), PS_OK);

    cr_expect(json_is_null(json_object_get(json, "next")));
    json_decref(json);
    ps_target_clear(&target);
}

Test(admin_list, knows_a_place_when_it_sees_one)
{
    static const struct row {
        const char *target;
        enum ps_code code;
        uint64_t first;
        uint64_t second;
    } rows[] = {
        { "/v1/x", PS_OK, 5, 6 }, /* left alone */
        { "/v1/x?after=12", PS_OK, 12, 6 },
        { "/v1/x?after=12-34", PS_OK, 12, 34 },
        { "/v1/x?after=18446744073709551615-1", PS_OK, UINT64_MAX, 1 },
        { "/v1/x?after=", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=-", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=1-", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=-1", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=1-2-3", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=here", PS_E_INVALID, 0, 0 },
        { "/v1/x?after=00000000000000000000000000000000000000001", PS_E_INVALID, 0, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ps_target target = parsed(rows[i].target);
        uint64_t first = 5;
        uint64_t second = 6;
        enum ps_code code = ps_admin_arg_after(&target, &first, &second, NULL);

        cr_expect_eq(code, rows[i].code, "%s", rows[i].target);
        if (code == PS_OK) {
            cr_expect(first == rows[i].first && second == rows[i].second, "%s", rows[i].target);
        }
        ps_target_clear(&target);
    }
}
