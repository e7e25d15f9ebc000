#include "cli/admin_socket.h"

char *ps_admin_socket_path(struct ps_app *app, struct ps_err *err)
{
    return ps_app_state_path(app, app->settings.admin_socket, "admin.socket", err);
}
