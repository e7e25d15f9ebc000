#include "base/archive_lib.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libarchive.so.13"

#define FUNCTION(name) { #name, offsetof(struct ps_archive_lib, name) },

static const struct {
    const char *name;
    size_t offset_bytes; /* of its pointer in the table */
} functions[] = { PS_ARCHIVE_LIB(FUNCTION) };

/* False when there is none. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol,
           sizeof(symbol)); /* POSIX: a function's address fits; ISO C knows no cast */
    return symbol != NULL;
}

enum ps_code ps_archive_lib_load(struct ps_archive_lib *lib, struct ps_err *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    bool whole = library != NULL;

    if (library == NULL) {
        return ps_err_set(err, PS_E_UNSUPPORTED,
                          "archives need " LIBRARY ": install the package libarchive13");
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        whole = find(library, functions[i].name, (char *)lib + functions[i].offset_bytes) && whole;
    }
    (void)dlclose(library); /* RTLD_NODELETE keeps it */
    return whole ? PS_OK
                 : ps_err_set(err, PS_E_UNSUPPORTED,
                              LIBRARY " is too old for archives: 3.6 is known to do");
}
