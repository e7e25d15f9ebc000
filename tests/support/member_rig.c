#include "tests/support/member_rig.h"

#include "tests/support/archive_judge.h"
#include "tests/support/memory_in_use.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>

void member_rig_ignore_sigpipe(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
}

unsigned member_rig_count(const char *path)
{
    DIR *dir = opendir(path);
    unsigned found = 0;

    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        found++;
    }
    (void)closedir(dir);
    return found;
}

static void on_open(void *user, const struct ps_member *member)
{
    struct member_rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    cr_assert_not(rig->opened, "a second time");
    rig->opened = true;
    rig->ready = true;
    rig->member = *member;
}

static void on_ready(void *user)
{
    struct member_rig *rig = user;

    cr_assert_not(rig->inside, "called from within a call of its own");
    rig->ready = true;
}

/* "kind name size\n"; what stands behind the last: "end\n". */
static enum ps_code format(void *user, const struct ps_member *member, struct ps_buf *buf,
                           struct ps_err *err)
{
    static const char *const kinds[] = { "file", "directory", "link", "other" };
    const struct member_rig *rig = user;

    if (rig->format_code != PS_OK) {
        return ps_err_set(err, rig->format_code, "no row for that");
    }
    if (member == NULL) {
        return ps_buf_append_str(buf, "end\n", err);
    }
    return ps_buf_append_format(buf, err, "%s %s %lld%s%s\n", kinds[member->kind], member->name,
                                member->has_size ? (long long)member->size_bytes : -1,
                                member->link_target != NULL ? " to " : "",
                                member->link_target != NULL ? member->link_target : "");
}

static bool reserve(void *user, uint64_t size_bytes)
{
    struct member_rig *rig = user;

    if (rig->reserved_bytes + size_bytes > rig->reserve_max) {
        return false;
    }
    rig->reserved_bytes += size_bytes;
    return true;
}

void member_rig_open(struct member_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->reserve_max = UINT64_MAX;
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->memory = memory_store_new(&rig->loop);
    rig->read_size = 65536;
    ps_buf_init(&rig->bytes, SIZE_MAX);
    rig->options = (struct ps_member_stream_options){
        .loop = &rig->loop,
        .store = memory_store_get(rig->memory),
        .key = "archive",
        .limits = { .entry_count_max = 100000, .size_max_bytes = 1 << 30, .ratio_max = 2000 },
        .format = format,
        .format_user = rig,
        .reserve = reserve,
        .on_open = on_open,
        .on_ready = on_ready,
        .user = rig,
    };
}

struct memory_object *member_rig_put(struct member_rig *rig, const struct ps_buf *archive)
{
    struct memory_object *object =
        memory_store_put(rig->memory, "archive", ps_buf_peek(archive), archive->size_bytes);

    rig->options.etag = object->etag;
    rig->options.size_bytes = object->size_bytes;
    return object;
}

struct memory_object *member_rig_make(struct member_rig *rig, const char *name)
{
    struct memory_object *object;
    struct ps_buf archive;

    ps_buf_init(&archive, SIZE_MAX);
    archive_judge_make(name, &archive);
    object = member_rig_put(rig, &archive);
    ps_buf_clear(&archive);
    return object;
}

void member_rig_start(struct member_rig *rig)
{
    struct ps_err err = { .code = PS_OK };

    rig->opened = false;
    rig->ready = false;
    rig->ended = false;
    rig->failed = false;
    rig->reserved_bytes = 0;
    ps_buf_rewind(&rig->bytes);
    rig->threads_before = member_rig_count("/proc/self/task");
    rig->fds_before = member_rig_count("/proc/self/fd");
    rig->inside = true;
    cr_assert_eq(ps_member_stream_start(&rig->stream, &rig->options, &err), PS_OK, "%s",
                 err.message);
    rig->inside = false;
}

void member_rig_stop(struct member_rig *rig)
{
    rig->inside = true;
    ps_member_stream_free(rig->stream);
    rig->inside = false;
    rig->stream = NULL;
    cr_expect_eq(memory_store_counts(rig->memory).under_way, 0, "a request goes on");
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(member_rig_count("/proc/self/task"), rig->threads_before, "a thread is left");
    cr_expect_eq(member_rig_count("/proc/self/fd"), rig->fds_before, "a descriptor is left");
}

void member_rig_close(struct member_rig *rig)
{
    if (rig->stream != NULL) {
        member_rig_stop(rig);
    }
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    memory_store_free(rig->memory);
    ps_buf_clear(&rig->bytes);
}

/* As the gateway does: bytes from on_open on, until there are none; then after on_ready. An error before needs no
 * read. */
void member_rig_read(struct member_rig *rig)
{
    static char block[65536];

    if (!rig->opened) {
        rig->failed = ps_member_stream_error(rig->stream)->code != PS_OK;
        return;
    }
    while (rig->ready && !rig->ended && !rig->failed) {
        ssize_t got_bytes;

        rig->inside = true;
        got_bytes = ps_member_stream_read(rig->stream, block, rig->read_size);
        rig->inside = false;
        if (got_bytes == PS_MEMBER_STREAM_LATER) {
            rig->ready = false;
        } else if (got_bytes == PS_MEMBER_STREAM_END) {
            rig->ended = true;
        } else if (got_bytes == PS_MEMBER_STREAM_FAILED) {
            rig->failed = true;
        } else {
            cr_assert(got_bytes > 0 && (size_t)got_bytes <= rig->read_size);
            cr_assert(rig->keeps_nothing ||
                      ps_buf_append(&rig->bytes, block, (size_t)got_bytes, NULL) == PS_OK);
        }
    }
}

bool member_rig_step(struct member_rig *rig, uv_run_mode mode)
{
    size_t in_use;

    (void)uv_run(&rig->loop, mode);
    in_use = memory_in_use();
    rig->memory_max = in_use > rig->memory_max ? in_use : rig->memory_max;
    if (rig->read_size > 0) {
        member_rig_read(rig);
    }
    return !rig->ended && !rig->failed;
}

void member_rig_run(struct member_rig *rig)
{
    while (member_rig_step(rig, UV_RUN_ONCE)) {
    }
}

void member_rig_get(struct member_rig *rig, const char *member)
{
    rig->options.member = member;
    member_rig_start(rig);
    member_rig_run(rig);
    cr_assert(rig->ended, "%s: %s", member, ps_member_stream_error(rig->stream)->message);
}

void member_rig_expect_failure(struct member_rig *rig, const char *member, enum ps_code code,
                               const char *words)
{
    const struct ps_err *err;

    rig->options.member = member;
    member_rig_start(rig);
    member_rig_run(rig);
    err = ps_member_stream_error(rig->stream);
    cr_expect(rig->failed, "%s: it ends well", words);
    cr_expect_eq(err->code, code, "%s: %s: %s", words, ps_code_name(err->code), err->message);
    cr_expect_not_null(strstr(err->message, words), "\"%s\" is not in: %s", words, err->message);
}

void member_rig_expect_bytes(const struct member_rig *rig, const char *name, const void *bytes,
                             size_t size_bytes)
{
    cr_expect_eq(rig->bytes.size_bytes, size_bytes, "%s: %zu", name, rig->bytes.size_bytes);
    cr_expect(size_bytes == 0 || (rig->bytes.size_bytes == size_bytes &&
                                  memcmp(ps_buf_peek(&rig->bytes), bytes, size_bytes) == 0),
              "%s: other bytes", name);
}
