#include "serve/plugin_internal.h"

#include "base/str.h"

#include "artifact.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* --- answers --- */

/* proto3 text is UTF-8 and clients refuse what is not; a key's or a store's bytes may be anything. */
static void make_ascii(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e) {
            *text = '?';
        }
    }
}

static void answer_done(struct ps_grpc_call *call, enum ps_plugin_kind kind, char *error)
{
    Artifact__LoadArtifactResponse load;
    Artifact__SaveArtifactResponse save;
    Artifact__DeleteArtifactResponse remove;

    switch (kind) {
    case PS_PLUGIN_LOAD:
        artifact__load_artifact_response__init(&load);
        load.success = error[0] == '\0';
        load.error = error;
        ps_grpc_call_answer(call, &load.base);
        return;
    case PS_PLUGIN_SAVE:
        artifact__save_artifact_response__init(&save);
        save.success = error[0] == '\0';
        save.error = error;
        ps_grpc_call_answer(call, &save.base);
        return;
    case PS_PLUGIN_DELETE:
        artifact__delete_artifact_response__init(&remove);
        remove.success = error[0] == '\0';
        remove.error = error;
        ps_grpc_call_answer(call, &remove.base);
        return;
    case PS_PLUGIN_STREAM:
    case PS_PLUGIN_LIST:
    case PS_PLUGIN_IS_DIRECTORY:
        break;
    }
}

static void answer_stream(struct ps_grpc_call *call, char *error)
{
    Artifact__OpenStreamResponse response;

    artifact__open_stream_response__init(&response);
    response.is_end = error[0] == '\0';
    response.error = error;
    ps_grpc_call_answer(call, &response.base);
}

static void answer_is_directory(struct ps_grpc_call *call, bool found, char *error)
{
    Artifact__IsDirectoryResponse response;

    artifact__is_directory_response__init(&response);
    response.is_directory = error[0] == '\0' && found;
    response.error = error;
    ps_grpc_call_answer(call, &response.base);
}

static void answer_list(struct ps_grpc_call *call, const struct ps_plugin_task *task, char *error)
{
    Artifact__ListObjectsResponse response;
    size_t count = error[0] == '\0' && task != NULL ? task->name_count : 0;
    char **objects = calloc(count + 1, sizeof(*objects));
    char *at = count > 0 ? task->names.data : NULL;

    if (objects == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        objects[i] = at;
        at += strlen(at) + 1;
    }
    artifact__list_objects_response__init(&response);
    response.n_objects = count;
    response.objects = objects;
    response.error = error;
    ps_grpc_call_answer(call, &response.base);
    free(objects);
}

static void answer(struct ps_grpc_call *call, enum ps_plugin_kind kind,
                   const struct ps_plugin_task *task, const struct ps_err *err)
{
    char error[sizeof(err->message)] = "";

    ps_str_copy(error, sizeof(error), err != NULL ? err->message : "");
    make_ascii(error);
    switch (kind) {
    case PS_PLUGIN_LOAD:
    case PS_PLUGIN_SAVE:
    case PS_PLUGIN_DELETE:
        answer_done(call, kind, error);
        return;
    case PS_PLUGIN_STREAM:
        answer_stream(call, error);
        return;
    case PS_PLUGIN_LIST:
        answer_list(call, task, error);
        return;
    case PS_PLUGIN_IS_DIRECTORY:
        answer_is_directory(call, task != NULL && task->found, error);
        return;
    }
}

/* --- life --- */

static void task_free(struct ps_plugin_task *task)
{
    struct ps_plugin *plugin = task->plugin;

    if (task->link != NULL) {
        *task->link = task->next;
        if (task->next != NULL) {
            task->next->link = task->link;
        } else {
            plugin->tasks_end = task->link;
        }
    }
    ps_plugin_stream_free(task);
    ps_plugin_tree_free(task);
    ps_store_cancel(task->op);
    ps_plugin_delete_free(task);
    ps_plugin_config_release(&plugin->configs, task->config);
    ps_buf_clear(&task->names);
    free(task->dir_key);
    free(task->key);
    free(task->url);
    free(task->path);
    free(task);
}

const struct ps_decider *ps_plugin_decider(const struct ps_plugin_task *task)
{
    const struct ps_plugin_policies *own = &task->config->policies;

    return own->set != NULL ? own->decider : task->plugin->decider;
}

void ps_plugin_task_end(struct ps_plugin_task *task, const struct ps_err *err)
{
    struct ps_plugin *plugin = task->plugin;
    struct ps_grpc_call *call = task->call;

    if (err != NULL) {
        ps_log(plugin->log, PS_LOG_WARN, "plugin", "%s: %s", task->url, err->message);
    }
    task->call = NULL;
    if (call != NULL) {
        answer(call, task->kind, task, err);
    }
    task_free(task);
    ps_plugin_run_queue(plugin);
    ps_plugin_task_gone(plugin);
}

void ps_plugin_task_stop(struct ps_plugin_task *task)
{
    struct ps_err err;

    if (task->tree != NULL) {
        ps_plugin_tree_stop(task);
        return;
    }
    if (task->upload != NULL) {
        ps_upload_stop(task->upload);
        return;
    }
    if (task->download != NULL) {
        ps_download_stop(task->download);
        return;
    }
    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: purser is stopping: try again", task->url);
    ps_plugin_task_end(task, task->call != NULL ? &err : NULL);
}

static void on_client_gone(void *user)
{
    struct ps_plugin_task *task = user;

    task->call = NULL;
    ps_plugin_task_stop(task);
}

/* --- the queue --- */

static bool is_transfer(const struct ps_plugin_task *task)
{
    return task->kind == PS_PLUGIN_LOAD || task->kind == PS_PLUGIN_SAVE;
}

/* Two saves of one object, or loads to one file, would share a checkpoint: one after the other. */
static bool has_same_target(const struct ps_plugin_task *a, const struct ps_plugin_task *b)
{
    return a->kind == b->kind && is_transfer(a) &&
           (a->kind == PS_PLUGIN_SAVE ? strcmp(a->url, b->url) == 0
                                      : strcmp(a->path, b->path) == 0);
}

static bool may_run(const struct ps_plugin_task *task)
{
    size_t running_count = 0;

    if (!is_transfer(task)) {
        return true;
    }
    for (const struct ps_plugin_task *other = task->plugin->tasks; other != NULL;
         other = other->next) {
        if (other != task && other->running && is_transfer(other)) {
            running_count++;
            if (has_same_target(task, other)) {
                return false;
            }
        }
    }
    return running_count < PS_PLUGIN_TRANSFERS_MAX;
}

static void run(struct ps_plugin_task *task)
{
    task->running = true;
    switch (task->kind) {
    case PS_PLUGIN_LOAD:
        ps_plugin_load(task);
        return;
    case PS_PLUGIN_SAVE:
        ps_plugin_save(task);
        return;
    case PS_PLUGIN_STREAM:
        ps_plugin_stream(task);
        return;
    case PS_PLUGIN_DELETE:
        ps_plugin_delete(task);
        return;
    case PS_PLUGIN_LIST:
        ps_plugin_list(task);
        return;
    case PS_PLUGIN_IS_DIRECTORY:
        ps_plugin_is_directory(task);
        return;
    }
}

static struct ps_plugin_task *next_to_run(struct ps_plugin *plugin)
{
    for (struct ps_plugin_task *task = plugin->tasks; task != NULL; task = task->next) {
        if (!task->running && may_run(task)) {
            return task;
        }
    }
    return NULL;
}

/* A start that fails ends its task, which comes back here: the loop that started it goes on. */
void ps_plugin_run_queue(struct ps_plugin *plugin)
{
    struct ps_plugin_task *task;

    if (plugin->grace_is_over || plugin->in_queue) {
        return;
    }
    plugin->in_queue = true;
    for (task = next_to_run(plugin); task != NULL; task = next_to_run(plugin)) {
        run(task);
    }
    plugin->in_queue = false;
}

/* --- the start --- */

static size_t count_streams(const struct ps_plugin *plugin)
{
    size_t count = 0;

    for (const struct ps_plugin_task *task = plugin->tasks; task != NULL; task = task->next) {
        count += task->kind == PS_PLUGIN_STREAM ? 1 : 0;
    }
    return count;
}

static enum ps_code check_path(const struct ps_plugin_request *request, struct ps_err *err)
{
    if (request->path != NULL && request->path[0] != '/') {
        return ps_err_set(err, PS_E_INVALID, "path '%s': an absolute one is wanted", request->path);
    }
    return PS_OK;
}

static enum ps_code fill(struct ps_plugin_task *task, const struct ps_plugin_request *request,
                         struct ps_err *err)
{
    enum ps_code code = check_path(request, err);

    if (code == PS_OK && request->configuration == NULL) {
        code = ps_err_set(err, PS_E_INVALID, "the artifact names no plugin");
    }
    if (code == PS_OK) {
        code = ps_plugin_config_get(&task->plugin->configs, request->configuration, &task->config,
                                    err);
    }
    if (code == PS_OK) {
        code = ps_plugin_config_key(task->config, request->key, request->sub_path, &task->key,
                                    &task->url, err);
    }
    if (code == PS_OK && request->path != NULL) {
        task->path = ps_strdup(request->path);
        code = task->path != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    return code;
}

static void link_in(struct ps_plugin_task *task)
{
    struct ps_plugin *plugin = task->plugin;

    task->link = plugin->tasks_end;
    *plugin->tasks_end = task;
    plugin->tasks_end = &task->next;
}

void ps_plugin_task_start(struct ps_plugin *plugin, struct ps_grpc_call *call,
                          const struct ps_plugin_request *request)
{
    struct ps_plugin_task *task = calloc(1, sizeof(*task));
    struct ps_grpc_watch watch = { .on_end = on_client_gone, .user = task };
    struct ps_err err;

    if (task == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    task->plugin = plugin;
    task->kind = request->kind;
    task->mode = request->mode;
    task->recurse_mode = request->recurse_mode;
    if (fill(task, request, &err) != PS_OK) {
        ps_log(plugin->log, PS_LOG_WARN, "plugin", "%s", err.message);
        answer(call, request->kind, NULL, &err);
        task_free(task);
        return;
    }
    if (task->kind == PS_PLUGIN_STREAM && count_streams(plugin) >= PS_PLUGIN_STREAMS_MAX &&
        !ps_plugin_stream_make_room(plugin)) {
        ps_grpc_call_finish(call, PS_GRPC_RESOURCE_EXHAUSTED, "too many streams are open");
        task_free(task);
        return;
    }
    task->call = call;
    ps_grpc_call_watch(call, &watch);
    link_in(task);
    ps_plugin_run_queue(plugin);
}
