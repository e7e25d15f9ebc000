/**
 * member_rig - one stream of an archive's members, read as the gateway reads it, from a store in memory.
 *
 * Flow:    tests/unit/transfer -> [member_rig] -> transfer/member_stream.h, memory_store.h, archive_judge.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_MEMBER_RIG_H
#define PS_TESTS_SUPPORT_MEMBER_RIG_H

#include "base/buf.h"
#include "tests/support/memory_store.h"
#include "transfer/member_stream.h"

struct member_rig {
    uv_loop_t loop;
    struct memory_store *memory;
    struct ps_member_stream *stream;
    struct ps_member_stream_options options;
    unsigned threads_before;
    unsigned fds_before;

    bool inside;
    bool opened;
    bool ready;
    struct ps_member member;
    size_t read_size; /* 0 = nothing is read */
    struct ps_buf bytes;
    bool ended;
    bool failed;
    enum ps_code format_code; /* what format answers */
    uint64_t reserve_max;
    uint64_t reserved_bytes;
    bool keeps_nothing;
    size_t memory_max;
};

/** For a suite's .init, as main.c has it: a reader that goes is an error of write(2). */
void member_rig_ignore_sigpipe(void);

/** Limits are wide, reserve gives what is asked for; change rig->options before the start. */
void member_rig_open(struct member_rig *rig);
/** Store the archive; its size and etag are those of the options. */
struct memory_object *member_rig_put(struct member_rig *rig, const struct ps_buf *archive);
/** The same with one of archive_judge.py. */
struct memory_object *member_rig_make(struct member_rig *rig, const char *name);
void member_rig_start(struct member_rig *rig);
/** Stop, however far it is: no thread, no descriptor, no request may be left. */
void member_rig_stop(struct member_rig *rig);
void member_rig_close(struct member_rig *rig);

/** What can be read now; only after it was said that there is something. */
void member_rig_read(struct member_rig *rig);
/** One iteration of the loop, and what it made is read. False at the end. */
bool member_rig_step(struct member_rig *rig, uv_run_mode mode);
void member_rig_run(struct member_rig *rig);

/** A member, or the list (NULL), to its good end; the rig is to be stopped. */
void member_rig_get(struct member_rig *rig, const char *member);
void member_rig_expect_failure(struct member_rig *rig, const char *member, enum ps_code code,
                               const char *words);
void member_rig_expect_bytes(const struct member_rig *rig, const char *name, const void *bytes,
                             size_t size_bytes);
/** Entries of a directory: /proc/self/fd, /proc/self/task. */
unsigned member_rig_count(const char *path);

#endif
