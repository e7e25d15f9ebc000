#include "lua/pattern.h"

struct branches {
    unsigned
        place_count; /* each may end at every place of the subject: * + - %b %1, and a free start */
    unsigned optional_count; /* each is there or not: ? */
};

/* After a set, given the place after its '['. The first byte, or that after '^', is never its end. */
static size_t skip_set(const char *pattern, size_t size_bytes, size_t at)
{
    bool first = true;

    if (at < size_bytes && pattern[at] == '^') {
        at++;
    }
    while (at < size_bytes && (first || pattern[at] != ']')) {
        at += pattern[at] == '%' ? 2 : 1;
        first = false;
    }
    return at + 1;
}

/* After what follows a '%' at `at`. */
static size_t skip_escape(const char *pattern, size_t size_bytes, size_t at,
                          struct branches *branches)
{
    char kind = at < size_bytes ? pattern[at] : '\0';

    if (kind == 'b') {
        branches->place_count++;
        return at + 3;
    }
    if (kind >= '0' && kind <= '9') {
        branches->place_count++; /* comparing it takes as long as the capture is */
    }
    return at + 1;
}

static struct branches count_branches(const char *pattern, size_t size_bytes, bool has_anchor)
{
    struct branches branches = { 0 };
    size_t at = 0;

    if (has_anchor && size_bytes > 0 && pattern[0] == '^') {
        at = 1;
    } else {
        branches.place_count = 1;
    }
    while (at < size_bytes) {
        char byte = pattern[at++];

        if (byte == '%') {
            at = skip_escape(pattern, size_bytes, at, &branches);
        } else if (byte == '[') {
            at = skip_set(pattern, size_bytes, at);
        } else if (byte == '?') {
            branches.optional_count++;
        } else if (byte == '*' || byte == '+' || byte == '-') {
            branches.place_count++;
        }
    }
    return branches;
}

/* Places p1 <= p2 <= ... <= pk in a subject of n bytes: (n + k) over k ways. At each the matcher looks at no more than
 * all of the pattern. It stops where a double would not tell numbers apart, far over any budget. */
double ps_pattern_steps(const char *pattern, size_t pattern_size_bytes, size_t subject_size_bytes,
                        bool has_anchor)
{
    const double enough = 1e15;
    struct branches branches = count_branches(pattern, pattern_size_bytes, has_anchor);
    double steps = (double)pattern_size_bytes + 1.0;

    for (unsigned k = 1; k <= branches.place_count && steps < enough; k++) {
        steps *= ((double)subject_size_bytes + (double)k) / (double)k;
    }
    for (unsigned i = 0; i < branches.optional_count && steps < enough; i++) {
        steps *= 2.0;
    }
    return steps;
}

double ps_pattern_plain_steps(size_t text_size_bytes, size_t subject_size_bytes)
{
    return text_size_bytes > subject_size_bytes
               ? 1.0
               : (double)(subject_size_bytes - text_size_bytes + 1) *
                     ((double)text_size_bytes + 1.0);
}
