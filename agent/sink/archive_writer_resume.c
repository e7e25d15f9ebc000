#include "sink/archive_writer_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Where a later run can go on: between two entries, at a place of the object from which it can be unpacked. */

/**
 * Slots that wait for a piece: when there are more, a note is wanted without being asked for. Lower: more commits.
 * Higher: more memory, and a larger piece.
 */
#define FRESH_WANTED_BYTES ((size_t)4 * 1024 * 1024)
/** Those 4 MiB are half a million entries; their directories have paths. */
#define PIECE_LIMIT_BYTES ((size_t)512 * 1024 * 1024)

/* --- begin --- */

static enum ps_code take_slot(void *user, uint64_t slot, struct ps_err *err)
{
    struct ps_extract *extract = user;

    return ps_path_set_restore(&extract->seen, slot, err);
}

static enum ps_code take_directory(void *user, const char *path,
                                   const struct ps_dest_attributes *attributes, struct ps_err *err)
{
    struct ps_extract *extract = user;

    extract->given_count++;
    if (!extract->options->needed_directories && !ps_dest_tree_has_directory(extract->tree, path)) {
        return ps_err_set(err, PS_E_PARSE, "%s: was removed since it was extracted", path);
    }
    return ps_dest_tree_give(extract->tree, path, attributes, err);
}

static enum ps_code take_pieces(struct ps_extract *extract, struct ps_err *err)
{
    const struct ps_extract_options *options = extract->options;
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < options->piece_count && code == PS_OK; i++) {
        code =
            ps_extract_piece_read(ps_buf_peek(&options->pieces[i]), options->pieces[i].size_bytes,
                                  take_slot, take_directory, extract, err);
    }
    return code;
}

static enum ps_code restart(struct ps_extract *extract, const struct ps_extract_point *from,
                            struct ps_err *err)
{
    enum ps_code code;

    /* Finished entries are not made again: they must be here. Of files removed one by one nothing is known. */
    if (!ps_dest_tree_is_marked(extract->tree, from->seen_key)) {
        return ps_err_set(err, PS_E_PARSE, "%s: is not the directory that was extracted to",
                          extract->options->dest);
    }
    extract->seen.key = from->seen_key;
    code = take_pieces(extract, err);
    if (code != PS_OK) {
        return code;
    }
    extract->result.entry_count = from->entry_count;
    extract->result.file_count = from->file_count;
    extract->result.passed_count = from->entry_count;
    extract->written_bytes = from->written_bytes;
    extract->placed = true;
    extract->base_bytes = from->next_bytes;
    extract->discard_bytes = from->next_bytes - from->unpack.unpacked_bytes;
    return ps_unpack_resume(extract->unpack, &from->unpack,
                            from->unpack.packed_bytes - from->mark.offset_bytes, err);
}

static void prepare_notes(struct ps_extract *extract)
{
    extract->fresh_wanted_bytes = FRESH_WANTED_BYTES;
    if (extract->options->note != NULL) {
        extract->point = calloc(1, sizeof(*extract->point));
    }
    if (extract->point != NULL) {
        extract->seen.fresh = &extract->fresh;
    }
}

enum ps_code ps_extract_begin(struct ps_extract *extract, struct ps_err *err)
{
    const struct ps_extract_options *options = extract->options;
    const struct ps_extract_point *from = options->from;
    bool restarted = from != NULL && from->restartable;
    enum ps_code code =
        ps_object_pull_init(&extract->pull, options->pull, options->user,
                            restarted ? from->mark.before.algorithm : options->algorithm,
                            restarted ? &from->mark : NULL, err);

    if (code == PS_OK) {
        code = ps_unpack_new(&extract->unpack, ps_object_pull_read, &extract->pull, err);
    }
    if (code != PS_OK) {
        return code;
    }
    if (getrandom(&extract->seen.key, sizeof(extract->seen.key), 0) < 0) {
        extract->seen.key = (uint64_t)(uintptr_t)extract;
    }
    ps_buf_init(&extract->fresh, PIECE_LIMIT_BYTES);
    if (restarted) {
        code = restart(extract, from, err);
    }
    if (code == PS_OK) {
        ps_dest_tree_unmark(extract->tree, restarted ? from->seen_key : 0);
    }
    prepare_notes(extract);
    return code;
}

void ps_extract_end(struct ps_extract *extract)
{
    ps_object_pull_clear(&extract->pull);
    ps_unpack_free(extract->unpack);
    ps_buf_clear(&extract->fresh);
    free(extract->point);
}

/* --- bytes for libarchive --- */

/* unpack's last point and a mark at or before it: both are gone soon. */
static void keep_point(struct ps_extract *extract)
{
    struct ps_extract_point *point = extract->point;
    const struct ps_unpack_point *taken;

    if (point == NULL || extract->has_unpack) {
        return;
    }
    taken = ps_unpack_take_point(extract->unpack);
    if (taken == NULL) {
        return;
    }
    point->unpack = *taken;
    extract->has_unpack = ps_object_pull_mark(&extract->pull, taken->packed_bytes, &point->mark);
    if (!extract->has_unpack) {
        ps_unpack_want_point(extract->unpack);
    }
}

enum ps_code ps_extract_read(struct ps_extract *extract, void *into, size_t size, size_t *got_out,
                             struct ps_err *err)
{
    enum ps_code code = PS_OK;
    size_t got_bytes = 0;

    do {
        size_t want_bytes = extract->discard_bytes != 0 && extract->discard_bytes < size
                                ? (size_t)extract->discard_bytes
                                : size;
        bool discarded = extract->discard_bytes > 0;

        code = ps_unpack_read(extract->unpack, into, want_bytes, &got_bytes, err);
        if (code == PS_OK && discarded) {
            extract->discard_bytes -= got_bytes;
        }
        if (!discarded) {
            break;
        }
    } while (code == PS_OK && got_bytes > 0);
    if (code == PS_OK) {
        keep_point(extract);
        *got_out = got_bytes;
    }
    return code;
}

/* --- notes --- */

void ps_extract_finished(struct ps_extract *extract)
{
    const struct ps_extract_options *options = extract->options;
    bool wanted =
        options->on_entry != NULL &&
        options->on_entry(options->user, extract->result.entry_count, extract->written_bytes);

    if (extract->point == NULL || extract->note_wanted ||
        (!wanted && extract->fresh.size_bytes < extract->fresh_wanted_bytes)) {
        return;
    }
    extract->note_wanted = true;
    if (!extract->has_unpack) {
        ps_unpack_want_point(extract->unpack);
    }
}

enum place {
    PLACE_NONE,  /* not yet */
    PLACE_COUNT, /* none, but it can be said how many entries are finished */
    PLACE_HERE,
};

static enum place packed_place(const struct ps_extract *extract)
{
    const struct ps_extract_point *point = extract->point;

    if (extract->has_unpack && point->unpack.unpacked_bytes <= point->next_bytes) {
        return PLACE_HERE;
    }
    /* Frames of zstd may be long, or one; a count would replace a place that was noted. */
    return ps_unpack_kind(extract->unpack) == PS_UNPACK_ZSTD && !extract->placed ? PLACE_COUNT
                                                                                 : PLACE_NONE;
}

static enum place find_place(struct ps_extract *extract)
{
    struct ps_extract_point *point = extract->point;

    point->next_bytes =
        extract->base_bytes + (uint64_t)extract->lib.archive_read_header_position(extract->archive);
    if (!ps_checksum_can_combine(extract->pull.hasher.algorithm)) {
        return PLACE_COUNT; /* the whole object could not be verified without its first bytes */
    }
    if (ps_unpack_kind(extract->unpack) != PS_UNPACK_PLAIN) {
        return packed_place(extract);
    }
    if (extract->lib.archive_filter_code(extract->archive, 0) != ARCHIVE_FILTER_NONE) {
        return PLACE_COUNT;
    }
    point->unpack.kind = PS_UNPACK_PLAIN;
    point->unpack.packed_bytes = point->next_bytes;
    point->unpack.unpacked_bytes = point->next_bytes;
    return ps_object_pull_mark(&extract->pull, point->next_bytes, &point->mark) ? PLACE_HERE
                                                                                : PLACE_NONE;
}

static enum ps_code fill_piece(const struct ps_extract *extract, struct ps_buf *piece,
                               size_t *given_out, struct ps_err *err)
{
    const struct ps_dest_attributes *attributes = NULL;
    const char *path = NULL;
    size_t given = extract->given_count;
    enum ps_code code = ps_extract_piece_begin(piece, &extract->fresh, err);

    while (code == PS_OK && ps_dest_tree_given(extract->tree, given, &path, &attributes)) {
        code = ps_extract_piece_add(piece, path, attributes, err);
        given++;
    }
    *given_out = given;
    return code;
}

static enum ps_code note(struct ps_extract *extract, struct ps_err *err)
{
    struct ps_extract_point *point = extract->point;
    struct ps_buf point_bytes;
    struct ps_buf piece;
    const struct ps_extract_note told = { &point_bytes, &piece };
    size_t given = extract->given_count;
    enum ps_code code;

    point->identity = extract->options->identity;
    point->entry_count = extract->result.entry_count;
    point->file_count = extract->result.file_count;
    point->written_bytes = extract->written_bytes;
    point->seen_key = extract->seen.key;
    ps_buf_init(&point_bytes, 0);
    ps_buf_init(&piece, PIECE_LIMIT_BYTES);
    code = ps_extract_point_encode(point, &point_bytes, err);
    if (code == PS_OK && point->restartable && !extract->marked) {
        code = ps_dest_tree_mark(extract->tree, extract->seen.key, err);
        extract->marked = code == PS_OK;
    }
    if (code == PS_OK && point->restartable) {
        code = fill_piece(extract, &piece, &given, err);
    }
    if (code == PS_OK) {
        code = extract->options->note(extract->options->user, &told, ps_dest_tree_fd(extract->tree),
                                      err);
    }
    ps_buf_clear(&piece);
    ps_buf_clear(&point_bytes);
    if (point->restartable) {
        ps_buf_rewind(&extract->fresh);
        extract->given_count = given;
        extract->has_unpack = false;
        extract->placed = true;
    }
    extract->fresh_wanted_bytes = extract->fresh.size_bytes + FRESH_WANTED_BYTES;
    return code;
}

enum ps_code ps_extract_note_here(struct ps_extract *extract, struct ps_err *err)
{
    const struct ps_extract_point *from = extract->options->from;
    enum place place = extract->note_wanted ? find_place(extract) : PLACE_NONE;

    if (place == PLACE_NONE) {
        return PS_OK;
    }
    extract->note_wanted = false;
    if (from != NULL && extract->result.entry_count <= from->entry_count) {
        return PS_OK; /* an earlier run came as far */
    }
    extract->point->restartable = place == PLACE_HERE;
    return note(extract, err);
}
