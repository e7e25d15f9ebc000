/**
 * copy_internal - what copy.c, copy_parts.c and copy_record.c share; nobody else includes it.
 *
 * Flow:    copy.c (whole) -> copy_parts.c (parts) <-> copy_record.c (checkpoint, begin, abort)
 * Thread:  the loop thread; while a job runs, record belongs to its worker
 * Source:  none
 */
#ifndef PS_TRANSFER_COPY_INTERNAL_H
#define PS_TRANSFER_COPY_INTERNAL_H

#include "source/part_plan.h"
#include "state/checkpoint.h"
#include "transfer/copy.h"
#include "transfer/job.h"
#include "transfer/source_object.h"

enum ps_copy_state {
    PS_COPY_LOOKING,    /* HEAD of the source */
    PS_COPY_WHOLE,      /* one CopyObject */
    PS_COPY_TAGS,       /* tags of the source */
    PS_COPY_CLAIMING,   /* the checkpoint */
    PS_COPY_ABORTING,   /* what an earlier run left */
    PS_COPY_LISTING,    /* parts of an earlier run */
    PS_COPY_BEGINNING,  /* a new multipart upload */
    PS_COPY_COPYING,    /* parts */
    PS_COPY_COMPLETING, /* CompleteMultipartUpload */
    PS_COPY_CHECKING,   /* HEAD of the target */
    PS_COPY_ENDING,     /* the checkpoint goes */
    PS_COPY_DONE,
};

/* One part under way. */
struct ps_copy_slot {
    struct ps_copy *copy;
    struct ps_store_op *op; /* NULL = free */
    uint32_t part_index;
};

struct ps_copy {
    struct ps_copy_options options; /* its text is ours: */
    char *texts[5];
    struct ps_source_object given; /* of options.write */
    char *given_class;
    enum ps_copy_state state;
    struct ps_source_object source;
    struct ps_store_op *op; /* the one request under way, but for parts */
    struct ps_err end_err;  /* code PS_OK = none; waits for the job */
    bool failed;

    struct ps_state *state_db;
    struct ps_job job;
    bool job_runs;
    void (*after_job)(struct ps_copy *copy);
    bool claim_found;
    struct ps_upload_record record;

    struct ps_part_plan plan;
    struct ps_part_info *parts; /* by part_index; etag NULL = not copied; heap text */
    uint32_t next_index;
    uint32_t done_count;
    uint64_t done_bytes;
    uint32_t resumed_count;
    uint32_t busy_count;
    struct ps_copy_slot slots[PS_COPY_CONCURRENCY_MAX];

    char *etag; /* of the target */
    struct ps_checksum checksum;
    bool is_whole;             /* one CopyObject is enough */
    bool outcome_unknown;      /* of Complete */
    struct ps_err refused_err; /* code PS_OK = none; why the upload is aborted for good */
};

void ps_copy_fail(struct ps_copy *copy, const struct ps_err *err);
void ps_copy_set_state(struct ps_copy *copy, enum ps_copy_state state);
/** Nothing is asked of the store any more. */
void ps_copy_cancel_requests(struct ps_copy *copy);
/** HEAD the target and compare. */
void ps_copy_check(struct ps_copy *copy);
/** The object is there and compared. */
void ps_copy_succeed(struct ps_copy *copy);

void ps_copy_tell(const struct ps_copy *copy, enum ps_transfer_event_kind kind, const char *text);

/* copy_parts.c */
/** From TAGS on; ends in ps_copy_check or ps_copy_fail. */
void ps_copy_in_parts(struct ps_copy *copy);
/** Copy what is not copied, then complete. */
void ps_copy_send_parts(struct ps_copy *copy);
/** Part index is at the store. False when memory is out. */
PS_MUST_USE bool ps_copy_keep_part(struct ps_copy *copy, uint32_t index, const char *etag,
                                   const struct ps_checksum *checksum);
/** versitygw 1.8.0 gives a part the checksum of its whole source: Complete then refuses what is right. */
bool ps_copy_is_of_whole(const struct ps_copy *copy, const struct ps_checksum *checksum);
void ps_copy_forget_parts(struct ps_copy *copy);
void ps_copy_parts_clear(struct ps_copy *copy);

/* copy_record.c */
/** From CLAIMING on: the parts of an earlier run, or a new upload; then ps_copy_send_parts. */
void ps_copy_claim(struct ps_copy *copy);
/** Abort the upload and begin one whose parts have no checksums. */
void ps_copy_begin_without_checksums(struct ps_copy *copy);
/** Fail; where the store refuses for good, the upload is aborted and the record removed before. */
void ps_copy_fail_with_record(struct ps_copy *copy, const struct ps_err *err);
/** Remove the checkpoint, then ps_copy_succeed. */
void ps_copy_end_record(struct ps_copy *copy);

#endif
