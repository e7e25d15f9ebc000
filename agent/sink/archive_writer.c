#include "sink/archive_writer_internal.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>

/** What is pulled at a time. */
#define PULL_BYTES ((size_t)128 * 1024)

/* --- libarchive's side --- */

static la_ssize_t on_read(struct archive *archive, void *user, const void **data_out)
{
    struct ps_extract *extract = user;
    size_t got_bytes = 0;

    if (ps_extract_read(extract, extract->buffer, PULL_BYTES, &got_bytes, &extract->pull_err) !=
        PS_OK) {
        extract->lib.archive_set_error(archive, EIO, "the bytes cannot be had");
        return -1;
    }
    *data_out = extract->buffer;
    return (la_ssize_t)got_bytes;
}

/* libarchive's codes go no further than here. */
enum ps_code ps_extract_fail(const struct ps_extract *extract, struct ps_err *err)
{
    const char *text = extract->lib.archive_error_string(extract->archive);

    if (extract->pull_err.code != PS_OK) {
        if (err != NULL) {
            *err = extract->pull_err;
        }
        return extract->pull_err.code;
    }
    if (extract->lib.archive_errno(extract->archive) == ENOMEM) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    if (!extract->begun) {
        return ps_err_set(err, PS_E_CORRUPT, "no tar, tar.gz, tar.zst or zip: %s",
                          text != NULL ? text : "nothing is known of it");
    }
    return ps_err_set(err, PS_E_CORRUPT, "the archive is broken after %" PRIu64 " entries: %s",
                      extract->result.entry_count, text != NULL ? text : "no reason is known");
}

static enum ps_code open_archive(struct ps_extract *extract, struct ps_err *err)
{
    enum ps_code code = ps_archive_lib_load(&extract->lib, err);
    struct archive *archive;

    if (code != PS_OK) {
        return code;
    }
    archive = extract->lib.archive_read_new();
    extract->archive = archive;
    if (archive == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");
    }
    /* Filters by name: "all" would run programs for those that are not built in. gzip is unpacked before. */
    if (extract->lib.archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_support_format_zip_streamable(archive) != ARCHIVE_OK ||
        extract->lib.archive_read_open(archive, extract, NULL, on_read, NULL) != ARCHIVE_OK) {
        return ps_extract_fail(extract, err);
    }
    return PS_OK;
}

/* --- limits --- */

enum ps_code ps_extract_count_bytes(struct ps_extract *extract, uint64_t size_bytes,
                                    struct ps_err *err)
{
    const struct ps_extract_limits *limits = &extract->options->limits;
    char text[16];

    if (!ps_add_u64(extract->written_bytes, size_bytes, &extract->written_bytes) ||
        extract->written_bytes > limits->size_max_bytes) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it holds more than %s: raise extract.size_limit if that is meant",
                          ps_size_format(limits->size_max_bytes, text, sizeof(text)));
    }
    if (extract->written_bytes > PS_EXTRACT_RATIO_FROM_BYTES &&
        extract->written_bytes / limits->ratio_max > extract->pull.offset_bytes) {
        return ps_err_set(err, PS_E_REFUSED,
                          "it grows more than %" PRIu64
                          " times: raise extract.ratio_limit if that is meant",
                          limits->ratio_max);
    }
    return PS_OK;
}

/* --- the whole --- */

static enum ps_code extract_all(struct ps_extract *extract, struct ps_err *err)
{
    enum ps_code code = open_archive(extract, err);

    while (code == PS_OK) {
        struct archive_entry *entry = NULL;
        int status = extract->lib.archive_read_next_header(extract->archive, &entry);

        if (status == ARCHIVE_EOF) {
            return PS_OK;
        }
        if (status < ARCHIVE_WARN) {
            return ps_extract_fail(extract, err);
        }
        extract->begun = true;
        code = ps_extract_note_here(extract, err);
        if (code == PS_OK) {
            code = ps_extract_take(extract, entry, err);
        }
        if (code == PS_OK) {
            ps_extract_finished(extract);
        }
    }
    return code;
}

/* What comes behind the archive's end belongs to the object. */
static enum ps_code drain(struct ps_extract *extract, struct ps_err *err)
{
    size_t got_bytes = 1;

    while (got_bytes > 0) {
        if (!ps_object_pull_read(&extract->pull, extract->buffer, PULL_BYTES, &got_bytes, err)) {
            return err != NULL ? err->code : PS_E_IO;
        }
    }
    extract->result.checksum = ps_object_pull_checksum(&extract->pull);
    return PS_OK;
}

static enum ps_code extract_here(struct ps_extract *extract, struct ps_err *err)
{
    const struct ps_dest_attributes root = { .mode = extract->options->root_mode,
                                             .mtime_ns = INT64_MIN };
    enum ps_code code = ps_dest_tree_open(&extract->tree, extract->options->dest, err);

    if (code != PS_OK) {
        return code;
    }
    extract->seen.fold_case = ps_dest_tree_folds_case(extract->tree);
    code = ps_extract_begin(extract, err);
    if (code == PS_OK) {
        code = extract_all(extract, err);
    }
    if (extract->placed && (code == PS_OK || code == PS_E_REFUSED || code == PS_E_CORRUPT)) {
        ps_dest_tree_unmark(extract->tree, 0); /* no later run goes on from here */
    }
    if (code == PS_OK) {
        code = ps_dest_tree_finish(extract->tree, &root, err);
    }
    return code == PS_OK ? drain(extract, err) : code;
}

static void fill_result(struct ps_extract *extract)
{
    extract->result.size_bytes = extract->written_bytes;
    extract->result.begun = extract->begun;
    extract->result.pulled_bytes = extract->pull.offset_bytes;
}

enum ps_code ps_archive_extract(const struct ps_extract_options *options,
                                struct ps_extract_result *result_out, struct ps_err *err)
{
    struct ps_extract extract = { .options = options, .buffer = malloc(PULL_BYTES) };
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    enum ps_code code = extract.buffer != NULL
                            ? extract_here(&extract, err)
                            : ps_err_set(err, PS_E_NO_MEMORY, "archive: out of memory");

    fill_result(&extract);
    *result_out = extract.result;
    if (extract.archive != NULL) {
        (void)extract.lib.archive_read_free(extract.archive);
    }
    ps_extract_end(&extract);
    ps_path_set_clear(&extract.seen);
    ps_dest_tree_close(extract.tree);
    free(extract.buffer);
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return code;
}
