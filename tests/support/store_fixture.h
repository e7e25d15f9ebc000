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

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sys/types.h>

/** Kinds of stores that a suite runs against, for ParameterizedTestParameters. */
#define STORE_KIND_SIZE 8
extern char store_kinds[3][STORE_KIND_SIZE];

/** `STORE_TEST(suite, name) { ... f ... }` runs once a kind, on a fresh store f. */
#define STORE_TEST(suite, name)                                                                    \
    static void name(struct store_fixture *f);                                                     \
    ParameterizedTestParameters(suite, name)                                                       \
    {                                                                                              \
        return cr_make_param_array(char[STORE_KIND_SIZE], store_kinds,                             \
                                   sizeof(store_kinds) / sizeof(store_kinds[0]));                  \
    }                                                                                              \
    ParameterizedTest(char kind[STORE_KIND_SIZE], suite, name)                                     \
    {                                                                                              \
        struct store_fixture fixture;                                                              \
        cr_assert(store_fixture_open(&fixture, kind),                                              \
                  "%s: its server is not on the PATH: run tests/run.sh", kind);                    \
        name(&fixture);                                                                            \
        store_fixture_close(&fixture);                                                             \
    }                                                                                              \
    static void name(struct store_fixture *f)

#define OK(answer) cr_assert_eq((answer).err.code, PS_OK, "%s", (answer).err.message)
#define FAILS(answer, wanted)                                                                      \
    cr_assert_eq((answer).err.code, (wanted), "%s: %s", ps_code_name((answer).err.code),           \
                 (answer).err.message)

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
bool store_fixture_is_oss(const struct store_fixture *fixture);

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
    char keys[65536]; /* list: a key a line; prefixes as they are. list_uploads: "key upload_id" */
    char text[4096];  /* presign, get_lifecycle; get_tags: "name=value;" */
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
void store_put_request(struct store_fixture *fixture, const struct ps_put_request *request,
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
void store_uploads(struct store_fixture *fixture, const char *prefix, struct answer *answer);
void store_copy(struct store_fixture *fixture, const struct ps_copy_request *request,
                struct answer *answer);
void store_presign(struct store_fixture *fixture, const struct ps_presign_request *request,
                   struct answer *answer);
void store_restore(struct store_fixture *fixture, const struct ps_restore_request *request,
                   struct answer *answer);
void store_get_tags(struct store_fixture *fixture, const char *key, struct answer *answer);
void store_put_tags(struct store_fixture *fixture, const struct ps_tags_request *request,
                    struct answer *answer);
void store_get_lifecycle(struct store_fixture *fixture, struct answer *answer);
void store_put_lifecycle(struct store_fixture *fixture, const char *xml, struct answer *answer);
void store_delete(struct store_fixture *fixture, const char *const *keys, size_t count,
                  struct answer *answer);

/** Run the loop until answer->done, at most some seconds. */
void wait_for(struct store_fixture *fixture, const struct ps_store_op *op, struct answer *answer);

#endif
