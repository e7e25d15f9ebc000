#include "serve/plugin_internal.h"

#include "serve/grpc_health.h"
#include "serve/grpc_reflection.h"

#include "artifact.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum {
    IDLE_TURN_MS = 10,
    IDLE_TURNS_MAX = 100
};

static const char service_name[] = "artifact.ArtifactService";

/* --- requests --- */

/* protobuf-c's texts end at their first NUL: what stood behind it would be lost, and another object meant. */
static bool holds_nul(const ProtobufCMessage *message, const uint8_t *data, size_t size_bytes)
{
    return protobuf_c_message_get_packed_size(message) != size_bytes &&
           memchr(data, 0, size_bytes) != NULL;
}

/* False: the call is finished. */
static bool check(struct ps_grpc_call *call, const ProtobufCMessage *message, const uint8_t *data,
                  size_t size_bytes)
{
    if (message == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_INVALID_ARGUMENT, "the message makes no sense");
        return false;
    }
    if (holds_nul(message, data, size_bytes)) {
        ps_grpc_call_finish(call, PS_GRPC_INVALID_ARGUMENT, "a text holds a NUL byte");
        return false;
    }
    return true;
}

static struct ps_plugin_request request_of(enum ps_plugin_kind kind,
                                           const Artifact__Artifact *artifact, const char *path)
{
    struct ps_plugin_request request = { .kind = kind, .path = path, .key = "", .sub_path = "" };

    if (artifact != NULL && artifact->plugin != NULL) {
        request.configuration = artifact->plugin->configuration;
        request.key = artifact->plugin->key;
        request.sub_path = artifact->sub_path;
        request.mode = artifact->mode;
        request.recurse_mode = artifact->recurse_mode;
    }
    return request;
}

static void start(struct ps_plugin *plugin, struct ps_grpc_call *call, enum ps_plugin_kind kind,
                  const Artifact__Artifact *artifact, const char *path)
{
    struct ps_plugin_request request = request_of(kind, artifact, path);

    ps_plugin_task_start(plugin, call, &request);
}

static void on_load(struct ps_grpc_call *call, void *user, const uint8_t *data, size_t size_bytes)
{
    Artifact__LoadArtifactRequest *message =
        artifact__load_artifact_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_LOAD, message->input_artifact, message->path);
    }
    artifact__load_artifact_request__free_unpacked(message, NULL);
}

static void on_save(struct ps_grpc_call *call, void *user, const uint8_t *data, size_t size_bytes)
{
    Artifact__SaveArtifactRequest *message =
        artifact__save_artifact_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_SAVE, message->output_artifact, message->path);
    }
    artifact__save_artifact_request__free_unpacked(message, NULL);
}

static void on_open_stream(struct ps_grpc_call *call, void *user, const uint8_t *data,
                           size_t size_bytes)
{
    Artifact__OpenStreamRequest *message =
        artifact__open_stream_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_STREAM, message->artifact, NULL);
    }
    artifact__open_stream_request__free_unpacked(message, NULL);
}

static void on_delete(struct ps_grpc_call *call, void *user, const uint8_t *data, size_t size_bytes)
{
    Artifact__DeleteArtifactRequest *message =
        artifact__delete_artifact_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_DELETE, message->artifact, NULL);
    }
    artifact__delete_artifact_request__free_unpacked(message, NULL);
}

static void on_list_objects(struct ps_grpc_call *call, void *user, const uint8_t *data,
                            size_t size_bytes)
{
    Artifact__ListObjectsRequest *message =
        artifact__list_objects_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_LIST, message->artifact, NULL);
    }
    artifact__list_objects_request__free_unpacked(message, NULL);
}

static void on_is_directory(struct ps_grpc_call *call, void *user, const uint8_t *data,
                            size_t size_bytes)
{
    Artifact__IsDirectoryRequest *message =
        artifact__is_directory_request__unpack(NULL, size_bytes, data);

    if (check(call, message != NULL ? &message->base : NULL, data, size_bytes)) {
        start(user, call, PS_PLUGIN_IS_DIRECTORY, message->artifact, NULL);
    }
    artifact__is_directory_request__free_unpacked(message, NULL);
}

/* --- the end --- */

static void plugin_free(struct ps_plugin *plugin)
{
    void (*on_stopped)(void *user) = plugin->on_stopped;
    void *user = plugin->user;

    ps_plugin_configs_clear(&plugin->configs);
    free(plugin->methods);
    free(plugin);
    if (on_stopped != NULL) {
        on_stopped(user);
    }
}

static void on_grace_closed(uv_handle_t *handle)
{
    plugin_free(handle->data);
}

static void on_server_stopped(void *user)
{
    struct ps_plugin *plugin = user;

    uv_close((uv_handle_t *)&plugin->grace, on_grace_closed);
}

/* The last answers are still on their way to their clients. */
static void on_idle(uv_timer_t *timer)
{
    struct ps_plugin *plugin = timer->data;

    plugin->idle_turns++;
    if (ps_grpc_server_call_count(plugin->server) == 0 || plugin->idle_turns >= IDLE_TURNS_MAX) {
        (void)uv_timer_stop(timer);
        ps_grpc_server_stop(plugin->server);
    }
}

void ps_plugin_task_gone(struct ps_plugin *plugin)
{
    if (plugin->stopping && plugin->tasks == NULL) {
        (void)uv_timer_start(&plugin->grace, on_idle, 0, IDLE_TURN_MS);
    }
}

static void stop_tasks(struct ps_plugin *plugin)
{
    struct ps_plugin_task *next;

    for (struct ps_plugin_task *task = plugin->tasks; task != NULL; task = next) {
        next = task->next;
        ps_plugin_task_stop(task);
    }
}

static void on_grace_over(uv_timer_t *timer)
{
    struct ps_plugin *plugin = timer->data;

    ps_log(plugin->log, PS_LOG_INFO, "plugin", "stopping what still runs; its parts are kept");
    plugin->grace_is_over = true;
    stop_tasks(plugin);
}

void ps_plugin_stop(struct ps_plugin *plugin)
{
    if (plugin->stopping) {
        return;
    }
    plugin->stopping = true;
    ps_grpc_server_drain(plugin->server);
    (void)uv_timer_start(&plugin->grace, on_grace_over, plugin->grace_ms, 0);
    ps_plugin_task_gone(plugin);
}

/* --- the start --- */

static enum ps_code make_methods(struct ps_plugin *plugin, struct ps_err *err)
{
    const struct ps_grpc_method methods[] = {
        { "/artifact.ArtifactService/Load", false, on_load, plugin },
        { "/artifact.ArtifactService/Save", false, on_save, plugin },
        { "/artifact.ArtifactService/OpenStream", false, on_open_stream, plugin },
        { "/artifact.ArtifactService/Delete", false, on_delete, plugin },
        { "/artifact.ArtifactService/ListObjects", false, on_list_objects, plugin },
        { "/artifact.ArtifactService/IsDirectory", false, on_is_directory, plugin },
        { "/grpc.health.v1.Health/Check", false, ps_grpc_health_check,
          (void *)(uintptr_t)service_name },
        { "/grpc.health.v1.Health/Watch", false, ps_grpc_health_watch,
          (void *)(uintptr_t)service_name },
        { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true,
          ps_grpc_reflection_info, NULL },
        { "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true,
          ps_grpc_reflection_info, NULL },
        { NULL, false, NULL, NULL },
    };

    plugin->methods = malloc(sizeof(methods));
    if (plugin->methods == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    memcpy(plugin->methods, methods, sizeof(methods));
    return PS_OK;
}

static enum ps_code start_server(struct ps_plugin *plugin, const struct ps_plugin_options *options,
                                 struct ps_err *err)
{
    struct ps_grpc_server_options server = {
        .loop = options->loop,
        .clock = options->clock,
        .log = options->log,
        .listen = options->listen,
        .stall_timeout_ms = options->stall_timeout_ms,
        .on_stopped = on_server_stopped,
        .user = plugin,
    };
    enum ps_code code = make_methods(plugin, err);

    server.methods = plugin->methods;
    return code == PS_OK ? ps_grpc_server_start(&plugin->server, &server, err) : code;
}

enum ps_code ps_plugin_start(struct ps_plugin **plugin_out, const struct ps_plugin_options *options,
                             struct ps_err *err)
{
    struct ps_plugin *plugin = calloc(1, sizeof(*plugin));
    enum ps_code code;

    if (plugin == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    plugin->loop = options->loop;
    plugin->decider = options->decider;
    plugin->policy_digest = options->policy_digest;
    plugin->clock = options->clock;
    plugin->log = options->log;
    plugin->open_state = options->open_state;
    plugin->open_state_user = options->open_state_user;
    plugin->grace_ms = options->grace_ms;
    plugin->on_stopped = options->on_stopped;
    plugin->user = options->user;
    plugin->configs.factory = options->factory;
    plugin->configs.loader = options->policy_loader;
    plugin->tasks_end = &plugin->tasks;
    code = start_server(plugin, options, err);
    if (code != PS_OK) {
        free(plugin->methods);
        free(plugin);
        return code;
    }
    (void)uv_timer_init(plugin->loop, &plugin->grace);
    plugin->grace.data = plugin;
    *plugin_out = plugin;
    return PS_OK;
}

int ps_plugin_port(const struct ps_plugin *plugin)
{
    return ps_grpc_server_port(plugin->server);
}
