/**
 * pattern - how long a Lua pattern may run at worst, told before it runs: no hook stops it once it does.
 *
 * Flow:    guard.c -> [pattern]
 * Thread:  any; holds no state
 * Source:  Lua 5.4 manual 6.4.1 (patterns); the matcher tries every way to divide the subject, so it is bounded by
 *          their number
 */
#ifndef PS_LUA_PATTERN_H
#define PS_LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Steps that one pattern may take at worst: some tens of milliseconds. Lower: honest patterns on long keys are
 * refused. Higher: a decision holds the loop.
 */
#define PS_PATTERN_STEPS_MAX 10000000.0

/**
 * An upper bound of the matcher's steps over all matches in a subject.
 *
 * has_anchor: whether '^' at the start binds to it (find, match, gsub; not gmatch).
 */
double ps_pattern_steps(const char *pattern, size_t pattern_size_bytes, size_t subject_size_bytes,
                        bool has_anchor);

/** As above, for text without magic: every place may hold all of text but its last byte. */
double ps_pattern_plain_steps(size_t text_size_bytes, size_t subject_size_bytes);

#endif
