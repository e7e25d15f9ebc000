/**
 * workflow_watch_internal - what the files of the watcher share; nobody else includes it.
 *
 * Flow:    workflow_watch.c -> workflow_list.c
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_KUBE_WORKFLOW_WATCH_INTERNAL_H
#define PS_KUBE_WORKFLOW_WATCH_INTERNAL_H

#include "base/buf.h"
#include "kube/json_split.h"
#include "kube/workflow_fetch.h"
#include "kube/workflow_watch.h"

enum scope_state {
    SCOPE_WAITING,
    SCOPE_LISTING,
    SCOPE_WATCHING,
};

struct scope {
    struct ps_workflow_watch *watch;
    char *ns;   /* "" = all */
    char *path; /* of the collection */
    enum scope_state state;
    struct ps_kube_call *call;
    uv_timer_t *timer; /* on the heap, as it outlives the watch until it is closed */
    uint32_t retry_ms; /* 0 = the last try went well */
    bool paused;
    bool has_unread; /* the list so far holds workflows that could not be read */

    struct ps_json_split split;
    struct ps_err failure;  /* of what a callback of split found; code PS_OK = none */
    char *page;             /* the next page's token; NULL = none */
    char *resource_version; /* where the watch goes on; NULL = a list is needed */
    struct ps_buf line;
    uint64_t line_count; /* of this watch */
};

struct ps_workflow_watch {
    uv_loop_t *loop;
    struct ps_kube_client *client;
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_workflow_sink sink;
    struct ps_workflow_fetch *fetch; /* NULL = no Argo server is known */
    uint32_t retry_first_ms;
    bool paused; /* by the sink */
    struct ps_workflow_watch_stats stats;
    struct scope *scopes;
    size_t scope_count;
};

/** What comes next: a list, its next page, or a watch. */
void ps_watch_scope_step(struct scope *scope);
void ps_watch_scope_set_state(struct scope *scope, enum scope_state state);
/** Log it, wait, and begin anew where it stood. */
void ps_watch_scope_fail(struct scope *scope, const struct ps_err *err);
/** 410: the place in time is lost. */
void ps_watch_scope_expired(struct scope *scope);
void ps_watch_scope_forget_place(struct scope *scope);
/** Tell the sink. */
void ps_watch_scope_tell(struct scope *scope, struct ps_watched_workflow *workflow, bool deleted);
/** One that cannot be read is left alone, and said. */
void ps_watch_scope_say_unread(struct scope *scope, const struct ps_err *err);
bool ps_watch_scope_replace_text(char **text, const char *value);
/** PAUSE while the sink wants no more. */
enum ps_push ps_watch_scope_pause_if_full(struct scope *scope);
/** Takes path over; NULL: memory was out when it was made. */
void ps_watch_scope_start_call(struct scope *scope, char *path,
                               enum ps_push (*on_data)(void *user, const char *data,
                                                       size_t size_bytes),
                               void (*on_done)(void *user, const char *text, size_t size_bytes,
                                               const struct ps_err *err),
                               uint32_t stall_timeout_ms);

/* workflow_list.c */
void ps_watch_scope_start_list(struct scope *scope);
/** The callbacks of the scope's split. */
void ps_watch_scope_init_split(struct scope *scope);

#endif
