#include "reclaim/verdict.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RETRY_FIRST_S ((int64_t)60)
#define RETRY_MOST_S ((int64_t)6 * 3600)

/* --- words --- */

void ps_verdict_set(struct ps_reclaim_item *item, enum ps_reclaim_outcome outcome,
                    const char *format, ...)
{
    va_list args;

    memset(&item->words, 0, sizeof(item->words));
    va_start(args, format);
    (void)vsnprintf(item->words.reason, sizeof(item->words.reason), format, args);
    va_end(args);
    item->outcome = outcome;
    item->has_decision = false;
}

static void set_words(struct ps_reclaim_item *item, const struct ps_reclaim_decision *decision)
{
    const char *slash = strrchr(decision->origin.where, '/');

    ps_str_copy(item->words.policy, sizeof(item->words.policy), decision->origin.policy);
    /* File and line: the directory is the same for a million records, and explain tells it. */
    ps_str_copy(item->words.where, sizeof(item->words.where),
                slash != NULL ? slash + 1 : decision->origin.where);
    ps_str_copy(item->words.reason, sizeof(item->words.reason), decision->origin.reason);
    ps_str_copy(item->words.digest, sizeof(item->words.digest), decision->origin.digest);
    ps_str_copy(item->words.storage_class, sizeof(item->words.storage_class),
                decision->storage_class);
    item->has_decision = true;
}

/* --- asking --- */

struct answer {
    struct ps_reclaim_decision decision;
    int64_t due_unix_s;
};

static int64_t due_of(int64_t base_unix_s, uint64_t after_s)
{
    uint64_t due = 0;

    if (base_unix_s < 0 || !ps_add_u64((uint64_t)base_unix_s, after_s, &due) || due > INT64_MAX) {
        return INT64_MAX; /* never */
    }
    return (int64_t)due;
}

/* False: the records cannot be read. */
static bool ask(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                enum ps_reclaim_event event, int64_t now_unix_s, struct answer *answer_out)
{
    struct ps_reclaim_asked asked;

    if (!ps_reclaim_ask_init(&asked, item, rules, event, now_unix_s)) {
        return false;
    }
    ps_reclaim_ask(&asked, rules, &answer_out->decision);
    item->used_newer = item->used_newer || answer_out->decision.used_newer;
    answer_out->due_unix_s =
        due_of(ps_reclaim_base_unix_s(&asked, event), answer_out->decision.after_s);
    return true;
}

static bool is_removal(const struct ps_reclaim_decision *decision)
{
    return decision->action == PS_ACTION_DELETE || decision->action == PS_ACTION_ARCHIVE;
}

static enum ps_reclaim_what what_of(const struct ps_reclaim_decision *decision)
{
    return decision->action == PS_ACTION_ARCHIVE ? PS_RECLAIM_ARCHIVE : PS_RECLAIM_DELETE;
}

static void take(struct ps_reclaim_item *item, enum ps_reclaim_event event,
                 const struct answer *answer)
{
    item->event = event;
    item->outcome = PS_OUTCOME_NONE;
    set_words(item, &answer->decision);
    if (answer->decision.action == PS_ACTION_KEEP) {
        item->outcome = PS_OUTCOME_KEEP;
    } else if (is_removal(&answer->decision)) {
        item->outcome = PS_OUTCOME_PLAN;
        item->next_what = what_of(&answer->decision);
        item->next_due_unix_s = answer->due_unix_s;
    }
}

/* Whether the answer to a later event takes the place of the one before, as it would have had they come one by one. */
static bool replaces(const struct answer *later, const struct answer *before)
{
    if (later->decision.action == PS_ACTION_NONE) {
        return false;
    }
    return !is_removal(&later->decision) || !is_removal(&before->decision) ||
           later->due_unix_s < before->due_unix_s;
}

static bool has_happened(const struct ps_reclaim_item *item, enum ps_reclaim_event event)
{
    struct ps_workflow workflow;

    if (event == item->event || event == PS_EVENT_AGE) {
        return true;
    }
    return ps_reclaim_item_workflow(item, &workflow) &&
           ((event == PS_EVENT_COMPLETED && workflow.finished_unix_s != 0) ||
            (event == PS_EVENT_DELETED && workflow.deleted_unix_s != 0));
}

/* What all that has happened to the artifact says, in order: the same however late it was recorded or planned. */
static void plan_all(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                     int64_t now_unix_s)
{
    enum ps_reclaim_event last = item->event;
    enum ps_reclaim_event best_event = PS_EVENT_AGE;
    struct answer best = { .decision = { .action = PS_ACTION_NONE } };
    struct answer answer;

    for (int event = PS_EVENT_AGE; event <= (int)last; event++) {
        if (has_happened(item, (enum ps_reclaim_event)event) &&
            ask(item, rules, (enum ps_reclaim_event)event, now_unix_s, &answer) &&
            replaces(&answer, &best)) {
            best = answer;
            best_event = (enum ps_reclaim_event)event;
        }
    }
    take(item, best.decision.action != PS_ACTION_NONE ? best_event : last, &best);
}

/* A sweep asks again about what it deletes; what was cancelled by hand waits for another event. */
static bool is_settled(const struct ps_reclaim *reclaim, const struct ps_reclaim_item *item)
{
    return reclaim->state == PS_RECLAIM_DELETING ||
           (reclaim->by_user && reclaim->event == item->event);
}

void ps_verdict_plan(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                     int64_t now_unix_s)
{
    struct ps_reclaim reclaim;

    item->outcome = PS_OUTCOME_NONE;
    if (!ps_reclaim_item_reclaim(item, &reclaim) || !is_settled(&reclaim, item)) {
        plan_all(item, rules, now_unix_s);
    }
}

/* --- what is due --- */

static bool is_held(struct ps_reclaim_item *item)
{
    const char *why = item->hold_why[0] != '\0' ? item->hold_why : "no reason was given";

    if (!item->held) {
        return false;
    }
    if (item->hold_until_unix_s != 0) {
        ps_verdict_set(item, PS_OUTCOME_POSTPONE, "on hold: %s", why);
        item->next_due_unix_s = item->hold_until_unix_s;
    } else {
        ps_verdict_set(item, PS_OUTCOME_KEEP, "on hold: %s", why);
    }
    return true;
}

/* The claim ends, the object stays; to archive it is for its last claim. */
static void end_claim(struct ps_reclaim_item *item)
{
    enum ps_reclaim_outcome outcome =
        item->next_what == PS_RECLAIM_DELETE ? PS_OUTCOME_DROP : PS_OUTCOME_KEEP;

    if (item->other_claims == 0) {
        return;
    }
    if (item->other_workflow[0] != '\0') {
        ps_verdict_set(item, outcome, "the object is needed by workflow %s", item->other_workflow);
    } else {
        ps_verdict_set(item, outcome, "the object has another record");
    }
}

/* The event that it was planned on may be undone, as a workflow that runs again has not finished, or have a later time. All
 * that has happened may still be a reason. */
static void ask_again(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                      int64_t now_unix_s)
{
    struct ps_artifact artifact;
    struct ps_workflow workflow;

    if (ps_reclaim_item_artifact(item, &artifact)) {
        bool has_workflow = ps_reclaim_item_workflow(item, &workflow);

        item->event = ps_reclaim_weightiest(&artifact, has_workflow ? &workflow : NULL);
        plan_all(item, rules, now_unix_s);
    }
}

static bool is_due(const struct ps_reclaim_item *item, int64_t now_unix_s)
{
    return item->outcome == PS_OUTCOME_PLAN && item->next_due_unix_s <= now_unix_s;
}

void ps_verdict_due(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                    int64_t now_unix_s)
{
    struct ps_reclaim reclaim;
    struct answer answer;

    item->outcome = PS_OUTCOME_NONE;
    if (!ps_reclaim_item_reclaim(item, &reclaim) || is_held(item) ||
        !ask(item, rules, reclaim.event, now_unix_s, &answer)) {
        return;
    }
    take(item, reclaim.event, &answer);
    if (!is_due(item, now_unix_s) && item->outcome != PS_OUTCOME_KEEP) {
        ask_again(item, rules, now_unix_s);
    }
    if (item->outcome == PS_OUTCOME_NONE) {
        ps_verdict_set(item, PS_OUTCOME_KEEP, "no policy asks for it any more");
    } else if (is_due(item, now_unix_s)) {
        item->outcome = PS_OUTCOME_MARK;
        end_claim(item);
    }
}

int64_t ps_verdict_retry_unix_s(const struct ps_reclaim_item *item, int64_t now_unix_s)
{
    struct ps_reclaim reclaim;
    int64_t wait_s = RETRY_FIRST_S;

    if (ps_reclaim_item_reclaim(item, &reclaim)) {
        for (uint32_t i = 0; i < reclaim.failure_count && wait_s < RETRY_MOST_S; i++) {
            wait_s *= 2;
        }
    }
    return now_unix_s + (wait_s < RETRY_MOST_S ? wait_s : RETRY_MOST_S);
}

/* --- the same object? --- */

/* Stores quote ETags or do not, from one operation to the next. */
static bool is_same_etag(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);

    if (a_length >= 2 && a[0] == '"') {
        a++;
        a_length -= 2;
    }
    if (b_length >= 2 && b[0] == '"') {
        b++;
        b_length -= 2;
    }
    return a_length == b_length && strncmp(a, b, a_length) == 0;
}

static bool is_same_checksum(const struct ps_artifact *artifact, const struct ps_object_info *info)
{
    struct ps_checksum recorded = { .algorithm =
                                        (enum ps_checksum_algorithm)artifact->checksum_algorithm };

    if (recorded.algorithm == PS_CHECKSUM_NONE || info->checksum.algorithm != recorded.algorithm) {
        return true; /* nothing to compare */
    }
    memcpy(recorded.bytes, artifact->checksum, sizeof(recorded.bytes));
    return ps_checksum_equal(&recorded, &info->checksum);
}

static bool fail(char *why, size_t why_size_bytes, const char *text)
{
    ps_str_copy(why, why_size_bytes, text);
    return false;
}

bool ps_verdict_is_same(const struct ps_artifact *artifact, const struct ps_object_info *info,
                        char *why, size_t why_size_bytes)
{
    bool has_etag = artifact->etag[0] != '\0';
    int64_t written_unix_s = info->mtime_unix_ms / 1000;

    if (artifact->has_size && artifact->size_bytes != info->size_bytes) {
        (void)snprintf(why, why_size_bytes,
                       "uploaded again since: %" PRIu64 " bytes, %" PRIu64 " on record",
                       info->size_bytes, artifact->size_bytes);
        return false;
    }
    if (has_etag && !is_same_etag(artifact->etag, info->etag)) {
        (void)snprintf(why, why_size_bytes, "uploaded again since: ETag %.60s, %.60s on record",
                       info->etag, artifact->etag);
        return false;
    }
    if (!is_same_checksum(artifact, info)) {
        return fail(why, why_size_bytes, "uploaded again since: its checksum is another");
    }
    if (written_unix_s > artifact->recorded_unix_s + PS_REWRITE_TOLERANCE_S) {
        return fail(why, why_size_bytes, "written again after it was recorded");
    }
    if (!has_etag && written_unix_s == 0) {
        return fail(why, why_size_bytes, "neither ETag nor time can be compared with the record");
    }
    return true;
}
