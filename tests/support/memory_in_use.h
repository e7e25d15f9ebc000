/**
 * memory_in_use - how much is allocated now, by whom ever: libraries that are not ours included.
 *
 * Flow:    tests/unit -> [memory_in_use] -> the allocator
 * Thread:  any
 * Source:  mallinfo2(3); sanitizer/allocator_interface.h
 */
#ifndef PS_TESTS_SUPPORT_MEMORY_IN_USE_H
#define PS_TESTS_SUPPORT_MEMORY_IN_USE_H

#include <stddef.h>

size_t memory_in_use(void);

#endif
