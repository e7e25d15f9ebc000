#include "http/http_client.h"

#include "base/str.h"
#include "base/uv_handle.h"
#include "http/http_internal.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/**
 * Idle connections kept. Lower: parallel small requests connect again. Higher: descriptors of a server that is
 * not asked any more stay open until it closes them.
 */
enum {
    CONNECTIONS_KEPT = 64
};

/** Requests that go on in one turn of the loop. Lower: more turns. Higher: whoever asks for something new waits longer. */
enum {
    RESUMED_MAX = 8
};

static struct ps_http_request *first_of(const struct ps_http_client *client, enum ps_http_list list)
{
    return client->lists[list].first;
}

/* Users pass on what they were given, before curl reads on. */
static void flush_given(struct ps_http_client *client)
{
    struct ps_http_request *request;

    while ((request = first_of(client, PS_HTTP_LIST_GIVEN)) != NULL) {
        ps_http_list_take(request, PS_HTTP_LIST_GIVEN);
        if (request->on_flush != NULL && request->state == PS_HTTP_RUNNING) {
            client->in_curl = true; /* what is asked for in there is put off */
            request->on_flush(request->user);
            client->in_curl = false;
        }
    }
}

static void finish_messages(struct ps_http_client *client)
{
    CURLMsg *message;
    int left = 0;

    for (message = curl_multi_info_read(client->multi, &left); message != NULL;
         message = curl_multi_info_read(client->multi, &left)) {
        struct ps_http_request *request = NULL;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        (void)curl_multi_remove_handle(client->multi, request->easy);
        if (request->state != PS_HTTP_CANCELLED) {
            ps_http_request_finish(request, result);
        }
        ps_http_request_free(request);
    }
}

static void add_to_curl(struct ps_http_request *request)
{
    request->state = PS_HTTP_RUNNING;
    if (curl_multi_add_handle(request->client->multi, request->easy) != CURLM_OK) {
        ps_http_request_finish(request, CURLE_OUT_OF_MEMORY);
        ps_http_request_free(request);
    }
}

/* What callers asked for while curl was on the stack. Each step may call users, who may add to the list: so it is
 * looked at from its head until it is empty. */
static bool run_one_put_off(struct ps_http_client *client)
{
    struct ps_http_request *request = first_of(client, PS_HTTP_LIST_PUT_OFF);

    if (request == NULL) {
        return false;
    }
    ps_http_list_take(request, PS_HTTP_LIST_PUT_OFF);
    if (request->state == PS_HTTP_QUEUED) {
        add_to_curl(request);
    } else {
        (void)curl_multi_remove_handle(client->multi, request->easy);
        ps_http_request_free(request);
    }
    return true;
}

static void after_curl(struct ps_http_client *client)
{
    flush_given(client);
    finish_messages(client);
    while (run_one_put_off(client)) {
        finish_messages(client);
    }
}

static void act(struct ps_http_client *client, curl_socket_t fd, int events)
{
    int running = 0;

    client->in_curl = true;
    (void)curl_multi_socket_action(client->multi, fd, events, &running);
    client->in_curl = false;
    after_curl(client);
}

/* After an error both are set: curl reads, as an answer that came before the reset is still to be had.
 * CURL_CSELECT_ERR would drop it. */
static void on_socket_event(void *user, int fd, int events)
{
    int curl_events = 0;

    if ((events & UV_READABLE) != 0) {
        curl_events |= CURL_CSELECT_IN;
    }
    if ((events & UV_WRITABLE) != 0) {
        curl_events |= CURL_CSELECT_OUT;
    }
    act(user, fd, curl_events);
}

static void on_timeout(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Those who wait go on, in turn: what is new need not wait for thousands of them. */
static void resume_some(struct ps_http_client *client)
{
    struct ps_http_request *request;

    for (int i = 0; i < RESUMED_MAX; i++) {
        request = first_of(client, PS_HTTP_LIST_WOKEN);
        if (request == NULL) {
            return;
        }
        ps_http_list_take(request, PS_HTTP_LIST_WOKEN);
        if (request->state == PS_HTTP_RUNNING) {
            client->in_curl = true; /* unpausing may deliver held bytes at once */
            (void)curl_easy_pause(request->easy, CURLPAUSE_CONT);
            client->in_curl = false;
        }
    }
}

static void on_soon(uv_idle_t *soon)
{
    struct ps_http_client *client = soon->data;

    (void)uv_idle_stop(soon);
    resume_some(client);
    after_curl(client);
    if (client->curl_is_due) {
        client->curl_is_due = false;
        act(client, CURL_SOCKET_TIMEOUT, 0);
    }
    if (first_of(client, PS_HTTP_LIST_WOKEN) != NULL) {
        (void)uv_idle_start(soon, on_soon);
    }
}

/* socket_user is set for a socket that was added. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct ps_http_client *client = user;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket_user != NULL) {
            ps_socket_set_forget(client->sockets, fd);
            (void)curl_multi_assign(client->multi, fd, NULL);
        }
        return 0;
    }
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    if (socket_user != NULL) {
        return ps_socket_set_change(client->sockets, fd, events) ? 0 : -1;
    }
    if (!ps_socket_set_add(client->sockets, fd, events)) {
        return -1;
    }
    (void)curl_multi_assign(client->multi, fd, client);
    return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct ps_http_client *client = user;

    (void)multi;
    client->curl_is_due = timeout_ms == 0;
    if (timeout_ms <= 0) {
        (void)uv_timer_stop(client->timer);
        return timeout_ms < 0 || uv_idle_start(client->soon, on_soon) == 0 ? 0 : -1;
    }
    return uv_timer_start(client->timer, on_timeout, (uint64_t)timeout_ms, 0) == 0 ? 0 : -1;
}

/* For what is due at once: libuv runs timers of 0 ms that others start until there is none, and looks at no socket. */
static uv_idle_t *soon_new(struct ps_http_client *client)
{
    uv_idle_t *soon = malloc(sizeof(*soon));

    if (soon != NULL) {
        (void)uv_idle_init(client->loop, soon);
        soon->data = client;
    }
    return soon;
}

static void set_up_multi(struct ps_http_client *client)
{
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    /* One request a connection: a part must not wait behind another's body. */
    (void)curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
}

enum ps_code ps_http_client_new(struct ps_http_client **client_out, uv_loop_t *loop,
                                const char *user_agent, struct ps_err *err)
{
    struct ps_http_client *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "HTTP client: out of memory");
    }
    client->loop = loop;
    ps_http_lists_init(client);
    client->user_agent = ps_strdup(user_agent);
    client->multi = curl_multi_init();
    client->timer = ps_uv_timer_new(loop, client);
    client->soon = soon_new(client);
    if (client->user_agent == NULL || client->multi == NULL || client->timer == NULL ||
        client->soon == NULL) {
        ps_http_client_free(client);
        return ps_err_set(err, PS_E_NO_MEMORY, "HTTP client: out of memory");
    }
    if (ps_socket_set_new(&client->sockets, loop, on_socket_event, client, err) != PS_OK) {
        ps_http_client_free(client);
        return err != NULL ? ps_err_wrap(err, err->code, "HTTP client") : PS_E_IO;
    }
    set_up_multi(client);
    *client_out = client;
    return PS_OK;
}

void ps_http_client_free(struct ps_http_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->requests != NULL) {
        if (client->requests->state != PS_HTTP_QUEUED) {
            (void)curl_multi_remove_handle(client->multi, client->requests->easy);
        }
        ps_http_request_free(client->requests);
    }
    while (client->idle_count > 0) {
        curl_easy_cleanup(client->idle_easy[--client->idle_count]);
    }
    if (client->multi != NULL) {
        (void)curl_multi_cleanup(client->multi);
    }
    ps_socket_set_close(client->sockets);
    ps_uv_handle_close((uv_handle_t *)client->timer);
    ps_uv_handle_close((uv_handle_t *)client->soon);
    free(client->user_agent);
    free(client);
}

enum ps_code ps_http_start(struct ps_http_client *client, const struct ps_http_options *options,
                           struct ps_http_request **request_out, struct ps_err *err)
{
    struct ps_http_request *request = NULL;
    enum ps_code code = ps_http_request_new(client, options, &request, err);

    if (code != PS_OK) {
        return code;
    }
    client->stats.request_count++;
    *request_out = request;
    if (client->in_curl) {
        request->state = PS_HTTP_QUEUED;
        ps_http_list_add(request, PS_HTTP_LIST_PUT_OFF);
    } else if (curl_multi_add_handle(client->multi, request->easy) == CURLM_OK) {
        request->state = PS_HTTP_RUNNING;
    } else {
        ps_http_request_free(request);
        *request_out = NULL;
        return ps_err_set(err, PS_E_NO_MEMORY, "HTTP request: out of memory");
    }
    return PS_OK;
}

void ps_http_resume(struct ps_http_request *request)
{
    struct ps_http_client *client = request->client;

    if (request->state == PS_HTTP_CANCELLED) {
        return;
    }
    /* Not from here: unpausing may call on_data, and callbacks never come from within a call of the user's. */
    ps_http_list_add(request, PS_HTTP_LIST_WOKEN);
    (void)uv_idle_start(client->soon, on_soon);
}

void ps_http_cancel(struct ps_http_request *request)
{
    if (request == NULL) {
        return;
    }
    if (request->client->in_curl) {
        if (request->state == PS_HTTP_QUEUED) {
            ps_http_request_free(request);
        } else {
            request->state = PS_HTTP_CANCELLED;
            ps_http_list_add(request, PS_HTTP_LIST_PUT_OFF);
        }
        return;
    }
    if (request->state == PS_HTTP_RUNNING) {
        (void)curl_multi_remove_handle(request->client->multi, request->easy);
    }
    ps_http_request_free(request);
}

void ps_http_client_stats(const struct ps_http_client *client, struct ps_http_stats *stats_out)
{
    *stats_out = client->stats;
}
