/**
 * s3_page - a list that comes in pages: asks for one after the other, and hands each to the caller.
 *
 * Flow:    s3_list.c, s3_list_parts.c, s3_list_uploads.c -> [s3_page] -> s3_call.h, s3_answer.h
 * Thread:  the loop thread
 * Source:  S3 ListObjectsV2, ListParts, ListMultipartUploads
 */
#ifndef PS_STORE_S3_PAGE_H
#define PS_STORE_S3_PAGE_H

#include "store/s3_answer.h"
#include "store/s3_internal.h"

struct ps_s3_list;

/** What differs from one list to another. Static. */
struct ps_s3_list_kind {
    const char *operation;   /* "list_parts" */
    const char *root;        /* "/ListPartsResult" */
    const char *entry;       /* "/ListPartsResult/Part": each begins an entry */
    const char *other_entry; /* the same, for CommonPrefixes; NULL = none */
    size_t entry_size_bytes;
    /** Parameters of the page at list->token, list->upload_id_marker. */
    enum ps_code (*add_query)(struct ps_s3_list *list, struct ps_s3_pairs *query,
                              struct ps_err *err);
    /** An entry begins: set what is not zero by default. entry is zeroed. */
    void (*begin_entry)(struct ps_s3_list *list, void *entry, bool is_other);
    /** An element has ended inside of the latest entry (NULL = none yet); path is that after kind->root. */
    enum ps_code (*take)(struct ps_s3_list *list, void *entry, const char *path, const char *text,
                         struct ps_err *err);
    /** The page is whole: decode what url_encoded asks for. */
    enum ps_code (*end_page)(struct ps_s3_list *list, struct ps_err *err);
    /** Call the user. */
    void (*deliver)(struct ps_s3_list *list, bool more, const struct ps_err *err);
};

/** First member of each list operation. */
struct ps_s3_list {
    struct ps_s3_op op;
    const struct ps_s3_list_kind *kind;
    char *token; /* continuation-token, key-marker, part-number-marker; NULL = the first page */
    char *upload_id_marker; /* NULL = none */
    struct {
        struct ps_s3_texts texts;
        char *entries;
        size_t count;
        size_t capacity;
        bool truncated;
        bool
            url_encoded; /* the answer says <EncodingType>url: not all stores that are asked for it do it */
        const char *next_token; /* in texts; NULL = none */
        const char *next_upload_id;
    } page;
    void (*clear)(struct ps_s3_list *list); /* what the kind holds besides; may be NULL */
};

/** Start with the first page; on failure the operation is freed and NULL returned. */
struct ps_store_op *ps_s3_list_start(struct ps_s3_list *list, const struct ps_s3_list_kind *kind,
                                     struct ps_err *err);

/** *field = text kept for the life of the page. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_s3_list_keep(struct ps_s3_list *list, const char **field,
                                         const char *text, struct ps_err *err);

/**
 * *field = its text percent-decoded, when the page is url_encoded. NULL is left as it is. Errors: PS_E_PARSE,
 * PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_s3_list_decode(struct ps_s3_list *list, const char **field,
                                           struct ps_err *err);

/** The entry at index, of the kind's type. */
void *ps_s3_list_entry(const struct ps_s3_list *list, size_t index);

#endif
