#include "serve/plugin_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* ListObjects and IsDirectory: what lies at a key and below it. */

/**
 * Names of one answer. gRPC clients refuse messages over 4 MiB unless told otherwise, and Argo's is not.
 */
#define NAMES_BYTES_MAX ((size_t)63 * 64 * 1024) /* 64 KiB are left for the rest of it */

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        int more = *at < 0x80 ? 0 : *at >= 0xc2 && *at < 0xe0 ? 1 : (*at & 0xf0) == 0xe0 ? 2 : 3;

        if ((*at >= 0x80 && *at < 0xc2) || *at > 0xf4 || (*at == 0xe0 && at[1] < 0xa0) ||
            (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
            (*at == 0xf4 && at[1] > 0x8f)) {
            return false;
        }
        for (at++; more > 0; more--, at++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

bool ps_plugin_start_list(struct ps_plugin_task *task, const struct ps_list_request *wanted,
                          ps_store_list_fn on_page, struct ps_err *err)
{
    struct ps_list_request request = *wanted;

    if (task->dir_key == NULL) {
        task->dir_key = ps_str_format("%s/", task->key);
    }
    if (task->dir_key == NULL) {
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return false;
    }
    request.prefix = task->dir_key;
    task->op = ps_store_list(task->config->open.store, &request, on_page, task, err);
    return task->op != NULL;
}

/* --- is it a directory? --- */

static void on_first_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                          const struct ps_err *err)
{
    struct ps_plugin_task *task = user;

    (void)objects;
    if (more) { /* one page says it */
        ps_store_cancel(task->op);
    }
    task->op = NULL;
    task->found = count > 0;
    ps_plugin_task_end(task, err);
}

void ps_plugin_is_directory(struct ps_plugin_task *task)
{
    const struct ps_list_request request = { .page_size = 1 };
    struct ps_err err;

    if (!ps_plugin_start_list(task, &request, on_first_page, &err)) {
        ps_plugin_task_end(task, &err);
    }
}

/* --- list --- */

static enum ps_code keep_name(struct ps_plugin_task *task, const char *key, struct ps_err *err)
{
    const char *name = key + strlen(task->config->open.key);
    enum ps_code code;

    if (!is_utf8(name)) {
        return ps_err_set(err, PS_E_INVALID, "%s: a key below it is not UTF-8, which gRPC asks for",
                          task->url);
    }
    code = ps_buf_append(&task->names, name, strlen(name) + 1, err);
    if (code == PS_E_TOO_LARGE) {
        return ps_err_set(err, code, "%s: more keys below it than a gRPC answer can hold (4 MiB)",
                          task->url);
    }
    task->name_count += code == PS_OK ? 1 : 0;
    return code;
}

static void on_listed_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;

    (void)info;
    task->op = NULL;
    if (err == NULL) { /* an object: it is its own list, as in Argo's S3 driver an empty one */
        ps_plugin_task_end(task, NULL);
        return;
    }
    own = *err;
    ps_store_name_missing(&own, task->url);
    ps_plugin_task_end(task, &own);
}

static void on_list_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                         const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err own;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = keep_name(task, objects[i].key, &own);
    }
    if (err == NULL && code == PS_OK && more) {
        return;
    }
    if (code != PS_OK && more) {
        ps_store_cancel(task->op);
    }
    task->op = NULL;
    if (err == NULL && code == PS_OK && task->name_count == 0) {
        task->op = ps_store_head(task->config->open.store, task->key, on_listed_head, task, &own);
        if (task->op != NULL) {
            return;
        }
        code = own.code;
    }
    ps_plugin_task_end(task, code != PS_OK ? &own : err);
}

void ps_plugin_list(struct ps_plugin_task *task)
{
    const struct ps_list_request request = { .page_size = 0 };
    struct ps_err err;

    ps_buf_init(&task->names, NAMES_BYTES_MAX);
    if (!ps_plugin_start_list(task, &request, on_list_page, &err)) {
        ps_plugin_task_end(task, &err);
    }
}
