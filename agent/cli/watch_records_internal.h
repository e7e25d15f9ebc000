/**
 * watch_records_internal - what the files of the watcher's records share; nobody else includes it.
 *
 * Flow:    watch_records.c -> watch_sink.c
 * Thread:  the loop thread, but for what is the worker's
 * Source:  none
 */
#ifndef PS_CLI_WATCH_RECORDS_INTERNAL_H
#define PS_CLI_WATCH_RECORDS_INTERNAL_H

#include "cli/watch_records.h"
#include "cli/watch_write.h"
#include "kube/lease.h"
#include "transfer/job.h"

/**
 * A batch is one commit. Lower: more flushes of the disk. Higher: memory, as parsed workflows wait in it: about ten
 * times their text.
 */
#define PS_WATCH_BATCH_COUNT_MAX 256
#define PS_WATCH_BATCH_ARTIFACTS_MAX 4096

/** What still comes after the watcher was asked to pause: 16 KiB a namespace, in which a workflow takes 200 bytes. */
#define PS_WATCH_ITEMS_ROOM 6000

/** What comes within this time goes into one commit. */
#define PS_WATCH_GATHER_MS 200

/* A namespace's list under way: since which turn of `seen`. */
struct ps_watch_list_place {
    char *ns;
    uint64_t turn;
    bool ended; /* waits for the worker to look what is gone */
};

struct ps_watch_records {
    uv_loop_t *loop;
    const struct ps_settings *settings;
    const struct ps_clock *clock;
    const struct ps_log *log;
    ps_getenv_fn getenv;
    void *getenv_user;
    struct ps_state *state;
    void (*on_recorded)(void *user);
    void *user;
    void (*on_stopped)(void *user);
    void *stopped_user;
    bool stopping;

    struct ps_kube_client *client;
    struct ps_lease *lease;
    struct ps_workflow_watch *watch; /* NULL while another agent leads */
    uv_timer_t *timer;               /* on the heap, as it outlives us until it is closed */

    struct {
        struct ps_watch_item items[PS_WATCH_ITEMS_ROOM];
        size_t count;
        size_t noted_count; /* those before are noted in seen */
        size_t artifact_count;
        struct ps_watch_seen seen; /* read by the worker while it looks for what is gone */
        struct ps_watch_list_place lists[PS_WATCH_NAMESPACES_MAX];
        size_t list_count;
        bool paused;
        struct ps_watch_records_stats stats;
    } loop_only;

    struct ps_job job; /* while it runs, the fields below are the worker's */
    bool writing;
    struct {
        struct ps_watch_item items[PS_WATCH_ITEMS_ROOM];
        struct ps_watch_batch batch;
        struct ps_watch_list_place *list; /* to look for what is gone; NULL = a batch */
        uint64_t list_turn;
        uint64_t absent_count;
    } worker_only;
};

/** Where the watcher tells workflows and lists (watch_sink.c). */
struct ps_workflow_sink ps_watch_records_sink(struct ps_watch_records *records);

/** Give the worker what is next, when it has nothing to do. */
void ps_watch_records_write_next(struct ps_watch_records *records);

/** The same, a while later. */
void ps_watch_records_write_later(struct ps_watch_records *records, uint64_t wait_ms);

#endif
