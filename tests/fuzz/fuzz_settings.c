/* settings: any bytes as YAML. What is refused says where; what is accepted is within the types, and reads again to
 * the same. */
#include "base/settings.h"

#include "base/settings_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH "f.yaml"

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_refusal(enum ps_code code, const struct ps_err *err)
{
    require(err->code == code);
    require(code == PS_E_INVALID || code == PS_E_TOO_LARGE || code == PS_E_NO_MEMORY);
    require(err->message[0] != '\0');
    require(code != PS_E_INVALID || strncmp(err->message, PATH ":", strlen(PATH ":")) == 0);
}

static int is_text(const struct ps_setting *row)
{
    return row->type == PS_SETTING_TEXT || row->type == PS_SETTING_LIST ||
           row->type == PS_SETTING_CHOICE;
}

static const char *text_at(const void *base, const struct ps_setting *row)
{
    const char *text = NULL;

    memcpy(&text, (const char *)base + row->offset, sizeof(text));
    return text;
}

static int is_choice(const struct ps_setting *row, const char *text)
{
    const char *at = strstr(row->choices, text);

    return text[0] != '\0' && strchr(text, ' ') == NULL && at != NULL;
}

/* Texts are there, choices are of their list, and all of it is the same in both. */
static void compare(const void *one, const void *two, const struct ps_setting *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct ps_setting *row = &rows[i];

        if (is_text(row)) {
            require(text_at(one, row) != NULL);
            require(strcmp(text_at(one, row), text_at(two, row)) == 0);
            require(row->type != PS_SETTING_CHOICE || is_choice(row, text_at(one, row)));
        } else {
            size_t size = row->type == PS_SETTING_BOOL     ? sizeof(bool)
                          : row->type == PS_SETTING_NUMBER ? sizeof(uint32_t)
                                                           : sizeof(uint64_t);

            require(memcmp((const char *)one + row->offset, (const char *)two + row->offset,
                           size) == 0);
        }
    }
}

static void check_stores(const struct ps_settings *one, const struct ps_settings *two)
{
    require(one->store_count == two->store_count && one->store_count <= PS_SETTINGS_STORES_MAX);
    for (size_t i = 0; i < one->store_count; i++) {
        const struct ps_store_settings *store = &one->stores[i];

        compare(store, &two->stores[i], ps_settings_store_rows, ps_settings_store_row_count);
        require(ps_settings_store(one, store->name) == store);
        require(strcmp(store->name, two->stores[i].name) == 0);
        (void)ps_settings_store_of_url(one, store->url);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ps_settings settings;
    static struct ps_settings again;
    struct ps_err err = { .code = PS_OK };
    enum ps_code code;

    require(ps_settings_init(&settings, NULL) == PS_OK && ps_settings_init(&again, NULL) == PS_OK);
    code = ps_settings_read_text(&settings, (const char *)data, size, PATH, &err);
    if (code != PS_OK) {
        check_refusal(code, &err);
    } else {
        require(ps_settings_read_text(&again, (const char *)data, size, PATH, NULL) == PS_OK);
        compare(&settings, &again, ps_settings_rows, ps_settings_row_count);
        check_stores(&settings, &again);
        /* A file on top of itself changes nothing. */
        require(ps_settings_read_text(&settings, (const char *)data, size, PATH, NULL) == PS_OK);
        compare(&settings, &again, ps_settings_rows, ps_settings_row_count);
        check_stores(&settings, &again);
    }
    ps_settings_clear(&settings);
    ps_settings_clear(&again);
    return 0;
}
