/**
 * fuzz_pull - the bytes of a fuzz target, as the readers of archives pull them.
 *
 * Flow:    fuzz_archive_members.c, fuzz_archive_writer.c -> [fuzz_pull] -> sink/
 * Thread:  one
 * Source:  none
 */
#ifndef PS_TESTS_FUZZ_FUZZ_PULL_H
#define PS_TESTS_FUZZ_FUZZ_PULL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fuzz_bytes {
    const uint8_t *data;
    size_t size;
    size_t at; /* of the next pull */
};

/** user begins with a struct fuzz_bytes. Never fails; 0 at the end. */
static inline bool fuzz_pull(void *user, void *into, size_t size, size_t *got_out,
                             struct ps_err *err)
{
    struct fuzz_bytes *bytes = user;
    size_t left = bytes->size - bytes->at;

    (void)err;
    *got_out = left < size ? left : size;
    if (*got_out > 0) {
        memcpy(into, bytes->data + bytes->at, *got_out);
    }
    bytes->at += *got_out;
    return true;
}

#endif
