/**
 * admin_list - a list that is handed out a page at a time, and the arguments that ask for a page.
 *
 * Flow:    serve/target.h -> [admin_list] -> admin_state.c, admin_reclaims.c
 * Thread:  any; holds no state
 * Source:  none
 *
 * `limit` is how many items are wanted, `after` is the `next` of the page before; `next` is null at the end.
 */
#ifndef PS_SERVE_ADMIN_LIST_H
#define PS_SERVE_ADMIN_LIST_H

#include "base/err.h"
#include "serve/target.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Most items of a page. Lower: more questions for a long list. Higher: a large answer held in memory. */
#define PS_ADMIN_PAGE_MAX 500

struct ps_admin_list {
    json_t *items;
    size_t max;
    uint64_t skip_count; /* of a list that is paged by position: what the pages before had */
    uint64_t count;      /* items passed over and taken */
    bool full;           /* there was one more */
    bool no_memory;      /* an item is missing */
};

/** As the request's `limit` says: 1 to PS_ADMIN_PAGE_MAX, which it is without one. Errors: PS_E_INVALID, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_admin_list_init(struct ps_admin_list *list,
                                            const struct ps_target *target, struct ps_err *err);
/** The same for a list that is paged by position, the number in `after`. */
PS_MUST_USE enum ps_code ps_admin_list_init_at(struct ps_admin_list *list,
                                               const struct ps_target *target, struct ps_err *err);
void ps_admin_list_clear(struct ps_admin_list *list);

/** Whether the next item was on a page before: it is passed over. */
PS_MUST_USE bool ps_admin_list_passes(struct ps_admin_list *list);

/** Take item. False when there is no room: it is freed, and no more are wanted. */
PS_MUST_USE bool ps_admin_list_push(struct ps_admin_list *list, json_t *item);

/** { NAME: [...], "next": text or null }; list is cleared. next NULL = the end. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_admin_list_finish(struct ps_admin_list *list, const char *name,
                                              const char *next, json_t **json_out,
                                              struct ps_err *err);

/** The same for a list that is paged by position. */
PS_MUST_USE enum ps_code ps_admin_list_finish_at(struct ps_admin_list *list, const char *name,
                                                 json_t **json_out, struct ps_err *err);

/** The number in the argument called name; *value_out is left alone when it is not there. Errors: PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_admin_arg_number(const struct ps_target *target, const char *name,
                                             int64_t *value_out, struct ps_err *err);

/** `after` as "FIRST-SECOND" or "FIRST"; both are left alone when it is not there. Errors: PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_admin_arg_after(const struct ps_target *target, uint64_t *first_out,
                                            uint64_t *second_out, struct ps_err *err);

#endif
