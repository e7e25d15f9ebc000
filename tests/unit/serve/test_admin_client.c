#include "serve/admin_client.h"

#include "base/str.h"
#include "serve/admin.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(admin_client, .timeout = 30);

/* A socket in a fresh directory, and somebody who listens there and never says a word, or says one and closes. */
struct rig {
    char dir[64];
    char path[96];
    int listener;
    uv_loop_t loop;
    uv_poll_t poll;
    struct ps_http_client *http;
    const char *says; /* NULL = nothing, for ever */
};

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){ .dir = "/tmp/purser-admin-XXXXXX", .listener = -1 };
    cr_assert_not_null(mkdtemp(rig->dir));
    (void)snprintf(rig->path, sizeof(rig->path), "%s/socket", rig->dir);
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    cr_assert_eq(ps_http_client_new(&rig->http, &rig->loop, "test", NULL), PS_OK);
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
    struct rig *rig = poll->data;
    int fd = accept(rig->listener, NULL, NULL);
    char request[4096];

    (void)status;
    (void)events;
    cr_assert_geq(fd, 0);
    if (rig->says == NULL) {
        return; /* left open */
    }
    cr_assert_gt(read(fd, request, sizeof(request)), 0);
    cr_assert_eq(write(fd, rig->says, strlen(rig->says)), (ssize_t)strlen(rig->says));
    (void)close(fd);
}

static void rig_listen(struct rig *rig, const char *says)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    rig->says = says;
    ps_str_copy(address.sun_path, sizeof(address.sun_path), rig->path);
    rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(rig->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(rig->listener, 4), 0);
    cr_assert_eq(uv_poll_init(&rig->loop, &rig->poll, rig->listener), 0);
    rig->poll.data = rig;
    cr_assert_eq(uv_poll_start(&rig->poll, UV_READABLE, on_connect), 0);
}

static void rig_clear(struct rig *rig)
{
    ps_http_client_free(rig->http);
    if (rig->listener >= 0) {
        uv_close((uv_handle_t *)&rig->poll, NULL);
    }
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&rig->loop);
    if (rig->listener >= 0) {
        (void)close(rig->listener);
    }
    (void)unlink(rig->path);
    (void)rmdir(rig->dir);
}

static enum ps_code ask(struct rig *rig, const char *method, uint32_t timeout_ms,
                        enum ps_admin_reach *reach_out, struct ps_err *err)
{
    const struct ps_admin_question question = {
        .http = rig->http,
        .loop = &rig->loop,
        .socket_path = rig->path,
        .method = method,
        .path = "/v1/status",
        .timeout_ms = timeout_ms,
    };
    json_t *json = NULL;
    enum ps_code code = ps_admin_ask(&question, &json, reach_out, err);

    cr_expect_eq(json != NULL, code == PS_OK);
    json_decref(json);
    return code;
}

Test(admin_client, says_that_no_agent_runs)
{
    enum ps_admin_reach reach = PS_ADMIN_ANSWERED;
    struct rig rig;
    struct ps_err err;

    rig_init(&rig);
    cr_expect_eq(ask(&rig, "GET", 5000, &reach, &err), PS_E_NOT_FOUND);
    cr_expect_eq(reach, PS_ADMIN_NOBODY);
    cr_expect_not_null(strstr(err.message, "purser agent"), "%s", err.message);

    rig_listen(&rig, NULL); /* what a killed agent leaves: the file, and nobody behind it */
    (void)uv_poll_stop(&rig.poll);
    cr_assert_eq(shutdown(rig.listener, SHUT_RDWR), 0);
    cr_expect_eq(ask(&rig, "POST", 5000, &reach, &err), PS_E_NOT_FOUND);
    cr_expect_eq(reach, PS_ADMIN_NOBODY);
    rig_clear(&rig);
}

Test(admin_client, knows_that_nobody_can_listen_at_a_path_that_is_too_long)
{
    enum ps_admin_reach reach = PS_ADMIN_ANSWERED;
    struct rig rig;
    struct ps_err err;
    char long_path[200];

    rig_init(&rig);
    memset(long_path, 'x', sizeof(long_path));
    long_path[0] = '/';
    long_path[sizeof(long_path) - 1] = '\0';
    {
        const struct ps_admin_question question = { rig.http, &rig.loop, long_path,
                                                    "GET",    "/v1/x",   5000 };
        json_t *json = NULL;

        cr_expect_eq(ps_admin_ask(&question, &json, &reach, &err), PS_E_NOT_FOUND);
    }
    cr_expect_eq(reach, PS_ADMIN_NOBODY);
    rig_clear(&rig);
}

Test(admin_client, does_not_wait_for_ever)
{
    static const struct row {
        const char *method;
        enum ps_code code;
    } rows[] = { { "GET", PS_E_TEMPORARY }, { "POST", PS_E_UNKNOWN_OUTCOME } };
    struct rig rig;
    struct ps_err err;

    rig_init(&rig);
    rig_listen(&rig, NULL);
    for (size_t i = 0; i < 2; i++) {
        enum ps_admin_reach reach = PS_ADMIN_ANSWERED;

        cr_expect_eq(ask(&rig, rows[i].method, 200, &reach, &err), rows[i].code);
        cr_expect_eq(reach, PS_ADMIN_SILENT);
        cr_expect_not_null(strstr(err.message, "gives no answer"), "%s", err.message);
    }
    rig_clear(&rig);
}

/* In a child that ends without ado: root, to whom all is open, becomes nobody, and cannot be looked at for leaks then. */
static int ask_as_nobody(struct rig *rig)
{
    enum ps_admin_reach reach = PS_ADMIN_ANSWERED;
    pid_t child;
    int status = -1;

    cr_assert_eq(chmod(rig->dir, 0755), 0);
    cr_assert_eq(chmod(rig->path, geteuid() == 0 ? 0600 : 0), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct ps_err err;

        (void)uv_loop_fork(&rig->loop);
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(3);
        }
        _exit(ask(rig, "GET", 5000, &reach, &err) != PS_E_DENIED ? 1
              : reach != PS_ADMIN_SILENT                         ? 2
                                                                 : 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(admin_client, tells_a_user_who_may_not_connect)
{
    struct rig rig;

    rig_init(&rig);
    rig_listen(&rig, NULL);
    cr_expect_eq(ask_as_nobody(&rig), 0);
    rig_clear(&rig);
}

#define OURS "Purser-Version: " PURSER_VERSION "\r\n"
#define ANSWER(status, headers, body)                                                              \
    "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n" body

Test(admin_client, takes_answers_apart)
{
    static const struct row {
        const char *says;
        enum ps_code code;
        enum ps_admin_reach reach;
        const char *words;
    } rows[] = {
        { ANSWER("200 OK", OURS, "{}"), PS_OK, PS_ADMIN_ANSWERED, "" },
        { ANSWER("200 OK", "purser-version: 9.9\r\n", "{}"), PS_OK, PS_ADMIN_ANSWERED, "" },
        { ANSWER("404 Not Found", OURS,
                 "{\"error\":{\"code\":\"not_found\",\"message\":\"gone\"}}"),
          PS_E_NOT_FOUND, PS_ADMIN_ANSWERED, "gone" },
        { ANSWER("403 Forbidden", OURS, "{\"error\":{\"code\":\"denied\",\"message\":\"no\"}}"),
          PS_E_DENIED, PS_ADMIN_ANSWERED, "no" },
        { ANSWER("404 Not Found", "Purser-Version: 9.9\r\n",
                 "{\"error\":{\"code\":\"unsupported\",\"message\":\"nothing is here\"}}"),
          PS_E_UNSUPPORTED, PS_ADMIN_ANSWERED, "is purser 9.9" },
        { ANSWER("500 Oops", OURS, "{\"error\":{\"code\":\"of the future\",\"message\":\"x\"}}"),
          PS_E_BUG, PS_ADMIN_ANSWERED, "x" },
        { ANSWER("200 OK", "", "{}"), PS_E_UNSUPPORTED, PS_ADMIN_ANSWERED, "another version" },
        { ANSWER("404 Not Found", "", "<html>"), PS_E_UNSUPPORTED, PS_ADMIN_ANSWERED, "or none" },
        { ANSWER("200 OK", OURS, "{"), PS_E_UNSUPPORTED, PS_ADMIN_ANSWERED, "use one version" },
        { ANSWER("200 OK", OURS, ""), PS_E_UNSUPPORTED, PS_ADMIN_ANSWERED, "use one version" },
        { ANSWER("200 OK", OURS "Content-Length: 100\r\n", "{}"), PS_E_TEMPORARY, PS_ADMIN_SILENT,
          "no whole answer" },
        { "SSH-2.0-what\r\n", PS_E_TEMPORARY, PS_ADMIN_SILENT, "no whole answer" },
        { "", PS_E_TEMPORARY, PS_ADMIN_SILENT, "no whole answer" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum ps_admin_reach reach = PS_ADMIN_NOBODY;
        struct ps_err err = { 0 };
        struct rig rig;

        rig_init(&rig);
        rig_listen(&rig, rows[i].says);
        cr_expect_eq(ask(&rig, "GET", 5000, &reach, &err), rows[i].code, "%s: %s", rows[i].says,
                     err.message);
        cr_expect_eq(reach, rows[i].reach, "%s", rows[i].says);
        cr_expect_not_null(strstr(err.message, rows[i].words), "%s: %s", rows[i].says, err.message);
        rig_clear(&rig);
    }
}
