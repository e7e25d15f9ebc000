#include "base/settings.h"

#include "base/settings_table.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/purser/purser.yaml"
#define SYSTEM_STATE_DIR "/var/lib/purser"

static enum ps_code assign_defaults(void *base, const struct ps_setting *rows, size_t count,
                                    struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = ps_setting_assign(base, &rows[i], rows[i].default_text, err);
    }
    return code;
}

enum ps_code ps_settings_init(struct ps_settings *settings, struct ps_err *err)
{
    memset(settings, 0, sizeof(*settings));
    return assign_defaults(settings, ps_settings_rows, ps_settings_row_count, err);
}

static void free_texts(void *base, const struct ps_setting *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type == PS_SETTING_TEXT || rows[i].type == PS_SETTING_LIST ||
            rows[i].type == PS_SETTING_CHOICE) {
            char **text = (char **)(void *)((char *)base + rows[i].offset);

            free(*text);
            *text = NULL;
        }
    }
}

void ps_settings_clear(struct ps_settings *settings)
{
    free_texts(settings, ps_settings_rows, ps_settings_row_count);
    for (size_t i = 0; i < settings->store_count; i++) {
        free(settings->stores[i].name);
        free_texts(&settings->stores[i], ps_settings_store_rows, ps_settings_store_row_count);
    }
    settings->store_count = 0;
}

static bool is_store_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_') {
            return false;
        }
    }
    return name[0] != '\0';
}

enum ps_code ps_settings_add_store(struct ps_settings *settings, const char *name,
                                   struct ps_store_settings **store_out, struct ps_err *err)
{
    struct ps_store_settings *store = &settings->stores[settings->store_count];
    enum ps_code code;

    if (!is_store_name(name)) {
        return ps_err_set(err, PS_E_INVALID, "a store's name has letters, digits, - and _ only");
    }
    if (settings->store_count == PS_SETTINGS_STORES_MAX) {
        return ps_err_set(err, PS_E_INVALID, "more than %d stores", PS_SETTINGS_STORES_MAX);
    }
    memset(store, 0, sizeof(*store));
    store->name = ps_strdup(name);
    if (store->name == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    settings->store_count++;
    code = assign_defaults(store, ps_settings_store_rows, ps_settings_store_row_count, err);
    if (code == PS_OK) {
        *store_out = store;
    }
    return code;
}

enum ps_code ps_settings_set(struct ps_settings *settings, const char *name, const char *value,
                             const char *origin, struct ps_err *err)
{
    const struct ps_setting *row = ps_setting_find(ps_settings_rows, ps_settings_row_count, name);
    enum ps_code code;

    if (row == NULL) {
        return ps_err_set(err, PS_E_INVALID, "%s: unknown setting `%s`", origin, name);
    }
    code = ps_setting_assign(settings, row, value, err);
    return code == PS_OK ? PS_OK : ps_err_wrap(err, code, "%s", origin);
}

/* "log.level" is PURSER_LOG_LEVEL. */
static void env_name(const char *setting, char *name, size_t name_size_bytes)
{
    (void)snprintf(name, name_size_bytes, "PURSER_%s", setting);
    for (char *c = name; *c != '\0'; c++) {
        *c = (char)(*c == '.' ? '_' : toupper((unsigned char)*c));
    }
}

static enum ps_code read_env(struct ps_settings *settings, ps_getenv_fn getenv_fn,
                             void *getenv_user, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < ps_settings_row_count && code == PS_OK; i++) {
        char name[64];
        const char *value;

        env_name(ps_settings_rows[i].name, name, sizeof(name));
        value = getenv_fn(getenv_user, name);
        if (value != NULL && value[0] != '\0') {
            code = ps_settings_set(settings, ps_settings_rows[i].name, value, name, err);
        }
    }
    return code;
}

enum ps_code ps_settings_load(struct ps_settings *settings, const char *config_path,
                              ps_getenv_fn getenv_fn, void *getenv_user, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (access(SYSTEM_FILE, F_OK) == 0) {
        code = ps_settings_read_file(settings, SYSTEM_FILE, err);
    }
    if (config_path == NULL) {
        config_path = getenv_fn(getenv_user, "PURSER_CONFIG");
    }
    if (code == PS_OK && config_path != NULL && config_path[0] != '\0') {
        code = ps_settings_read_file(settings, config_path, err);
    }
    return code == PS_OK ? read_env(settings, getenv_fn, getenv_user, err) : code;
}

/* Below the help, or further left where they would go over the 80 columns. */
static void print_choices(FILE *file, const char *choices)
{
    size_t length = strlen(choices);
    size_t indent = length > 44 && length < 79 ? 79 - length : 35;

    (void)fprintf(file, "%*s%s\n", (int)indent, "", choices);
}

static void describe_rows(FILE *file, const char *prefix, const struct ps_setting *rows,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "%s%s: %s", prefix, rows[i].name,
                       rows[i].default_text[0] != '\0' ? rows[i].default_text : "''");
        (void)fprintf(file, "  %-32s %s\n", left, rows[i].help);
        if (rows[i].choices[0] != '\0') {
            print_choices(file, rows[i].choices);
        }
    }
}

void ps_settings_describe(FILE *file)
{
    (void)fprintf(file,
                  "Settings (YAML; a dot stands for nesting), with their defaults.\n"
                  "%s < $PURSER_CONFIG or --config < variables < flags.\n"
                  "log.level is PURSER_LOG_LEVEL.\n",
                  SYSTEM_FILE);
    describe_rows(file, "", ps_settings_rows, ps_settings_row_count);
    describe_rows(file, "stores.NAME.", ps_settings_store_rows, ps_settings_store_row_count);
}

const struct ps_store_settings *ps_settings_store(const struct ps_settings *settings,
                                                  const char *name)
{
    for (size_t i = 0; i < settings->store_count; i++) {
        if (strcmp(settings->stores[i].name, name) == 0) {
            return &settings->stores[i];
        }
    }
    return NULL;
}

static size_t length_without_slashes(const char *url)
{
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    return length;
}

const struct ps_store_settings *ps_settings_store_of_url(const struct ps_settings *settings,
                                                         const char *url)
{
    const struct ps_store_settings *best = NULL;
    size_t best_length = 0;

    for (size_t i = 0; i < settings->store_count; i++) {
        const char *root = settings->stores[i].url;
        size_t length = length_without_slashes(root);

        if (length > best_length && strncmp(url, root, length) == 0 &&
            (url[length] == '/' || url[length] == '\0')) {
            best = &settings->stores[i];
            best_length = length;
        }
    }
    return best;
}

/* --- the state directory --- */

static bool is_usable_dir(const char *dir)
{
    if (access(dir, W_OK | X_OK) == 0) {
        return true;
    }
    return errno == ENOENT && access("/var/lib", W_OK | X_OK) == 0;
}

enum ps_code ps_settings_state_dir(const struct ps_settings *settings, ps_getenv_fn getenv_fn,
                                   void *getenv_user, char **dir_out, struct ps_err *err)
{
    const char *base = getenv_fn(getenv_user, "XDG_STATE_HOME");
    const char *home = getenv_fn(getenv_user, "HOME");
    char *dir;

    if (settings->state_dir[0] != '\0') {
        dir = ps_strdup(settings->state_dir);
    } else if (is_usable_dir(SYSTEM_STATE_DIR)) {
        dir = ps_strdup(SYSTEM_STATE_DIR);
    } else if (base != NULL && base[0] == '/') {
        dir = ps_str_format("%s/purser", base);
    } else if (home != NULL && home[0] == '/') {
        dir = ps_str_format("%s/.local/state/purser", home);
    } else {
        return ps_err_set(err, PS_E_INVALID,
                          "no place for the state: /var/lib/purser is not writable and HOME is not "
                          "set: give --state-dir");
    }
    if (dir == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    *dir_out = dir;
    return PS_OK;
}
