#include "cli/app.h"

#include <stdio.h>

enum ps_exit ps_cmd_policy(struct ps_app *app, const char **args, int arg_count)
{
    (void)app; (void)args; (void)arg_count;
    return PS_EXIT_BUG;
}
