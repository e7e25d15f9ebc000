#include "store/s3_pairs.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool grow(struct ps_s3_pairs *pairs)
{
    size_t capacity = pairs->capacity != 0 ? 2 * pairs->capacity : 8;
    struct ps_s3_pair *items;

    if (pairs->count < pairs->capacity) {
        return true;
    }
    items = realloc(pairs->items, capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    pairs->items = items;
    pairs->capacity = capacity;
    return true;
}

enum ps_code ps_s3_pairs_add(struct ps_s3_pairs *pairs, const char *name, const char *value,
                             struct ps_err *err)
{
    if (has_control(name) || has_control(value)) {
        return ps_err_set(err, PS_E_INVALID, "%s: a line break or control character", name);
    }
    return ps_s3_query_add(pairs, name, value, err);
}

enum ps_code ps_s3_query_add(struct ps_s3_pairs *pairs, const char *name, const char *value,
                             struct ps_err *err)
{
    struct ps_s3_pair pair;

    pair.name = ps_strdup(name);
    pair.value = ps_strdup(value);
    if (pair.name == NULL || pair.value == NULL || !grow(pairs)) {
        free(pair.name);
        free(pair.value);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    pairs->items[pairs->count++] = pair;
    return PS_OK;
}

enum ps_code ps_s3_pairs_set(struct ps_s3_pairs *pairs, const char *name, const char *value,
                             struct ps_err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            free(pairs->items[i].name);
            free(pairs->items[i].value);
        } else {
            pairs->items[kept++] = pairs->items[i];
        }
    }
    pairs->count = kept;
    return value != NULL ? ps_s3_pairs_add(pairs, name, value, err) : PS_OK;
}

enum ps_code ps_s3_pairs_add_all(struct ps_s3_pairs *pairs, const struct ps_s3_pairs *more,
                                 struct ps_err *err)
{
    enum ps_code code = PS_OK;

    for (size_t i = 0; i < more->count && code == PS_OK; i++) {
        code = ps_s3_pairs_add(pairs, more->items[i].name, more->items[i].value, err);
    }
    return code;
}

void ps_s3_pairs_clear(struct ps_s3_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].name);
        free(pairs->items[i].value);
    }
    free(pairs->items);
    memset(pairs, 0, sizeof(*pairs));
}
