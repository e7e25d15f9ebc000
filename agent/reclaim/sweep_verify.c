#include "reclaim/sweep_verify.h"

#include "base/str.h"
#include "reclaim/verdict.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** HEADs under way at once. Higher: more connections; 32 hide a round trip of 30 ms at 1,000 objects a second. */
#define HEADS_MAX 32

/** From so many keys in one bucket on, its list is read. */
#define LIST_FROM 16

/** Pages that show fewer keys of ours than this are dearer than HEADs. */
#define LIST_KEYS_PER_PAGE 100

/** Lists of one bucket under way at once. Higher: a store that is busy is kept busier. */
#define LISTS_MAX 8

/** Keys of ours that make a list of their own worth it: those of a page. */
#define LIST_KEYS_MIN 1000

/* A run of entries that one list is read for. */
struct listing {
    struct ps_verify *verify;
    size_t begin;
    size_t end;
    size_t at; /* the entry that is waited for */
    size_t page_count;
    struct ps_store_op *op; /* NULL = it has ended */
};

struct head {
    struct ps_verify *verify;
    struct ps_sweep_entry *entry; /* NULL = free */
};

struct ps_verify {
    struct ps_sweep_order order;
    struct ps_sweep_stores *stores;
    int64_t now_unix_s;
    void (*on_done)(void *user);
    void *user;
    uv_timer_t later; /* on_done is never called from within start */

    /* The group under way: entries [begin, end) of one store. */
    size_t begin;
    size_t end;
    struct ps_open_store *store;
    bool *seen; /* by index: a list told */
    size_t at;  /* heads: the next to ask about */
    struct listing lists[LISTS_MAX];
    size_t list_count;      /* under way */
    struct ps_store_op *op; /* the probe */
    struct head heads[HEADS_MAX];
    size_t head_count;
    size_t found_count;
    size_t gone_count;
    bool probed;
};

static void step(struct ps_verify *verify);

/* --- what is known of one object --- */

static void take_info(struct ps_verify *verify, struct ps_sweep_entry *entry,
                      const struct ps_object_info *info)
{
    struct ps_artifact artifact;
    char why[200];

    verify->found_count++;
    if (!ps_reclaim_item_artifact(entry->item, &artifact)) {
        entry->item->outcome = PS_OUTCOME_NONE;
    } else if (!ps_verdict_is_same(&artifact, info, why, sizeof(why))) {
        ps_verdict_set(entry->item, PS_OUTCOME_KEEP, "%s", why);
    }
}

static void postpone(const struct ps_verify *verify, struct ps_reclaim_item *item,
                     const char *message)
{
    item->next_due_unix_s = ps_verdict_retry_unix_s(item, verify->now_unix_s);
    ps_verdict_set(item, PS_OUTCOME_POSTPONE, "%s", message);
}

/* --- the list --- */

static size_t common_prefix(const char *a, const char *b)
{
    size_t length = 0;

    while (a[length] != '\0' && a[length] == b[length]) {
        length++;
    }
    return length;
}

static void take_listed(struct listing *list, const struct ps_object_info *info)
{
    struct ps_verify *verify = list->verify;

    while (list->at < list->end && strcmp(verify->order.entries[list->at].key, info->key) < 0) {
        list->at++; /* not listed: a HEAD will tell */
    }
    if (list->at < list->end && strcmp(verify->order.entries[list->at].key, info->key) == 0) {
        verify->seen[list->at] = true;
        take_info(verify, &verify->order.entries[list->at], info);
        list->at++;
    }
}

static void end_list(struct listing *list, bool cancel)
{
    struct ps_verify *verify = list->verify;
    struct ps_store_op *op = list->op;

    list->op = NULL;
    verify->list_count--;
    if (cancel) {
        ps_store_cancel(op);
    }
    if (verify->list_count == 0) {
        step(verify);
    }
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct listing *list = user;
    size_t wanted = list->end - list->begin;

    if (err != NULL) { /* may not list: HEADs may be allowed */
        end_list(list, false);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        take_listed(list, &objects[i]);
    }
    list->page_count++;
    if (!more) {
        end_list(list, false);
    } else if (list->at >= list->end || list->page_count > wanted / LIST_KEYS_PER_PAGE + 2) {
        end_list(list, true);
    }
}

/* start_after leaves out its own key: it is the entry before, and the very first is asked for by a HEAD. */
static void start_list(struct listing *list)
{
    struct ps_verify *verify = list->verify;
    const struct ps_sweep_entry *first = &verify->order.entries[list->begin];
    const struct ps_sweep_entry *last = &verify->order.entries[list->end - 1];
    bool is_first = list->begin == verify->begin;
    char *prefix = ps_strndup(first->key, common_prefix(first->key, last->key));
    const struct ps_list_request request = { .prefix = prefix,
                                             .start_after = is_first ? first->key : first[-1].key };
    struct ps_err err;

    list->at = list->begin + (is_first ? 1 : 0);
    list->page_count = 0;
    list->op =
        prefix != NULL ? ps_store_list(verify->store->store, &request, on_page, list, &err) : NULL;
    verify->list_count += list->op != NULL ? 1 : 0;
    free(prefix);
}

/* A bucket tells a page at a time and each page only after the one before: runs of keys are listed side by side. */
static bool start_lists(struct ps_verify *verify)
{
    size_t wanted = verify->end - verify->begin;
    size_t count = wanted / LIST_KEYS_MIN;

    count = count < 1 ? 1 : count;
    count = count < LISTS_MAX ? count : LISTS_MAX;
    for (size_t i = 0; i < count; i++) {
        struct listing *list = &verify->lists[i];

        list->verify = verify;
        list->begin = verify->begin + wanted * i / count;
        list->end = verify->begin + wanted * (i + 1) / count;
        start_list(list);
    }
    return verify->list_count > 0;
}

/* --- one by one --- */

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct head *head = user;
    struct ps_verify *verify = head->verify;
    struct ps_sweep_entry *entry = head->entry;

    head->entry = NULL;
    verify->head_count--;
    if (err == NULL) {
        take_info(verify, entry, info);
    } else if (err->code == PS_E_NOT_FOUND) {
        verify->gone_count++;
        ps_verdict_set(entry->item, PS_OUTCOME_GONE, "it was gone already");
    } else {
        postpone(verify, entry->item, err->message);
    }
    step(verify);
}

static struct head *free_head(struct ps_verify *verify)
{
    for (size_t i = 0; i < HEADS_MAX; i++) {
        if (verify->heads[i].entry == NULL) {
            return &verify->heads[i];
        }
    }
    return NULL;
}

static void start_heads(struct ps_verify *verify)
{
    while (verify->at < verify->end && verify->head_count < HEADS_MAX) {
        struct ps_sweep_entry *entry = &verify->order.entries[verify->at];
        struct head *head = free_head(verify);
        struct ps_err err;

        if (!verify->seen[verify->at]) {
            head->verify = verify;
            head->entry = entry;
            if (ps_store_head(verify->store->store, entry->key, on_head, head, &err) != NULL) {
                verify->head_count++;
            } else {
                head->entry = NULL;
                postpone(verify, entry->item, err.message);
            }
        }
        verify->at++;
    }
}

/* --- is the bucket there? --- */

/* A list of a directory that is not there is empty, as a bucket's prefix is: the directory itself is looked at. */
static bool has_no_directory(const struct ps_verify *verify)
{
    const struct ps_store *store = verify->store->store;

    return store->capabilities.local && ps_str_has_prefix(store->root_url, "file://") &&
           access(store->root_url + strlen("file://"), F_OK) != 0;
}

static void postpone_gone(struct ps_verify *verify, const char *message)
{
    for (size_t i = verify->begin; i < verify->end; i++) {
        if (verify->order.entries[i].item->outcome == PS_OUTCOME_GONE) {
            postpone(verify, verify->order.entries[i].item, message);
        }
    }
}

static void on_probe(void *user, const struct ps_object_info *objects, size_t count, bool more,
                     const struct ps_err *err)
{
    struct ps_verify *verify = user;
    struct ps_store_op *op = verify->op;

    (void)objects;
    (void)count;
    verify->op = NULL;
    if (more && err == NULL) {
        ps_store_cancel(op);
    }
    if (err != NULL) {
        postpone_gone(verify, err->message);
    }
    step(verify);
}

static bool start_probe(struct ps_verify *verify)
{
    const struct ps_list_request request = { .prefix = "", .delimiter = "/", .page_size = 1 };
    struct ps_err err;

    verify->probed = true;
    if (has_no_directory(verify)) {
        postpone_gone(verify, "its directory is not there");
        return false;
    }
    verify->op = ps_store_list(verify->store->store, &request, on_probe, verify, &err);
    if (verify->op == NULL) {
        postpone_gone(verify, err.message);
    }
    return verify->op != NULL;
}

/* --- groups --- */

static void postpone_group(struct ps_verify *verify, const char *message)
{
    for (size_t i = verify->begin; i < verify->end; i++) {
        postpone(verify, verify->order.entries[i].item, message);
    }
}

/* True when something is under way. */
static bool start_group(struct ps_verify *verify)
{
    struct ps_err err;

    verify->end = ps_sweep_order_group_end(&verify->order, verify->begin);
    verify->at = verify->begin;
    verify->found_count = 0;
    verify->gone_count = 0;
    verify->probed = false;
    if (ps_sweep_stores_get(verify->stores, verify->order.entries[verify->begin].url,
                            &verify->store, &err) != PS_OK) {
        postpone_group(verify, err.message);
        verify->at = verify->end;
        return false;
    }
    return !verify->store->store->capabilities.local && verify->end - verify->begin >= LIST_FROM &&
           start_lists(verify);
}

static void on_closed(uv_handle_t *handle)
{
    struct ps_verify *verify = handle->data;

    verify->on_done(verify->user);
    ps_sweep_order_clear(&verify->order);
    free(verify->seen);
    free(verify);
}

/* Goes on until something is under way, or all is done. */
static void step(struct ps_verify *verify)
{
    for (;;) {
        if (verify->op != NULL || verify->list_count > 0) {
            return;
        }
        start_heads(verify);
        if (verify->head_count > 0) {
            return;
        }
        if (verify->gone_count > 0 && verify->found_count == 0 && !verify->probed &&
            start_probe(verify)) {
            return;
        }
        verify->begin = verify->end;
        if (verify->begin >= verify->order.count) {
            uv_close((uv_handle_t *)&verify->later, on_closed);
            return;
        }
        (void)start_group(verify);
    }
}

static void on_later(uv_timer_t *timer)
{
    step(timer->data);
}

enum ps_code ps_verify_start(struct ps_verify **verify_out, const struct ps_verify_options *options,
                             struct ps_err *err)
{
    struct ps_verify *verify = calloc(1, sizeof(*verify));
    enum ps_code code;

    if (verify == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    code = ps_sweep_order_init(&verify->order, options->batch, err);
    verify->seen = calloc(options->batch->count + 1, sizeof(*verify->seen));
    if (code != PS_OK || verify->seen == NULL) {
        ps_sweep_order_clear(&verify->order);
        free(verify->seen);
        free(verify);
        return ps_err_set(err, PS_E_NO_MEMORY, "sweep: out of memory");
    }
    verify->stores = options->stores;
    verify->now_unix_s = options->now_unix_s;
    verify->on_done = options->on_done;
    verify->user = options->user;
    (void)uv_timer_init(options->loop, &verify->later);
    verify->later.data = verify;
    (void)uv_timer_start(&verify->later, on_later, 0, 0);
    *verify_out = verify;
    return PS_OK;
}
