/**
 * memory_store - a store in memory whose objects can be broken, one way each: what a real store does once a year.
 *
 * Flow:    tests/unit/transfer, tests/stress -> [memory_store] -> store/store.h (get, list)
 * Thread:  the loop thread; holds no Criterion, as ThreadSanitizer's programs use it too
 * Source:  store/store.h: what it promises
 *
 * Each block of a get and each page of a list comes in an iteration of the loop of its own.
 */
#ifndef PS_TESTS_SUPPORT_MEMORY_STORE_H
#define PS_TESTS_SUPPORT_MEMORY_STORE_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct memory_store;

enum memory_fault {
    MEMORY_WHOLE,
    MEMORY_GONE,     /* listed, but a get finds nothing */
    MEMORY_DENIED,   /* 403 AccessDenied */
    MEMORY_ARCHIVED, /* 403 InvalidObjectState */
    MEMORY_FLIPPED,  /* the byte at fault_at_bytes is another on its way */
    MEMORY_CUT,      /* the connection breaks before the byte at fault_at_bytes */
    MEMORY_SHORT,    /* the same, but the end looks good */
    MEMORY_STALLED,  /* nothing comes from the byte at fault_at_bytes on */
    MEMORY_NO_INFO,  /* the answer has no headers */
};

/** One object; a test may change what it says. */
struct memory_object {
    char *key;
    char *bytes;
    size_t size_bytes;
    uint64_t listed_size_bytes; /* what a list says: as it was then */
    int64_t mtime_unix_ms;
    char etag[24];
    struct ps_checksum checksum; /* CRC-64/NVME */
    enum memory_fault fault;
    uint64_t fault_at_bytes;
};

/** The time of all objects, until it is changed. 2023-11-14T22:13:20.750Z */
#define MEMORY_MTIME_UNIX_MS INT64_C(1700000000750)

struct memory_store *memory_store_new(uv_loop_t *loop);
/** No operation may be under way. */
void memory_store_free(struct memory_store *memory);
/** For those that are given a store; valid until free. */
struct ps_store *memory_store_get(struct memory_store *memory);

/** Keys are to be put in ascending order. bytes NULL = zeros. The object is valid until the next put. */
struct memory_object *memory_store_put(struct memory_store *memory, const char *key,
                                       const void *bytes, size_t size_bytes);
struct memory_object *memory_store_object(struct memory_store *memory, const char *key);

/** Lists: so many empty pages stand before each page; and the list fails at this page, from 0. */
void memory_store_set_empty_pages(struct memory_store *memory, unsigned count);
void memory_store_set_failing_page(struct memory_store *memory, unsigned page_index);
/** Most bytes of a block; else what the get asks for. */
void memory_store_set_block(struct memory_store *memory, size_t block_bytes);

struct memory_counts {
    unsigned gets;
    unsigned lists;
    unsigned under_way;
    uint64_t sent_bytes; /* that sinks have taken */
};
struct memory_counts memory_store_counts(const struct memory_store *memory);

#endif
