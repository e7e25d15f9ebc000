/**
 * key_list_internal - the struct behind key_list.h, for its own files key_list*.c only.
 *
 * Flow:    key_list.c (segments, pages, whose turn it is) -> key_list_split.c (where a segment can be cut)
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TRANSFER_KEY_LIST_INTERNAL_H
#define PS_TRANSFER_KEY_LIST_INTERNAL_H

#include "transfer/key_list.h"

/** A page that waits. Of each object: size and time, then key, etag and storage class with their NULs. */
struct page {
    struct page *next;
    size_t count;
    size_t size_bytes;
    char packed[];
};

/** Keys above after, up to and with until. */
struct segment {
    struct ps_key_list *list;
    struct segment *next;
    char *after; /* all up to here are listed; NULL = none */
    char *until; /* NULL = to the end of the prefix */
    struct ps_store_op *op;
    bool started; /* once */
    bool widened; /* it has taken over others since op was started, which may not reach so far */
    bool ended;
    struct page *pages; /* wait for their turn */
    struct page **pages_end;
    char *tried; /* directory in which no place to cut was found; NULL = none */
};

struct ps_key_list {
    struct ps_key_list_options options; /* prefix is copied */
    struct segment *segments;           /* in the order of keys; the first one's turn it is */
    size_t waiting_bytes;
    uint64_t page_count; /* received */
    struct {
        struct ps_store_op *op;
        struct segment *of; /* NULL = it is gone: nothing to cut */
        char *dir;
        size_t group; /* directories a segment */
        uint64_t count;
        bool off; /* not in this list */
    } split;
    uv_timer_t *kick; /* on the heap, as it outlives the list until closed */
    bool paused;
    bool in_call; /* one of our functions is on the stack that will free the list if it has ended */
    bool ended;
};

/** The directory that a and b have in common, not above the list's prefix; its length. NULL = the prefix. */
size_t ps_key_list_common(const struct ps_key_list *list, const char *a, const char *b);

/** After a page of segment: ask for directories that lie ahead, if that promises something. */
void ps_key_list_try_split(struct segment *segment, const struct ps_object_info *objects,
                           size_t count);

/** Put a segment behind at that takes over what lies above boundary. False when memory is out. */
bool ps_key_list_cut(struct segment *at, const char *boundary, size_t length);

/** Hand out and start what can be; the list may be ended when it returns. Only with in_call set. */
void ps_key_list_pump(struct ps_key_list *list);
void ps_key_list_enter(struct ps_key_list *list);
void ps_key_list_leave(struct ps_key_list *list);

#endif
