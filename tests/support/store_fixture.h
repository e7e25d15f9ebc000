/**
 * store_fixture - a fresh, empty store of a kind, and its operations as calls that wait.
 *
 * Flow:    tests/conform -> [store_fixture] -> store/store.h on a loop of its own
 * Thread:  one
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_STORE_FIXTURE_H
#define PS_TESTS_SUPPORT_STORE_FIXTURE_H

#include "creds/creds.h"
#include "store/store.h"

#include <sys/types.h>

struct store_fixture {
    uv_loop_t loop;
    struct ps_store *store;
    struct ps_deleter deleter;
    struct ps_http_client *http;
    struct ps_creds_chain *creds;
    struct ps_retrier *retrier;
    char dir[64];
    pid_t server; /* 0 = none */
    char endpoint[64];
};

/** kind: "file", "s3" (a versitygw of its own, found on the PATH) or "oss" (the double, oss_double.py). False when that kind cannot be had here. */
bool store_fixture_open(struct store_fixture *fixture, const char *kind);
void store_fixture_close(struct store_fixture *fixture);

/** What an operation answered; text is a copy. */
struct answer {
    bool done;
    struct ps_err err; /* code PS_OK = success */
    char etag[128];
    char upload_id[256];
    struct ps_object_info info; /* head: numbers only */
    struct ps_checksum checksum;
    char metadata[256]; /* "name=value " of head */
    char content_type[128];
    char keys[65536]; /* list: a key a line; prefixes as they are */
    size_t count;
    unsigned page_count;
    struct ps_part_info parts[16];
    char part_etags[16][128];
    char body[8192];
    size_t body_size;
};

/** Bytes of a body: byte i is (seed + i * 7) & 255. */
ssize_t pattern_read(void *seed, uint64_t offset, void *into, size_t size);
struct ps_checksum pattern_checksum(const struct store_fixture *fixture, uintptr_t seed,
                                    uint64_t size);

void store_put(struct store_fixture *fixture, const char *key, uintptr_t seed, uint64_t size,
               struct answer *answer);
void store_head(struct store_fixture *fixture, const char *key, struct answer *answer);
void store_get(struct store_fixture *fixture, const struct ps_get_request *request,
               struct answer *answer);
void store_list(struct store_fixture *fixture, const struct ps_list_request *request,
                struct answer *answer);
void store_begin(struct store_fixture *fixture, const char *key, uint64_t size,
                 struct answer *answer);
void store_part(struct store_fixture *fixture, const struct ps_part_request *request,
                struct answer *answer);
void store_parts(struct store_fixture *fixture, const char *key, const char *upload_id,
                 struct answer *answer);
void store_complete(struct store_fixture *fixture, const struct ps_complete_request *request,
                    struct answer *answer);
void store_abort(struct store_fixture *fixture, const char *key, const char *upload_id,
                 struct answer *answer);
void store_delete(struct store_fixture *fixture, const char *const *keys, size_t count,
                  struct answer *answer);

/** Run the loop until answer->done, at most some seconds. */
void wait_for(struct store_fixture *fixture, const struct ps_store_op *op, struct answer *answer);

#endif
