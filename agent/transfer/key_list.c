#include "transfer/key_list_internal.h"

#include "base/str.h"
#include "base/uv_handle.h"

#include <stdlib.h>
#include <string.h>

/* --- pages that wait --- */

static size_t packed_size(const struct ps_object_info *info)
{
    return sizeof(info->size_bytes) + sizeof(info->mtime_unix_ms) + strlen(info->key) +
           strlen(info->etag) + strlen(info->storage_class) + 3;
}

static char *pack(char *at, const void *bytes, size_t size_bytes)
{
    memcpy(at, bytes, size_bytes);
    return at + size_bytes;
}

static const char *unpack_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

static bool keep_page(struct segment *segment, const struct ps_object_info *objects, size_t count)
{
    size_t size_bytes = 0;
    struct page *page;
    char *at;

    for (size_t i = 0; i < count; i++) {
        size_bytes += packed_size(&objects[i]);
    }
    page = malloc(sizeof(*page) + size_bytes);
    if (page == NULL) {
        return false;
    }
    page->next = NULL;
    page->count = count;
    page->size_bytes = size_bytes;
    at = page->packed;
    for (size_t i = 0; i < count; i++) {
        const struct ps_object_info *info = &objects[i];

        at = pack(at, &info->size_bytes, sizeof(info->size_bytes));
        at = pack(at, &info->mtime_unix_ms, sizeof(info->mtime_unix_ms));
        at = pack(at, info->key, strlen(info->key) + 1);
        at = pack(at, info->etag, strlen(info->etag) + 1);
        at = pack(at, info->storage_class, strlen(info->storage_class) + 1);
    }
    *segment->pages_end = page;
    segment->pages_end = &page->next;
    segment->list->waiting_bytes += size_bytes;
    return true;
}

/* The objects of a page, with texts that are the page's; a list has no more than that. NULL: out of memory. */
static struct ps_object_info *unpack(const struct page *page)
{
    struct ps_object_info *objects = calloc(page->count + 1, sizeof(*objects));
    const char *at = page->packed;

    for (size_t i = 0; objects != NULL && i < page->count; i++) {
        struct ps_object_info *info = &objects[i];

        memcpy(&info->size_bytes, at, sizeof(info->size_bytes));
        at += sizeof(info->size_bytes);
        memcpy(&info->mtime_unix_ms, at, sizeof(info->mtime_unix_ms));
        at += sizeof(info->mtime_unix_ms);
        info->key = unpack_text(&at);
        info->etag = unpack_text(&at);
        info->storage_class = unpack_text(&at);
        info->content_type = "";
        info->version_id = "";
        info->restore = "";
        info->composite = "";
    }
    return objects;
}

static struct page *take_page(struct segment *segment)
{
    struct page *page = segment->pages;

    segment->pages = page->next;
    if (segment->pages == NULL) {
        segment->pages_end = &segment->pages;
    }
    segment->list->waiting_bytes -= page->size_bytes;
    return page;
}

/* --- segments --- */

static struct segment *segment_new(struct ps_key_list *list)
{
    struct segment *segment = calloc(1, sizeof(*segment));

    if (segment != NULL) {
        segment->list = list;
        segment->pages_end = &segment->pages;
    }
    return segment;
}

static void segment_free(struct segment *segment)
{
    if (segment->list->split.of == segment) {
        segment->list->split.of = NULL;
    }
    ps_store_cancel(segment->op);
    while (segment->pages != NULL) {
        free(take_page(segment));
    }
    free(segment->after);
    free(segment->until);
    free(segment->tried);
    free(segment);
}

bool ps_key_list_cut(struct segment *at, const char *boundary, size_t length)
{
    struct segment *segment = segment_new(at->list);
    char *until = ps_strndup(boundary, length);

    if (segment != NULL) {
        segment->after = ps_strndup(boundary, length);
    }
    if (segment == NULL || segment->after == NULL || until == NULL) {
        if (segment != NULL) {
            segment_free(segment);
        }
        free(until);
        return false;
    }
    segment->until = at->until;
    at->until = until;
    segment->next = at->next;
    at->next = segment;
    return true;
}

size_t ps_key_list_common(const struct ps_key_list *list, const char *a, const char *b)
{
    size_t common = strlen(list->options.prefix);

    for (size_t i = common; a != NULL && b != NULL && a[i] != '\0' && a[i] == b[i]; i++) {
        common = a[i] == '/' ? i + 1 : common;
    }
    return common;
}

/* --- the end --- */

static void list_free(struct ps_key_list *list)
{
    ps_store_cancel(list->split.op);
    while (list->segments != NULL) {
        struct segment *segment = list->segments;

        list->segments = segment->next;
        segment_free(segment);
    }
    ps_uv_handle_close((uv_handle_t *)list->kick);
    free(list->split.dir);
    free((void *)(uintptr_t)list->options.prefix);
    free(list);
}

void ps_key_list_enter(struct ps_key_list *list)
{
    list->in_call = true;
}

void ps_key_list_leave(struct ps_key_list *list)
{
    list->in_call = false;
    if (list->ended) {
        list_free(list);
    }
}

static void end(struct ps_key_list *list, const struct ps_err *err)
{
    if (!list->ended) {
        list->ended = true;
        list->options.on_page(list->options.user, NULL, 0, false, err);
    }
}

static void end_without_memory(struct ps_key_list *list)
{
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_NO_MEMORY, "list: out of memory");
    end(list, &err);
}

/* --- a page comes --- */

/* Objects up to until; *beyond_out: there were more. */
static size_t trim(const struct segment *segment, const struct ps_object_info *objects,
                   size_t count, bool *beyond_out)
{
    size_t kept = count;

    while (segment->until != NULL && kept > 0 &&
           strcmp(objects[kept - 1].key, segment->until) > 0) {
        kept--;
    }
    *beyond_out = kept < count;
    return kept;
}

/* The page reaches into segments that nobody has asked for: they are this one's. So small directories cost no request
 * each. */
static void absorb(struct segment *segment, const char *last_key)
{
    while (segment->next != NULL && !segment->next->started &&
           strcmp(last_key, segment->until) > 0) {
        struct segment *next = segment->next;

        free(segment->until);
        segment->until = next->until;
        segment->widened = true;
        next->until = NULL;
        segment->next = next->next;
        segment_free(next);
    }
}

/* Some stores list in no order: then a list cannot be cut. */
static bool is_ascending(const struct segment *segment, const struct ps_object_info *objects,
                         size_t count)
{
    const char *before = segment->after;

    for (size_t i = 0; i < count; i++) {
        if (before != NULL && strcmp(before, objects[i].key) >= 0) {
            return false;
        }
        before = objects[i].key;
    }
    return true;
}

static bool note_progress(struct segment *segment, const struct ps_object_info *objects,
                          size_t count)
{
    if (count > 0) {
        free(segment->after);
        segment->after = ps_strdup(objects[count - 1].key);
    }
    return count == 0 || segment->after != NULL;
}

static void stop_op(struct segment *segment)
{
    ps_store_cancel(segment->op);
    segment->op = NULL;
}

static void hand_out(struct segment *segment, const struct ps_object_info *objects, size_t count)
{
    struct ps_key_list *list = segment->list;

    if (segment == list->segments && segment->pages == NULL && !list->paused) {
        list->options.on_page(list->options.user, objects, count, true, NULL);
    } else if (!keep_page(segment, objects, count)) {
        end_without_memory(list);
    }
}

static void take_answer(struct segment *segment, const struct ps_object_info *objects, size_t count,
                        bool more)
{
    struct ps_key_list *list = segment->list;
    bool beyond = false;
    struct ps_err err;

    list->page_count++;
    if (!is_ascending(segment, objects, count)) {
        if (list->segments->next != NULL || list->split.count > 0) {
            (void)ps_err_set(&err, PS_E_PARSE, "list: the store's keys come in no order");
            end(list, &err);
            return;
        }
        list->split.off = true;
    }
    if (count > 0) {
        absorb(segment, objects[count - 1].key);
    }
    count = trim(segment, objects, count, &beyond);
    segment->ended = beyond || (!more && !segment->widened);
    if (!note_progress(segment, objects, count)) {
        end_without_memory(list);
        return;
    }
    if (segment->ended) {
        stop_op(segment);
    } else {
        ps_key_list_try_split(segment, objects, count);
    }
    hand_out(segment, objects, count);
}

static void on_answer(void *user, const struct ps_object_info *objects, size_t count, bool more,
                      const struct ps_err *err)
{
    struct segment *segment = user;
    struct ps_key_list *list = segment->list;

    ps_key_list_enter(list);
    if (!more || err != NULL) {
        segment->op = NULL;
    }
    if (err != NULL) {
        end(list, err);
    } else {
        take_answer(segment, objects, count, more);
    }
    if (!list->ended &&
        (segment == list->segments ? list->paused
                                   : list->waiting_bytes >= PS_KEY_LIST_WAITING_BYTES_MAX)) {
        stop_op(segment); /* goes on behind the last key when there is room */
    }
    ps_key_list_pump(list);
    ps_key_list_leave(list);
}

/* --- whose turn it is --- */

static enum ps_code start_op(struct segment *segment, struct ps_err *err)
{
    struct ps_key_list *list = segment->list;
    size_t length = ps_key_list_common(list, segment->after, segment->until);
    char *prefix = ps_strndup(
        length > strlen(list->options.prefix) ? segment->after : list->options.prefix, length);
    const struct ps_list_request request = { .prefix = prefix, .start_after = segment->after };

    if (prefix == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "list: out of memory");
    }
    segment->started = true;
    segment->widened = false;
    segment->op = ps_store_list(list->options.store, &request, on_answer, segment, err);
    free(prefix);
    return segment->op != NULL ? PS_OK : err->code;
}

static void start_ops(struct ps_key_list *list)
{
    size_t running = list->split.op != NULL ? 1 : 0;
    struct ps_err err;

    for (const struct segment *segment = list->segments; segment != NULL; segment = segment->next) {
        running += segment->op != NULL ? 1 : 0;
    }
    for (struct segment *segment = list->segments; segment != NULL && !list->ended;
         segment = segment->next) {
        bool first = segment == list->segments;

        if (segment->op == NULL && !segment->ended &&
            (first ? !list->paused
                   : running < PS_KEY_LIST_REQUESTS_MAX &&
                         list->waiting_bytes < PS_KEY_LIST_WAITING_BYTES_MAX)) {
            running++;
            if (start_op(segment, &err) != PS_OK) {
                end(list, &err);
            }
        }
    }
}

static void hand_out_waiting(struct segment *segment)
{
    struct ps_key_list *list = segment->list;
    struct page *page = take_page(segment);
    struct ps_object_info *objects = unpack(page);

    if (objects == NULL) {
        end_without_memory(list);
    } else {
        list->options.on_page(list->options.user, objects, page->count, true, NULL);
    }
    free(objects);
    free(page);
}

void ps_key_list_pump(struct ps_key_list *list)
{
    while (!list->ended && !list->paused && list->segments != NULL) {
        struct segment *first = list->segments;

        if (first->pages != NULL) {
            hand_out_waiting(first);
        } else if (first->ended) {
            list->segments = first->next;
            segment_free(first);
        } else {
            break;
        }
    }
    if (list->segments == NULL && !list->ended && !list->paused) {
        end(list, NULL);
    } else if (!list->ended) {
        start_ops(list);
    }
}

/* --- public --- */

static void on_kick(uv_timer_t *timer)
{
    struct ps_key_list *list = timer->data;

    ps_key_list_enter(list);
    ps_key_list_pump(list);
    ps_key_list_leave(list);
}

enum ps_code ps_key_list_start(struct ps_key_list **list_out,
                               const struct ps_key_list_options *options, struct ps_err *err)
{
    struct ps_key_list *list = calloc(1, sizeof(*list));
    struct ps_err own = { 0 };
    enum ps_code code;

    if (list == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "list: out of memory");
    }
    list->options = *options;
    list->options.prefix = ps_strdup(options->prefix);
    list->segments = segment_new(list);
    list->kick = ps_uv_timer_new(options->loop, list);
    list->split.off = options->store->capabilities.local;
    code = list->options.prefix != NULL && list->segments != NULL && list->kick != NULL
               ? start_op(list->segments, &own)
               : ps_err_set(&own, PS_E_NO_MEMORY, "list: out of memory");
    if (code != PS_OK) {
        list_free(list);
        if (err != NULL) {
            *err = own;
        }
        return code;
    }
    *list_out = list;
    return PS_OK;
}

void ps_key_list_pause(struct ps_key_list *list)
{
    list->paused = true;
}

void ps_key_list_resume(struct ps_key_list *list)
{
    if (list->paused) {
        list->paused = false;
        /* Not from here: callbacks never come from within a call of the user's. */
        (void)uv_timer_start(list->kick, on_kick, 0, 0);
    }
}

void ps_key_list_cancel(struct ps_key_list *list)
{
    if (list == NULL || list->ended) {
        return;
    }
    list->ended = true;
    if (!list->in_call) {
        list_free(list);
    }
}
