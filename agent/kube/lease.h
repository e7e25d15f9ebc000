/**
 * lease - one leader among several agents, by a Lease object that the leader renews.
 *
 * Flow:    kube_client.h -> [lease] -> cli/watch_records.h
 * Thread:  the loop thread
 * Source:  coordination.k8s.io/v1 Lease; the leader election of Kubernetes' own controllers
 *
 *   state      what holds                                                     next
 *   FOLLOWING  somebody else leads, or nobody yet; looked at every 2 s        LEADING (free, or not renewed for 15 s)
 *   LEADING    we do; renewed every 5 s                                       FOLLOWING (taken, or not renewed for 10 s)
 *
 * Whether another's lease has run out is told by our own clock since we saw it change, never by the time written in
 * it: clocks of machines differ. The API server refuses a write based on an old version, so that two cannot take it.
 */
#ifndef PS_KUBE_LEASE_H
#define PS_KUBE_LEASE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "kube/kube_client.h"

#include <stdbool.h>
#include <uv.h>

struct ps_lease;

struct ps_lease_options {
    uv_loop_t *loop;
    struct ps_kube_client *client;
    const struct ps_clock *clock;
    const struct ps_log *log;
    const char *name;     /* of the Lease, in the client's namespace */
    const char *identity; /* of this agent; copied */
    uint32_t duration_ms; /* 0 = 15,000; renewed at a third, given up at two thirds */
    /** We lead from now on, or no longer. */
    void (*on_change)(void *user, bool leads);
    void *user;
};

/** Start as a follower. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_lease_start(struct ps_lease **lease_out,
                                        const struct ps_lease_options *options, struct ps_err *err);

bool ps_lease_leads(const struct ps_lease *lease);

/** No callback comes any more. The lease itself runs out: another one leads within its duration. NULL is allowed. */
void ps_lease_free(struct ps_lease *lease);

#endif
