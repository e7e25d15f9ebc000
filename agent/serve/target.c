#include "serve/target.h"

#include "base/encode.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static bool has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* A component "." or "..": no key needs one, and some stores are directories. */
static bool has_dots(const char *path)
{
    for (const char *at = path; at != NULL; at = strchr(at + 1, '/')) {
        size_t length = strcspn(at + 1, "/");

        if ((length == 1 && at[1] == '.') || (length == 2 && at[1] == '.' && at[2] == '.')) {
            return true;
        }
    }
    return false;
}

/* absolute-form "http://host/path" is what proxies send: the host is nobody's here. */
static const char *skip_authority(const char *raw)
{
    const char *scheme_end = strstr(raw, "://");

    if (raw[0] == '/' || scheme_end == NULL) {
        return raw;
    }
    return scheme_end + 3 + strcspn(scheme_end + 3, "/?");
}

static enum ps_code take_args(struct ps_target *target, char *query, struct ps_err *err)
{
    char *save = NULL;

    for (char *arg = strtok_r(query, "&", &save); arg != NULL; arg = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(arg, '=');

        if (target->arg_count == PS_TARGET_ARGS_MAX) {
            return ps_err_set(err, PS_E_INVALID, "more than %d query arguments",
                              PS_TARGET_ARGS_MAX);
        }
        if (equals != NULL) {
            *equals = '\0';
        }
        if (!ps_uri_decode(arg, true) || (equals != NULL && !ps_uri_decode(equals + 1, true))) {
            return ps_err_set(err, PS_E_INVALID, "the query is badly percent-encoded");
        }
        target->names[target->arg_count] = arg;
        target->values[target->arg_count++] = equals != NULL ? equals + 1 : "";
    }
    return PS_OK;
}

static enum ps_code check_path(char *path, struct ps_err *err)
{
    if (!ps_uri_decode(path, false)) {
        return ps_err_set(err, PS_E_INVALID, "the path is badly percent-encoded");
    }
    if (has_control(path)) {
        return ps_err_set(err, PS_E_INVALID, "the path has control characters");
    }
    if (has_dots(path)) {
        return ps_err_set(err, PS_E_INVALID, "the path has a component '.' or '..'");
    }
    return PS_OK;
}

enum ps_code ps_target_parse(const char *raw, struct ps_target *target_out, struct ps_err *err)
{
    struct ps_target target = { 0 };
    const char *start = skip_authority(raw);
    size_t path_length = strcspn(start, "?#");
    enum ps_code code = PS_OK;

    if (has_control(raw) || (start[0] != '/' && start[0] != '\0' && start[0] != '?') ||
        strchr(raw, '#') != NULL || (start == raw && raw[0] != '/')) {
        return ps_err_set(err, PS_E_INVALID, "the request's target is no path");
    }
    target.path = path_length > 0 ? ps_strndup(start, path_length) : ps_strdup("/");
    target.text = ps_strdup(start[path_length] == '?' ? start + path_length + 1 : "");
    if (target.path == NULL || target.text == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (code == PS_OK) {
        code = check_path(target.path, err);
    }
    if (code == PS_OK) {
        code = take_args(&target, target.text, err);
    }
    if (code != PS_OK) {
        ps_target_clear(&target);
        return code;
    }
    *target_out = target;
    return PS_OK;
}

void ps_target_clear(struct ps_target *target)
{
    free(target->path);
    free(target->text);
    memset(target, 0, sizeof(*target));
}

const char *ps_target_arg(const struct ps_target *target, const char *name)
{
    for (size_t i = 0; i < target->arg_count; i++) {
        if (strcmp(target->names[i], name) == 0) {
            return target->values[i];
        }
    }
    return NULL;
}

bool ps_target_artifact(const struct ps_target *target, char *name, size_t name_size_bytes,
                        const char **key_out)
{
    const char *start = target->path + strlen("/a/");
    size_t length;

    if (!ps_str_has_prefix(target->path, "/a/")) {
        return false;
    }
    length = strcspn(start, "/");
    if (length == 0 || length >= name_size_bytes) {
        return false;
    }
    memcpy(name, start, length);
    name[length] = '\0';
    *key_out = start[length] == '/' ? start + length + 1 : start + length;
    return true;
}
