/**
 * workflow_watch - all Workflows of a cluster (or of some namespaces): a list, then a watch, for ever.
 *
 * Flow:    kube_client.h -> json_split.h, workflow_parse.h -> [workflow_watch] -> a sink (cli/watch_records.h)
 * Thread:  the loop thread
 * Source:  Kubernetes API concepts: efficient detection of changes, bookmarks, 410 Gone
 *
 * For each namespace, or for all in one:
 *
 *   state     what the sink knows on entry                       next
 *   WAITING   whatever it did                                    LISTING
 *   LISTING   the same; list_begun was called                    WATCHING | WAITING (an error, an expired page)
 *   WATCHING  every workflow as it was at a resourceVersion      WATCHING (the server ended it) | WAITING
 *
 * A watch goes on at the last version it saw. When that has expired (410), or the agent was away, the list begins
 * anew, and what was known and is not in it was deleted meanwhile: the sink is told where a whole list begins and ends.
 */
#ifndef PS_KUBE_WORKFLOW_WATCH_H
#define PS_KUBE_WORKFLOW_WATCH_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "kube/kube_client.h"
#include "kube/workflow_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/** Workflows asked for in one answer. Lower: more requests. Higher: a page is likelier to expire while it is read. */
#define PS_WATCH_PAGE_COUNT 500

/** Most namespaces; each has a connection of its own. More: watch all in one. */
#define PS_WATCH_NAMESPACES_MAX 64

/** Who is told. Calls come in order; each is borrowed for the call. */
struct ps_workflow_sink {
    void *user;
    /**
     * A workflow as it stands, or (deleted) as it last stood; it may be moved away, and be left zeroed. False: no more
     * please, until ps_workflow_watch_resume; what is read already comes all the same, a few at most.
     */
    bool (*workflow)(void *user, struct ps_watched_workflow *workflow, bool deleted);
    /** A whole list of a namespace ("" = all) begins; one that was not ended by listed is void. */
    void (*list_begun)(void *user, const char *ns);
    /**
     * The list ends. whole: every workflow that is there was told since list_begun, so one that was not is gone. Else
     * some could not be read: nothing can be said of what was not told.
     */
    void (*listed)(void *user, const char *ns, bool whole);
};

struct ps_workflow_watch_options {
    uv_loop_t *loop;
    struct ps_kube_client *client;
    const struct ps_clock *clock;
    const struct ps_log *log;
    const char *namespaces; /* comma-separated; "" = all */
    const char
        *argo_server; /* has the nodes that are in Argo's database; NULL or "" = there is none */
    struct ps_workflow_sink sink;
    uint32_t retry_first_ms; /* 0 = 1,000; doubled to 30,000 */
};

struct ps_workflow_watch;

/** Start; all borrowed until ps_workflow_watch_free. Errors: PS_E_INVALID (too many namespaces, no URL),
 * PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_workflow_watch_start(struct ps_workflow_watch **watch_out,
                                                 const struct ps_workflow_watch_options *options,
                                                 struct ps_err *err);

/** After the sink said false. */
void ps_workflow_watch_resume(struct ps_workflow_watch *watch);

struct ps_workflow_watch_stats {
    uint64_t list_count;     /* whole lists */
    uint64_t workflow_count; /* told, deletions not among them */
    uint64_t deleted_count;
    uint64_t bookmark_count;
    uint64_t expired_count; /* 410 */
    uint64_t error_count;
    uint64_t fetched_count; /* from the Argo server */
    uint64_t unread_count;  /* workflows that could not be parsed: nothing is done with them */
    bool is_watching;       /* every namespace was listed and is watched */
};
void ps_workflow_watch_stats(const struct ps_workflow_watch *watch,
                             struct ps_workflow_watch_stats *stats_out);

/** No callback comes any more; the loop must run once more. NULL is allowed. */
void ps_workflow_watch_free(struct ps_workflow_watch *watch);

#endif
