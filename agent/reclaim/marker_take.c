#include "reclaim/marker_take.h"

#include "base/buf.h"
#include "base/str.h"
#include "base/uv_handle.h"
#include "reclaim/marker_record.h"
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

/**
 * Markers of one store and round that make no sense. Each costs a request and a line in the log, every round. Lower: a few
 * mistakes keep good ones waiting. Higher: whoever may write there costs more.
 */
#define UNREAD_MAX 100

enum take_state {
    TAKE_LIST,   /* a page of markers is asked for */
    TAKE_GET,    /* they are read, one after another */
    TAKE_WRITE,  /* a worker writes the state */
    TAKE_REMOVE, /* what is recorded goes from the store */
};

/* A marker of this page. */
struct listed {
    char *key;
    int64_t mtime_unix_s;
};

struct ps_marker_take {
    struct ps_marker_take_options options;
    struct ps_marker_result result;
    enum take_state state;
    bool stopping;
    size_t store_index;
    char *prefix_url; /* of the store, with a '/' at its end */
    struct ps_open_store store;
    char *dir; /* of its markers */
    struct ps_store_op *op;
    uv_timer_t *later; /* on_done is never called from within start */

    struct listed page[PS_MARKER_PAGE];
    size_t page_count;
    size_t at;
    bool more;
    char *last_key;
    unsigned unread_count; /* of this store */
    struct ps_buf text;

    struct ps_job job;
    struct ps_marker_found found[PS_MARKER_PAGE]; /* while the job runs, the worker's */
    size_t found_count;
    uint64_t object_count;
};

static void next_store(struct ps_marker_take *take);
static void step(struct ps_marker_take *take);

static void set_state(struct ps_marker_take *take, enum take_state state)
{
    static const char *const names[] = { "list", "get", "write", "remove" };

    ps_log(take->options.log, PS_LOG_DEBUG, "reclaim", "markers of %s: %s -> %s", take->prefix_url,
           names[take->state], names[state]);
    take->state = state;
}

/* --- the end --- */

static void clear_page(struct ps_marker_take *take)
{
    for (size_t i = 0; i < take->page_count; i++) {
        free(take->page[i].key);
    }
    take->page_count = 0;
    take->at = 0;
    for (size_t i = 0; i < take->found_count; i++) {
        ps_marker_clear(&take->found[i].marker);
        free(take->found[i].name);
    }
    take->found_count = 0;
}

static void close_store(struct ps_marker_take *take)
{
    ps_store_cancel(take->op);
    take->op = NULL;
    clear_page(take);
    ps_store_close(&take->store);
    free(take->prefix_url);
    free(take->dir);
    free(take->last_key);
    take->prefix_url = NULL;
    take->dir = NULL;
    take->last_key = NULL;
    take->unread_count = 0;
}

static void end(struct ps_marker_take *take, const struct ps_err *err)
{
    take->options.on_done(take->options.user, &take->result, err);
    close_store(take);
    ps_buf_clear(&take->text);
    ps_uv_handle_close((uv_handle_t *)take->later);
    free(take);
}

static void end_stopped(struct ps_marker_take *take)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "stopped");
    end(take, &err);
}

/* A store that does not answer is asked again in the next round; the others are not held up. */
static void give_up_store(struct ps_marker_take *take, const char *message)
{
    ps_log(take->options.log, PS_LOG_WARN, "reclaim", "markers of %s: %s",
           take->options.settings->stores[take->store_index].url, message);
    close_store(take);
    take->store_index++;
    next_store(take);
}

/* --- remove --- */

static void on_removed(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct ps_marker_take *take = user;
    const char *message = err != NULL ? err->message : NULL;

    take->op = NULL;
    for (size_t i = 0; i < count && message == NULL; i++) {
        message = results[i].code != PS_OK ? results[i].message : NULL;
    }
    if (message != NULL) { /* what is recorded already is known next time */
        give_up_store(take, message);
        return;
    }
    ps_fault_point(take->options.fault, "marker.removed");
    clear_page(take);
    step(take);
}

static void start_remove(struct ps_marker_take *take)
{
    struct ps_deleter deleter = { .store = take->store.store };
    const char *keys[PS_MARKER_PAGE];
    size_t count = 0;
    struct ps_err err;

    for (size_t i = 0; i < take->page_count; i++) {
        for (size_t j = 0; j < take->found_count; j++) {
            if (strcmp(take->page[i].key + strlen(take->dir), take->found[j].name) == 0) {
                keys[count++] = take->page[i].key;
            }
        }
    }
    set_state(take, TAKE_REMOVE);
    take->op = ps_deleter_delete_batch(&deleter, keys, count, on_removed, take, &err);
    if (take->op == NULL) {
        give_up_store(take, err.message);
    }
}

/* --- write --- */

static void run_write(struct ps_job *job)
{
    struct ps_marker_take *take = job->user;

    job->code = ps_marker_record(take->options.state, take->prefix_url, take->found,
                                 take->found_count, &take->object_count, &job->err);
}

static void on_written(struct ps_job *job)
{
    struct ps_marker_take *take = job->user;

    if (job->code != PS_OK) {
        end(take, &job->err);
        return;
    }
    take->result.marker_count += take->found_count;
    take->result.object_count += take->object_count;
    ps_fault_point(take->options.fault, "marker.recorded");
    if (take->stopping) {
        end_stopped(take);
    } else {
        start_remove(take);
    }
}

/* --- get --- */

static const char *name_of(const struct ps_marker_take *take)
{
    return take->page[take->at].key + strlen(take->dir);
}

static void say_unread(struct ps_marker_take *take, const char *message)
{
    take->result.unread_count++;
    take->unread_count++;
    ps_log(take->options.log, PS_LOG_WARN, "reclaim",
           "marker %s%s is left, its objects are kept: %s", take->prefix_url,
           take->page[take->at].key, message);
}

static void take_text(struct ps_marker_take *take)
{
    struct ps_marker_found *found = &take->found[take->found_count];
    int64_t now_unix_s = ps_clock_unix_ms(take->options.clock) / 1000;
    int64_t since_unix_s = take->page[take->at].mtime_unix_s;
    struct ps_marker marker;
    struct ps_err err;

    if (ps_marker_parse(name_of(take), ps_buf_peek(&take->text), take->text.size_bytes, &marker,
                        &err) != PS_OK) {
        say_unread(take, err.message);
        return;
    }
    found->name = ps_strdup(name_of(take));
    if (found->name == NULL) {
        ps_marker_clear(&marker);
        say_unread(take, "out of memory");
        return;
    }
    found->marker = marker;
    found->since_unix_s = since_unix_s > 0 && since_unix_s < now_unix_s ? since_unix_s : now_unix_s;
    take->found_count++;
}

static void on_got(void *user, const struct ps_err *err)
{
    struct ps_marker_take *take = user;

    take->op = NULL;
    if (err == NULL) {
        take_text(take);
    } else if (err->code != PS_E_NOT_FOUND) { /* gone: another agent has it */
        say_unread(take, err->message);
    }
    take->at++;
    step(take);
}

static enum ps_push on_text(void *user, const void *data, size_t size_bytes)
{
    struct ps_marker_take *take = user;

    return ps_buf_append(&take->text, data, size_bytes, NULL) == PS_OK ? PS_PUSH_TAKEN
                                                                       : PS_PUSH_STOP;
}

static void start_get(struct ps_marker_take *take)
{
    const struct ps_get_request request = { .key = take->page[take->at].key,
                                            .sink = { .write = on_text, .user = take } };
    struct ps_err err;

    ps_buf_rewind(&take->text);
    take->op = ps_store_get(take->store.store, &request, on_got, take, &err);
    if (take->op == NULL) {
        give_up_store(take, err.message);
    }
}

/* --- list --- */

static enum ps_code take_key(struct ps_marker_take *take, const struct ps_object_info *info)
{
    struct listed *listed = &take->page[take->page_count];

    free(take->last_key);
    take->last_key = ps_strdup(info->key);
    listed->key = ps_strdup(info->key);
    listed->mtime_unix_s = info->mtime_unix_ms / 1000;
    if (listed->key == NULL || take->last_key == NULL) {
        free(listed->key);
        return PS_E_NO_MEMORY;
    }
    take->page_count++;
    return PS_OK;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_marker_take *take = user;
    enum ps_code code = PS_OK;

    if (more) {
        ps_store_cancel(take->op);
    }
    take->op = NULL;
    take->more = more || count > PS_MARKER_PAGE;
    for (size_t i = 0; i < count && i < PS_MARKER_PAGE && code == PS_OK; i++) {
        code = take_key(take, &objects[i]);
    }
    if (err != NULL && err->code != PS_E_NOT_FOUND) {
        give_up_store(take, err->message);
    } else if (code != PS_OK) {
        give_up_store(take, "out of memory");
    } else {
        set_state(take, TAKE_GET);
        step(take);
    }
}

static void start_list(struct ps_marker_take *take)
{
    const struct ps_list_request request = { .prefix = take->dir,
                                             .start_after = take->last_key,
                                             .page_size = PS_MARKER_PAGE };
    struct ps_err err;

    set_state(take, TAKE_LIST);
    take->more = false;
    take->op = ps_store_list(take->store.store, &request, on_page, take, &err);
    if (take->op == NULL) {
        give_up_store(take, err.message);
    }
}

/* --- turns --- */

/* Something ended: what comes next in this store, or the next store. */
static void step(struct ps_marker_take *take)
{
    if (take->stopping) {
        end_stopped(take);
    } else if (take->unread_count > UNREAD_MAX) {
        give_up_store(take, "too many of them make no sense: remove those that the log names");
    } else if (take->state == TAKE_GET && take->at < take->page_count) {
        start_get(take);
    } else if (take->state == TAKE_GET && take->found_count > 0) {
        set_state(take, TAKE_WRITE);
        ps_job_start(&take->job, take->options.loop, take, run_write, on_written);
    } else if (take->more) {
        clear_page(take);
        start_list(take);
    } else {
        close_store(take);
        take->store_index++;
        next_store(take);
    }
}

/* Two stores of the settings may have one URL, with other credentials: the first has seen to it. */
static bool is_seen(const struct ps_marker_take *take, const char *url)
{
    for (size_t i = 0; i < take->store_index; i++) {
        if (strcmp(take->options.settings->stores[i].url, url) == 0) {
            return true;
        }
    }
    return false;
}

static enum ps_code open_store(struct ps_marker_take *take, const char *url, struct ps_err *err)
{
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    take->prefix_url = ps_str_format("%.*s/", (int)length, url);
    if (take->prefix_url == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (take->options.opener.open(take->options.opener.user, take->prefix_url, &take->store, err) !=
        PS_OK) {
        return err->code;
    }
    take->dir = ps_str_format("%s" PS_MARKER_DIR, take->store.key);
    return take->dir != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static void next_store(struct ps_marker_take *take)
{
    const struct ps_settings *settings = take->options.settings;
    struct ps_err err;

    while (take->store_index < settings->store_count &&
           is_seen(take, settings->stores[take->store_index].url)) {
        take->store_index++;
    }
    if (take->stopping) {
        end_stopped(take);
    } else if (take->store_index == settings->store_count) {
        end(take, NULL);
    } else if (open_store(take, settings->stores[take->store_index].url, &err) != PS_OK) {
        give_up_store(take, err.message);
    } else {
        start_list(take);
    }
}

static void on_later(uv_timer_t *timer)
{
    next_store(timer->data);
}

enum ps_code ps_marker_take_start(struct ps_marker_take **take_out,
                                  const struct ps_marker_take_options *options, struct ps_err *err)
{
    struct ps_marker_take *take = calloc(1, sizeof(*take));

    if (take != NULL) {
        take->options = *options;
        take->later = ps_uv_timer_new(options->loop, take);
    }
    if (take == NULL || take->later == NULL) {
        free(take);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    ps_buf_init(&take->text, PS_MARKER_SIZE_MAX);
    (void)uv_timer_start(take->later, on_later, 0, 0);
    *take_out = take;
    return PS_OK;
}

static void on_stop(uv_timer_t *timer)
{
    end_stopped(timer->data);
}

void ps_marker_take_stop(struct ps_marker_take *take)
{
    take->stopping = true;
    if (take->state != TAKE_WRITE) { /* the worker's callback comes in any case */
        ps_store_cancel(take->op);
        take->op = NULL;
        (void)uv_timer_start(take->later, on_stop, 0, 0);
    }
}
