#include "base/fault.h"

#include "base/str.h"

#include <signal.h>
#include <string.h>

void ps_fault_init(struct ps_fault *fault, const char *text)
{
    uint64_t count = 1;
    char *colon;

    memset(fault, 0, sizeof(*fault));
    if (text == NULL || text[0] == '\0') {
        return;
    }
    ps_str_copy(fault->name, sizeof(fault->name), text);
    colon = strchr(fault->name, ':');
    if (colon != NULL) {
        *colon = '\0';
        (void)!ps_u64_parse(colon + 1, &count);
    }
    fault->count = count > 0 && count < 1000000 ? (unsigned)count : 1;
}

void ps_fault_point(struct ps_fault *fault, const char *name)
{
    if (fault != NULL && fault->count > 0 && strcmp(fault->name, name) == 0 &&
        --fault->count == 0) {
        (void)raise(SIGKILL);
    }
}
