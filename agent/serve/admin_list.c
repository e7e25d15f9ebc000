#include "serve/admin_list.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum ps_code ps_admin_arg_number(const struct ps_target *target, const char *name,
                                 int64_t *value_out, struct ps_err *err)
{
    const char *text = ps_target_arg(target, name);
    uint64_t value = 0;

    if (text == NULL) {
        return PS_OK;
    }
    if (!ps_u64_parse(text, &value) || value > INT64_MAX) {
        return ps_err_set(err, PS_E_INVALID, "%s='%.64s': a number is wanted", name, text);
    }
    *value_out = (int64_t)value;
    return PS_OK;
}

enum ps_code ps_admin_arg_after(const struct ps_target *target, uint64_t *first_out,
                                uint64_t *second_out, struct ps_err *err)
{
    const char *text = ps_target_arg(target, "after");
    const char *dash = text != NULL ? strchr(text, '-') : NULL;
    size_t length = dash != NULL ? (size_t)(dash - text) : text != NULL ? strlen(text) : 0;
    char first[32];

    if (text == NULL) {
        return PS_OK;
    }
    if (length >= sizeof(first)) {
        return ps_err_set(err, PS_E_INVALID, "after=: is not the `next` of a page");
    }
    memcpy(first, text, length);
    first[length] = '\0';
    if (!ps_u64_parse(first, first_out) || (dash != NULL && !ps_u64_parse(dash + 1, second_out))) {
        return ps_err_set(err, PS_E_INVALID, "after=: is not the `next` of a page");
    }
    return PS_OK;
}

enum ps_code ps_admin_list_init(struct ps_admin_list *list, const struct ps_target *target,
                                struct ps_err *err)
{
    int64_t limit = PS_ADMIN_PAGE_MAX;
    enum ps_code code = ps_admin_arg_number(target, "limit", &limit, err);

    if (code != PS_OK) {
        return code;
    }
    if (limit < 1 || limit > PS_ADMIN_PAGE_MAX) {
        return ps_err_set(err, PS_E_INVALID, "limit=: write 1 to %d", PS_ADMIN_PAGE_MAX);
    }
    *list = (struct ps_admin_list){ .items = json_array(), .max = (size_t)limit };
    return list->items != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

enum ps_code ps_admin_list_init_at(struct ps_admin_list *list, const struct ps_target *target,
                                   struct ps_err *err)
{
    uint64_t skip_count = 0;
    uint64_t none = 0;
    enum ps_code code = ps_admin_arg_after(target, &skip_count, &none, err);

    if (code == PS_OK) {
        code = ps_admin_list_init(list, target, err);
        list->skip_count = skip_count;
    }
    return code;
}

void ps_admin_list_clear(struct ps_admin_list *list)
{
    json_decref(list->items);
    list->items = NULL;
}

bool ps_admin_list_passes(struct ps_admin_list *list)
{
    bool passes = list->count < list->skip_count;

    list->count += passes ? 1 : 0;
    return passes;
}

bool ps_admin_list_push(struct ps_admin_list *list, json_t *item)
{
    list->full = json_array_size(list->items) == list->max;
    if (list->full) {
        json_decref(item);
        return false;
    }
    list->no_memory = json_array_append_new(list->items, item) != 0;
    list->count += list->no_memory ? 0 : 1;
    return !list->no_memory;
}

enum ps_code ps_admin_list_finish_at(struct ps_admin_list *list, const char *name,
                                     json_t **json_out, struct ps_err *err)
{
    char next[32];

    (void)snprintf(next, sizeof(next), "%" PRIu64, list->count);
    return ps_admin_list_finish(list, name, list->full ? next : NULL, json_out, err);
}

enum ps_code ps_admin_list_finish(struct ps_admin_list *list, const char *name, const char *next,
                                  json_t **json_out, struct ps_err *err)
{
    json_t *json = list->no_memory ? NULL
                                   : json_pack("{s:O, s:o}", name, list->items, "next",
                                               next != NULL ? json_string(next) : json_null());

    ps_admin_list_clear(list);
    if (json == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    *json_out = json;
    return PS_OK;
}
