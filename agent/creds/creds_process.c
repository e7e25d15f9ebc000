#include "creds/creds_process.h"

#include "base/buf.h"
#include "base/str.h"
#include "creds/creds_env.h"
#include "creds/creds_fetch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/** A person may have to touch a key. Lower: they are too slow. Higher: a program that hangs is noticed late. */
#define TIMEOUT_MS ((uint64_t)60 * 1000)

/* One run. It outlives the provider until its handles are closed. */
struct run {
    struct process_provider *provider; /* NULL = nobody waits any more */
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t timer;
    unsigned open_count;
    bool exited;
    bool output_ended;
    bool timed_out;
    int64_t exit_status;
    int term_signal;
    enum ps_code code; /* of reading */
    struct ps_buf text;
    char chunk[4096];
};

struct process_provider {
    struct ps_creds_provider base;
    const struct ps_creds_context *context;
    char *command;
    const struct ps_creds_json *names;
    struct run *run;
    ps_creds_reply_fn reply;
    void *user;
};

/* --- life of a run --- */

static void run_free(struct run *run)
{
    if (run->text.data != NULL) {
        explicit_bzero(run->text.data, run->text.capacity_bytes);
    }
    explicit_bzero(run->chunk, sizeof(run->chunk));
    ps_buf_clear(&run->text);
    free(run);
}

static void on_close(uv_handle_t *handle)
{
    struct run *run = handle->data;

    if (--run->open_count == 0) {
        run_free(run);
    }
}

/* The shell leads a group of its own: what it has started ends with it, unless that has left the group. */
static void end_group(const struct run *run)
{
    if (!run->exited ||
        !run->output_ended) { /* else nobody is known to be left, and the number may be another's */
        (void)uv_kill(-uv_process_get_pid(&run->process), SIGKILL);
    }
}

static void run_close(struct run *run)
{
    uv_handle_t *const handles[] = { (uv_handle_t *)&run->process, (uv_handle_t *)&run->output,
                                     (uv_handle_t *)&run->timer };

    run->provider = NULL;
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        if (!uv_is_closing(handles[i])) {
            uv_close(handles[i], on_close);
        }
    }
}

/* --- the end --- */

static enum ps_code judge(const struct run *run, struct ps_creds *creds, struct ps_err *err)
{
    if (run->timed_out) {
        return ps_err_set(err, PS_E_TEMPORARY, "it did not end in %d s", (int)(TIMEOUT_MS / 1000));
    }
    if (run->code != PS_OK) {
        return ps_err_set(err, run->code, "it prints more than %zu bytes",
                          PS_CREDS_ANSWER_MAX_BYTES);
    }
    if (run->term_signal != 0) {
        return ps_err_set(err, PS_E_DENIED, "it was ended by signal %d", run->term_signal);
    }
    if (run->exit_status != 0) {
        return ps_err_set(err, PS_E_DENIED, "it ended with status %d", (int)run->exit_status);
    }
    return ps_creds_answer_json(ps_buf_peek(&run->text), run->text.size_bytes, run->provider->names,
                                creds, err);
}

static void finish(struct run *run)
{
    struct process_provider *provider = run->provider;
    struct ps_creds creds = { 0 };
    struct ps_err err;
    enum ps_code code = judge(run, &creds, &err);

    run_close(run);
    provider->run = NULL;
    if (code != PS_OK) {
        (void)ps_err_wrap(&err, code, "credential_process");
        provider->reply(provider->user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    ps_str_copy(creds.source, sizeof(creds.source), "credential_process");
    provider->reply(provider->user, PS_CREDS_FOUND, &creds, NULL);
}

static void finish_when_done(struct run *run)
{
    if (run->provider != NULL && run->exited && run->output_ended) {
        finish(run);
    }
}

/* --- events --- */

static void on_exit_of_program(uv_process_t *process, int64_t exit_status, int term_signal)
{
    struct run *run = process->data;

    run->exited = true;
    run->exit_status = exit_status;
    run->term_signal = term_signal;
    finish_when_done(run);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct run *run = handle->data;

    (void)suggested;
    *buf = uv_buf_init(run->chunk, sizeof(run->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct run *run = stream->data;

    if (got > 0) {
        if (run->code == PS_OK) {
            run->code = ps_buf_append(&run->text, buf->base, (size_t)got, NULL);
        }
        return;
    }
    if (got < 0) {
        (void)uv_read_stop(stream);
        run->output_ended = true;
        finish_when_done(run);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct run *run = timer->data;

    /* A child that has left the group may hold the pipe open: its end is not waited for. */
    end_group(run);
    run->timed_out = true;
    run->output_ended = true;
    finish_when_done(run);
}

/* --- looking --- */

static struct run *run_new(struct process_provider *provider)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL) {
        return NULL;
    }
    run->provider = provider;
    ps_buf_init(&run->text, PS_CREDS_ANSWER_MAX_BYTES);
    run->process.data = run;
    run->output.data = run;
    run->timer.data = run;
    (void)uv_pipe_init(provider->context->loop, &run->output, 0);
    (void)uv_timer_init(provider->context->loop, &run->timer);
    run->open_count = 3;
    return run;
}

static int spawn(struct run *run, char *command)
{
    char shell[] = "/bin/sh";
    char flag[] = "-c";
    char *args[] = { shell, flag, command, NULL };
    uv_stdio_container_t stdio[3] = {
        { .flags = UV_IGNORE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->output },
        { .flags = UV_INHERIT_FD, .data.fd = 2 },
    };
    const uv_process_options_t options = {
        .exit_cb = on_exit_of_program,
        .flags = UV_PROCESS_DETACHED, /* setsid: libuv knows no other way to a group */
        .file = shell,
        .args = args,
        .stdio = stdio,
        .stdio_count = 3,
    };
    /* The handle is initialised by uv_spawn, also when that fails: it must be closed either way. */
    int result = uv_spawn(run->provider->context->loop, &run->process, &options);

    if (result == 0) {
        result = uv_read_start((uv_stream_t *)&run->output, give_room, on_read);
    }
    return result;
}

static void look(struct ps_creds_provider *base, ps_creds_reply_fn reply_fn, void *user)
{
    struct process_provider *provider = (struct process_provider *)base;
    struct ps_err err;
    int result;

    provider->reply = reply_fn;
    provider->user = user;
    provider->run = provider->context->loop != NULL ? run_new(provider) : NULL;
    if (provider->run == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "credential_process: no loop, or out of memory");
        reply_fn(user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    result = spawn(provider->run, provider->command);
    if (result != 0) {
        run_close(provider->run);
        provider->run = NULL;
        (void)ps_err_set(&err, PS_E_IO, "credential_process: %s", uv_strerror(result));
        reply_fn(user, PS_CREDS_FAILED, NULL, &err);
        return;
    }
    (void)uv_timer_start(&provider->run->timer, on_timeout, TIMEOUT_MS, 0);
}

static void process_free(struct ps_creds_provider *base)
{
    struct process_provider *provider = (struct process_provider *)base;

    if (provider->run != NULL) {
        end_group(provider->run);
        run_close(provider->run);
    }
    free(provider->command);
    free(provider);
}

enum ps_code ps_creds_process_new(struct ps_creds_provider **provider_out,
                                  const struct ps_creds_context *context, const char *command,
                                  const struct ps_creds_json *names, struct ps_err *err)
{
    struct process_provider *provider;

    if (ps_creds_env_get(context->getenv, context->getenv_user, "PURSER_NO_CREDENTIAL_PROCESS") !=
        NULL) {
        return ps_err_set(err, PS_E_DENIED,
                          "credential_process: no program is run (PURSER_NO_CREDENTIAL_PROCESS)");
    }
    provider = calloc(1, sizeof(*provider));
    if (provider != NULL) {
        provider->base.look = look;
        provider->base.free = process_free;
        provider->context = context;
        provider->names = names;
        provider->command = ps_strdup(command);
    }
    if (provider == NULL || provider->command == NULL) {
        free(provider);
        return ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
    }
    *provider_out = &provider->base;
    return PS_OK;
}
