#include "source/archive_reader.h"

#include "base/str.h"
#include "hash/checksum.h"
#include "source/archive_source.h"
#include "source/gzip_block.h"
#include "source/link_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/** Bytes that are read at a time from a file: they stay in the second-level cache. */
#define READ_BYTES ((size_t)128 * 1024)

/**
 * What the encoder has made and nobody has taken yet: one read and its headers; at the end of a zip its directory, 100
 * bytes an entry. Lower: zips of many files fail. Higher: no use.
 */
#define READY_LIMIT_BYTES ((size_t)512 * 1024 * 1024)

/**
 * zstd: bytes that one of its threads compresses at a time, and how many threads. With threads the output depends on
 * the size only. Lower: worse ratio. Higher: more memory (3 jobs and their output are held).
 */
enum {
    ZSTD_JOB_BYTES = 2 * 1024 * 1024,
    ZSTD_THREADS = 2,
    ZSTD_WINDOW_LOG = 21,
    ZSTD_LEVEL = 3
};

/**
 * zstd: bytes of a frame, unpacked. An extraction can go on only where a frame begins. Lower: the threads wait for each
 * other at each end. Higher: more is fetched again after a kill.
 */
#define ZSTD_FRAME_BYTES ((size_t)64 * 1024 * 1024)

struct ps_archive_reader {
    char *root;
    const struct ps_tree_filter *filter;
    enum ps_archive_format format;
    int level;
    bool attributes;
    atomic_bool stopped;

    struct ps_tree_walk *walk;
    struct ps_archive_encoder *encoder;
    struct ps_buf ready;
    size_t ready_taken_bytes;
    struct ps_link_table links;
    struct ps_archive_source
        *file;          /* the file whose bytes are being read; NULL = between entries */
    bool encoded;       /* the encoder is at its end */
    ZSTD_CCtx *zstd;    /* NULL = not wanted */
    size_t frame_bytes; /* zstd: what the frame under way has taken */
    bool ended;
    uint8_t digest[32];        /* of the first walk */
    struct ps_hasher digester; /* of the second */
    char *buffer;
};

/* --- digest --- */

static void digest_number(struct ps_hasher *hasher, uint64_t value)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    ps_hasher_update(hasher, bytes, sizeof(bytes));
}

static void digest_entry(struct ps_hasher *hasher, const struct ps_tree_entry *entry)
{
    digest_number(hasher, (uint64_t)entry->kind);
    digest_number(hasher, entry->mode);
    digest_number(hasher, (uint64_t)entry->uid << 32 | entry->gid);
    digest_number(hasher, entry->size_bytes);
    digest_number(hasher, (uint64_t)entry->mtime_ns);
    ps_hasher_update(hasher, entry->path, strlen(entry->path) + 1);
    ps_hasher_update(hasher, entry->link_target, strlen(entry->link_target) + 1);
}

/* What makes other bytes of the same tree belongs to its identity. */
static enum ps_code digest_begin(const struct ps_archive_reader *reader, struct ps_hasher *hasher,
                                 struct ps_err *err)
{
    enum ps_code code = ps_hasher_init(hasher, PS_CHECKSUM_SHA256, err);

    if (code == PS_OK) {
        digest_number(hasher, (uint64_t)reader->format);
        digest_number(hasher, (uint64_t)(int64_t)reader->level);
        digest_number(hasher, reader->attributes ? 1 : 0);
    }
    return code;
}

static enum ps_code stopped(const struct ps_archive_reader *reader, struct ps_err *err)
{
    return ps_err_set(err, PS_E_CANCELLED, "%s: stopped", reader->root);
}

/* --- first walk --- */

static void note_skipped(struct ps_archive_summary *summary, const char *path)
{
    size_t used_bytes = strlen(summary->skipped_names);

    summary->skipped_count++;
    if (used_bytes + strlen(path) + 3 < sizeof(summary->skipped_names)) {
        (void)snprintf(summary->skipped_names + used_bytes,
                       sizeof(summary->skipped_names) - used_bytes, "%s%s",
                       used_bytes > 0 ? ", " : "", path);
    }
}

static enum ps_code summarise(struct ps_archive_reader *reader, struct ps_tree_walk *walk,
                              struct ps_hasher *hasher, struct ps_archive_summary *summary,
                              struct ps_err *err)
{
    const struct ps_tree_entry *entry = NULL;
    enum ps_code code = ps_tree_walk_next(walk, &entry, err);

    while (code == PS_OK && entry != NULL) {
        if (atomic_load(&reader->stopped)) {
            return stopped(reader, err);
        }
        if (entry->kind == PS_TREE_SPECIAL) {
            note_skipped(summary, entry->path);
        } else {
            digest_entry(hasher, entry);
            summary->entry_count++;
            summary->file_bytes += entry->size_bytes;
        }
        code = ps_tree_walk_next(walk, &entry, err);
    }
    return code;
}

/* --- zstd --- */

static enum ps_code zstd_init(struct ps_archive_reader *reader, struct ps_err *err)
{
    reader->zstd = ZSTD_createCCtx();
    if (reader->zstd == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", reader->root);
    }
    (void)ZSTD_CCtx_setParameter(reader->zstd, ZSTD_c_compressionLevel,
                                 reader->level >= 0 ? reader->level : ZSTD_LEVEL);
    (void)ZSTD_CCtx_setParameter(reader->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
    (void)ZSTD_CCtx_setParameter(reader->zstd, ZSTD_c_checksumFlag, 1);
    if (ZSTD_isError(ZSTD_CCtx_setParameter(reader->zstd, ZSTD_c_nbWorkers, ZSTD_THREADS)) == 0) {
        (void)ZSTD_CCtx_setParameter(reader->zstd, ZSTD_c_jobSize, ZSTD_JOB_BYTES);
    }
    return PS_OK;
}

/* A frame ends when it is full or nothing more comes. */
static enum ps_code take_packed(struct ps_archive_reader *reader, void *into, size_t size,
                                size_t *got_out, struct ps_err *err)
{
    size_t left_bytes = reader->ready.size_bytes - reader->ready_taken_bytes;
    size_t room_bytes = ZSTD_FRAME_BYTES - reader->frame_bytes;
    bool fills = left_bytes >= room_bytes;
    bool last = reader->encoded && left_bytes <= room_bytes;
    ZSTD_inBuffer in = { ps_buf_peek(&reader->ready) + reader->ready_taken_bytes,
                         fills ? room_bytes : left_bytes, 0 };
    ZSTD_outBuffer out = { into, size, 0 };
    size_t status =
        ZSTD_compressStream2(reader->zstd, &out, &in, fills || last ? ZSTD_e_end : ZSTD_e_continue);

    if (ZSTD_isError(status) != 0) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: zstd: %s", reader->root,
                          ZSTD_getErrorName(status));
    }
    reader->ready_taken_bytes += in.pos;
    reader->frame_bytes += in.pos;
    *got_out = out.pos;
    if ((fills || last) && status == 0) {
        reader->frame_bytes = 0;
        reader->ended = last;
    }
    return PS_OK;
}

/* Take of what is ready, through zstd where it is wanted; *got_out bytes at into. */
static enum ps_code take_ready(struct ps_archive_reader *reader, void *into, size_t size,
                               size_t *got_out, struct ps_err *err)
{
    size_t left_bytes = reader->ready.size_bytes - reader->ready_taken_bytes;
    const char *from = ps_buf_peek(&reader->ready) + reader->ready_taken_bytes;

    if (reader->zstd == NULL) {
        *got_out = left_bytes < size ? left_bytes : size;
        memcpy(into, from, *got_out);
        reader->ready_taken_bytes += *got_out;
        reader->ended = reader->encoded && *got_out == left_bytes;
    } else {
        enum ps_code code = take_packed(reader, into, size, got_out, err);

        if (code != PS_OK) {
            return code;
        }
    }
    if (reader->ready_taken_bytes == reader->ready.size_bytes) {
        ps_buf_rewind(&reader->ready);
        reader->ready_taken_bytes = 0;
    }
    return PS_OK;
}

/* --- second walk: one step makes some bytes ready --- */

static enum ps_code end_tree(struct ps_archive_reader *reader, struct ps_err *err)
{
    struct ps_checksum now = ps_hasher_finish(&reader->digester);

    if (memcmp(now.bytes, reader->digest, sizeof(reader->digest)) != 0) {
        return ps_err_set(err, PS_E_CHANGED,
                          "%s: files came, went or changed while it was read: run it again when "
                          "nothing writes there",
                          reader->root);
    }
    reader->encoded = true;
    return ps_archive_encoder_end(reader->encoder, err);
}

static enum ps_code begin_file(struct ps_archive_reader *reader, const struct ps_tree_entry *entry,
                               struct ps_archive_entry *out, struct ps_err *err)
{
    bool zip = reader->format == PS_ARCHIVE_ZIP;
    const char *first = NULL;
    enum ps_code code = PS_OK;

    if (entry->link_count > 1 && !zip) {
        code = ps_link_table_take(&reader->links, entry->device, entry->inode, entry->path, &first,
                                  err);
    }
    if (code == PS_OK && first != NULL) {
        out->kind = PS_ARCHIVE_HARD_LINK;
        out->link_target = first;
        return PS_OK;
    }
    if (code == PS_OK) {
        code = ps_archive_source_open(&reader->file, entry, !zip, reader->attributes && !zip, err);
    }
    if (code == PS_OK) {
        ps_archive_source_describe(reader->file, out);
    }
    return code;
}

static enum ps_code begin_entry(struct ps_archive_reader *reader, const struct ps_tree_entry *entry,
                                struct ps_err *err)
{
    struct ps_archive_entry out = {
        .path = entry->path,
        .kind = PS_ARCHIVE_FILE,
        .mode = entry->mode,
        .uid = entry->uid,
        .gid = entry->gid,
        .size_bytes = entry->size_bytes,
        .mtime_ns = entry->mtime_ns,
        .link_target = entry->link_target,
    };
    enum ps_code code = PS_OK;

    digest_entry(&reader->digester, entry);
    if (entry->kind == PS_TREE_DIRECTORY) {
        out.kind = PS_ARCHIVE_DIRECTORY;
    } else if (entry->kind == PS_TREE_LINK) {
        out.kind = PS_ARCHIVE_LINK;
    } else {
        code = begin_file(reader, entry, &out, err);
    }
    if (code == PS_OK) {
        code = ps_archive_encoder_entry(reader->encoder, &out, err);
    }
    if (code == PS_OK && reader->file == NULL) {
        code = ps_archive_encoder_entry_end(reader->encoder, err);
    }
    return code == PS_OK ? PS_OK : ps_err_wrap(err, code, "%s", reader->root);
}

static enum ps_code read_file(struct ps_archive_reader *reader, struct ps_err *err)
{
    size_t got_bytes = 0;
    enum ps_code code =
        ps_archive_source_read(reader->file, reader->buffer, READ_BYTES, &got_bytes, err);

    if (code == PS_OK && got_bytes > 0) {
        return ps_archive_encoder_data(reader->encoder, reader->buffer, got_bytes, err);
    }
    if (code == PS_OK) {
        code = ps_archive_encoder_entry_end(reader->encoder, err);
    }
    ps_archive_source_close(reader->file);
    reader->file = NULL;
    return code == PS_OK ? PS_OK : ps_err_wrap(err, code, "%s", reader->root);
}

static enum ps_code step(struct ps_archive_reader *reader, struct ps_err *err)
{
    const struct ps_tree_entry *entry = NULL;
    enum ps_code code;

    if (reader->file != NULL) {
        return read_file(reader, err);
    }
    code = ps_tree_walk_next(reader->walk, &entry, err);
    if (code != PS_OK) {
        return code;
    }
    if (entry == NULL) {
        return end_tree(reader, err);
    }
    return entry->kind == PS_TREE_SPECIAL ? PS_OK : begin_entry(reader, entry, err);
}

enum ps_code ps_archive_reader_fill(struct ps_archive_reader *reader, void *into, size_t size,
                                    size_t *got_out, struct ps_err *err)
{
    size_t used_bytes = 0;
    enum ps_code code = PS_OK;

    while (code == PS_OK && used_bytes < size && !reader->ended) {
        size_t got_bytes = 0;

        if (atomic_load(&reader->stopped)) {
            return stopped(reader, err);
        }
        if (reader->ready.size_bytes == 0 && !reader->encoded) {
            code = step(reader, err);
        }
        if (code == PS_OK) {
            code =
                take_ready(reader, (char *)into + used_bytes, size - used_bytes, &got_bytes, err);
            used_bytes += got_bytes;
        }
    }
    if (code == PS_OK) {
        *got_out = used_bytes;
    }
    return code;
}

/* Behind the tree's digest: who makes it to bytes. */
static enum ps_code add_maker(const struct ps_archive_reader *reader, uint8_t digest[32],
                              struct ps_err *err)
{
    struct ps_hasher hasher = { .algorithm = PS_CHECKSUM_NONE };
    char gzip[PS_GZIP_MAKER_SIZE] = "";
    char text[160];
    struct ps_checksum sum;
    enum ps_code code = ps_hasher_init(&hasher, PS_CHECKSUM_SHA256, err);

    if (code != PS_OK) {
        return code;
    }
    if (reader->format == PS_ARCHIVE_TAR_GZ) {
        (void)ps_gzip_maker(reader->level >= 0 ? reader->level : PS_GZIP_LEVEL_DEFAULT, gzip);
    }
    (void)snprintf(text, sizeof(text), "libarchive %d, %s%s",
                   ps_archive_encoder_version(reader->encoder), gzip,
                   reader->format == PS_ARCHIVE_ZIP ? zlibVersion() : "");
    ps_hasher_update(&hasher, text, strlen(text));
    if (reader->format == PS_ARCHIVE_TAR_ZST) {
        digest_number(&hasher, ZSTD_versionNumber());
        digest_number(&hasher, ZSTD_FRAME_BYTES);
    }
    sum = ps_hasher_finish(&hasher);
    memcpy(digest + PS_ARCHIVE_CONTENT_BYTES, sum.bytes, 32 - PS_ARCHIVE_CONTENT_BYTES);
    ps_hasher_clear(&hasher);
    return PS_OK;
}

/* --- life --- */

enum ps_code ps_archive_reader_new(struct ps_archive_reader **reader_out,
                                   const struct ps_archive_reader_options *options,
                                   struct ps_err *err)
{
    struct ps_archive_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root);
    }
    reader->filter = options->filter;
    reader->format = options->format;
    reader->level = options->level;
    reader->attributes = options->attributes;
    ps_buf_init(&reader->ready, READY_LIMIT_BYTES);
    reader->root = ps_strdup(options->root);
    reader->buffer = malloc(READ_BYTES);
    if (reader->root == NULL || reader->buffer == NULL) {
        ps_archive_reader_close(reader);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root);
    }
    *reader_out = reader;
    return PS_OK;
}

static enum ps_code first_walk(struct ps_archive_reader *reader, struct ps_archive_summary *summary,
                               struct ps_err *err)
{
    struct ps_tree_walk *walk = NULL;
    struct ps_hasher hasher = { .algorithm = PS_CHECKSUM_NONE };
    enum ps_code code = ps_tree_walk_open(&walk, reader->root, reader->filter, err);

    if (code == PS_OK) {
        code = digest_begin(reader, &hasher, err);
    }
    if (code == PS_OK) {
        code = summarise(reader, walk, &hasher, summary, err);
    }
    if (code == PS_OK) {
        struct ps_checksum digest = ps_hasher_finish(&hasher);

        memcpy(reader->digest, digest.bytes, sizeof(reader->digest));
        memcpy(summary->digest, digest.bytes, sizeof(summary->digest));
    }
    ps_hasher_clear(&hasher);
    ps_tree_walk_close(walk);
    return code;
}

enum ps_code ps_archive_reader_open(struct ps_archive_reader *reader,
                                    struct ps_archive_summary *summary_out, struct ps_err *err)
{
    struct ps_archive_summary summary = { .entry_count = 0 };
    enum ps_code code = first_walk(reader, &summary, err);

    if (code == PS_OK) {
        code = ps_tree_walk_open(&reader->walk, reader->root, reader->filter, err);
    }
    if (code == PS_OK) {
        code = digest_begin(reader, &reader->digester, err);
    }
    if (code == PS_OK) {
        code = ps_archive_encoder_new(&reader->encoder, reader->format, reader->level,
                                      &reader->ready, err);
    }
    if (code == PS_OK && reader->format == PS_ARCHIVE_TAR_ZST) {
        code = zstd_init(reader, err);
    }
    if (code == PS_OK) {
        code = add_maker(reader, summary.digest, err);
    }
    if (code == PS_OK) {
        *summary_out = summary;
    }
    return code;
}

void ps_archive_reader_close(struct ps_archive_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    ps_archive_source_close(reader->file);
    ps_archive_encoder_free(reader->encoder);
    ps_tree_walk_close(reader->walk);
    ps_link_table_clear(&reader->links);
    ps_hasher_clear(&reader->digester);
    ps_buf_clear(&reader->ready);
    (void)ZSTD_freeCCtx(reader->zstd);
    free(reader->buffer);
    free(reader->root);
    free(reader);
}

void ps_archive_reader_stop(struct ps_archive_reader *reader)
{
    atomic_store(&reader->stopped, true);
}
