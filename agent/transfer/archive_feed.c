#include "transfer/archive_feed.h"

#include "base/str.h"
#include "hash/checksum.h"
#include "source/gzip_block.h"
#include "transfer/job.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/**
 * Blocks deflated at once: as many as there are cores, at most this many, as libuv has four threads. Blocks in memory:
 * those, one that is read, and two whose turn has not come.
 */
enum {
    DEFLATE_MAX = 4,
    BLOCKS_MORE = 3,
    BLOCKS_MAX = DEFLATE_MAX + BLOCKS_MORE
};

enum block_state {
    BLOCK_FREE,
    BLOCK_BUSY, /* read, then deflated; the worker's */
    BLOCK_DONE,
};

struct block {
    struct ps_archive_feed *feed;
    enum block_state state;
    struct ps_job job; /* while it runs it owns the fields below */
    uint8_t *raw;      /* window, then data */
    size_t window_size_bytes;
    size_t size_bytes;
    uint8_t *out;
    size_t out_size_bytes;
    uint32_t crc32;
    struct ps_gzip_deflater *deflater;
    size_t taken_bytes; /* loop: of out */
};

struct ps_archive_feed {
    uv_loop_t *loop;
    struct ps_archive_reader *reader;
    struct ps_archive_reader_options options; /* root is root */
    char *root;
    struct ps_archive_summary summary;
    bool gzip;
    int level;
    bool closed;
    bool stopped;
    bool opened;
    bool rewinding;     /* opened again; waits for the workers that read ahead */
    uint32_t job_count; /* under way */
    struct ps_err err;  /* the first error; later fills end with it */

    struct ps_job open_job;
    ps_byte_source_open_fn on_open;
    void *open_user;

    struct ps_job
        fill_job; /* the read of a plain format, or the hop that makes a fill's end asynchronous */
    ps_byte_source_fill_fn on_fill;
    void *fill_user;
    char *into;
    size_t wanted_bytes;
    size_t got_bytes;
    bool filling;

    struct block blocks[BLOCKS_MAX];
    size_t block_count; /* of blocks, in use by this feed */
    size_t first;       /* the oldest block that is not free */
    size_t used_count;
    bool reading;
    bool read_all;
    struct ps_checksum crc32;
    uint64_t raw_bytes;
    uint8_t edge[PS_GZIP_TRAILER_BYTES]; /* header or trailer on its way out */
    size_t edge_size_bytes;
    size_t edge_taken_bytes;
    bool trailer_made;
};

static void feed_free(struct ps_archive_feed *feed)
{
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        ps_gzip_deflater_free(feed->blocks[i].deflater);
        free(feed->blocks[i].raw);
        free(feed->blocks[i].out);
    }
    ps_archive_reader_close(feed->reader);
    free(feed->root);
    free(feed);
}

static void job_start(struct ps_archive_feed *feed, struct ps_job *job, void *user,
                      void (*run)(struct ps_job *), void (*done)(struct ps_job *))
{
    feed->job_count++;
    ps_job_start(job, feed->loop, user, run, done);
}

static void rewind_now(struct ps_archive_feed *feed);

/* True when the feed was closed, or opened again, meanwhile: it may be gone then. */
static bool job_ended(struct ps_archive_feed *feed)
{
    bool over = feed->closed || feed->rewinding;

    feed->job_count--;
    if (feed->closed && feed->job_count == 0) {
        feed_free(feed);
    } else if (feed->rewinding && feed->job_count == 0) {
        rewind_now(feed);
    }
    return over;
}

static void keep_error(struct ps_archive_feed *feed, const struct ps_job *job)
{
    if (job->code != PS_OK && feed->err.code == PS_OK) {
        feed->err = job->err;
    }
}

/* --- open --- */

static void run_open(struct ps_job *job)
{
    struct ps_archive_feed *feed = job->user;

    if (feed->reader == NULL) {
        job->code = ps_err_set(&job->err, PS_E_NO_MEMORY, "%s: out of memory", feed->root);
        return;
    }
    job->code = ps_archive_reader_open(feed->reader, &feed->summary, &job->err);
}

static void on_opened(struct ps_job *job)
{
    struct ps_archive_feed *feed = job->user;

    keep_error(feed, job);
    if (!job_ended(feed)) {
        feed->on_open(feed->open_user, feed->summary.digest, job->code != PS_OK ? &job->err : NULL);
    }
}

/* At the start of the stream. */
static void set_start(struct ps_archive_feed *feed)
{
    ps_err_clear(&feed->err);
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        feed->blocks[i].feed = feed;
        feed->blocks[i].state = BLOCK_FREE;
        feed->blocks[i].size_bytes = 0;
    }
    feed->first = 0;
    feed->used_count = 0;
    feed->reading = false;
    feed->read_all = false;
    feed->crc32 = ps_checksum_empty(PS_CHECKSUM_CRC32);
    feed->raw_bytes = 0;
    feed->trailer_made = false;
    feed->edge_taken_bytes = 0;
    feed->edge_size_bytes = feed->gzip ? PS_GZIP_HEADER_BYTES : 0;
    if (feed->gzip) {
        ps_gzip_header(feed->level, feed->edge);
    }
}

static void rewind_now(struct ps_archive_feed *feed)
{
    feed->rewinding = false;
    ps_archive_reader_close(feed->reader);
    feed->reader = NULL;
    if (ps_archive_reader_new(&feed->reader, &feed->options, NULL) != PS_OK) {
        feed->reader = NULL; /* which opening says */
    } else if (feed->stopped) {
        ps_archive_reader_stop(feed->reader);
    }
    set_start(feed);
    job_start(feed, &feed->open_job, feed, run_open, on_opened);
}

static void feed_open(void *user, ps_byte_source_open_fn done, void *done_user)
{
    struct ps_archive_feed *feed = user;

    feed->on_open = done;
    feed->open_user = done_user;
    if (!feed->opened) {
        feed->opened = true;
        job_start(feed, &feed->open_job, feed, run_open, on_opened);
        return;
    }
    ps_archive_reader_stop(feed->reader);
    feed->rewinding = true;
    if (feed->job_count == 0) {
        rewind_now(feed);
    }
}

/* --- the end of a fill --- */

static void on_fill_done(struct ps_job *job)
{
    struct ps_archive_feed *feed = job->user;

    keep_error(feed, job);
    feed->filling = false;
    if (!job_ended(feed)) {
        feed->on_fill(feed->fill_user, feed->got_bytes,
                      feed->err.code != PS_OK ? &feed->err : NULL);
    }
}

static void run_nothing(struct ps_job *job)
{
    (void)job;
}

static void run_fill(struct ps_job *job)
{
    struct ps_archive_feed *feed = job->user;

    job->code = ps_archive_reader_fill(feed->reader, feed->into, feed->wanted_bytes,
                                       &feed->got_bytes, &job->err);
}

/* --- gzip: blocks --- */

static void pump(struct ps_archive_feed *feed);

static void run_deflate(struct ps_job *job)
{
    struct block *block = job->user;
    struct ps_gzip_block work = {
        .window = block->raw + PS_GZIP_WINDOW_BYTES - block->window_size_bytes,
        .window_size_bytes = block->window_size_bytes,
        .data = block->raw + PS_GZIP_WINDOW_BYTES,
        .size_bytes = block->size_bytes,
        .out = block->out,
    };

    job->code = ps_gzip_deflate(block->deflater, &work, &job->err);
    block->out_size_bytes = work.out_size_bytes;
    block->crc32 = work.crc32;
}

static void on_deflated(struct ps_job *job)
{
    struct block *block = job->user;
    struct ps_archive_feed *feed = block->feed;

    keep_error(feed, job);
    block->state = BLOCK_DONE;
    if (!job_ended(feed)) {
        pump(feed);
    }
}

static void run_read(struct ps_job *job)
{
    struct block *block = job->user;

    job->code = ps_archive_reader_fill(block->feed->reader, block->raw + PS_GZIP_WINDOW_BYTES,
                                       PS_GZIP_BLOCK_BYTES, &block->size_bytes, &job->err);
}

static void on_read(struct ps_job *job)
{
    struct block *block = job->user;
    struct ps_archive_feed *feed = block->feed;

    keep_error(feed, job);
    feed->reading = false;
    if (job->code != PS_OK || block->size_bytes < PS_GZIP_BLOCK_BYTES) {
        feed->read_all = true;
    }
    if (job->code != PS_OK || block->size_bytes == 0) {
        block->state = BLOCK_FREE;
        feed->used_count--; /* it is the newest one */
    } else if (!feed->closed && !feed->rewinding) {
        job_start(feed, &block->job, block, run_deflate, on_deflated);
    }
    if (!job_ended(feed)) {
        pump(feed);
    }
}

static bool block_ready(struct ps_archive_feed *feed, struct block *block)
{
    struct ps_err err;

    if (block->raw == NULL) {
        block->raw = malloc(PS_GZIP_WINDOW_BYTES + PS_GZIP_BLOCK_BYTES);
        block->out = malloc(PS_GZIP_BLOCK_MAX_BYTES);
        if (block->raw == NULL || block->out == NULL ||
            ps_gzip_deflater_new(&block->deflater, feed->level, &err) != PS_OK) {
            (void)ps_err_set(&feed->err, PS_E_NO_MEMORY, "archive: out of memory");
            return false;
        }
    }
    return true;
}

static void start_read(struct ps_archive_feed *feed)
{
    struct block *block = &feed->blocks[(feed->first + feed->used_count) % feed->block_count];
    const struct block *before =
        &feed->blocks[(feed->first + feed->used_count + feed->block_count - 1) % feed->block_count];

    if (feed->reading || feed->read_all || feed->used_count == feed->block_count ||
        feed->err.code != PS_OK || !block_ready(feed, block)) {
        return;
    }
    block->window_size_bytes = 0;
    if (before->raw != NULL && before->size_bytes == PS_GZIP_BLOCK_BYTES) {
        /* Its bytes stay where they are until its place in the ring is read into again. */
        memcpy(block->raw, before->raw + PS_GZIP_BLOCK_BYTES, PS_GZIP_WINDOW_BYTES);
        block->window_size_bytes = PS_GZIP_WINDOW_BYTES;
    }
    block->state = BLOCK_BUSY;
    block->taken_bytes = 0;
    feed->used_count++;
    feed->reading = true;
    job_start(feed, &block->job, block, run_read, on_read);
}

/* --- gzip: handing on --- */

static size_t copy_out(struct ps_archive_feed *feed, const uint8_t *from, size_t size_bytes)
{
    size_t room_bytes = feed->wanted_bytes - feed->got_bytes;
    size_t take_bytes = size_bytes < room_bytes ? size_bytes : room_bytes;

    memcpy(feed->into + feed->got_bytes, from, take_bytes);
    feed->got_bytes += take_bytes;
    return take_bytes;
}

static void release_first(struct ps_archive_feed *feed)
{
    struct block *block = &feed->blocks[feed->first];
    const struct ps_checksum next = ps_checksum_from_u64(PS_CHECKSUM_CRC32, (uint64_t)block->crc32);

    if (ps_checksum_combine(&feed->crc32, &next, block->size_bytes, &feed->err) != PS_OK) {
        return; /* cannot be: both are CRC-32 */
    }
    feed->raw_bytes += block->size_bytes;
    block->state = BLOCK_FREE;
    feed->first = (feed->first + 1) % feed->block_count;
    feed->used_count--;
}

/* Give what is there to the fill under way; true when it is full or all is given. */
static bool serve(struct ps_archive_feed *feed)
{
    for (;;) {
        struct block *block = &feed->blocks[feed->first];

        feed->edge_taken_bytes += copy_out(feed, feed->edge + feed->edge_taken_bytes,
                                           feed->edge_size_bytes - feed->edge_taken_bytes);
        if (feed->got_bytes == feed->wanted_bytes) {
            return true;
        }
        if (feed->used_count > 0 && block->state == BLOCK_DONE) {
            block->taken_bytes += copy_out(feed, block->out + block->taken_bytes,
                                           block->out_size_bytes - block->taken_bytes);
            if (block->taken_bytes == block->out_size_bytes) {
                release_first(feed);
            }
        } else if (feed->used_count > 0 || !feed->read_all) {
            return false;
        } else if (feed->trailer_made) {
            return true;
        } else {
            ps_gzip_trailer((uint32_t)ps_checksum_to_u64(&feed->crc32), feed->raw_bytes,
                            feed->edge);
            feed->edge_size_bytes = PS_GZIP_TRAILER_BYTES;
            feed->edge_taken_bytes = 0;
            feed->trailer_made = true;
        }
    }
}

static void pump(struct ps_archive_feed *feed)
{
    if (feed->filling && (feed->err.code != PS_OK || serve(feed))) {
        feed->filling = false;
        job_start(feed, &feed->fill_job, feed, run_nothing, on_fill_done);
    }
    start_read(feed);
}

static void feed_fill(void *user, void *into, size_t size, ps_byte_source_fill_fn done,
                      void *done_user)
{
    struct ps_archive_feed *feed = user;

    feed->into = into;
    feed->wanted_bytes = size;
    feed->got_bytes = 0;
    feed->on_fill = done;
    feed->fill_user = done_user;
    feed->filling = true;
    if (feed->gzip) {
        pump(feed);
    } else {
        job_start(feed, &feed->fill_job, feed, run_fill, on_fill_done);
    }
}

static void feed_stop(void *user)
{
    struct ps_archive_feed *feed = user;

    feed->stopped = true;
    if (feed->reader != NULL) {
        ps_archive_reader_stop(feed->reader);
    }
}

/* --- life --- */

enum ps_code ps_archive_feed_new(struct ps_archive_feed **feed_out, uv_loop_t *loop,
                                 const struct ps_archive_reader_options *options,
                                 struct ps_err *err)
{
    struct ps_archive_feed *feed = calloc(1, sizeof(*feed));
    unsigned int cores = uv_available_parallelism();
    int level_max = options->format == PS_ARCHIVE_TAR_ZST ? 19 : 9;

    if (feed == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root);
    }
    if (options->level < -1 || options->level > level_max) {
        feed_free(feed);
        return ps_err_set(err, PS_E_INVALID, "compression level %d: a %s takes 0 to %d",
                          options->level, ps_archive_format_name(options->format), level_max);
    }
    feed->loop = loop;
    feed->gzip = options->format == PS_ARCHIVE_TAR_GZ;
    feed->level = options->level >= 0 ? options->level : PS_GZIP_LEVEL_DEFAULT;
    feed->block_count = (cores < DEFLATE_MAX ? cores : DEFLATE_MAX) + BLOCKS_MORE;
    feed->options = *options;
    feed->root = ps_strdup(options->root);
    feed->options.root = feed->root;
    set_start(feed);
    if (feed->root == NULL) {
        feed_free(feed);
        return ps_err_set(err, PS_E_NO_MEMORY, "%s: out of memory", options->root);
    }
    if (ps_archive_reader_new(&feed->reader, options, err) != PS_OK) {
        feed_free(feed);
        return PS_E_NO_MEMORY;
    }
    *feed_out = feed;
    return PS_OK;
}

struct ps_byte_source ps_archive_feed_source(struct ps_archive_feed *feed)
{
    return (struct ps_byte_source){
        .open = feed_open,
        .fill = feed_fill,
        .stop = feed_stop,
        .user = feed,
    };
}

const struct ps_archive_summary *ps_archive_feed_summary(const struct ps_archive_feed *feed)
{
    return &feed->summary;
}

void ps_archive_feed_close(struct ps_archive_feed *feed)
{
    if (feed == NULL) {
        return;
    }
    feed_stop(feed);
    feed->closed = true;
    if (feed->job_count == 0) {
        feed_free(feed);
    }
}
