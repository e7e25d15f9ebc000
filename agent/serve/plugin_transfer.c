#include "serve/plugin_internal.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Load and Save. */

/* --- load --- */

static void log_done(const struct ps_plugin_task *task, const char *what, uint64_t size_bytes,
                     uint64_t resumed_bytes, bool verified)
{
    char size[16];
    char resumed[16];

    ps_log(task->plugin->log, PS_LOG_INFO, "plugin", "%s: %s, %s, %s of them from an earlier try%s",
           task->url, what, ps_size_format(size_bytes, size, sizeof(size)),
           ps_size_format(resumed_bytes, resumed, sizeof(resumed)), verified ? ", verified" : "");
}

static void on_loaded(void *user, const struct ps_download_result *result, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_err mode_err;

    task->download = NULL;
    if (err != NULL && err->code == PS_E_NOT_FOUND) {
        ps_plugin_tree_load(task); /* a directory, perhaps */
        return;
    }
    if (err == NULL) {
        log_done(task, "loaded", result->size_bytes, result->resumed_bytes, result->verified);
        err = ps_plugin_set_mode(task->path, task->mode, false, &mode_err) != PS_OK ? &mode_err
                                                                                    : NULL;
    }
    ps_plugin_task_end(task, err);
}

enum ps_code ps_plugin_start_download(
    const struct ps_plugin_task *task, const struct ps_plugin_file *file,
    void (*on_done)(void *user, const struct ps_download_result *result, const struct ps_err *err),
    void *user, struct ps_download **download_out, struct ps_err *err)
{
    const struct ps_plugin *plugin = task->plugin;
    const struct ps_download_options options = {
        .loop = plugin->loop,
        .store = task->config->open.store,
        .key = file->key,
        .url = file->url,
        .path = file->path,
        .clock = plugin->clock,
        .log = plugin->log,
        .open_state = plugin->open_state,
        .open_state_user = plugin->open_state_user,
        .concurrency = task->config->says.concurrency,
        .on_done = on_done,
        .user = user,
    };

    return ps_download_start(download_out, &options, err);
}

void ps_plugin_load(struct ps_plugin_task *task)
{
    const struct ps_plugin_file file = { task->key, task->url, task->path };
    struct ps_err err;

    if (ps_plugin_start_download(task, &file, on_loaded, task, &task->download, &err) != PS_OK) {
        ps_plugin_task_end(task, &err);
    }
}

/* --- save --- */

static void on_saved(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct ps_plugin_task *task = user;

    task->upload = NULL;
    if (err == NULL) {
        log_done(task, "saved", result->size_bytes, result->resumed_bytes, true);
    }
    ps_plugin_task_end(task, err);
}

enum ps_code ps_plugin_start_upload(
    const struct ps_plugin_task *task, const struct ps_plugin_file *file,
    void (*on_done)(void *user, const struct ps_upload_result *result, const struct ps_err *err),
    void *user, struct ps_upload **upload_out, struct ps_err *err)
{
    const struct ps_plugin *plugin = task->plugin;
    const struct ps_upload_options options = {
        .loop = plugin->loop,
        .store = task->config->open.store,
        .key = file->key,
        .url = file->url,
        .store_name = task->config->open.name,
        .bucket = task->config->open.bucket,
        .source_path = file->path,
        .stream_fd = -1,
        .decider = ps_plugin_decider(task),
        .policy_digest = task->config->policies.set != NULL ? task->config->policies.digest
                                                            : plugin->policy_digest,
        .clock = plugin->clock,
        .log = plugin->log,
        .open_state = plugin->open_state,
        .open_state_user = plugin->open_state_user,
        .wishes = { .part_size_bytes = task->config->says.part_size_bytes,
                    .concurrency = task->config->says.concurrency },
        .on_done = on_done,
        .user = user,
    };

    return ps_upload_start(upload_out, &options, err);
}

void ps_plugin_save(struct ps_plugin_task *task)
{
    const struct ps_plugin_file file = { task->key, task->url, task->path };
    struct stat status;
    struct ps_err err;

    if (stat(task->path, &status) == 0 && S_ISDIR(status.st_mode)) {
        ps_plugin_tree_save(task);
    } else if (ps_plugin_start_upload(task, &file, on_saved, task, &task->upload, &err) != PS_OK) {
        ps_plugin_task_end(task, &err);
    }
}
