/**
 * json_split - the items of a list answer, one by one, out of a stream of bytes; the list itself is never held.
 *
 * Flow:    kube_client.h -> [json_split] -> workflow_parse.h
 * Thread:  the loop thread
 * Source:  RFC 8259; Kubernetes API concepts: a list is an object with "metadata" and "items"
 *
 * It finds where values begin and end and no more: whoever takes an item parses it, and what is no JSON fails there.
 */
#ifndef PS_KUBE_JSON_SPLIT_H
#define PS_KUBE_JSON_SPLIT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/**
 * Largest item. etcd takes objects of 1.5 MiB, a workflow with managed fields and compressed nodes among them. Lower:
 * big workflows are lost. Higher: what one of them costs.
 */
#define PS_JSON_ITEM_LIMIT_BYTES ((size_t)8 * 1024 * 1024)

enum ps_json_split_state {
    PS_JSON_BEFORE,   /* the object's '{' is awaited */
    PS_JSON_KEY,      /* inside the object, a key or its end */
    PS_JSON_COLON,    /* after a key */
    PS_JSON_VALUE,    /* the value's first byte */
    PS_JSON_SKIP,     /* inside a value that nobody wants */
    PS_JSON_METADATA, /* inside "metadata" */
    PS_JSON_BETWEEN,  /* inside "items", between two of them */
    PS_JSON_ITEM,     /* inside an item */
    PS_JSON_AFTER,    /* the object has ended */
};

/** A zeroed one with functions set is at the start. */
struct ps_json_split {
    /** An item or the metadata, whole; borrowed for the call. text ends with a NUL that is not counted. */
    void (*on_item)(void *user, const char *text, size_t size_bytes);
    void (*on_metadata)(void *user, const char *text, size_t size_bytes);
    void *user;

    enum ps_json_split_state state;
    unsigned depth; /* of brackets in the value under way */
    bool in_string;
    bool escaped;
    bool scalar; /* the value is a number or a word: it ends with the next comma or bracket */
    char key[16];
    size_t key_length; /* cut at what fits: longer keys are none of ours */
    struct ps_buf value;
};

/** Take bytes in, in any cuts. Errors: PS_E_PARSE (no object, or no list), PS_E_TOO_LARGE, PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_json_split_feed(struct ps_json_split *split, const char *data,
                                            size_t size_bytes, struct ps_err *err);

/** True when the object has ended: the list is whole. */
bool ps_json_split_is_whole(const struct ps_json_split *split);

/** Free what is held and go back to the start; the functions stay. */
void ps_json_split_reset(struct ps_json_split *split);

#endif
