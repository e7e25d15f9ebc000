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
    ps_str_copy(item->words.policy, sizeof(item->words.policy), decision->origin.policy);
    ps_str_copy(item->words.where, sizeof(item->words.where), decision->origin.where);
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
static bool ask(const struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                enum ps_reclaim_event event, int64_t now_unix_s, struct answer *answer_out)
{
    struct ps_reclaim_asked asked;

    if (!ps_reclaim_ask_init(&asked, item, rules, event, now_unix_s)) {
        return false;
    }
    rules->decider->reclaim(rules->decider->user, &asked.question, &answer_out->decision);
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

/* Of two answers: keep, else the one that is due earlier. */
static bool beats(const struct answer *a, const struct answer *b)
{
    if (a->decision.action == PS_ACTION_KEEP || b->decision.action == PS_ACTION_KEEP) {
        return a->decision.action == PS_ACTION_KEEP;
    }
    if (!is_removal(&a->decision) || !is_removal(&b->decision)) {
        return is_removal(&a->decision);
    }
    return a->due_unix_s < b->due_unix_s;
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
    struct answer answer;
    struct answer by_age;

    item->outcome = PS_OUTCOME_NONE;
    if ((ps_reclaim_item_reclaim(item, &reclaim) && is_settled(&reclaim, item)) ||
        !ask(item, rules, item->event, now_unix_s, &answer)) {
        return;
    }
    if (item->ask_age && ask(item, rules, PS_EVENT_AGE, now_unix_s, &by_age) &&
        beats(&by_age, &answer)) {
        take(item, PS_EVENT_AGE, &by_age);
    } else {
        take(item, item->event, &answer);
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

static bool is_claimed(struct ps_reclaim_item *item, const struct ps_reclaim *reclaim)
{
    enum ps_reclaim_outcome outcome =
        reclaim->what == PS_RECLAIM_DELETE ? PS_OUTCOME_DROP : PS_OUTCOME_KEEP;

    if (item->other_claims == 0) {
        return false;
    }
    if (item->other_workflow[0] != '\0') {
        ps_verdict_set(item, outcome, "the object is needed by workflow %s", item->other_workflow);
    } else {
        ps_verdict_set(item, outcome, "the object has another record");
    }
    return true;
}

void ps_verdict_due(struct ps_reclaim_item *item, const struct ps_reclaim_rules *rules,
                    int64_t now_unix_s)
{
    struct ps_reclaim reclaim;
    struct answer answer;

    item->outcome = PS_OUTCOME_NONE;
    if (!ps_reclaim_item_reclaim(item, &reclaim) || is_held(item) || is_claimed(item, &reclaim)) {
        return;
    }
    if (!ask(item, rules, reclaim.event, now_unix_s, &answer)) {
        return;
    }
    take(item, reclaim.event, &answer);
    if (answer.decision.action == PS_ACTION_NONE) {
        ps_verdict_set(item, PS_OUTCOME_KEEP, "no policy asks for it any more");
    } else if (item->outcome == PS_OUTCOME_PLAN && answer.due_unix_s <= now_unix_s) {
        item->outcome = PS_OUTCOME_MARK;
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
