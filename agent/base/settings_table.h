/**
 * settings_table - the rows behind settings.h, for settings*.c only.
 *
 * Flow:    settings.c, settings_yaml.c -> [settings_table]
 * Thread:  any; constant
 * Source:  none
 */
#ifndef PS_BASE_SETTINGS_TABLE_H
#define PS_BASE_SETTINGS_TABLE_H

#include "base/settings.h"

enum ps_setting_type {
    PS_SETTING_TEXT,
    PS_SETTING_LIST, /* YAML list or one text; kept joined by `joint` */
    PS_SETTING_SIZE,
    PS_SETTING_DURATION,
    PS_SETTING_NUMBER,
    PS_SETTING_BOOL,
    PS_SETTING_CHOICE, /* one of `choices`, blank-separated */
};

struct ps_setting {
    const char *name; /* dotted; of stores: the last part only */
    enum ps_setting_type type;
    size_t offset;
    const char *default_text;
    const char *choices;
    char joint;
    const char *help;
};

extern const struct ps_setting ps_settings_rows[];
extern const size_t ps_settings_row_count;
extern const struct ps_setting ps_settings_store_rows[];
extern const size_t ps_settings_store_row_count;

/** Parse value into the field of row in base. On failure the message says what is allowed, without name or place. */
PS_MUST_USE enum ps_code ps_setting_assign(void *base, const struct ps_setting *row,
                                           const char *value, struct ps_err *err);

/** The row of a name, NULL = unknown. */
const struct ps_setting *ps_setting_find(const struct ps_setting *rows, size_t count,
                                         const char *name);

/** True when some setting's name begins with name and a dot. */
bool ps_settings_is_section(const char *name);

/** Add a store of that name with defaults. Errors: PS_E_INVALID (name, too many), PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_settings_add_store(struct ps_settings *settings, const char *name,
                                               struct ps_store_settings **store_out,
                                               struct ps_err *err);

#endif
