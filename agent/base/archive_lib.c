#include "base/archive_lib.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#define LIBRARY "libarchive.so.13"

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
#define FIND(name) whole = find(library, #name, &lib->name) && whole;
    PS_ARCHIVE_LIB(FIND)
#undef FIND
    (void)dlclose(library); /* RTLD_NODELETE keeps it */
    return whole ? PS_OK
                 : ps_err_set(err, PS_E_UNSUPPORTED,
                              LIBRARY " is too old for archives: 3.6 is known to do");
}
