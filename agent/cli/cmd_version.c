#include "cli/app.h"
#include "cli/output.h"

#include <stdio.h>
#include <uv.h>

enum ps_exit ps_cmd_version(struct ps_app *app, const char **args, int arg_count)
{
    (void)args;
    (void)arg_count;
    if (app->json) {
        json_t *object =
            json_pack("{s:s, s:s}", "version", PURSER_VERSION, "libuv", uv_version_string());

        ps_output_json("version", &object);
    } else {
        (void)printf("purser %s (libuv %s)\n", PURSER_VERSION, uv_version_string());
    }
    return PS_EXIT_DONE;
}
