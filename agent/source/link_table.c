#include "source/link_table.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 64
};

static size_t place_of(const struct ps_link_slot *slots, size_t capacity, uint64_t device,
                       uint64_t inode)
{
    /* Inodes count up: an odd multiplier spreads them (Knuth, 6.4). */
    size_t at = (size_t)((inode ^ (device << 32)) * 0x9e3779b97f4a7c15U) & (capacity - 1);

    while (slots[at].path != NULL && (slots[at].device != device || slots[at].inode != inode)) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static enum ps_code grow(struct ps_link_table *table, struct ps_err *err)
{
    size_t capacity = table->capacity != 0 ? table->capacity * 2 : FIRST_CAPACITY;
    struct ps_link_slot *slots = calloc(capacity, sizeof(*slots));

    if (slots == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < table->capacity; i++) {
        const struct ps_link_slot *slot = &table->slots[i];

        if (slot->path != NULL) {
            slots[place_of(slots, capacity, slot->device, slot->inode)] = *slot;
        }
    }
    free(table->slots);
    table->slots = slots;
    table->capacity = capacity;
    return PS_OK;
}

enum ps_code ps_link_table_take(struct ps_link_table *table, uint64_t device, uint64_t inode,
                                const char *path, const char **first_out, struct ps_err *err)
{
    struct ps_link_slot *slot;
    enum ps_code code = PS_OK;

    if (table->count * 2 >= table->capacity && table->count < PS_LINK_TABLE_MAX) {
        code = grow(table, err);
        if (code != PS_OK) {
            return code;
        }
    }
    slot = &table->slots[place_of(table->slots, table->capacity, device, inode)];
    *first_out = slot->path;
    if (slot->path == NULL && table->count < PS_LINK_TABLE_MAX) {
        slot->path = ps_strdup(path);
        if (slot->path == NULL) {
            return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
        }
        slot->device = device;
        slot->inode = inode;
        table->count++;
    }
    return PS_OK;
}

void ps_link_table_clear(struct ps_link_table *table)
{
    for (size_t i = 0; i < table->capacity; i++) {
        free(table->slots[i].path);
    }
    free(table->slots);
    memset(table, 0, sizeof(*table));
}
