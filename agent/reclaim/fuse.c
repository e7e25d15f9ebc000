#include "reclaim/fuse.h"

#include "base/str.h"

#include <inttypes.h>
#include <string.h>

enum ps_code ps_fuse_parse(struct ps_fuse *fuse, const char *text, struct ps_err *err)
{
    size_t length = strlen(text);
    bool percent = length > 1 && length < 16 && text[length - 1] == '%';
    char digits[16] = "";
    uint64_t number = 0;

    ps_str_copy(digits, percent ? length : sizeof(digits), text);
    if (length >= sizeof(digits) || !ps_u64_parse(digits, &number) || (percent && number > 100)) {
        return ps_err_set(err, PS_E_INVALID, "'%s': write a number like 500, or 20%%", text);
    }
    *fuse = percent ? (struct ps_fuse){ .count_max = UINT64_MAX, .percent_max = (uint32_t)number }
                    : (struct ps_fuse){ .count_max = number, .percent_max = 100 };
    return PS_OK;
}

enum ps_code ps_fuse_check(const struct ps_fuse *fuse, uint64_t due_count, uint64_t known_count,
                           struct ps_err *err)
{
    if (due_count > fuse->count_max) {
        return ps_err_set(err, PS_E_REFUSED,
                          "the fuse: %" PRIu64 " artifacts are due, at most %" PRIu64
                          " may go at once: look with `purser reclaims run --dry-run`, then "
                          "`--max %" PRIu64 "`",
                          due_count, fuse->count_max, due_count);
    }
    if (due_count <= PS_FUSE_PERCENT_FROM || known_count == 0) {
        return PS_OK;
    }
    if ((double)due_count * 100 > (double)fuse->percent_max * (double)known_count) {
        return ps_err_set(err, PS_E_REFUSED,
                          "the fuse: %" PRIu64 " of %" PRIu64
                          " artifacts are due, at most %u%% may go at once: look with `purser "
                          "reclaims run --dry-run`, then `--max %" PRIu64 "`",
                          due_count, known_count, fuse->percent_max, due_count);
    }
    return PS_OK;
}
