/**
 * decision - what purser asks a policy, and what it gets back: plain facts in, a decision with its reason out.
 *
 * Flow:    transfer/, reclaim/, serve/ -> [decision] -> lua/decider.h (or the built-in defaults)
 * Thread:  the loop thread; an answer is complete on return
 * Source:  policy API 1, lua/README.md
 */
#ifndef PS_DECIDE_DECISION_H
#define PS_DECIDE_DECISION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One name and its value. All text of facts is borrowed for the call. */
struct ps_pair {
    const char *name;
    const char *value;
};

/** Most labels, tags or metadata entries of one object; S3 allows 2 KiB of metadata and 10 tags, OSS 8 KiB. */
#define PS_PAIRS_MAX 32

struct ps_pairs {
    size_t count; /* <= PS_PAIRS_MAX */
    struct ps_pair items[PS_PAIRS_MAX];
};

struct ps_object_facts {
    const char *url;    /* s3://bucket/key */
    const char *store;  /* name in the settings, else "s3", "file" */
    const char *bucket; /* "" for file:// */
    const char *key;
    const char *name; /* last component of key */
    const char *path; /* local path; NULL for a stream */
    bool has_size;    /* false for a stream */
    uint64_t size_bytes;
    uint64_t sent_bytes;           /* of a stream so far */
    int64_t mtime_unix_s;          /* 0 = unknown */
    const char *workflow;          /* "namespace/name"; NULL = none */
    const struct ps_pairs *labels; /* NULL = none */
};

/** Where a field of a decision came from. policy is "built-in" when no policy answered. */
struct ps_origin {
    char policy[64];
    char where[192]; /* "/etc/purser/policies.d/10-part-size.lua:7"; "" for built-in */
    char reason[256];
    char digest[17]; /* hex of the first 8 bytes of the policy set's SHA-256; "" for built-in */
};

/** Bits of ps_upload_decision.set: which fields a policy answered; the others hold the built-in value. */
enum ps_upload_field {
    PS_UPLOAD_FIELD_THRESHOLD = 1 << 0,
    PS_UPLOAD_FIELD_CONCURRENCY = 1 << 1,
    PS_UPLOAD_FIELD_CHECKSUM = 1 << 2,
    PS_UPLOAD_FIELD_STORAGE_CLASS = 1 << 3,
    PS_UPLOAD_FIELD_TAGS = 1 << 4,
    PS_UPLOAD_FIELD_METADATA = 1 << 5,
    PS_UPLOAD_FIELD_SKIP = 1 << 6,
};
#define PS_UPLOAD_FIELD_COUNT 7

/** Text the decision owns: one block, freed by ps_upload_decision_clear. */
struct ps_upload_decision {
    unsigned set;
    uint64_t threshold_bytes; /* multipart from this size on */
    uint32_t concurrency;     /* parts under way at once, 1..64 */
    char checksum[16];        /* "auto", or a name of hash/checksum.h */
    char storage_class[64];   /* "" = the bucket's default */
    bool skip;                /* do not upload at all */
    struct ps_pairs tags;     /* pointers into text */
    struct ps_pairs metadata; /* pointers into text */
    char *text;
    struct ps_origin origins[PS_UPLOAD_FIELD_COUNT]; /* by bit number; built-in where not set */
};

struct ps_part_size_decision {
    uint64_t bytes; /* wished for; source/part_plan.h fits it to the limits */
    struct ps_origin origin;
};

struct ps_retry_facts {
    const char *operation;   /* "put_part", "complete", "get", ... as in store/store.h */
    const char *retry_class; /* ps_retry_name */
    int http_status;         /* 0 = no answer */
    const char *store_code;  /* "" = none */
    uint32_t attempt;        /* attempts that failed so far, from 1 */
    uint64_t elapsed_ms;     /* since the first attempt */
    bool has_retry_after;
    uint64_t retry_after_ms;
    uint32_t part_number;                 /* 0 = none */
    const struct ps_object_facts *object; /* NULL = none (lists, bucket calls) */
};

struct ps_retry_decision {
    bool give_up;
    bool has_after;    /* false: full jitter, chosen by http/retry.h */
    uint64_t after_ms; /* never shorter than Retry-After; http/retry.h sees to that */
    struct ps_origin origin;
};

/** What a reclaim is asked about. 0 of a time, "" of a text = not known. */
struct ps_artifact_facts {
    const char *url;
    const char *store; /* name in the settings, else "s3", "file" */
    const char *key;
    const char *name; /* last component of key */
    bool has_size;
    uint64_t size_bytes;
    int64_t created_unix_s;
    int64_t age_s; /* now - created; 0 when that is not known */
    const char *storage_class;
    const struct ps_pairs *labels; /* NULL = none */
    const char *strategy; /* effective: "Never" "OnWorkflowCompletion" "OnWorkflowDeletion" */
    const char *node_status;
    const char *event; /* "age" "completed" "deleted" "cleared" */
};

struct ps_workflow_facts {
    const char *ns;
    const char *name;
    const char *uid;
    const char *template_name;
    const char *status; /* "Running" "Succeeded" "Failed" "Error" */
    int64_t created_unix_s;
    int64_t finished_unix_s;
    int64_t deleted_unix_s;
    uint32_t newer; /* finished runs of the same template that finished later */
    const struct ps_pairs *labels;
    const struct ps_pairs *annotations;
};

enum ps_reclaim_action {
    PS_ACTION_NONE, /* no opinion: nothing is planned */
    PS_ACTION_KEEP,
    PS_ACTION_DELETE,
    PS_ACTION_ARCHIVE,
};

/** "none" "keep" "delete" "archive"; static. */
const char *ps_reclaim_action_name(enum ps_reclaim_action action);

struct ps_reclaim_decision {
    enum ps_reclaim_action action;
    uint64_t after_s;        /* counted from the event */
    bool has_after;          /* a policy or a label said so */
    char storage_class[64];  /* of archive */
    bool faulty;             /* KEEP as a policy failed */
    bool used_newer;         /* a policy looked at workflow.newer: older runs are asked again */
    struct ps_origin origin; /* of the action */
};

/** One policy's answer, for explain. action NONE with has_after: it only sets the delay. */
struct ps_reclaim_answer {
    const char *policy;
    const char *where;
    enum ps_reclaim_action action;
    bool has_after;
    uint64_t after_s;
    const char *reason; /* "" = no opinion */
    bool faulty;        /* reason is then what was wrong */
};

struct ps_reclaim_question {
    const struct ps_artifact_facts *artifact;
    const struct ps_workflow_facts *workflow; /* NULL = of no workflow */
    int64_t now_unix_s;
    /** Told every answer, built-in first; NULL = nobody asks. */
    void (*on_answer)(void *user, const struct ps_reclaim_answer *answer);
    void *user;
};

/** A request to the gateway for an object. */
struct ps_download_facts {
    const char *store; /* name in the settings */
    const char *key;   /* below the store's URL */
    uint64_t size_bytes;
    const char *range;         /* the Range header as sent; NULL = none */
    const char *subject;       /* "token:1a2b3c4d", "link", "anyone"; NULL = nobody known */
    const char *remote;        /* address */
    const char *storage_class; /* "" = standard */
};

enum ps_download_action {
    PS_DOWNLOAD_STREAM,   /* through the gateway */
    PS_DOWNLOAD_REDIRECT, /* to a presigned URL of the store */
    PS_DOWNLOAD_DENY,
    PS_DOWNLOAD_RESTORE, /* ask the store for an archived object, and answer 409 */
};

struct ps_download_decision {
    bool has_action; /* a policy said so: enough for who has no other rule */
    enum ps_download_action action;
    uint64_t rate_bytes_per_s; /* 0 = no limit */
    struct ps_origin origin;   /* of the last answer */
};

/** "stream" "redirect" "deny" "restore"; static. */
const char *ps_download_action_name(enum ps_download_action action);

/** Built-in answers; their reasons are in HOUSE-style comments beside the values in decision.c. */
#define PS_DEFAULT_THRESHOLD_BYTES ((uint64_t)16 * 1024 * 1024)
#define PS_DEFAULT_PART_SIZE_BYTES ((uint64_t)16 * 1024 * 1024)
#define PS_DEFAULT_CONCURRENCY 4U
#define PS_DEFAULT_RETRY_ATTEMPTS_MAX 10U

/** Who answers. now_unix_s is the only clock a policy sees. All functions always leave a usable answer. */
struct ps_decider {
    void *user;
    void (*upload)(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                   struct ps_upload_decision *out);
    void (*part_size)(void *user, const struct ps_object_facts *object, int64_t now_unix_s,
                      struct ps_part_size_decision *out);
    void (*retry)(void *user, const struct ps_retry_facts *failure, int64_t now_unix_s,
                  struct ps_retry_decision *out);
    bool asks_reclaim; /* some policy has the hook: the plugin looks at what it is told to delete */
    void (*reclaim)(void *user, const struct ps_reclaim_question *question,
                    struct ps_reclaim_decision *out);
    bool
        asks_download; /* some policy has the hook: the gateway looks at the object before it asks */
    void (*download)(void *user, const struct ps_download_facts *request, int64_t now_unix_s,
                     struct ps_download_decision *out);
};

/** The built-in answers, as a decider. Static. */
const struct ps_decider *ps_decider_builtin(void);

/** Fill *out with the built-in answer; no allocation. The lua decider starts from these. */
void ps_upload_decision_init(struct ps_upload_decision *out);
void ps_upload_decision_clear(struct ps_upload_decision *decision);
void ps_part_size_decision_init(const struct ps_object_facts *object,
                                struct ps_part_size_decision *out);
void ps_retry_decision_init(const struct ps_retry_facts *failure, struct ps_retry_decision *out);
/**
 * By the strategy of artifact or workflow: OnWorkflowCompletion is deleted once the workflow has finished or is deleted,
 * OnWorkflowDeletion when it is deleted, both and those without one when it is cleared; all else is NONE. A label or
 * annotation `purser/hold` of any value but "false" is KEEP; `purser/reclaim-after: 7d` is the delay, and one that is
 * no duration is KEEP.
 */
void ps_reclaim_decision_init(const struct ps_reclaim_question *question,
                              struct ps_reclaim_decision *out);
/** Tell question->on_answer of the built-in answer. */
void ps_reclaim_tell_builtin(const struct ps_reclaim_question *question,
                             const struct ps_reclaim_decision *decision);
void ps_download_decision_init(struct ps_download_decision *out);

#endif
