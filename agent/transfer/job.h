/**
 * job - one piece of blocking work on a worker thread, then a call on the loop.
 *
 * Flow:    transfer/upload.h, transfer/download.h -> [job] -> libuv's thread pool
 * Thread:  start and done on the loop, run on a worker; the owner touches the job's data in between from neither
 * Source:  libuv uv_queue_work
 */
#ifndef PS_TRANSFER_JOB_H
#define PS_TRANSFER_JOB_H

#include "base/err.h"

#include <uv.h>

/** Part of its owner, which must live until done was called. A job cannot fail: its result is code and err. */
struct ps_job {
    uv_work_t work;
    void *user;
    void (*run)(struct ps_job *job);  /* sets code and err */
    void (*done)(struct ps_job *job); /* always called, once */
    enum ps_code code;
    struct ps_err err;
};

/** Start it. user, run and done are set by this call; code and err start as PS_OK. */
void ps_job_start(struct ps_job *job, uv_loop_t *loop, void *user, void (*run)(struct ps_job *job),
                  void (*done)(struct ps_job *job));

#endif
