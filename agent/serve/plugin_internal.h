/**
 * plugin_internal - what the files of the artifact plugin share; nobody else includes it.
 *
 * Flow:    plugin.c -> plugin_task.c -> plugin_transfer.c, plugin_stream.c, plugin_keys.c
 * Thread:  the loop thread
 * Source:  none
 *
 * A task is one call of a client's. It lives until its work has ended, which may be after the call has: an upload whose
 * client is gone is stopped, and its parts are made durable first.
 *
 *   state     what it waits for                                          next
 *   QUEUED    a slot (transfers only); another one with the same target  RUNNING | gone
 *   RUNNING   its operation                                              gone
 */
#ifndef PS_SERVE_PLUGIN_INTERNAL_H
#define PS_SERVE_PLUGIN_INTERNAL_H

#include "base/buf.h"
#include "hash/checksum.h"
#include "serve/grpc_server.h"
#include "serve/plugin.h"
#include "serve/plugin_config.h"
#include "transfer/download.h"
#include "transfer/upload.h"

/**
 * Loads and saves at once; each has parts of its own under way. Lower: a pod with many small artifacts waits. Higher:
 * memory and connections; a step seldom has more.
 */
#define PS_PLUGIN_TRANSFERS_MAX 16

/**
 * Streams at once. A reader that stopped holds one, until the stall timeout or until another one needs its place.
 * Lower: argo-server's users wait. Higher: each holds a store connection and up to half a MiB.
 */
#define PS_PLUGIN_STREAMS_MAX 128

enum ps_plugin_kind {
    PS_PLUGIN_LOAD,
    PS_PLUGIN_SAVE,
    PS_PLUGIN_STREAM,
    PS_PLUGIN_DELETE,
    PS_PLUGIN_LIST,
    PS_PLUGIN_IS_DIRECTORY,
};

struct ps_plugin_stream; /* plugin_stream.c */
struct ps_plugin_tree;   /* plugin_tree.c */
struct ps_plugin_delete; /* plugin_delete.c */

struct ps_plugin_task {
    struct ps_plugin *plugin;
    struct ps_plugin_task *next;
    struct ps_plugin_task **link;
    enum ps_plugin_kind kind;
    struct ps_grpc_call *call; /* NULL: the client is gone */
    bool running;
    struct ps_plugin_config *config;
    char *key;    /* in the store */
    char *url;    /* for people and checkpoints */
    char *path;   /* local; NULL where there is none */
    int32_t mode; /* 0 = as it comes */
    bool recurse_mode;

    struct ps_upload *upload;
    struct ps_download *download;
    struct ps_store_op *op;
    struct ps_plugin_stream *stream;
    struct ps_plugin_tree *tree;
    struct ps_plugin_delete *removal;

    /* lists: what was found so far */
    struct ps_buf names; /* each with its NUL; relative to the configuration's prefix */
    size_t name_count;
    bool found;    /* something with this key, or below it */
    char *dir_key; /* the key and '/' */
};

struct ps_plugin {
    uv_loop_t *loop;
    const struct ps_decider *decider;
    const char *policy_digest;
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    uint64_t grace_ms;
    void (*on_stopped)(void *user);
    void *user;

    struct ps_grpc_server *server;
    struct ps_grpc_method *methods;
    struct ps_plugin_configs configs;
    struct ps_plugin_task *tasks; /* the oldest first */
    struct ps_plugin_task **tasks_end;
    bool in_queue; /* starting tasks: a task that ends meanwhile starts none */
    bool stopping;
    bool grace_is_over;
    unsigned idle_turns; /* since the last task was gone, while stopping */
    uv_timer_t grace;
};

/** The fields of a request that a task is made of; text is borrowed. */
struct ps_plugin_request {
    enum ps_plugin_kind kind;
    const char *configuration; /* NULL = no plugin in the artifact */
    const char *key;
    const char *sub_path;
    const char *path;
    int32_t mode;
    bool recurse_mode;
};

/** Make the task and start or queue it; on an error the call is answered. */
void ps_plugin_task_start(struct ps_plugin *plugin, struct ps_grpc_call *call,
                          const struct ps_plugin_request *request);

/** The work has ended: answer (err NULL = success), free, and start what waited. The task is gone. */
void ps_plugin_task_end(struct ps_plugin_task *task, const struct ps_err *err);

/** Stop a task whose client is gone, or that the plugin's end cuts off. It ends later, or at once. */
void ps_plugin_task_stop(struct ps_plugin_task *task);

/** Start what waits for a slot. */
void ps_plugin_run_queue(struct ps_plugin *plugin);

/** Tell the plugin that a task is gone: it may be waiting for the last one. */
void ps_plugin_task_gone(struct ps_plugin *plugin);

/* Each starts its operation; an error ends the task. */
void ps_plugin_load(struct ps_plugin_task *task);
void ps_plugin_save(struct ps_plugin_task *task);
void ps_plugin_stream(struct ps_plugin_task *task);
void ps_plugin_delete(struct ps_plugin_task *task);
void ps_plugin_list(struct ps_plugin_task *task);
void ps_plugin_is_directory(struct ps_plugin_task *task);
void ps_plugin_delete_free(struct ps_plugin_task *task);

/**
 * List the keys below the task's own: its key and a '/' are the prefix of wanted, so that a/b does not find a/bc. The
 * operation is task->op. False and *err: nothing was started.
 */
bool ps_plugin_start_list(struct ps_plugin_task *task, const struct ps_list_request *wanted,
                          ps_store_list_fn on_page, struct ps_err *err);

/** Who answers for the task: the policies of its configuration, else those of the process. */
const struct ps_decider *ps_plugin_decider(const struct ps_plugin_task *task);

/**
 * Set the mode of path, with recurse also of all below it, as Argo does: exactly, and the same for directories. Links
 * are left alone. mode 0: nothing is done. With recurse it is work for a worker. Errors: those of chmod(2).
 */
PS_MUST_USE enum ps_code ps_plugin_set_mode(const char *path, int32_t mode, bool recurse,
                                            struct ps_err *err);

/** The path is a directory; nothing was found at the key, and perhaps below it. */
void ps_plugin_tree_save(struct ps_plugin_task *task);
void ps_plugin_tree_load(struct ps_plugin_task *task);
/** The task ends when its files have. */
void ps_plugin_tree_stop(struct ps_plugin_task *task);
void ps_plugin_tree_free(struct ps_plugin_task *task);

/** One file of a transfer; borrowed for the start. */
struct ps_plugin_file {
    const char *key;
    const char *url;
    const char *path;
};

/** A transfer of the task's configuration. Errors: those of ps_upload_start and ps_download_start. */
PS_MUST_USE enum ps_code ps_plugin_start_upload(
    const struct ps_plugin_task *task, const struct ps_plugin_file *file,
    void (*on_done)(void *user, const struct ps_upload_result *result, const struct ps_err *err),
    void *user, struct ps_upload **upload_out, struct ps_err *err);
PS_MUST_USE enum ps_code ps_plugin_start_download(
    const struct ps_plugin_task *task, const struct ps_plugin_file *file,
    void (*on_done)(void *user, const struct ps_download_result *result, const struct ps_err *err),
    void *user, struct ps_download **download_out, struct ps_err *err);

/** End the stream whose client has taken nothing for longest, when that is a while. False = all are alive. */
bool ps_plugin_stream_make_room(struct ps_plugin *plugin);

/** Free what the stream holds and cancel its operation. */
void ps_plugin_stream_free(struct ps_plugin_task *task);

#endif
