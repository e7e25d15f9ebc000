#include "transfer/tree_compare.h"

#include "base/str.h"
#include "source/file_reader.h"
#include "transfer/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASH_CHUNK_BYTES = 128 * 1024
};

struct ps_tree_listing {
    struct ps_store *store;
    char *prefix;
    void (*on_ready)(void *user);
    void *user;
    struct ps_store_op *op;
    struct ps_tree_listed *page; /* text is owned */
    size_t count;
    size_t next;
    char *last_key;
    bool more;
    struct ps_err err;
};

/* --- the list --- */

static void page_clear(struct ps_tree_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        free((void *)(uintptr_t)listing->page[i].path);
        free((void *)(uintptr_t)listing->page[i].etag);
    }
    free(listing->page);
    listing->page = NULL;
    listing->count = 0;
    listing->next = 0;
}

enum ps_code ps_tree_listing_new(struct ps_tree_listing **listing_out, struct ps_store *store,
                                 const char *prefix, void (*on_ready)(void *user), void *user,
                                 struct ps_err *err)
{
    struct ps_tree_listing *listing = calloc(1, sizeof(*listing));

    if (listing != NULL) {
        listing->prefix = ps_strdup(prefix);
    }
    if (listing == NULL || listing->prefix == NULL) {
        free(listing);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    listing->store = store;
    listing->on_ready = on_ready;
    listing->user = user;
    listing->more = true;
    *listing_out = listing;
    return PS_OK;
}

void ps_tree_listing_free(struct ps_tree_listing *listing)
{
    if (listing != NULL) {
        ps_store_cancel(listing->op);
        page_clear(listing);
        free(listing->last_key);
        free(listing->prefix);
        free(listing);
    }
}

const struct ps_err *ps_tree_listing_error(const struct ps_tree_listing *listing)
{
    return &listing->err;
}

static bool take_page(struct ps_tree_listing *listing, const struct ps_object_info *objects,
                      size_t count)
{
    size_t prefix_length = strlen(listing->prefix);

    page_clear(listing);
    listing->page = calloc(count + 1, sizeof(*listing->page));
    if (listing->page == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct ps_tree_listed *listed = &listing->page[listing->count++];

        listed->path = ps_strdup(objects[i].key + prefix_length);
        listed->etag = ps_strdup(objects[i].etag);
        listed->size_bytes = objects[i].size_bytes;
        if (listed->path == NULL || listed->etag == NULL) {
            return false;
        }
    }
    if (count > 0) {
        free(listing->last_key);
        listing->last_key = ps_strdup(objects[count - 1].key);
    }
    return count == 0 || listing->last_key != NULL;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_tree_listing *listing = user;
    struct ps_store_op *op = listing->op;

    listing->op = NULL;
    listing->more = more;
    if (err != NULL) {
        listing->err = *err;
    } else if (!take_page(listing, objects, count)) {
        (void)ps_err_set(&listing->err, PS_E_NO_MEMORY, "out of memory");
    }
    if (more && err == NULL) {
        ps_store_cancel(op); /* the next page is asked for when it is needed: one page is held */
    }
    listing->on_ready(listing->user);
}

static enum ps_tree_listing_state fetch(struct ps_tree_listing *listing)
{
    const struct ps_list_request request = { .prefix = listing->prefix,
                                             .start_after = listing->last_key };

    if (listing->op == NULL) {
        listing->op = ps_store_list(listing->store, &request, on_page, listing, &listing->err);
    }
    return listing->op != NULL ? PS_TREE_LISTING_LATER : PS_TREE_LISTING_FAILED;
}

enum ps_tree_listing_state ps_tree_listing_find(struct ps_tree_listing *listing, const char *path,
                                                const struct ps_tree_listed **listed_out)
{
    if (listing->err.code != PS_OK) {
        return PS_TREE_LISTING_FAILED;
    }
    while (listing->next < listing->count && strcmp(listing->page[listing->next].path, path) < 0) {
        listing->next++;
    }
    if (listing->next == listing->count) {
        return listing->more ? fetch(listing) : PS_TREE_LISTING_MISSING;
    }
    *listed_out = &listing->page[listing->next];
    return strcmp((*listed_out)->path, path) == 0 ? PS_TREE_LISTING_FOUND : PS_TREE_LISTING_MISSING;
}

/* --- one object --- */

struct ps_tree_compare {
    struct ps_tree_compare_options options; /* key is copied */
    char *etag;
    struct ps_store_op *op;
    struct ps_job job; /* while it runs it owns sum */
    bool etag_failed;  /* it is not the file's MD5 */
    struct ps_checksum wanted;
    struct ps_checksum sum;
};

static bool is_md5_etag(const struct ps_checksum *md5, const char *etag)
{
    char hex[2 * PS_CHECKSUM_SIZE_MAX + 1];
    char quoted[sizeof(hex) + 2];

    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", ps_checksum_to_hex(md5, hex));
    return md5->algorithm == PS_CHECKSUM_MD5 && strcmp(quoted, etag) == 0;
}

bool ps_tree_is_listed_md5(const struct ps_tree_item *item, const char *etag)
{
    return item->data != NULL && is_md5_etag(&item->md5, etag);
}

static void compare_free(struct ps_tree_compare *compare)
{
    if (compare != NULL) {
        free(compare->etag);
        free((void *)(uintptr_t)compare->options.key);
        free(compare);
    }
}

static void finish(struct ps_tree_compare *compare, bool same)
{
    compare->options.on_done(compare->options.user, same);
    compare_free(compare);
}

static enum ps_code hash_file(struct ps_tree_compare *compare, struct ps_hasher *hasher,
                              struct ps_err *err)
{
    struct ps_file_reader *reader = NULL;
    char *chunk = malloc(HASH_CHUNK_BYTES);
    enum ps_code code = chunk != NULL ? ps_file_reader_open(&reader, compare->options.path, err)
                                      : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    uint64_t size_bytes = code == PS_OK ? ps_file_reader_identity(reader)->size_bytes : 0;

    for (uint64_t at = 0; code == PS_OK && at < size_bytes;) {
        size_t step_bytes = size_bytes - at < HASH_CHUNK_BYTES ? (size_t)(size_bytes - at)
                                                               : (size_t)HASH_CHUNK_BYTES;

        code = ps_file_reader_read(reader, at, chunk, step_bytes, err);
        if (code == PS_OK) {
            ps_hasher_update(hasher, chunk, step_bytes);
            at += step_bytes;
        }
    }
    ps_file_reader_close(reader);
    free(chunk);
    return code;
}

static void run_hash(struct ps_job *job)
{
    struct ps_tree_compare *compare = job->user;
    const struct ps_tree_item *item = compare->options.item;
    struct ps_hasher hasher;

    job->code = ps_hasher_init(&hasher, compare->wanted.algorithm, &job->err);
    if (job->code != PS_OK) {
        return;
    }
    if (item->data != NULL) {
        ps_hasher_update(&hasher, item->data, (size_t)item->size_bytes);
    } else {
        job->code = hash_file(compare, &hasher, &job->err);
    }
    compare->sum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
}

static enum ps_code ask(struct ps_tree_compare *compare, struct ps_err *err);

static void on_hashed(struct ps_job *job)
{
    struct ps_tree_compare *compare = job->user;
    bool by_etag = compare->wanted.algorithm == PS_CHECKSUM_MD5;
    bool same = job->code == PS_OK && (compare->wanted.algorithm == PS_CHECKSUM_MD5
                                           ? is_md5_etag(&compare->sum, compare->etag)
                                           : ps_checksum_equal(&compare->sum, &compare->wanted));

    if (!same && by_etag && compare->options.etag_first && !compare->etag_failed) {
        compare->etag_failed = true;
        same = false;
        if (ask(compare, NULL) == PS_OK) {
            return;
        }
    }
    finish(compare, same);
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct ps_tree_compare *compare = user;

    compare->op = NULL;
    if (err != NULL || info->size_bytes != compare->options.item->size_bytes) {
        finish(compare, false);
        return;
    }
    compare->wanted = info->checksum;
    if (info->checksum.algorithm == PS_CHECKSUM_NONE ||
        info->checksum.algorithm == PS_CHECKSUM_MD5) {
        compare->wanted.algorithm = PS_CHECKSUM_MD5; /* against the ETag */
    }
    if (compare->etag_failed && compare->wanted.algorithm == PS_CHECKSUM_MD5) {
        finish(compare, false);
        return;
    }
    ps_job_start(&compare->job, compare->options.loop, compare, run_hash, on_hashed);
}

static enum ps_code ask(struct ps_tree_compare *compare, struct ps_err *err)
{
    compare->op =
        ps_store_head(compare->options.store, compare->options.key, on_head, compare, err);
    return compare->op != NULL ? PS_OK : PS_E_NO_MEMORY;
}

/* A quoted MD5: 32 hexadecimal digits. Of an upload in parts it is another text. */
static bool looks_like_md5(const char *etag)
{
    return strlen(etag) == 34 && strspn(etag + 1, "0123456789abcdefABCDEF") == 32;
}

enum ps_code ps_tree_compare_start(struct ps_tree_compare **compare_out,
                                   const struct ps_tree_compare_options *options,
                                   struct ps_err *err)
{
    struct ps_tree_compare *compare = calloc(1, sizeof(*compare));

    if (compare != NULL) {
        compare->options = *options;
        compare->etag = ps_strdup(options->etag);
        compare->options.key = ps_strdup(options->key);
    }
    if (compare == NULL || compare->etag == NULL || compare->options.key == NULL) {
        compare_free(compare);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (options->etag_first && looks_like_md5(options->etag)) {
        compare->wanted.algorithm = PS_CHECKSUM_MD5;
        ps_job_start(&compare->job, options->loop, compare, run_hash, on_hashed);
    } else if (ask(compare, err) != PS_OK) {
        compare_free(compare);
        return err != NULL ? err->code : PS_E_NO_MEMORY;
    }
    *compare_out = compare;
    return PS_OK;
}
