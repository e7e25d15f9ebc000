/**
 * lifecycle_rule - one row of a policy's `lifecycle` table: what a bucket does by itself with what lies below a prefix.
 *
 * Flow:    lua/policy_set.h, a store's configuration -> [lifecycle_rule] -> reclaim/lifecycle.h
 * Thread:  any; a plain struct
 * Source:  S3 PutBucketLifecycleConfiguration, OSS PutBucketLifecycle: at most 1,000 rules, ids of 255 bytes
 */
#ifndef PS_DECIDE_LIFECYCLE_RULE_H
#define PS_DECIDE_LIFECYCLE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Rules whose id begins so are purser's own: it replaces and removes them, and no others. */
#define PS_LIFECYCLE_ID_PREFIX "purser-"

/** An object has at most 10 tags. */
#define PS_LIFECYCLE_TAGS_MAX 10

struct ps_lifecycle_tag {
    char name[129];
    char value[257];
};

struct ps_lifecycle_rule {
    char id[256];      /* "purser-NAME-1": policy and row, from 1 */
    char prefix[1025]; /* of keys; "" = the whole bucket */
    struct ps_lifecycle_tag tags[PS_LIFECYCLE_TAGS_MAX];
    size_t tag_count;
    uint32_t expire_days; /* since it was written; 0 = none, as in those below */
    bool archives;
    uint32_t archive_days; /* 0 = with the next run */
    char archive_class[64];
    uint32_t abort_days;      /* of multipart uploads, since they began */
    uint32_t noncurrent_days; /* of versions, since they were replaced or deleted */
    char store_url[1100];     /* only in this store: "s3://bucket"; "" = wherever it is applied */
    char where[192];          /* file and line of the policy; "" = not of a policy */
};

/** Call for each row. Borrowed for the call. False stops. */
typedef bool (*ps_lifecycle_rule_fn)(void *user, const struct ps_lifecycle_rule *rule);

#endif
