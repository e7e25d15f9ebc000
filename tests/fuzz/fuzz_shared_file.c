/* shared_file: any bytes as an ini file. Names and values come trimmed, inside a section. */
#include "creds/shared_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_section(void *user, const char *section, unsigned line)
{
    (void)user;
    if (section[0] == '\0' || line == 0) {
        abort();
    }
}

static void on_setting(void *user, const char *section, const char *name, const char *value,
                       unsigned line)
{
    size_t length = strlen(value);

    (void)user;
    if (section[0] == '\0' || name[0] == '\0' || strpbrk(value, "\n") != NULL || line == 0 ||
        (length > 0 && (value[length - 1] == ' ' || value[0] == ' '))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ps_shared_file_handler handler = { on_section, on_setting };
    char *text = malloc(size + 1);
    struct ps_err err;
    enum ps_code code;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    code = ps_shared_file_parse("f", text, size, &handler, NULL, &err);
    if (code != PS_OK && code != PS_E_INVALID) {
        abort();
    }
    free(text);
    return 0;
}
