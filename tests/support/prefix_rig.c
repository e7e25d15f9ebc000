#include "tests/support/prefix_rig.h"

#include "tests/support/archive_judge.h"
#include "tests/support/memory_in_use.h"

#include <criterion/criterion.h>
#include <string.h>

void prefix_rig_open(struct prefix_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->memory = memory_store_new(&rig->loop);
    rig->prefix = "";
    rig->read_size = 65536;
    rig->reserve_max = UINT64_MAX;
    ps_buf_init(&rig->bytes, SIZE_MAX);
}

void prefix_rig_stop(struct prefix_rig *rig)
{
    ps_prefix_archive_free(rig->archive);
    rig->archive = NULL;
}

void prefix_rig_close(struct prefix_rig *rig)
{
    prefix_rig_stop(rig);
    cr_expect_eq(memory_store_counts(rig->memory).under_way, 0, "a request goes on");
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    memory_store_free(rig->memory);
    ps_buf_clear(&rig->bytes);
}

static void on_ready(void *user)
{
    struct prefix_rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    cr_assert_not(rig->ended || rig->failed, "called after the end");
    rig->ready = true;
}

static bool may_add(void *user, const struct ps_object_info *info, struct ps_err *err)
{
    struct prefix_rig *rig = user;

    rig->asked_count++;
    rig->gets_when_asked = memory_store_counts(rig->memory).gets;
    if (rig->denied != NULL && strcmp(info->key, rig->denied) == 0) {
        (void)ps_err_set(err, PS_E_REFUSED, "not that one");
        return false;
    }
    return true;
}

static bool reserve(void *user, uint64_t size_bytes)
{
    struct prefix_rig *rig = user;

    if (rig->reserved_bytes + size_bytes > rig->reserve_max) {
        return false;
    }
    rig->reserved_bytes += size_bytes;
    return true;
}

void prefix_rig_start(struct prefix_rig *rig)
{
    const struct ps_prefix_archive_options options = {
        .loop = &rig->loop,
        .store = memory_store_get(rig->memory),
        .prefix = rig->prefix,
        .format = rig->format,
        .may_add = may_add,
        .reserve = reserve,
        .on_ready = on_ready,
        .user = rig,
    };
    struct ps_err err = { .code = PS_OK };

    rig->inside = true;
    cr_assert_eq(ps_prefix_archive_start(&rig->archive, &options, &err), PS_OK, "%s", err.message);
    rig->inside = false;
}

static void take(struct prefix_rig *rig, const char *block, size_t size_bytes)
{
    rig->byte_count += size_bytes;
    if (!rig->keeps_nothing) {
        cr_assert_eq(ps_buf_append(&rig->bytes, block, size_bytes, NULL), PS_OK);
    }
}

/* Read as the gateway does: only after it was said that there is something, and until there is nothing. */
void prefix_rig_read(struct prefix_rig *rig)
{
    static char block[65536];

    while (rig->ready && !rig->ended && !rig->failed) {
        ssize_t got_bytes;

        rig->inside = true;
        got_bytes = ps_prefix_archive_read(rig->archive, block, rig->read_size);
        rig->inside = false;
        if (got_bytes == PS_PREFIX_ARCHIVE_LATER) {
            rig->ready = false;
        } else if (got_bytes == PS_PREFIX_ARCHIVE_END) {
            rig->ended = true;
        } else if (got_bytes == PS_PREFIX_ARCHIVE_FAILED) {
            rig->failed = true;
        } else {
            cr_assert(got_bytes > 0 && (size_t)got_bytes <= rig->read_size);
            take(rig, block, (size_t)got_bytes);
        }
    }
}

bool prefix_rig_step(struct prefix_rig *rig, uv_run_mode mode)
{
    size_t in_use;

    (void)uv_run(&rig->loop, mode);
    in_use = memory_in_use();
    rig->memory_max = in_use > rig->memory_max ? in_use : rig->memory_max;
    if (rig->read_size > 0) {
        prefix_rig_read(rig);
    }
    return !rig->ended && !rig->failed;
}

void prefix_rig_run(struct prefix_rig *rig)
{
    while (prefix_rig_step(rig, UV_RUN_ONCE)) {
    }
}

void prefix_rig_make(struct prefix_rig *rig)
{
    prefix_rig_start(rig);
    prefix_rig_run(rig);
    cr_assert(rig->ended, "%s: %s", ps_archive_format_name(rig->format),
              ps_prefix_archive_error(rig->archive)->message);
}

void prefix_rig_expect_failure(struct prefix_rig *rig, enum ps_code code, const char *words)
{
    const struct ps_err *err;

    prefix_rig_start(rig);
    prefix_rig_run(rig);
    cr_assert(rig->failed, "%s: it ends well", words);
    err = ps_prefix_archive_error(rig->archive);
    cr_expect_eq(err->code, code, "%s: %s: %s", words, ps_code_name(err->code), err->message);
    cr_expect_not_null(strstr(err->message, words), "\"%s\" is not in: %s", words, err->message);
}

void prefix_rig_put(struct prefix_rig *rig, const char *key, const char *text)
{
    (void)memory_store_put(rig->memory, key, text, strlen(text));
}

void prefix_rig_expect_rows(const struct prefix_rig *rig, const struct ps_buf *wanted)
{
    struct ps_buf rows;

    ps_buf_init(&rows, SIZE_MAX);
    archive_judge_list(ps_archive_format_name(rig->format), &rig->bytes, &rows);
    cr_expect_str_eq(ps_buf_peek(&rows), ps_buf_peek(wanted), "%s",
                     ps_archive_format_name(rig->format));
    ps_buf_clear(&rows);
}

void prefix_rig_add_row(struct ps_buf *rows, const char *name, const char *text)
{
    archive_judge_row(rows, name, text, strlen(text), MEMORY_MTIME_UNIX_MS / 1000);
}
