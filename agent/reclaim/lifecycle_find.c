#include "reclaim/lifecycle_find.h"

#include "base/str.h"
#include "state/artifact.h"
#include "transfer/job.h"

#include <stdlib.h>
#include <string.h>

#define DAY_S ((int64_t)86400)

/** Objects of a page, and uploads of a directory that one run ends; the others wait for the next. */
#define PAGE_MAX 1000

/* An object that has expired, or an upload that is to end. */
struct found {
    char *url;  /* of an upload: its key */
    char *etag; /* of an upload: its id */
    uint64_t size_bytes;
    int64_t mtime_unix_s;
    const struct ps_lifecycle_rule *rule;
    bool has_tags; /* that the rule wants */
};

struct ps_lifecycle_find {
    struct ps_lifecycle_find_options options;
    struct ps_job job;
    struct ps_lifecycle_found result;
    struct ps_err err;
    size_t root_index;
    struct ps_open_store store; /* of the root at hand */
    struct ps_store_op *op;
    char *after; /* where the next page begins; NULL = at the start */
    struct found page[PAGE_MAX];
    struct ps_artifact artifacts[PAGE_MAX]; /* of the worker while a job runs */
    size_t count;
    size_t at;
    size_t recorded_count;
    bool more;
    bool stopping;
};

static void next_root(struct ps_lifecycle_find *find);
static void list_page(struct ps_lifecycle_find *find);
static void check_tags(struct ps_lifecycle_find *find);
static void abort_next(struct ps_lifecycle_find *find);

static const struct ps_lifecycle_root *root_of(const struct ps_lifecycle_find *find)
{
    return &find->options.local->roots[find->root_index];
}

static void clear_page(struct ps_lifecycle_find *find)
{
    for (size_t i = 0; i < find->count; i++) {
        free(find->page[i].url);
        free(find->page[i].etag);
    }
    find->count = 0;
    find->at = 0;
}

static void end_root(struct ps_lifecycle_find *find, const struct ps_err *err)
{
    if (err != NULL) {
        find->err = *err;
    }
    clear_page(find);
    ps_store_close(&find->store);
    free(find->after);
    find->after = NULL;
    find->root_index++;
    next_root(find);
}

/* --- uploads that nobody ends --- */

static void on_aborted(void *user, const struct ps_err *err)
{
    struct ps_lifecycle_find *find = user;

    if (err == NULL) {
        find->result.aborted_count++;
    } else if (err->code != PS_E_NO_UPLOAD) {
        find->err = *err;
    }
    find->at++;
    abort_next(find);
}

static void abort_next(struct ps_lifecycle_find *find)
{
    for (; find->at < find->count && !find->stopping; find->at++) {
        const struct found *upload = &find->page[find->at];

        if (ps_store_abort(find->store.store, upload->url, upload->etag, on_aborted, find,
                           &find->err) != NULL) {
            return;
        }
    }
    end_root(find, NULL);
}

static const struct ps_lifecycle_rule *abort_rule(const struct ps_lifecycle_find *find,
                                                  const struct ps_upload_info *upload)
{
    const struct ps_lifecycle_rules *rules = &root_of(find)->rules;

    for (size_t i = 0; i < rules->count; i++) {
        const struct ps_lifecycle_rule *rule = &rules->items[i];

        if (rule->abort_days != 0 && upload->initiated_unix_ms > 0 &&
            ps_str_has_prefix(upload->key, rule->prefix) &&
            upload->initiated_unix_ms / 1000 + (int64_t)rule->abort_days * DAY_S <=
                find->options.now_unix_s) {
            return rule;
        }
    }
    return NULL;
}

static void keep_found(struct ps_lifecycle_find *find, const struct found *found)
{
    struct found *kept = &find->page[find->count];

    *kept = *found;
    kept->url = ps_strdup(found->url);
    kept->etag = ps_strdup(found->etag);
    if (kept->url != NULL && kept->etag != NULL) {
        find->count++;
    } else {
        free(kept->url);
        free(kept->etag);
    }
}

static void on_uploads(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                       const struct ps_err *err)
{
    struct ps_lifecycle_find *find = user;

    for (size_t i = 0; i < count && find->count < PAGE_MAX; i++) {
        if (abort_rule(find, &uploads[i]) != NULL) {
            const struct found found = { .url = (char *)(uintptr_t)uploads[i].key,
                                         .etag = (char *)(uintptr_t)uploads[i].upload_id };

            keep_found(find, &found);
        }
    }
    if (err != NULL) {
        end_root(find, err);
    } else if (!more) {
        abort_next(find);
    }
}

static bool aborts(const struct ps_lifecycle_find *find)
{
    const struct ps_lifecycle_rules *rules = &root_of(find)->rules;

    for (size_t i = 0; i < rules->count && find->options.state != NULL; i++) {
        if (rules->items[i].abort_days != 0) {
            return true;
        }
    }
    return false;
}

static void list_uploads(struct ps_lifecycle_find *find)
{
    struct ps_err err;

    clear_page(find);
    if (!aborts(find)) {
        end_root(find, NULL);
    } else if (ps_store_list_uploads(find->store.store, "", on_uploads, find, &err) == NULL) {
        end_root(find, &err);
    }
}

/* --- a page of objects --- */

static void end_page(struct ps_lifecycle_find *find)
{
    clear_page(find);
    if (find->stopping) {
        end_root(find, NULL);
    } else if (find->more) {
        list_page(find);
    } else {
        list_uploads(find);
    }
}

static void run_record(struct ps_job *job)
{
    struct ps_lifecycle_find *find = job->user;
    size_t count = 0;

    for (size_t i = 0; i < find->count; i++) {
        const struct found *found = &find->page[i];
        struct ps_artifact *artifact = &find->artifacts[count];

        if (!found->has_tags || strlen(found->url) > PS_ARTIFACT_URL_MAX) {
            continue;
        }
        *artifact = (struct ps_artifact){ .url = found->url,
                                          .has_size = true,
                                          .size_bytes = found->size_bytes,
                                          .etag = found->etag,
                                          .created_unix_s = found->mtime_unix_s,
                                          .recorded_unix_s = find->options.now_unix_s };
        if (found->rule->tag_count > 0) {
            artifact->labels.count = 1;
            artifact->labels.items[0] = (struct ps_label){ PS_LIFECYCLE_LABEL, found->rule->id };
        }
        count++;
    }
    job->code = ps_artifact_found(find->options.state, find->artifacts, count,
                                  &find->recorded_count, &job->err);
}

static void on_recorded(struct ps_job *job)
{
    struct ps_lifecycle_find *find = job->user;

    if (job->code != PS_OK) {
        find->stopping = true; /* the state is full or gone: no other directory will do better */
        end_root(find, &job->err);
        return;
    }
    find->result.recorded_count += find->recorded_count;
    end_page(find);
}

static void tell(struct ps_lifecycle_find *find)
{
    for (size_t i = 0; i < find->count; i++) {
        if (find->page[i].has_tags) {
            find->result.expired_count++;
            if (find->options.on_expired != NULL) {
                find->options.on_expired(find->options.user, find->page[i].url, find->page[i].rule);
            }
        }
    }
}

static bool has_tag(const struct ps_store_pair *tags, size_t count,
                    const struct ps_lifecycle_tag *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tags[i].name, wanted->name) == 0 && strcmp(tags[i].value, wanted->value) == 0) {
            return true;
        }
    }
    return false;
}

static void on_tags(void *user, const struct ps_store_pair *tags, size_t count,
                    const struct ps_err *err)
{
    struct ps_lifecycle_find *find = user;
    struct found *found = &find->page[find->at++];

    found->has_tags = err == NULL;
    for (size_t i = 0; i < found->rule->tag_count && found->has_tags; i++) {
        found->has_tags = has_tag(tags, count, &found->rule->tags[i]);
    }
    check_tags(find);
}

/* Goes on until a question is under way, or all are answered. */
static void check_tags(struct ps_lifecycle_find *find)
{
    const char *root_url = root_of(find)->url;
    struct ps_err err;

    for (; find->at < find->count; find->at++) {
        struct found *found = &find->page[find->at];

        found->has_tags = found->rule->tag_count == 0;
        if (!found->has_tags &&
            ps_store_get_tags(find->store.store, found->url + strlen(root_url) + 1, on_tags, find,
                              &err) != NULL) {
            return;
        }
    }
    tell(find);
    if (find->options.state == NULL || find->count == 0) {
        end_page(find);
    } else {
        ps_job_start(&find->job, find->options.loop, find, run_record, on_recorded);
    }
}

static bool has_expired(const struct ps_lifecycle_find *find, const struct ps_lifecycle_rule *rule,
                        const struct ps_object_info *object)
{
    return rule->expire_days != 0 && object->mtime_unix_ms > 0 &&
           ps_str_has_prefix(object->key, rule->prefix) &&
           object->mtime_unix_ms / 1000 + (int64_t)rule->expire_days * DAY_S <=
               find->options.now_unix_s;
}

/* A rule without tags if there is one, as it needs no question to the store. */
static const struct ps_lifecycle_rule *find_rule(const struct ps_lifecycle_find *find,
                                                 const struct ps_object_info *object)
{
    const struct ps_lifecycle_rules *rules = &root_of(find)->rules;
    const struct ps_lifecycle_rule *found = NULL;

    for (size_t i = 0; i < rules->count; i++) {
        const struct ps_lifecycle_rule *rule = &rules->items[i];

        if (has_expired(find, rule, object) && (found == NULL || rule->tag_count == 0)) {
            found = rule;
        }
    }
    return found;
}

static void take_object(struct ps_lifecycle_find *find, const struct ps_object_info *object)
{
    const struct ps_lifecycle_rule *rule = find_rule(find, object);
    char *url;

    if (rule == NULL || find->count == PAGE_MAX) {
        return;
    }
    url = ps_str_format("%s/%s", root_of(find)->url, object->key);
    if (url != NULL) {
        const struct found found = { .url = url,
                                     .etag = (char *)(uintptr_t)object->etag,
                                     .size_bytes = object->size_bytes,
                                     .mtime_unix_s = object->mtime_unix_ms / 1000,
                                     .rule = rule };

        keep_found(find, &found);
    }
    free(url);
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_lifecycle_find *find = user;
    struct ps_store_op *op = find->op;

    if (err != NULL) {
        find->op = NULL;
        end_root(find, err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        take_object(find, &objects[i]);
    }
    if (find->count == 0 && more && !find->stopping) {
        return; /* the next page comes by itself */
    }
    free(find->after);
    find->after = count > 0 ? ps_strdup(objects[count - 1].key) : NULL;
    find->more = more && find->after != NULL;
    find->op = NULL;
    if (more) {
        ps_store_cancel(op);
    }
    find->at = 0;
    check_tags(find);
}

static void list_page(struct ps_lifecycle_find *find)
{
    const struct ps_list_request request = { .prefix = "",
                                             .start_after = find->after,
                                             .page_size = PAGE_MAX };
    struct ps_err err;

    find->op = ps_store_list(find->store.store, &request, on_page, find, &err);
    if (find->op == NULL) {
        end_root(find, &err);
    }
}

/* --- directories --- */

static bool open_root(struct ps_lifecycle_find *find)
{
    char *url = ps_str_format("%s/", root_of(find)->url);
    enum ps_code code = url != NULL ? find->options.opener.open(find->options.opener.user, url,
                                                                &find->store, &find->err)
                                    : ps_err_set(&find->err, PS_E_NO_MEMORY, "out of memory");

    free(url);
    return code == PS_OK;
}

static void next_root(struct ps_lifecycle_find *find)
{
    for (; find->root_index < find->options.local->count && !find->stopping; find->root_index++) {
        if (root_of(find)->rules.count > 0 && open_root(find)) {
            list_page(find);
            return;
        }
    }
    find->options.on_done(find->options.user, &find->result,
                          find->err.code != PS_OK ? &find->err : NULL);
    free(find);
}

static void run_nothing(struct ps_job *job)
{
    (void)job;
}

static void on_started(struct ps_job *job)
{
    next_root(job->user);
}

enum ps_code ps_lifecycle_find_start(struct ps_lifecycle_find **find_out,
                                     const struct ps_lifecycle_find_options *options,
                                     struct ps_err *err)
{
    struct ps_lifecycle_find *find = calloc(1, sizeof(*find));

    if (find == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "lifecycle: out of memory");
    }
    find->options = *options;
    *find_out = find;
    /* on_done never comes from within this call. */
    ps_job_start(&find->job, options->loop, find, run_nothing, on_started);
    return PS_OK;
}

void ps_lifecycle_find_stop(struct ps_lifecycle_find *find)
{
    find->stopping = true;
}
