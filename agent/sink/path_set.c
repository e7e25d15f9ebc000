#include "sink/path_set.h"

#include <stdlib.h>

#define FNV_OFFSET 0xcbf29ce484222325U
#define FNV_PRIME 0x100000001b3U

enum {
    FIRST_CAPACITY = 1024
};

static uint64_t hash_of(const struct ps_path_set *set, const char *path)
{
    uint64_t hash = FNV_OFFSET ^ set->key;

    for (; *path != '\0'; path++) {
        uint8_t byte = (uint8_t)*path;

        if (set->fold_case && byte >= 'A' && byte <= 'Z') {
            byte = (uint8_t)(byte | 0x20);
        }
        hash = (hash ^ byte) * FNV_PRIME;
    }
    hash ^= hash >> 32; /* the low bits of FNV know little of the last bytes */
    hash *= 0x9e3779b97f4a7c15U;
    hash &= ~(uint64_t)1;
    return hash != 0 ? hash : 2;
}

static size_t place_of(const uint64_t *slots, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (capacity - 1);

    while (slots[at] != 0 && (slots[at] & ~(uint64_t)1) != hash) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static enum ps_code grow(struct ps_path_set *set, struct ps_err *err)
{
    size_t capacity = set->capacity != 0 ? set->capacity * 2 : FIRST_CAPACITY;
    uint64_t *slots = calloc(capacity, sizeof(*slots));

    if (slots == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory for %zu paths", capacity);
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0) {
            slots[place_of(slots, capacity, set->slots[i] & ~(uint64_t)1)] = set->slots[i];
        }
    }
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return PS_OK;
}

static enum ps_code ensure_room(struct ps_path_set *set, struct ps_err *err)
{
    return set->count * 4 >= set->capacity * 3 ? grow(set, err) : PS_OK;
}

enum ps_code ps_path_set_add(struct ps_path_set *set, const char *path, bool directory,
                             bool *known_out, bool *was_directory_out, struct ps_err *err)
{
    uint64_t hash = hash_of(set, path);
    uint64_t *slot;
    enum ps_code code = ensure_room(set, err);

    if (code != PS_OK) {
        return code;
    }
    slot = &set->slots[place_of(set->slots, set->capacity, hash)];
    *known_out = *slot != 0;
    *was_directory_out = (*slot & 1) != 0;
    if (*slot == 0) {
        *slot = hash | (directory ? 1 : 0);
        set->count++;
        if (set->fresh != NULL) {
            code = ps_buf_append(set->fresh, slot, sizeof(*slot), err);
        }
    }
    return code;
}

enum ps_code ps_path_set_restore(struct ps_path_set *set, uint64_t slot, struct ps_err *err)
{
    enum ps_code code = ensure_room(set, err);
    size_t at;

    if (code != PS_OK || slot < 2) {
        return code;
    }
    at = place_of(set->slots, set->capacity, slot & ~(uint64_t)1);
    set->count += set->slots[at] == 0 ? 1 : 0;
    set->slots[at] = slot;
    return PS_OK;
}

void ps_path_set_clear(struct ps_path_set *set)
{
    free(set->slots);
    set->slots = NULL;
    set->capacity = 0;
    set->count = 0;
}
