#include "kube/json_split.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_list(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ':';
}

static enum ps_code bad(struct ps_err *err, const char *what)
{
    return ps_err_set(err, PS_E_PARSE, "the API server's list makes no sense: %s", what);
}

/* Track strings and brackets. True when c is the last byte of a value that is not a scalar. */
static bool ends_value(struct ps_json_split *split, char c)
{
    if (split->escaped) {
        split->escaped = false;
    } else if (split->in_string) {
        split->escaped = c == '\\';
        split->in_string = c != '"';
        return c == '"' && split->depth == 0;
    } else if (c == '"') {
        split->in_string = true;
    } else if (c == '{' || c == '[') {
        split->depth++;
    } else if (c == '}' || c == ']') {
        split->depth--;
        return split->depth == 0;
    }
    return false;
}

static void begin_value(struct ps_json_split *split, char c, enum ps_json_split_state state)
{
    split->state = state;
    split->depth = 0;
    split->scalar = c != '"' && c != '{' && c != '[';
    split->value.limit_bytes =
        PS_JSON_ITEM_LIMIT_BYTES; /* its memory is kept from value to value */
}

/* The value is whole: hand it out. Its memory is kept for the next one, unless it was a big one. */
static void hand_out(struct ps_json_split *split)
{
    const char *text = ps_buf_peek(&split->value);

    if (split->state == PS_JSON_ITEM && split->on_item != NULL) {
        split->on_item(split->user, text, split->value.size_bytes);
    } else if (split->state == PS_JSON_METADATA && split->on_metadata != NULL) {
        split->on_metadata(split->user, text, split->value.size_bytes);
    }
    if (split->value.capacity_bytes > (size_t)256 * 1024) {
        ps_buf_clear(&split->value);
    } else {
        ps_buf_rewind(&split->value);
    }
    split->state = split->state == PS_JSON_ITEM ? PS_JSON_BETWEEN : PS_JSON_KEY;
}

/* The bytes of the value under way that are in data; the rest of data begins with the next state. */
static enum ps_code take_value(struct ps_json_split *split, const char *data, size_t size_bytes,
                               size_t *used_out, struct ps_err *err)
{
    size_t used = 0;
    bool ended = false;
    enum ps_code code = PS_OK;

    while (used < size_bytes && !ended) {
        char c = data[used];

        if (split->scalar && (c == ',' || c == '}' || c == ']' || is_space(c))) {
            break;
        }
        used++;
        ended = !split->scalar && ends_value(split, c);
    }
    if (split->state != PS_JSON_SKIP) {
        code = ps_buf_append(&split->value, data, used, err);
    }
    if (code == PS_OK && (ended || (split->scalar && used < size_bytes))) {
        hand_out(split);
    }
    *used_out = used;
    return code;
}

static enum ps_code take_key(struct ps_json_split *split, char c, struct ps_err *err)
{
    if (split->in_string) {
        if (split->escaped) {
            split->escaped = false;
        } else if (c == '\\') {
            split->escaped = true;
        } else if (c == '"') {
            split->in_string = false;
            split->state = PS_JSON_COLON;
            return PS_OK;
        }
        if (split->key_length + 1 < sizeof(split->key)) {
            split->key[split->key_length] = c;
        }
        split->key_length++;
        return PS_OK;
    }
    if (c == '"') {
        split->in_string = true;
        split->key_length = 0;
        memset(split->key, 0, sizeof(split->key));
    } else if (c == '}') {
        split->state = PS_JSON_AFTER;
    } else if (c != ',') {
        return bad(err, "a key is wanted");
    }
    return PS_OK;
}

static void start_value(struct ps_json_split *split, char c)
{
    if (strcmp(split->key, "items") == 0 && c == '[') {
        split->state = PS_JSON_BETWEEN;
    } else if (strcmp(split->key, "metadata") == 0) {
        begin_value(split, c, PS_JSON_METADATA);
    } else {
        begin_value(split, c, PS_JSON_SKIP);
    }
}

/* One byte between values. *again_out: it belongs to the value that begins with it. */
static enum ps_code take_between(struct ps_json_split *split, char c, bool *again_out,
                                 struct ps_err *err)
{
    if (is_space(c) && !split->in_string) {
        return PS_OK;
    }
    switch (split->state) {
    case PS_JSON_BEFORE:
        split->state = PS_JSON_KEY;
        return c == '{' ? PS_OK : bad(err, "no object");
    case PS_JSON_KEY:
        return take_key(split, c, err);
    case PS_JSON_COLON:
        split->state = PS_JSON_VALUE;
        return c == ':' ? PS_OK : bad(err, "a colon is wanted");
    case PS_JSON_VALUE:
        if (ends_list(c)) {
            return bad(err, "a value is wanted");
        }
        start_value(split, c);
        *again_out = split->state != PS_JSON_BETWEEN;
        return PS_OK;
    case PS_JSON_BETWEEN:
        if (c == ']') {
            split->state = PS_JSON_KEY;
        } else if (c == '}' || c == ':') {
            return bad(err, "an item is wanted");
        } else if (c != ',') {
            begin_value(split, c, PS_JSON_ITEM);
            *again_out = true;
        }
        return PS_OK;
    case PS_JSON_AFTER:
        return bad(err, "something stands behind it");
    case PS_JSON_SKIP:
    case PS_JSON_METADATA:
    case PS_JSON_ITEM:
        break;
    }
    return PS_OK;
}

static bool is_in_value(const struct ps_json_split *split)
{
    return split->state == PS_JSON_SKIP || split->state == PS_JSON_METADATA ||
           split->state == PS_JSON_ITEM;
}

enum ps_code ps_json_split_feed(struct ps_json_split *split, const char *data, size_t size_bytes,
                                struct ps_err *err)
{
    enum ps_code code = PS_OK;

    while (size_bytes > 0 && code == PS_OK) {
        size_t used = 1;

        if (is_in_value(split)) {
            code = take_value(split, data, size_bytes, &used, err);
        } else {
            bool again = false;

            code = take_between(split, *data, &again, err);
            used = again ? 0 : 1;
        }
        data += used;
        size_bytes -= used;
    }
    return code;
}

bool ps_json_split_is_whole(const struct ps_json_split *split)
{
    return split->state == PS_JSON_AFTER;
}

void ps_json_split_reset(struct ps_json_split *split)
{
    ps_buf_clear(&split->value);
    split->state = PS_JSON_BEFORE;
    split->in_string = false;
    split->escaped = false;
}
