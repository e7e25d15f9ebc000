#include "cli/admin_socket.h"

#include "serve/admin_client.h"

#include <stdlib.h>

char *ps_admin_socket_path(struct ps_app *app, struct ps_err *err)
{
    return ps_app_state_path(app, app->settings.admin_socket, "admin.socket", err);
}

enum ps_code ps_admin_socket_ask(struct ps_app *app, const char *method, const char *path,
                                 json_t **json_out, struct ps_err *err)
{
    char *socket_path = ps_admin_socket_path(app, err);
    enum ps_code code;

    if (socket_path == NULL) {
        return err->code;
    }
    code = ps_admin_ask(app->factory.http, app->loop, socket_path, method, path, json_out, err);
    free(socket_path);
    return code;
}
