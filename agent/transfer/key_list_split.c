#include "transfer/key_list_internal.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/**
 * A segment is to be of so many pages. Lower: its last page, which is half empty, weighs more. Higher: the segments
 * behind it wait longer for their turn, with their pages in memory.
 */
#define SEGMENT_PAGES 3

/** Keys that a directory must have for its name to be worth its place in a list of names. */
#define DENSE_KEYS 8

/** Pages that must come for each question after the first: an eighth more requests at most. */
#define PAGES_A_SPLIT 8

/* Directories directly below dir (length bytes) in which the page's keys lie. */
static size_t count_directories(const struct ps_object_info *objects, size_t count, size_t length)
{
    const char *last = NULL;
    size_t last_length = 0;
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name = objects[i].key + length;
        const char *slash = strchr(name, '/');
        size_t name_length = slash != NULL ? (size_t)(slash - name) : 0;

        if (slash != NULL &&
            (last == NULL || name_length != last_length || memcmp(name, last, name_length) != 0)) {
            found++;
            last = name;
            last_length = name_length;
        }
    }
    return found;
}

/* The directory above the one of length bytes; length itself when that is the list's prefix. */
static size_t above(const struct ps_key_list *list, const char *key, size_t length)
{
    size_t least = strlen(list->options.prefix);

    if (length <= least) {
        return length;
    }
    length--;
    while (length > least && key[length - 1] != '/') {
        length--;
    }
    return length;
}

/* Where to look for names that lie ahead: length of a directory of the last key; false = nowhere. */
static bool choose(struct segment *segment, const struct ps_object_info *objects, size_t count,
                   size_t *length_out, size_t *group_out)
{
    const struct ps_key_list *list = segment->list;
    const char *last = objects[count - 1].key;
    size_t length = ps_key_list_common(list, objects[0].key, last);
    size_t directories = count_directories(objects, count, length);
    bool dense = directories > 0 && count / directories >= DENSE_KEYS;

    *group_out = dense ? directories * SEGMENT_PAGES : 1;
    if (!dense) {
        size_t up = above(list, last, length);

        if (up == length) {
            return false; /* flat, or a file or two a directory: names would cost as much as keys */
        }
        length = up;
    }
    while (segment->tried != NULL && length >= strlen(segment->tried) &&
           ps_str_has_prefix(last, segment->tried)) {
        size_t up = above(list, last, length);

        if (up == length) {
            return false;
        }
        length = up;
        *group_out = 1;
    }
    *length_out = length;
    return true;
}

static bool is_idle(const struct ps_key_list *list, const struct segment *except)
{
    size_t running = 0;

    for (const struct segment *segment = list->segments; segment != NULL; segment = segment->next) {
        if (segment != except && segment->op == NULL && !segment->ended) {
            return false; /* work waits already */
        }
        running += segment->op != NULL ? 1 : 0;
    }
    return running < PS_KEY_LIST_REQUESTS_MAX;
}

/* The current segment keeps the first group of directories: a page of it is under way. */
static void cut(struct segment *segment, const struct ps_object_info *objects, size_t count)
{
    struct ps_key_list *list = segment->list;
    struct segment *at = segment;
    size_t seen = 0;
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        const char *name = objects[i].key;
        size_t length = strlen(name);
        char *boundary;
        bool fits;

        if (!objects[i].is_prefix || length < 2 || name[length - 1] != '/') {
            continue;
        }
        /* Without its '/': what is up to here lies before the directory, whatever begins like its name. */
        boundary = ps_strndup(name, length - 1);
        fits = boundary != NULL && (at->after == NULL || strcmp(boundary, at->after) > 0) &&
               (at->until == NULL || strcmp(boundary, at->until) < 0);
        if (fits && seen++ % list->split.group == list->split.group - 1) {
            fits = ps_key_list_cut(at, boundary, length - 1);
            at = fits ? at->next : at;
            any = any || fits;
        }
        free(boundary);
    }
    if (!any) {
        free(segment->tried);
        segment->tried = list->split.dir;
        list->split.dir = NULL;
    }
}

static void on_names(void *user, const struct ps_object_info *objects, size_t count, bool more,
                     const struct ps_err *err)
{
    struct ps_key_list *list = user;
    struct ps_store_op *op = list->split.op;

    ps_key_list_enter(list);
    list->split.op = NULL;
    if (err != NULL) {
        list->split.off = true; /* the list itself will tell what is wrong */
    } else if (list->split.of != NULL) {
        cut(list->split.of, objects, count);
    }
    if (more && err == NULL) {
        ps_store_cancel(op);
    }
    list->split.of = NULL;
    ps_key_list_pump(list);
    ps_key_list_leave(list);
}

void ps_key_list_try_split(struct segment *segment, const struct ps_object_info *objects,
                           size_t count)
{
    struct ps_key_list *list = segment->list;
    struct ps_list_request request = { .delimiter = "/", .start_after = segment->after };
    size_t length = 0;

    if (list->split.off || list->split.op != NULL || count == 0 || !is_idle(list, segment) ||
        list->split.count > list->page_count / PAGES_A_SPLIT ||
        !choose(segment, objects, count, &length, &list->split.group)) {
        return;
    }
    free(list->split.dir);
    list->split.dir = ps_strndup(segment->after, length);
    request.prefix = list->split.dir;
    if (list->split.dir == NULL) {
        return;
    }
    list->split.count++;
    list->split.of = segment;
    list->split.op = ps_store_list(list->options.store, &request, on_names, list, NULL);
    if (list->split.op == NULL) {
        list->split.off = true;
    }
}
