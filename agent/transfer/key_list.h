/**
 * key_list - all objects below a prefix in the order of their keys, several pages of the list asked for at once.
 *
 * Flow:    store/ list -> [key_list] -> cli/cmd_ls.c, cli/cmd_rm.c
 * Thread:  the loop thread
 * Source:  S3 ListObjectsV2: keys in UTF-8 order, start-after, delimiter
 *
 * A list goes from page to page, as only an answer says where the next one begins. Where the keys have directories, one
 * more request with a delimiter tells names that lie ahead; the list is cut there into segments that are asked for side
 * by side, a few pages each. Pages ahead of their turn wait, packed, in PS_KEY_LIST_WAITING_BYTES_MAX. A flat prefix costs
 * as many requests as it has pages; a tree about a third more. Where a large directory is followed by many tiny ones most
 * answers overlap, and it is some times as many: never more than PS_KEY_LIST_REQUESTS_MAX times.
 */
#ifndef PS_TRANSFER_KEY_LIST_H
#define PS_TRANSFER_KEY_LIST_H

#include "store/store.h"

/**
 * Requests under way, and memory of pages ahead of their turn (a page of 1,000 keys takes about 100 KiB). Lower: slower
 * over a network, as where directories have more pages than fit, requests wait. Higher: more load than other users of
 * the store like, and more memory.
 */
enum {
    PS_KEY_LIST_REQUESTS_MAX = 5,
    PS_KEY_LIST_WAITING_BYTES_MAX = 6 * 1024 * 1024
};

struct ps_key_list;

struct ps_key_list_options {
    uv_loop_t *loop;
    struct ps_store *store;
    const char *prefix; /* copied */
    /** As of ps_store_list: the last call has more = false and no objects, or err. It may cancel and pause. */
    ps_store_list_fn on_page;
    void *user;
};

/** Start. Errors: PS_E_NO_MEMORY, those of ps_store_list. */
PS_MUST_USE enum ps_code ps_key_list_start(struct ps_key_list **list_out,
                                           const struct ps_key_list_options *options,
                                           struct ps_err *err);

/** No page is handed out until resume. */
void ps_key_list_pause(struct ps_key_list *list);
void ps_key_list_resume(struct ps_key_list *list);

/** End it: on_page is not called any more. NULL is allowed; not after the last call of on_page. */
void ps_key_list_cancel(struct ps_key_list *list);

#endif
