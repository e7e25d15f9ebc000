#include "store/s3_page.h"

#include "base/encode.h"
#include "base/str.h"
#include "base/xml_read.h"
#include "store/s3_error.h"

#include <stdlib.h>
#include <string.h>

/**
 * Entries of one page. S3 sends at most 1,000. Lower: stores with larger pages fail. Higher: a hostile store makes us
 * hold them.
 */
#define PAGE_ENTRIES_MAX ((size_t)50000)

static enum ps_code start_page(struct ps_s3_list *list, struct ps_err *err);

static enum ps_code no_memory(struct ps_err *err)
{
    return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static void page_clear(struct ps_s3_list *list)
{
    ps_s3_texts_clear(&list->page.texts);
    free(list->page.entries);
    memset(&list->page, 0, sizeof(list->page));
}

void *ps_s3_list_entry(const struct ps_s3_list *list, size_t index)
{
    return list->page.entries + index * list->kind->entry_size_bytes;
}

enum ps_code ps_s3_list_keep(struct ps_s3_list *list, const char **field, const char *text,
                             struct ps_err *err)
{
    const char *copy = ps_s3_texts_copy(&list->page.texts, text);

    if (copy == NULL) {
        return no_memory(err);
    }
    *field = copy;
    return PS_OK;
}

enum ps_code ps_s3_list_decode(struct ps_s3_list *list, const char **field, struct ps_err *err)
{
    char *copy;

    if (!list->page.url_encoded || *field == NULL) {
        return PS_OK;
    }
    copy = ps_s3_texts_copy(&list->page.texts, *field);
    if (copy == NULL) {
        return no_memory(err);
    }
    if (!ps_uri_decode(copy, true)) {
        return ps_err_set(err, PS_E_PARSE, "a name that is not URL-encoded as the answer says");
    }
    *field = copy;
    return PS_OK;
}

/* --- one page --- */

static enum ps_code add_entry(struct ps_s3_list *list, struct ps_err *err)
{
    size_t size_bytes = list->kind->entry_size_bytes;

    if (list->page.count == PAGE_ENTRIES_MAX) {
        return ps_err_set(err, PS_E_TOO_LARGE, "a page of more than %zu entries", PAGE_ENTRIES_MAX);
    }
    if (list->page.count == list->page.capacity) {
        size_t capacity = list->page.capacity != 0 ? 2 * list->page.capacity : 128;
        char *entries = realloc(list->page.entries, capacity * size_bytes);

        if (entries == NULL) {
            return no_memory(err);
        }
        list->page.entries = entries;
        list->page.capacity = capacity;
    }
    memset(ps_s3_list_entry(list, list->page.count), 0, size_bytes);
    list->page.count++;
    return PS_OK;
}

static enum ps_code on_begin(void *user, const char *path, struct ps_err *err)
{
    struct ps_s3_list *list = user;
    const struct ps_s3_list_kind *kind = list->kind;
    bool is_other = kind->other_entry != NULL && strcmp(path, kind->other_entry) == 0;
    enum ps_code code;

    if (!is_other && strcmp(path, kind->entry) != 0) {
        return PS_OK;
    }
    code = add_entry(list, err);
    if (code == PS_OK && kind->begin_entry != NULL) {
        kind->begin_entry(list, ps_s3_list_entry(list, list->page.count - 1), is_other);
    }
    return code;
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct ps_s3_list *list = user;
    const char *name = path + strlen(list->kind->root);

    if (strcmp(name, "/IsTruncated") == 0) {
        list->page.truncated = strcmp(text, "true") == 0;
        return PS_OK;
    }
    if (strcmp(name, "/EncodingType") == 0) {
        list->page.url_encoded = strcmp(text, "url") == 0;
        return PS_OK;
    }
    return list->kind->take(
        list, list->page.count != 0 ? ps_s3_list_entry(list, list->page.count - 1) : NULL, name,
        text, err);
}

/* A list that goes on must go on somewhere else, else it would never end. */
static bool next_is_new(const struct ps_s3_list *list)
{
    if (list->page.next_token == NULL) {
        return false;
    }
    return !ps_str_equal(list->page.next_token, list->token) ||
           !ps_str_equal(list->page.next_upload_id, list->upload_id_marker);
}

static enum ps_code check_page(void *user, const struct ps_http_answer *answer, struct ps_err *err)
{
    static const struct ps_xml_handler handler = { .begin = on_begin, .end = on_end };
    struct ps_s3_list *list = user;
    enum ps_code code;

    page_clear(list);
    code = ps_s3_xml_read(answer, list->kind->root, &handler, list, err);
    if (code == PS_OK && list->kind->end_page != NULL) {
        code = list->kind->end_page(list, err);
    }
    if (code == PS_OK && list->page.truncated && !next_is_new(list)) {
        code = ps_err_set(err, PS_E_PARSE,
                          "the list goes on, but the store does not say where it was");
    }
    return code;
}

/* --- page after page --- */

static void finish(struct ps_s3_list *list, const struct ps_err *err)
{
    page_clear(list);
    ps_s3_op_enter(&list->op);
    list->kind->deliver(list, false, err);
    ps_s3_op_end(&list->op);
}

static bool take_marker(char **marker, const char *next)
{
    char *copy = next != NULL ? ps_strdup(next) : NULL;

    free(*marker);
    *marker = copy;
    return next == NULL || copy != NULL;
}

static void go_on(struct ps_s3_list *list)
{
    struct ps_err err;

    if (!take_marker(&list->token, list->page.next_token) ||
        !take_marker(&list->upload_id_marker, list->page.next_upload_id)) {
        (void)no_memory(&err);
        finish(list, &err);
        return;
    }
    page_clear(list);
    if (start_page(list, &err) != PS_OK) {
        finish(list, &err);
    }
}

static void on_page_done(void *user, const struct ps_s3_outcome *outcome)
{
    struct ps_s3_list *list = user;
    bool more = list->page.truncated;

    list->op.call = NULL;
    if (outcome->err != NULL) {
        finish(list, outcome->err);
        return;
    }
    ps_s3_op_enter(&list->op);
    list->kind->deliver(list, more, NULL);
    if (!more) {
        ps_s3_op_end(&list->op);
    } else if (ps_s3_op_leave(&list->op)) {
        go_on(list);
    }
}

static enum ps_code start_page(struct ps_s3_list *list, struct ps_err *err)
{
    struct ps_s3_call_options call = {
        .operation = list->kind->operation,
        .method = "GET",
        .key = list->op.key,
        .check = check_page,
        .done = on_page_done,
        .user = list,
    };
    enum ps_code code = list->kind->add_query(list, &call.query, err);

    if (code == PS_OK) {
        return ps_s3_call_start(list->op.store, &call, &list->op.call, err);
    }
    ps_s3_pairs_clear(&call.query);
    return code;
}

static void list_clear(struct ps_s3_op *op)
{
    struct ps_s3_list *list = (struct ps_s3_list *)op;

    page_clear(list);
    free(list->token);
    free(list->upload_id_marker);
    if (list->clear != NULL) {
        list->clear(list);
    }
}

struct ps_store_op *ps_s3_list_start(struct ps_s3_list *list, const struct ps_s3_list_kind *kind,
                                     struct ps_err *err)
{
    list->kind = kind;
    list->op.clear = list_clear;
    return ps_s3_op_started(&list->op, start_page(list, err));
}
