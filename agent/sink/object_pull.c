#include "sink/object_pull.h"

enum ps_code ps_object_pull_init(struct ps_object_pull *pull, ps_pull_fn from, void *user,
                                 enum ps_checksum_algorithm algorithm,
                                 const struct ps_object_mark *first, struct ps_err *err)
{
    *pull = (struct ps_object_pull){ .pull = from, .user = user };
    if (first != NULL) {
        pull->first = *first;
    } else {
        pull->first.before = ps_checksum_empty(algorithm);
    }
    pull->offset_bytes = pull->first.offset_bytes;
    return ps_hasher_init(&pull->hasher, algorithm, err);
}

void ps_object_pull_clear(struct ps_object_pull *pull)
{
    ps_hasher_clear(&pull->hasher);
}

bool ps_object_pull_read(void *user, void *into, size_t size, size_t *got_out, struct ps_err *err)
{
    struct ps_object_pull *pull = user;

    if (ps_checksum_can_combine(pull->hasher.algorithm)) {
        struct ps_object_mark *mark = &pull->marks[pull->mark_count++ % PS_OBJECT_PULL_MARKS];

        mark->offset_bytes = pull->offset_bytes;
        mark->before = ps_hasher_finish(&pull->hasher);
    }
    if (!pull->pull(pull->user, into, size, got_out, err)) {
        return false;
    }
    ps_hasher_update(&pull->hasher, into, *got_out);
    pull->offset_bytes += *got_out;
    return true;
}

static bool join(const struct ps_object_pull *pull, uint64_t offset_bytes, struct ps_checksum *sum)
{
    struct ps_checksum whole = pull->first.before;

    if (ps_checksum_combine(&whole, sum, offset_bytes - pull->first.offset_bytes, NULL) != PS_OK) {
        return false;
    }
    *sum = whole;
    return true;
}

bool ps_object_pull_mark(const struct ps_object_pull *pull, uint64_t offset_bytes,
                         struct ps_object_mark *mark_out)
{
    const struct ps_object_mark *best = NULL;

    for (size_t i = 0; i < pull->mark_count && i < PS_OBJECT_PULL_MARKS; i++) {
        const struct ps_object_mark *mark = &pull->marks[i];

        if (mark->offset_bytes <= offset_bytes &&
            (best == NULL || mark->offset_bytes > best->offset_bytes)) {
            best = mark;
        }
    }
    if (best == NULL) {
        return false;
    }
    *mark_out = *best;
    return join(pull, mark_out->offset_bytes, &mark_out->before);
}

struct ps_checksum ps_object_pull_checksum(struct ps_object_pull *pull)
{
    struct ps_checksum sum = ps_hasher_finish(&pull->hasher);

    if (pull->first.offset_bytes > 0) {
        (void)join(pull, pull->offset_bytes, &sum); /* only begun in the middle where it combines */
    }
    return sum;
}
