#include "store/file_internal.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* list and delete_batch. A walk keeps the sorted names of the directories on its way, and one page. */

enum {
    PAGE_SIZE_MAX = 1000,
    DEPTH_MAX = 256
};

struct name {
    char *text; /* a directory's ends in '/': so that names sort as keys do */
};

struct level {
    char *prefix; /* of the keys in it: "" or "a/b/" */
    struct name *names;
    size_t count;
    size_t capacity;
    size_t next;
};

struct listed {
    char *key;
    char etag[64];
    struct stat status;
    bool is_prefix;
};

struct list {
    struct file_op op;
    ps_store_list_fn page;
    void *user;
    char *prefix;
    char *start_after; /* NULL = from the start */
    bool flat;         /* with a delimiter: one level */
    size_t page_size;
    struct level levels[DEPTH_MAX];
    size_t depth;
    bool started;
    struct listed *listed;
    size_t listed_count;
};

static void level_clear(struct level *level)
{
    for (size_t i = 0; i < level->count; i++) {
        free(level->names[i].text);
    }
    free(level->names);
    free(level->prefix);
    memset(level, 0, sizeof(*level));
}

static void page_clear(struct list *list)
{
    for (size_t i = 0; list->listed != NULL && i < list->listed_count; i++) {
        free(list->listed[i].key);
    }
    list->listed_count = 0;
}

static void list_free(struct file_op *op)
{
    struct list *list = (struct list *)op;

    while (list->depth > 0) {
        level_clear(&list->levels[--list->depth]);
    }
    page_clear(list);
    free(list->listed);
    free(list->prefix);
    free(list->start_after);
    free(list);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(((const struct name *)left)->text, ((const struct name *)right)->text);
}

static bool is_dir(int dir_fd, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

/* Whether a key (or, for a directory, some key below it) can lie below the wanted prefix and after start_after. */
static bool is_wanted(const struct list *list, const char *key, bool dir)
{
    size_t length = strlen(key);
    size_t prefix_length = strlen(list->prefix);
    bool fits = strncmp(key, list->prefix, length < prefix_length ? length : prefix_length) == 0 &&
                (dir || length >= prefix_length);

    if (!fits || list->start_after == NULL) {
        return fits;
    }
    return strcmp(key, list->start_after) > 0 || (dir && ps_str_has_prefix(list->start_after, key));
}

static enum ps_code add_name(struct list *list, struct level *level, const char *name, bool dir,
                             struct ps_err *err)
{
    char *text = ps_str_format("%s%s", name, dir ? "/" : "");
    char *key = text != NULL ? ps_str_format("%s%s", level->prefix, text) : NULL;
    bool wanted = key != NULL && is_wanted(list, key, dir);

    free(key);
    if (key == NULL) {
        free(text);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (!wanted) {
        free(text);
        return PS_OK;
    }
    if (level->count == level->capacity) {
        size_t capacity = level->capacity != 0 ? level->capacity * 2 : 64;
        struct name *names = realloc(level->names, capacity * sizeof(*names));

        if (names == NULL) {
            free(text);
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
        level->names = names;
        level->capacity = capacity;
    }
    level->names[level->count++].text = text;
    return PS_OK;
}

static enum ps_code read_dir(struct list *list, struct level *level, const char *path,
                             struct ps_err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    enum ps_code code = PS_OK;

    if (dir == NULL) {
        /* Removed since its name was read, or a prefix that is not there: an empty list. */
        return errno == ENOENT || errno == ENOTDIR ? PS_OK
                                                   : ps_err_set_errno(err, errno, "%s", path);
    }
    do {
        errno = 0; /* a list cut short by an error must not look whole */
        entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            code = ps_err_set_errno(err, errno, "%s", path);
        } else if (entry != NULL && strcmp(entry->d_name, ".") != 0 &&
                   strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, FILE_DIR_NAME) != 0) {
            code = add_name(list, level, entry->d_name, is_dir(dirfd(dir), entry), err);
        }
    } while (entry != NULL && code == PS_OK);
    (void)closedir(dir);
    if (level->count > 1) {
        qsort(level->names, level->count, sizeof(*level->names), by_text);
    }
    return code;
}

/* Takes over prefix. */
static enum ps_code enter(struct list *list, char *prefix, struct ps_err *err)
{
    struct level *level = &list->levels[list->depth];
    char *path;
    enum ps_code code;

    if (prefix == NULL || list->depth == DEPTH_MAX) {
        free(prefix);
        return ps_err_set(err, PS_E_TOO_LARGE, "directories nested deeper than %d", DEPTH_MAX);
    }
    memset(level, 0, sizeof(*level));
    level->prefix = prefix;
    list->depth++;
    path = file_path(list->op.store, prefix);
    code = path != NULL ? read_dir(list, level, path, err)
                        : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    free(path);
    return code;
}

static enum ps_code take_key(struct list *list, char *key, bool is_prefix, struct ps_err *err)
{
    struct listed *listed = &list->listed[list->listed_count];
    char *path = file_path(list->op.store, key);

    memset(listed, 0, sizeof(*listed));
    listed->key = key;
    listed->is_prefix = is_prefix;
    list->listed_count++;
    if (path == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (!is_prefix) {
        if (stat(path, &listed->status) != 0 || !S_ISREG(listed->status.st_mode)) {
            list->listed_count--; /* gone, a broken link, a socket: no object */
            free(key);
        } else {
            (void)file_etag(&listed->status, listed->etag);
        }
    }
    free(path);
    return PS_OK;
}

static enum ps_code walk_one(struct list *list, struct ps_err *err)
{
    struct level *level = &list->levels[list->depth - 1];
    const char *name;
    char *key;
    bool dir;

    if (level->next == level->count) {
        level_clear(level);
        list->depth--;
        return PS_OK;
    }
    name = level->names[level->next++].text;
    dir = ps_str_has_suffix(name, "/");
    key = ps_str_format("%s%s", level->prefix, name);
    if (key == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (dir && (!list->flat || strlen(key) <= strlen(list->prefix))) {
        return enter(list, key, err);
    }
    return take_key(list, key, dir, err);
}

static void run_page(struct file_op *op)
{
    struct list *list = (struct list *)op;

    page_clear(list);
    if (!list->started) {
        const char *slash = strrchr(list->prefix, '/');
        size_t length = slash != NULL ? (size_t)(slash - list->prefix) + 1 : 0;

        list->started = true;
        op->code = enter(list, ps_strndup(list->prefix, length), &op->err);
    }
    while (op->code == PS_OK && list->depth > 0 && list->listed_count < list->page_size) {
        op->code = walk_one(list, &op->err);
    }
}

static void on_page(struct file_op *op)
{
    struct list *list = (struct list *)op;
    struct ps_object_info *objects = calloc(list->listed_count + 1, sizeof(*objects));
    bool more = op->code == PS_OK && list->depth > 0;

    if (objects == NULL) {
        op->code = ps_err_set(&op->err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; op->code == PS_OK && i < list->listed_count; i++) {
        const struct listed *listed = &list->listed[i];

        objects[i] = (struct ps_object_info){
            .key = listed->key,
            .is_prefix = listed->is_prefix,
            .size_bytes = (uint64_t)listed->status.st_size,
            .mtime_unix_ms = (int64_t)listed->status.st_mtim.tv_sec * 1000 +
                             listed->status.st_mtim.tv_nsec / 1000000,
            .etag = listed->etag,
            .content_type = "",
            .storage_class = "",
            .version_id = "",
            .restore = "",
            .composite = "",
        };
    }
    /* While the page is handed out the op is marked as working, so that a cancel from the callback only marks it. */
    op->working = true;
    list->page(list->user, objects, op->code == PS_OK ? list->listed_count : 0, more,
               op->code != PS_OK ? &op->err : NULL);
    free(objects);
    op->working = false;
    if (more && !op->cancelled) {
        file_op_work(op);
    } else {
        list_free(op);
    }
}

struct ps_store_op *file_list(struct ps_store *store, const struct ps_list_request *request,
                              ps_store_list_fn page, void *user, struct ps_err *err)
{
    struct list *list = file_op_new(store, sizeof(*list), err);

    if (list == NULL) {
        return NULL;
    }
    list->op.free = list_free;
    list->op.run = run_page;
    list->op.done = on_page;
    list->page = page;
    list->user = user;
    list->flat = request->delimiter != NULL && request->delimiter[0] != '\0';
    list->page_size = request->page_size != 0 && request->page_size < PAGE_SIZE_MAX
                          ? request->page_size
                          : PAGE_SIZE_MAX;
    list->prefix = ps_strdup(request->prefix);
    list->start_after = ps_strdup(request->start_after);
    list->listed = calloc(list->page_size, sizeof(*list->listed));
    if (list->prefix == NULL || list->listed == NULL ||
        (list->start_after == NULL && request->start_after != NULL)) {
        list_free(&list->op);
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    file_op_work(&list->op);
    return &list->op.base;
}

/* --- delete_batch --- */

struct delete_one {
    char *key;
    enum ps_code code;
    struct ps_err err;
};

struct delete_op {
    struct file_op op;
    ps_store_delete_fn done;
    void *user;
    struct delete_one *items;
    size_t count;
};

static void delete_free(struct file_op *op)
{
    struct delete_op *delete = (struct delete_op *)op;

    for (size_t i = 0; delete->items != NULL && i < delete->count; i++) {
        free(delete->items[i].key);
    }
    free(delete->items);
    free(delete);
}

static void delete_one(struct file_store *store, struct delete_one *item)
{
    char *path;

    item->code = file_check_key(item->key, &item->err);
    if (item->code != PS_OK) {
        return;
    }
    path = file_path(store, item->key);
    if (path == NULL) {
        item->code = ps_err_set(&item->err, PS_E_NO_MEMORY, "out of memory");
        return;
    }
    if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
        item->code = errno == EISDIR
                         ? ps_err_set(&item->err, PS_E_INVALID, "%s: is a directory", path)
                         : ps_err_set_errno(&item->err, errno, "%s", path);
    } else {
        file_meta_remove(store, item->key);
    }
    free(path);
}

static void run_delete(struct file_op *op)
{
    struct delete_op *delete = (struct delete_op *)op;

    for (size_t i = 0; i < delete->count; i++) {
        delete_one(op->store, &delete->items[i]);
    }
}

static void on_deleted(struct file_op *op)
{
    struct delete_op *delete = (struct delete_op *)op;
    struct ps_delete_result *results = calloc(delete->count + 1, sizeof(*results));
    struct ps_err err;

    if (results == NULL) {
        (void)ps_err_set(&err, PS_E_NO_MEMORY, "out of memory");
        delete->done(delete->user, NULL, 0, &err);
        delete_free(op);
        return;
    }
    for (size_t i = 0; i < delete->count; i++) {
        results[i].key = delete->items[i].key;
        results[i].code = delete->items[i].code;
        results[i].message = delete->items[i].code != PS_OK ? delete->items[i].err.message : "";
    }
    delete->done(delete->user, results, delete->count, NULL);
    free(results);
    delete_free(op);
}

struct ps_store_op *file_delete_batch(struct ps_store *store, const char *const *keys, size_t count,
                                      ps_store_delete_fn done, void *user, struct ps_err *err)
{
    struct delete_op *delete = file_op_new(store, sizeof(*delete), err);

    if (delete == NULL) {
        return NULL;
    }
    delete->op.free = delete_free;
    delete->op.run = run_delete;
    delete->op.done = on_deleted;
    delete->done = done;
    delete->user = user;
    delete->items = calloc(count + 1, sizeof(*delete->items));
    for (size_t i = 0; delete->items != NULL && i < count; i++) {
        delete->items[i].key = ps_strdup(keys[i]);
        delete->count = i + 1;
        if (delete->items[i].key == NULL) {
            delete_free(&delete->op);
            (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
            return NULL;
        }
    }
    if (delete->items == NULL) {
        delete_free(&delete->op);
        (void)ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        return NULL;
    }
    file_op_work(&delete->op);
    return &delete->op.base;
}
