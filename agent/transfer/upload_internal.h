/**
 * upload_internal - the struct behind upload.h, for its own files upload*.c only.
 *
 * Flow:    upload.c (start, end) -> upload_decide.c -> upload_resume.c, upload_adopt.c, upload_begin.c -> upload_parts.c
 *          (upload_read.c, upload_send.c, upload_notes.c) -> upload_complete.c
 * Thread:  fields are the loop's, except those that a running job owns (said there)
 * Source:  none
 */
#ifndef PS_TRANSFER_UPLOAD_INTERNAL_H
#define PS_TRANSFER_UPLOAD_INTERNAL_H

#include "source/file_reader.h"
#include "source/part_plan.h"
#include "source/stream_reader.h"
#include "state/checkpoint.h"
#include "transfer/job.h"
#include "transfer/upload.h"

enum ps_upload_state {
    PS_UPLOAD_STATE_STARTING,
    PS_UPLOAD_STATE_SINGLE,
    PS_UPLOAD_STATE_CLAIMING,
    PS_UPLOAD_STATE_LISTING,
    PS_UPLOAD_STATE_FINDING,
    PS_UPLOAD_STATE_VERIFYING,
    PS_UPLOAD_STATE_BEGINNING,
    PS_UPLOAD_STATE_SENDING,
    PS_UPLOAD_STATE_COMPLETING,
    PS_UPLOAD_STATE_CONFIRMING,
    PS_UPLOAD_STATE_ENDING,
    PS_UPLOAD_STATE_DONE,
};

enum part_state {
    PART_TODO,
    PART_BUSY,
    PART_DONE, /* the store has it and its checksum was compared with the source in this run */
};

/** What is known of a part before it is read in this run. */
enum part_check {
    CHECK_NONE,
    CHECK_STORED, /* the store has a part like that: equal bytes need not be sent, others are */
    CHECK_NOTED,  /* the checkpoint has it too: other bytes mean that the source changed */
};

struct part {
    uint64_t offset_bytes;
    uint64_t size_bytes;
    enum part_state state;
    enum part_check check;
    struct ps_checksum checksum; /* before: the expected one; when DONE: the part's */
    char *etag;                  /* NULL = none yet */
    bool confirmed;              /* the store told what it has, and that is checksum */
};

/** Bytes that a worker reads and hashes at a time: they stay in the second-level cache. */
#define PS_UPLOAD_SCRATCH_BYTES ((size_t)128 * 1024)

/** One part under way. */
struct slot {
    struct ps_upload *upload;
    bool in_use;
    bool ready; /* read and hashed, waits for the upload to be begun */
    uint32_t part_index;
    uint32_t resend_count;
    struct ps_store_op *op;
    struct ps_job read_job; /* while it runs it owns buffer and the checksums */
    bool reading;
    struct ps_job warm_job; /* brings the next bytes into the page cache */
    bool warming;
    uint64_t warm_offset_bytes;
    size_t warm_size_bytes;
    char *buffer; /* scratch of a file; the whole part of a stream */
    size_t buffer_size_bytes;
    size_t filled_bytes;         /* stream */
    bool at_end;                 /* stream: it ended in this part */
    uint64_t sent_bytes;         /* of this attempt, for progress */
    struct ps_checksum checksum; /* by the upload's algorithm */
    struct ps_checksum
        other; /* by the algorithm of the part's expected checksum, where that differs */
    struct ps_checksum sha256; /* with sign_payload */
    struct ps_err body_err;    /* why slot_read said PS_BODY_FAILED */
};

/** One upload found at the store. */
struct candidate {
    char *upload_id;
    int64_t initiated_unix_ms;
    enum ps_checksum_algorithm checksum;
};

/** Most uploads of one key that are looked at: more means that something else is wrong with that bucket. */
#define PS_UPLOAD_CANDIDATES_MAX 16

/** Upper bound of one commit of parts: with more waiting the next one follows at once. */
#define PS_UPLOAD_NOTES_MAX 64

struct ps_upload {
    uv_loop_t *loop;
    struct ps_store *store;
    const struct ps_decider *decider;
    const struct ps_clock *clock;
    const struct ps_log *log;
    struct ps_state *(*open_state)(void *user, struct ps_err *err);
    void *open_state_user;
    ps_transfer_event_fn on_event;
    void (*on_done)(void *user, const struct ps_upload_result *result, const struct ps_err *err);
    void *user;

    char *key;
    char *url;
    char *store_name;
    char *bucket;
    char *source_path;
    char *policy_digest;
    uint64_t memory_limit_bytes;
    struct ps_upload_wishes
        wishes; /* its text points into wish_text or the options' pairs, copied */
    struct ps_store_pair pairs[2 * PS_PAIRS_MAX];
    char *pair_text[4 * PS_PAIRS_MAX + 2];
    size_t pair_text_count;

    enum ps_upload_state state;
    struct ps_err err; /* the first error; code PS_OK = none */
    struct ps_upload_decision decision;
    enum ps_checksum_algorithm algorithm;
    struct ps_write_options write_options;

    struct ps_file_reader *file;     /* NULL for a stream or byte source: both are streams below */
    struct ps_stream_reader *stream; /* NULL for a file or byte source */
    struct ps_byte_source made;      /* byte source; open NULL = none */
    bool repeatable; /* it gives the same bytes when it has the same made_identity */
    uint8_t made_identity[32];
    struct ps_part_plan plan; /* file */
    uint64_t stream_next_offset_bytes;
    bool stream_filling;
    bool stream_ended;

    struct part *parts;
    uint32_t part_count; /* of a stream: read so far */
    uint32_t
        part_laid; /* entries in use: those of a stream that an earlier run has sent lie beyond part_count */
    uint32_t part_capacity;
    uint32_t next_part; /* first that may be left to do */
    uint32_t done_count;

    struct slot *slots;
    uint32_t slot_count;
    uint32_t busy_count;

    struct ps_state *state_db;
    struct ps_upload_record record;
    struct ps_store_op *op;    /* the one operation outside the slots */
    struct ps_job control_job; /* one state call at a time; owns record while it runs */
    bool control_running;
    void (*after_control)(struct ps_upload *upload);
    struct ps_part_record *noted_before; /* what an earlier run's checkpoint says */
    size_t noted_before_count;
    bool claim_found;
    struct ps_err refused_err; /* why the store refused to begin or to complete */
    struct ps_err unknown_err; /* of a single PUT whose object is looked at */

    struct ps_job note_job;
    bool noting;
    struct ps_part_record *notes; /* waiting; grows to at most 10,000 */
    size_t note_count;
    size_t note_capacity;
    struct ps_part_record note_batch[PS_UPLOAD_NOTES_MAX]; /* owned by note_job while it runs */
    size_t note_batch_count;

    struct candidate candidates[PS_UPLOAD_CANDIDATES_MAX];
    size_t candidate_count;
    size_t candidate_index;
    uint32_t listed_count; /* byte source: parts that the candidate has */
    uint32_t listed_end;   /* the highest of their numbers */
    bool verify_failed;
    bool
        adopt_refused; /* byte source: an upload began like ours and was another's; none is looked for again */
    bool begun_afresh; /* the store forgot an upload once: the second time is an error */
    uint32_t complete_count;

    uint32_t resumed_count;
    uint64_t resumed_bytes;
    uint64_t done_bytes;
    uint64_t sent_bytes;
    bool adopted;
    struct ps_checksum whole;
    bool confirmed; /* by the store: the whole, or each part */
    char *etag;
};

/* upload.c */
void ps_upload_set_state(struct ps_upload *upload, enum ps_upload_state state);
/** First error wins; the upload starts to end. err->code must not be PS_OK. */
void ps_upload_fail(struct ps_upload *upload, const struct ps_err *err);
void ps_upload_fail_memory(struct ps_upload *upload);
/** Call after anything that might have been the last thing an ending upload waits for. */
void ps_upload_try_end(struct ps_upload *upload);
void ps_upload_succeed(struct ps_upload *upload);
void ps_upload_event(struct ps_upload *upload, enum ps_transfer_event_kind kind, const char *text);
bool ps_upload_is_ending(const struct ps_upload *upload);
/** Run a state call on a worker, then after (not when it failed: the upload fails then). */
void ps_upload_control(struct ps_upload *upload, void (*run)(struct ps_job *job),
                       void (*after)(struct ps_upload *upload));
/** Read a byte source from its start again: the checkpoint says what need not be sent. No slot may be in use. */
void ps_upload_read_again(struct ps_upload *upload);

/* upload_decide.c */
void ps_upload_object_facts(const struct ps_upload *upload, struct ps_object_facts *facts);
/** Ask the policy, tell what it says, and settle algorithm and write options; with decision.skip nothing but that. */
PS_MUST_USE enum ps_code ps_upload_decide(struct ps_upload *upload, struct ps_err *err);
/** How large the next part of a stream is to be. */
uint64_t ps_upload_stream_part_size(struct ps_upload *upload);
/** Fill plan for the file; *single_out: one PUT is enough. */
PS_MUST_USE enum ps_code ps_upload_plan_file(struct ps_upload *upload, bool *single_out,
                                             struct ps_err *err);
/** Parts at once: 1 to 64. */
uint32_t ps_upload_concurrency(const struct ps_upload *upload);

/* upload_resume.c */
void ps_upload_claim(struct ps_upload *upload);
/** Take over what ListParts says of a part; false when it cannot belong to this plan. */
bool ps_upload_take_stored_part(struct ps_upload *upload, const struct ps_part_info *info);
/** To SENDING; what was found at the store beside is forgotten. */
void ps_upload_start_sending(struct ps_upload *upload);

/* upload_adopt.c */
/** Look for an upload of this key at the store. */
void ps_upload_find(struct ps_upload *upload);
/** All listed parts of the candidate were read, or one differs. */
void ps_upload_verify_done(struct ps_upload *upload);

/* upload_begin.c */
struct ps_source_identity ps_upload_identity(const struct ps_upload *upload);
/** Make the record of an upload; upload_id NULL = not known yet. False when memory is out. */
PS_MUST_USE bool ps_upload_fill_record(struct ps_upload *upload, enum ps_upload_phase phase,
                                       const char *upload_id);
/** Begin an upload at the store; an earlier one's parts are forgotten. */
void ps_upload_begin(struct ps_upload *upload);
/** The store forgot the upload: once, start again; twice, fail with err. */
void ps_upload_begin_afresh(struct ps_upload *upload, const struct ps_err *err);

/* upload_table.c */
/** Lay out the parts of a file by upload->plan, all left to do. */
PS_MUST_USE enum ps_code ps_upload_parts_init(struct ps_upload *upload, struct ps_err *err);
void ps_upload_parts_clear(struct ps_upload *upload);
/** The entry part_index, laid out as far as needed; NULL when memory is out. */
struct part *ps_upload_part_at(struct ps_upload *upload, uint32_t part_index);
/** Set every part back to PART_TODO with nothing known of it (files only). */
void ps_upload_parts_reset(struct ps_upload *upload);

/* upload_parts.c */
/** Make the slots. */
PS_MUST_USE enum ps_code ps_upload_slots_init(struct ps_upload *upload, uint32_t concurrency,
                                              struct ps_err *err);
void ps_upload_slots_clear(struct ps_upload *upload);
void ps_upload_slot_release(struct slot *slot);
/** Cancel what slot slot_index sends and free it; one that is reading is freed when the worker is done. */
void ps_upload_slot_drop(struct ps_upload *upload, uint32_t slot_index);
/** Give free slots their next part; ends the state when all are done. */
void ps_upload_parts_step(struct ps_upload *upload);
/** done of a slot's read_job: compare with what is known of the part, then send it if it must be. */
void ps_upload_on_read(struct ps_job *job);

/* upload_read.c */
/** Read and hash the slot's part on a worker, then ps_upload_on_read. */
void ps_upload_read_part(struct slot *slot);
/** Compare the first part of a byte source, which is read and waits, with what is known of it; then go on. */
void ps_upload_verify_first(struct ps_upload *upload);

/* upload_send.c */
void ps_upload_send_slot(struct slot *slot);
/** The part is at the store and equal to the source; resumed: it was there before. */
void ps_upload_part_done(struct slot *slot, bool resumed);

/* upload_notes.c: done parts on their way into the checkpoint */
/** False when memory is out. */
PS_MUST_USE bool ps_upload_note(struct ps_upload *upload, uint32_t part_index);
void ps_upload_note_flush(struct ps_upload *upload);

/* upload_complete.c */
void ps_upload_complete(struct ps_upload *upload);
void ps_upload_confirm(struct ps_upload *upload);
PS_MUST_USE enum ps_code ps_upload_whole_checksum(const struct ps_upload *upload,
                                                  struct ps_checksum *whole_out,
                                                  struct ps_err *err);

#endif
