#include "transfer/job.h"

static void on_run(uv_work_t *work)
{
    struct ps_job *job = work->data;

    job->run(job);
}

static void on_done(uv_work_t *work, int status)
{
    struct ps_job *job = work->data;

    (void)status; /* nobody calls uv_cancel */
    job->done(job);
}

void ps_job_start(struct ps_job *job, uv_loop_t *loop, void *user, void (*run)(struct ps_job *job),
                  void (*done)(struct ps_job *job))
{
    job->user = user;
    job->run = run;
    job->done = done;
    job->code = PS_OK;
    ps_err_clear(&job->err);
    job->work.data = job;
    (void)uv_queue_work(loop, &job->work, on_run, on_done); /* fails only without a function */
}
