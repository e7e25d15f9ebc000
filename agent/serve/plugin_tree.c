#include "serve/plugin_internal.h"

#include "base/str.h"
#include "transfer/job.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Directories that are not archived (Argo's `archive: none`): an object a file, below the artifact's key. */

/**
 * Names held at once: of a save all, of a load one page. Lower: a big directory is refused. Higher: memory; an archive
 * suits a directory of 100,000 files better.
 */
#define NAMES_BYTES_MAX ((size_t)16 * 1024 * 1024)

/** Files under way at once in one directory; each may have parts of its own. Small files wait for round trips. */
#define SLOTS_MAX 8

struct slot {
    struct ps_plugin_task *task;
    struct ps_upload *upload;
    struct ps_download *download;
};

struct ps_plugin_tree {
    struct ps_job walk;
    bool walking;
    bool modes_set;
    bool stopping;       /* going through the slots: the task must not end meanwhile */
    struct ps_buf names; /* relative paths, each with its NUL */
    size_t next;         /* where in names the next file's begins */
    size_t file_count;   /* done */
    uint64_t size_bytes;
    struct slot slots[SLOTS_MAX];
    size_t active_count;
    bool more;      /* of a load: the list goes on after last_key */
    char *last_key; /* NULL = no page yet */
    struct ps_err err;
};

static void advance(struct ps_plugin_task *task);

/* --- the end --- */

static bool is_busy(const struct ps_plugin_task *task)
{
    return task->tree->walking || task->tree->stopping || task->tree->active_count > 0 ||
           task->op != NULL;
}

static void fail(struct ps_plugin_task *task, const struct ps_err *err)
{
    if (task->tree->err.code == PS_OK) {
        task->tree->err = *err;
    }
}

static void end_if_idle(struct ps_plugin_task *task);

static void run_modes(struct ps_job *job)
{
    const struct ps_plugin_task *task = job->user;

    job->code = ps_plugin_set_mode(task->path, task->mode, task->recurse_mode, &job->err);
}

static void on_modes(struct ps_job *job)
{
    struct ps_plugin_task *task = job->user;

    task->tree->walking = false;
    if (job->code != PS_OK) {
        fail(task, &job->err);
    }
    end_if_idle(task);
}

static bool must_set_modes(const struct ps_plugin_task *task)
{
    return task->kind == PS_PLUGIN_LOAD && task->mode != 0 && !task->tree->modes_set &&
           task->tree->err.code == PS_OK;
}

static void end_if_idle(struct ps_plugin_task *task)
{
    const struct ps_plugin_tree *tree = task->tree;
    char size[16];

    if (is_busy(task)) {
        return;
    }
    if (must_set_modes(task)) {
        task->tree->modes_set = true;
        task->tree->walking = true;
        ps_job_start(&task->tree->walk, task->plugin->loop, task, run_modes, on_modes);
        return;
    }
    if (tree->err.code == PS_OK) {
        ps_log(task->plugin->log, PS_LOG_INFO, "plugin", "%s: %zu files, %s", task->url,
               tree->file_count, ps_size_format(tree->size_bytes, size, sizeof(size)));
    }
    ps_plugin_task_end(task, tree->err.code != PS_OK ? &tree->err : NULL);
}

void ps_plugin_tree_stop(struct ps_plugin_task *task)
{
    struct ps_plugin_tree *tree = task->tree;
    struct ps_err err;

    (void)ps_err_set(&err, PS_E_CANCELLED, "%s: stopped: try again", task->url);
    fail(task, &err);
    ps_store_cancel(task->op);
    task->op = NULL;
    tree->stopping = true;
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        if (tree->slots[i].upload != NULL) {
            ps_upload_stop(tree->slots[i].upload);
        }
        if (tree->slots[i].download != NULL) {
            ps_download_stop(tree->slots[i].download);
        }
    }
    tree->stopping = false;
    end_if_idle(task);
}

void ps_plugin_tree_free(struct ps_plugin_task *task)
{
    if (task->tree != NULL) {
        ps_buf_clear(&task->tree->names);
        free(task->tree->last_key);
        free(task->tree);
        task->tree = NULL;
    }
}

static bool make_tree(struct ps_plugin_task *task)
{
    struct ps_err err;

    task->tree = calloc(1, sizeof(*task->tree));
    if (task->tree == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_plugin_task_end(task, &err);
        return false;
    }
    ps_buf_init(&task->tree->names, NAMES_BYTES_MAX);
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        task->tree->slots[i].task = task;
    }
    return true;
}

/* --- one file --- */

static void slot_done(struct slot *slot, uint64_t size_bytes, const struct ps_err *err)
{
    struct ps_plugin_task *task = slot->task;

    task->tree->active_count--;
    if (err != NULL) {
        fail(task, err);
    } else {
        task->tree->file_count++;
        task->tree->size_bytes += size_bytes;
    }
    advance(task);
}

static void on_uploaded(void *user, const struct ps_upload_result *result, const struct ps_err *err)
{
    struct slot *slot = user;

    slot->upload = NULL;
    slot_done(slot, err == NULL ? result->size_bytes : 0, err);
}

static void on_downloaded(void *user, const struct ps_download_result *result,
                          const struct ps_err *err)
{
    struct slot *slot = user;

    slot->download = NULL;
    slot_done(slot, err == NULL ? result->size_bytes : 0, err);
}

/* The folders of path, root the first of them: a few mkdir(2) on a local disk, and none when nothing is found. */
static enum ps_code make_folders(char *path, size_t root_length, struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (char *slash = strchr(path + root_length, '/'); slash != NULL && code == PS_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            code = ps_err_set_errno(err, errno, "%s", path);
        }
        *slash = '/';
    }
    return code;
}

static enum ps_code start_file(struct slot *slot, const char *name, struct ps_err *err)
{
    struct ps_plugin_task *task = slot->task;
    char *key = ps_str_format("%s/%s", task->key, name);
    char *url = ps_str_format("%s/%s", task->url, name);
    char *path = ps_str_format("%s/%s", task->path, name);
    const struct ps_plugin_file file = { key, url, path };
    enum ps_code code = PS_E_NO_MEMORY;

    if (key == NULL || url == NULL || path == NULL) {
        (void)ps_err_set(err, code, "out of memory");
    } else if (task->kind == PS_PLUGIN_SAVE) {
        code = ps_plugin_start_upload(task, &file, on_uploaded, slot, &slot->upload, err);
    } else {
        code = make_folders(path, strlen(task->path), err);
        code = code == PS_OK ? ps_plugin_start_download(task, &file, on_downloaded, slot,
                                                        &slot->download, err)
                             : code;
    }
    free(key);
    free(url);
    free(path);
    return code;
}

static struct slot *free_slot(struct ps_plugin_tree *tree)
{
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        if (tree->slots[i].upload == NULL && tree->slots[i].download == NULL) {
            return &tree->slots[i];
        }
    }
    return NULL;
}

/* --- load: pages of the list --- */

/* Names become paths here: one that would leave the directory is none of Argo's. */
static enum ps_code check_name(const char *name, struct ps_err *err)
{
    for (const char *at = name; *at != '\0';) {
        size_t length = strcspn(at, "/");

        if (length == 0 || (length == 1 && at[0] == '.') ||
            (length == 2 && at[0] == '.' && at[1] == '.')) {
            return ps_err_set(err, PS_E_INVALID, "key %s: no name of a file", name);
        }
        at += length + (at[length] == '/' ? 1 : 0);
    }
    return PS_OK;
}

/* A key that ends in '/' is a folder's mark of some tools. */
static enum ps_code take_key(struct ps_plugin_task *task, const char *key, struct ps_err *err)
{
    const char *name = key + strlen(task->dir_key);
    enum ps_code code;

    if (name[0] == '\0' || ps_str_has_suffix(name, "/")) {
        return PS_OK;
    }
    code = check_name(name, err);
    return code == PS_OK ? ps_buf_append(&task->tree->names, name, strlen(name) + 1, err) : code;
}

static void on_page(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct ps_plugin_task *task = user;
    struct ps_plugin_tree *tree = task->tree;
    struct ps_err own;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = take_key(task, objects[i].key, &own);
    }
    if (code == PS_OK && count > 0) {
        free(tree->last_key);
        tree->last_key = ps_strdup(objects[count - 1].key);
        code = tree->last_key != NULL ? PS_OK : ps_err_set(&own, PS_E_NO_MEMORY, "out of memory");
    }
    if (more) { /* the next page is asked for when this one's files are here */
        ps_store_cancel(task->op);
    }
    task->op = NULL;
    tree->more = more;
    if (code != PS_OK || err != NULL) {
        fail(task, code != PS_OK ? &own : err);
    } else if (count == 0 && tree->last_key == NULL) {
        (void)ps_err_set(&own, PS_E_NOT_FOUND, "%s: not found", task->url);
        fail(task, &own);
    }
    advance(task);
}

static void list_page(struct ps_plugin_task *task)
{
    struct ps_plugin_tree *tree = task->tree;
    const struct ps_list_request request = { .prefix = task->dir_key,
                                             .start_after = tree->last_key };
    struct ps_err err;

    ps_buf_rewind(&tree->names);
    tree->next = 0;
    tree->more = false;
    task->op = ps_store_list(task->config->open.store, &request, on_page, task, &err);
    if (task->op == NULL) {
        fail(task, &err);
        end_if_idle(task);
    }
}

/* --- turns --- */

/* Start what has room; when all is done, the next page, or the end. */
static void advance(struct ps_plugin_task *task)
{
    struct ps_plugin_tree *tree = task->tree;
    struct ps_err err;

    while (tree->err.code == PS_OK && tree->next < tree->names.size_bytes &&
           tree->active_count < SLOTS_MAX) {
        const char *name = tree->names.data + tree->next;

        tree->next += strlen(name) + 1;
        if (start_file(free_slot(tree), name, &err) != PS_OK) {
            fail(task, &err);
        } else {
            tree->active_count++;
        }
    }
    if (is_busy(task)) {
        return;
    }
    if (tree->err.code == PS_OK && tree->more) {
        list_page(task);
    } else {
        end_if_idle(task);
    }
}

void ps_plugin_tree_load(struct ps_plugin_task *task)
{
    struct ps_err err;

    if (!make_tree(task)) {
        return;
    }
    task->dir_key = ps_str_format("%s/", task->key);
    if (task->dir_key == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        ps_plugin_task_end(task, &err);
        return;
    }
    list_page(task);
}

/* --- save: the walk --- */

/* A link could lead out of what the user's container wrote, to what only the executor may read. */
static enum ps_code take_entry(struct ps_plugin_task *task, const FTSENT *entry, struct ps_err *err)
{
    const char *name = entry->fts_path + strlen(task->path) + 1;

    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return PS_OK;
    case FTS_F:
        return ps_buf_append(&task->tree->names, name, strlen(name) + 1, err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return ps_err_set_errno(err, entry->fts_errno, "%s", entry->fts_path);
    default:
        return ps_err_set(err, PS_E_INVALID,
                          "%s: a link or no file: without an archive only files can be saved",
                          entry->fts_path);
    }
}

static void run_walk(struct ps_job *job)
{
    struct ps_plugin_task *task = job->user;
    char *const paths[] = { task->path, NULL };
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    if (walk == NULL) {
        job->code = ps_err_set_errno(&job->err, errno, "%s", task->path);
        return;
    }
    for (const FTSENT *entry = fts_read(walk); entry != NULL && job->code == PS_OK;
         entry = fts_read(walk)) {
        job->code = take_entry(task, entry, &job->err);
    }
    (void)fts_close(walk); /* only read */
}

static void on_walked(struct ps_job *job)
{
    struct ps_plugin_task *task = job->user;

    task->tree->walking = false;
    if (job->code != PS_OK) {
        fail(task, &job->err);
    }
    advance(task);
}

void ps_plugin_tree_save(struct ps_plugin_task *task)
{
    size_t length = strlen(task->path);

    if (!make_tree(task)) {
        return;
    }
    while (length > 1 && task->path[length - 1] == '/') {
        task->path[--length] = '\0';
    }
    task->tree->walking = true;
    ps_job_start(&task->tree->walk, task->plugin->loop, task, run_walk, on_walked);
}
