#include "kube/lease.h"

#include "base/str.h"
#include "base/uv_handle.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DURATION_MS = 15000,
};

struct ps_lease {
    struct ps_kube_client *client;
    const struct ps_clock *clock;
    const struct ps_log *log;
    char *identity;
    char *collection; /* path of the namespace's leases */
    char *path;
    char *name;
    uint32_t duration_ms;
    void (*on_change)(void *user, bool leads);
    void *user;

    struct ps_kube_call *call;
    uv_timer_t *timer; /* on the heap, as it outlives the lease until it is closed */
    bool leads;
    int64_t renewed_mono_ms; /* when the last renewal that went well was sent */
    int64_t asked_mono_ms;   /* when the request under way was sent */

    char *seen_version; /* of another's lease, and since when it has been that */
    int64_t seen_mono_ms;
};

static void ask(struct ps_lease *lease);

static void set_leads(struct ps_lease *lease, bool leads)
{
    if (lease->leads == leads) {
        return;
    }
    lease->leads = leads;
    ps_log(lease->log, PS_LOG_INFO, "lease", "%s: %s", lease->path,
           leads ? "this agent leads" : "another agent leads, or none can be seen to");
    lease->on_change(lease->user, leads);
}

/* --- turns --- */

static void on_timer(uv_timer_t *timer)
{
    struct ps_lease *lease = timer->data;

    ask(lease);
}

static void next_turn(struct ps_lease *lease)
{
    uint32_t wait_ms = lease->leads ? lease->duration_ms / 3 : lease->duration_ms / 7;

    /* Who could not renew for so long must not go on: the others will soon think it gone. */
    if (lease->leads && ps_clock_mono_ms(lease->clock) - lease->renewed_mono_ms >
                            (int64_t)lease->duration_ms * 2 / 3) {
        set_leads(lease, false);
    }
    if (lease->leads &&
        ps_clock_mono_ms(lease->clock) - lease->renewed_mono_ms > (int64_t)lease->duration_ms / 3) {
        wait_ms = lease->duration_ms / 15; /* a renewal failed: more often */
    }
    (void)uv_timer_start(lease->timer, on_timer, wait_ms, 0);
}

static void failed(struct ps_lease *lease, const struct ps_err *err)
{
    ps_log(lease->log, PS_LOG_WARN, "lease", "%s", err->message);
    next_turn(lease);
}

/* --- writing --- */

/* "2006-01-02T15:04:05.000000Z", MicroTime of the Kubernetes API. */
static void micro_time(int64_t unix_ms, char *text, size_t size_bytes)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    char date[32];

    (void)gmtime_r(&seconds, &parts);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text, size_bytes, "%s.%03d000Z", date, (int)(unix_ms % 1000));
}

static void on_written(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct ps_lease *lease = user;

    (void)text;
    (void)size_bytes;
    lease->call = NULL;
    if (err == NULL) {
        lease->renewed_mono_ms = lease->asked_mono_ms;
        set_leads(lease, true);
    } else if (err->code == PS_E_CHANGED) {
        set_leads(lease, false); /* another one was quicker */
    } else {
        failed(lease, err);
        return;
    }
    next_turn(lease);
}

static void start(struct ps_lease *lease, const char *method, const char *path, const char *body,
                  void (*on_done)(void *user, const char *text, size_t size_bytes,
                                  const struct ps_err *err))
{
    const struct ps_kube_request request = {
        .method = method,
        .path = path,
        .body = body,
        .stall_timeout_ms = lease->duration_ms / 3,
        .on_done = on_done,
        .user = lease,
    };
    struct ps_err err;

    lease->asked_mono_ms = ps_clock_mono_ms(lease->clock);
    if (ps_kube_start(lease->client, &request, &lease->call, &err) != PS_OK) {
        failed(lease, &err);
    }
}

/* object: the lease as it was read, NULL when there is none; changed in place, so that what others wrote stays. */
static void write_lease(struct ps_lease *lease, json_t *object)
{
    json_t *own = object != NULL
                      ? json_incref(object)
                      : json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "coordination.k8s.io/v1",
                                  "kind", "Lease", "metadata", "name", lease->name);
    json_t *spec = json_object_get(own, "spec");
    char now[48];
    char *body;

    micro_time(ps_clock_unix_ms(lease->clock), now, sizeof(now));
    if (spec == NULL) {
        (void)json_object_set_new(own, "spec", json_object());
        spec = json_object_get(own, "spec");
    }
    if (!lease->leads) {
        json_int_t count = json_integer_value(json_object_get(spec, "leaseTransitions"));

        (void)json_object_set_new(spec, "leaseTransitions",
                                  json_integer(object != NULL ? count + 1 : 0));
        (void)json_object_set_new(spec, "acquireTime", json_string(now));
    }
    (void)json_object_set_new(spec, "holderIdentity", json_string(lease->identity));
    (void)json_object_set_new(spec, "leaseDurationSeconds",
                              json_integer((lease->duration_ms + 999) / 1000));
    (void)json_object_set_new(spec, "renewTime", json_string(now));
    body = json_dumps(own, JSON_COMPACT);
    json_decref(own);
    if (body == NULL) {
        next_turn(lease);
        return;
    }
    start(lease, object != NULL ? "PUT" : "POST", object != NULL ? lease->path : lease->collection,
          body, on_written);
    free(body);
}

/* --- reading --- */

/* True when the lease is nobody's, or its holder has not renewed it for as long as it said it would. */
static bool is_free(struct ps_lease *lease, const json_t *object)
{
    const json_t *spec = json_object_get(object, "spec");
    const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
    const char *version =
        json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
    json_int_t duration_s = json_integer_value(json_object_get(spec, "leaseDurationSeconds"));
    int64_t now_mono_ms = ps_clock_mono_ms(lease->clock);

    if (holder == NULL || holder[0] == '\0') {
        return true;
    }
    if (version == NULL || lease->seen_version == NULL ||
        strcmp(version, lease->seen_version) != 0) {
        free(lease->seen_version);
        lease->seen_version = ps_strdup(version);
        lease->seen_mono_ms = now_mono_ms;
        return false;
    }
    return now_mono_ms - lease->seen_mono_ms > (int64_t)duration_s * 1000;
}

static void on_read(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct ps_lease *lease = user;
    json_t *object;
    const char *holder;

    lease->call = NULL;
    if (err != NULL && err->code == PS_E_NOT_FOUND) {
        write_lease(lease, NULL);
        return;
    }
    if (err != NULL) {
        failed(lease, err);
        return;
    }
    object = json_loadb(text, size_bytes, 0, NULL);
    holder = json_string_value(json_object_get(json_object_get(object, "spec"), "holderIdentity"));
    if (object != NULL &&
        ((holder != NULL && strcmp(holder, lease->identity) == 0) || is_free(lease, object))) {
        write_lease(lease, object);
    } else {
        set_leads(lease, false);
        next_turn(lease);
    }
    json_decref(object);
}

static void ask(struct ps_lease *lease)
{
    start(lease, "GET", lease->path, NULL, on_read);
}

/* --- life --- */

enum ps_code ps_lease_start(struct ps_lease **lease_out, const struct ps_lease_options *options,
                            struct ps_err *err)
{
    struct ps_lease *lease = calloc(1, sizeof(*lease));

    if (lease == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    lease->client = options->client;
    lease->clock = options->clock;
    lease->log = options->log;
    lease->duration_ms = options->duration_ms != 0 ? options->duration_ms : DURATION_MS;
    lease->on_change = options->on_change;
    lease->user = options->user;
    lease->identity = ps_strdup(options->identity);
    lease->name = ps_strdup(options->name);
    lease->collection = ps_str_format("/apis/coordination.k8s.io/v1/namespaces/%s/leases",
                                      ps_kube_client_namespace(options->client));
    lease->path =
        ps_str_format("%s/%s", lease->collection != NULL ? lease->collection : "", options->name);
    lease->timer = ps_uv_timer_new(options->loop, lease);
    if (lease->identity == NULL || lease->name == NULL || lease->collection == NULL ||
        lease->path == NULL || lease->timer == NULL) {
        ps_lease_free(lease);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    (void)uv_timer_start(lease->timer, on_timer, 0, 0);
    *lease_out = lease;
    return PS_OK;
}

bool ps_lease_leads(const struct ps_lease *lease)
{
    return lease->leads;
}

void ps_lease_free(struct ps_lease *lease)
{
    if (lease == NULL) {
        return;
    }
    ps_kube_cancel(lease->call);
    ps_uv_handle_close((uv_handle_t *)lease->timer);
    free(lease->seen_version);
    free(lease->identity);
    free(lease->name);
    free(lease->collection);
    free(lease->path);
    free(lease);
}
