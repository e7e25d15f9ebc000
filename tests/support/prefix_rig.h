/**
 * prefix_rig - a prefix of a store in memory as an archive, read as the gateway reads it.
 *
 * Flow:    tests/unit/transfer -> [prefix_rig] -> transfer/prefix_archive.h, memory_store.h, archive_judge.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_PREFIX_RIG_H
#define PS_TESTS_SUPPORT_PREFIX_RIG_H

#include "base/buf.h"
#include "tests/support/memory_store.h"
#include "transfer/prefix_archive.h"

/** All that are made. */
static const enum ps_archive_format prefix_formats[] = { PS_ARCHIVE_TAR, PS_ARCHIVE_TAR_GZ,
                                                         PS_ARCHIVE_ZIP };
#define PREFIX_FORMATS (sizeof(prefix_formats) / sizeof(prefix_formats[0]))

struct prefix_rig {
    uv_loop_t loop;
    struct memory_store *memory;
    struct ps_prefix_archive *archive;
    const char *prefix;
    enum ps_archive_format format;
    bool inside;      /* of a function of the module */
    bool ready;       /* it said so since the last read that had nothing */
    size_t read_size; /* taken at once; 0 = nothing is ever read */
    struct ps_buf bytes;
    bool keeps_nothing; /* bytes are counted alone */
    uint64_t byte_count;
    bool ended;
    bool failed;
    size_t memory_max;

    const char *denied; /* by may_add */
    unsigned asked_count;
    unsigned gets_when_asked;
    uint64_t reserve_max;
    uint64_t reserved_bytes;
};

void prefix_rig_open(struct prefix_rig *rig);
void prefix_rig_stop(struct prefix_rig *rig);
/** Nothing may be left: no operation, no handle, no worker. */
void prefix_rig_close(struct prefix_rig *rig);
void prefix_rig_start(struct prefix_rig *rig);

/** What can be read now; only after it was said that there is something. */
void prefix_rig_read(struct prefix_rig *rig);
/** One iteration of the loop, and what it made is read. False at the end. */
bool prefix_rig_step(struct prefix_rig *rig, uv_run_mode mode);
void prefix_rig_run(struct prefix_rig *rig);

/** The whole archive, to its good end. */
void prefix_rig_make(struct prefix_rig *rig);
void prefix_rig_expect_failure(struct prefix_rig *rig, enum ps_code code, const char *words);

/** An object of that text. */
void prefix_rig_put(struct prefix_rig *rig, const char *key, const char *text);
/** The judge's rows of the archive, and one of a file of that text. */
void prefix_rig_expect_rows(const struct prefix_rig *rig, const struct ps_buf *wanted);
void prefix_rig_add_row(struct ps_buf *rows, const char *name, const char *text);

#endif
