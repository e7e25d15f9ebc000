#include "lua/policy_set.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/str.h"
#include "lua/policy_internal.h"
#include "lua/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ps_hook_name(enum ps_hook hook)
{
    static const char *const names[PS_HOOK_COUNT] = {
        [PS_HOOK_UPLOAD] = "upload",     [PS_HOOK_PART_SIZE] = "part_size",
        [PS_HOOK_RETRY] = "retry",       [PS_HOOK_RECLAIM] = "reclaim",
        [PS_HOOK_DOWNLOAD] = "download", [PS_HOOK_LIFECYCLE] = "lifecycle",
    };

    return names[hook];
}

/* --- finding --- */

static int by_file_name(const void *left, const void *right)
{
    const struct policy *a = left;
    const struct policy *b = right;

    int order = strcmp(a->file_name, b->file_name);

    if (order != 0) {
        return order; /* of one name, the masked come before the one that masks them */
    }
    return (a->dir_index > b->dir_index) - (a->dir_index < b->dir_index);
}

/* Files of that name in earlier directories are masked by the one at path. */
static enum ps_code mask(struct ps_policy_set *set, const char *name, const char *path,
                         struct ps_err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        struct policy *other = &set->policies[i];

        if (other->masked_by == NULL && strcmp(other->file_name, name) == 0) {
            other->masked_by = ps_strdup(path);
            if (other->masked_by == NULL) {
                return ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");
            }
        }
    }
    return PS_OK;
}

static enum ps_code add_file(struct ps_policy_set *set, size_t dir_index, const char *dir,
                             const char *name, struct ps_err *err)
{
    struct policy *policy;
    char *path;

    if (set->count == PS_POLICY_FILES_MAX) {
        return ps_err_set(err, PS_E_INVALID, "%s: more than %d policy files", dir,
                          PS_POLICY_FILES_MAX);
    }
    path = ps_str_format("%s/%s", dir, name);
    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");
    }
    if (mask(set, name, path, err) != PS_OK) {
        free(path);
        return PS_E_NO_MEMORY;
    }
    policy = &set->policies[set->count++];
    memset(policy, 0, sizeof(*policy));
    policy->path = path;
    policy->file_name = strrchr(path, '/') + 1;
    policy->dir_index = dir_index;
    for (size_t i = 0; i < PS_HOOK_COUNT; i++) {
        policy->refs[i] = LUA_NOREF;
    }
    return PS_OK;
}

static enum ps_code find_files(struct ps_policy_set *set, size_t dir_index, const char *dir_path,
                               struct ps_err *err)
{
    DIR *dir = opendir(dir_path);
    const struct dirent *entry;
    enum ps_code code = PS_OK;

    if (dir == NULL) {
        return errno == ENOENT ? PS_OK : ps_err_set_errno(err, errno, "policies %s", dir_path);
    }
    do {
        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            code = ps_err_set_errno(err, errno, "policies %s", dir_path);
        } else if (entry != NULL && entry->d_name[0] != '.' &&
                   ps_str_has_suffix(entry->d_name, ".lua")) {
            code = add_file(set, dir_index, dir_path, entry->d_name, err);
        }
    } while (entry != NULL && code == PS_OK);
    (void)closedir(dir);
    return code;
}

static enum ps_code read_file(struct policy *policy, struct ps_err *err)
{
    FILE *file = fopen(policy->path, "re");
    struct ps_buf text;
    char chunk[4096];
    size_t got_bytes;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "policy %s", policy->path);
    }
    ps_buf_init(&text, PS_POLICY_FILE_SIZE_MAX);
    do {
        got_bytes = fread(chunk, 1, sizeof(chunk), file);
        code = ps_buf_append(&text, chunk, got_bytes, err);
    } while (code == PS_OK && got_bytes == sizeof(chunk));
    if (code == PS_E_TOO_LARGE) {
        code = ps_err_set(err, PS_E_INVALID, "%s:1: larger than %zu bytes: no policy", policy->path,
                          PS_POLICY_FILE_SIZE_MAX);
    } else if (code == PS_OK && ferror(file) != 0) {
        code = ps_err_set_errno(err, errno, "policy %s", policy->path);
    }
    (void)fclose(file); /* only read */
    policy->text_size_bytes = text.size_bytes;
    policy->text = ps_buf_steal(&text);
    return code;
}

/* --- loading --- */

static int open_sandbox(lua_State *lua)
{
    ps_sandbox_open(lua);
    return 0;
}

static enum ps_code check_name(const struct ps_policy_set *set, const struct policy *policy,
                               struct ps_err *err)
{
    for (const struct policy *other = set->policies; other < policy; other++) {
        if (other->masked_by == NULL && strcmp(other->name, policy->name) == 0) {
            return ps_err_set(err, PS_E_INVALID, "%s:%d: name '%s' is that of %s too", policy->path,
                              ps_policy_line_of_name(policy), policy->name, other->path);
        }
    }
    return PS_OK;
}

static enum ps_code load_files(struct ps_policy_set *set, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < set->count && code == PS_OK; i++) {
        struct policy *policy = &set->policies[i];

        if (policy->masked_by != NULL) {
            continue;
        }
        code = read_file(policy, err);
        if (code == PS_OK) {
            code = ps_policy_load(set, policy, err);
        }
        if (code == PS_OK) {
            code = check_name(set, policy, err);
        }
    }
    return code;
}

/* Name, zero byte, size in 8 bytes little-endian, contents: no two sets give the same bytes. */
static enum ps_code append_policy(struct ps_buf *all, const struct policy *policy,
                                  struct ps_err *err)
{
    uint8_t size[8];
    enum ps_code code = ps_buf_append(all, policy->file_name, strlen(policy->file_name) + 1, err);

    for (unsigned i = 0; i < sizeof(size); i++) {
        size[i] = (uint8_t)((uint64_t)policy->text_size_bytes >> (8 * i));
    }
    if (code == PS_OK) {
        code = ps_buf_append(all, size, sizeof(size), err);
    }
    return code == PS_OK ? ps_buf_append(all, policy->text, policy->text_size_bytes, err) : code;
}

static enum ps_code make_digest(struct ps_policy_set *set, ps_digest_fn digest, struct ps_err *err)
{
    struct ps_buf all;
    uint8_t hash[32];
    enum ps_code code = PS_OK;

    if (set->count == 0 || digest == NULL) {
        return PS_OK;
    }
    ps_buf_init(&all, PS_POLICY_FILES_MAX * (PS_POLICY_FILE_SIZE_MAX + 300));
    for (size_t i = 0; i < set->count && code == PS_OK; i++) {
        if (set->policies[i].masked_by == NULL) {
            code = append_policy(&all, &set->policies[i], err);
        }
    }
    if (code == PS_OK) {
        digest(all.data, all.size_bytes, hash);
        (void)ps_hex_encode(hash, 8, set->digest);
    }
    ps_buf_clear(&all);
    return code;
}

static enum ps_code find_one(struct ps_policy_set *set, const char *path, struct ps_err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash != NULL ? ps_strndup(path, (size_t)(slash - path)) : ps_strdup(".");
    enum ps_code code = dir != NULL ? add_file(set, 0, dir, slash != NULL ? slash + 1 : path, err)
                                    : ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");

    free(dir);
    return code;
}

enum ps_code ps_policy_set_load(struct ps_policy_set **set_out,
                                const struct ps_policy_options *options, struct ps_err *err)
{
    struct ps_policy_set *set = calloc(1, sizeof(*set));
    enum ps_code code = PS_OK;

    if (set == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "policies: out of memory");
    }
    set->log = options->log;
    if (options->only_file != NULL) {
        code = find_one(set, options->only_file, err);
    }
    for (size_t i = 0; options->only_file == NULL && i < options->dir_count && code == PS_OK; i++) {
        code = find_files(set, i, options->dirs[i], err);
    }
    qsort(set->policies, set->count, sizeof(set->policies[0]), by_file_name);
    if (code == PS_OK && set->count > 0) {
        code = ps_lua_host_init(&set->host, &options->limits, options->clock, options->log, err);
    }
    if (code == PS_OK && set->count > 0) {
        code = ps_lua_protect(&set->host, open_sandbox, NULL, err);
    }
    if (code == PS_OK) {
        code = load_files(set, err);
    }
    if (code == PS_OK) {
        code = make_digest(set, options->digest, err);
    }
    if (code != PS_OK) {
        ps_policy_set_free(set);
        return code;
    }
    *set_out = set;
    return PS_OK;
}

void ps_policy_set_free(struct ps_policy_set *set)
{
    if (set == NULL) {
        return;
    }
    ps_lua_host_clear(&set->host);
    for (size_t i = 0; i < set->count; i++) {
        free(set->policies[i].path);
        free(set->policies[i].masked_by);
        free(set->policies[i].text);
    }
    free(set);
}

void ps_policy_set_each(const struct ps_policy_set *set,
                        void (*each)(void *user, const struct ps_policy_info *info), void *user)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct policy *policy = &set->policies[i];
        struct ps_policy_info info = {
            .name = policy->name,
            .path = policy->path,
            .masked_by = policy->masked_by,
            .size_bytes = policy->text_size_bytes,
            .fault_count = policy->fault_count,
            .last_fault = policy->last_fault,
        };

        for (size_t hook = 0; hook < PS_HOOK_COUNT; hook++) {
            info.hooks[hook] = policy->refs[hook] != LUA_NOREF;
        }
        each(user, &info);
    }
}

const char *ps_policy_set_digest(const struct ps_policy_set *set)
{
    return set->digest;
}
