#include "serve/admin_client.h"

#include "base/str.h"
#include "serve/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

struct asking {
    const struct ps_admin_question *question;
    json_t *json;
    struct ps_err err; /* code PS_OK = none */
    enum ps_admin_reach reach;
    bool done;
};

/* --- what an answer means --- */

/* The code with this name, as the agent wrote it. */
static enum ps_code code_of(const char *name)
{
    for (int code = PS_OK; code <= (int)PS_E_PARTIAL; code++) {
        if (strcmp(ps_code_name((enum ps_code)code), name) == 0) {
            return (enum ps_code)code;
        }
    }
    return PS_E_BUG;
}

static void take_error(struct asking *asking, const char *version)
{
    const char *name = "";
    const char *message = "";
    enum ps_code code = PS_E_UNSUPPORTED;

    if (json_unpack(asking->json, "{s:{s:s, s:s}}", "error", "code", &name, "message", &message) ==
        0) {
        code = code_of(name);
    }
    if (code == PS_E_UNSUPPORTED) {
        (void)ps_err_set(&asking->err, code,
                         "the agent at %s is purser %.32s, this is %s: %.80s: use one version",
                         asking->question->socket_path, version, PURSER_VERSION, message);
    } else {
        (void)ps_err_set(&asking->err, code, "%s", message);
    }
}

static void take_answer(struct asking *asking, const struct ps_http_answer *answer)
{
    const char *version = ps_http_answer_header(answer, PS_ADMIN_VERSION_HEADER);
    size_t size_bytes = 0;
    const char *body = ps_http_answer_body(answer, &size_bytes);

    if (version == NULL) {
        (void)ps_err_set(&asking->err, PS_E_UNSUPPORTED,
                         "what answers at %s is an agent of another version, or none: restart it "
                         "as purser %s",
                         asking->question->socket_path, PURSER_VERSION);
        return;
    }
    asking->json = json_loadb(body, size_bytes, 0, NULL);
    if (asking->json == NULL || ps_http_answer_status(answer) != 200) {
        take_error(asking, version);
    }
}

/* --- what none means --- */

static void take_failure(struct asking *asking, const struct ps_err *err)
{
    const char *path = asking->question->socket_path;
    bool changes = strcmp(asking->question->method, "GET") != 0;
    enum ps_code code = changes ? PS_E_UNKNOWN_OUTCOME : PS_E_TEMPORARY;

    switch (err->sys_errno) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        asking->reach = PS_ADMIN_NOBODY;
        (void)ps_err_set(&asking->err, PS_E_NOT_FOUND,
                         "no agent answers at %s: start one with `purser agent`", path);
        break;
    case EACCES:
    case EPERM:
        (void)ps_err_set(&asking->err, PS_E_DENIED,
                         "%s: this user may not ask the agent: its own user and root may", path);
        break;
    case ETIMEDOUT:
        (void)ps_err_set(&asking->err, code, "the agent at %s gives no answer%s", path,
                         changes ? ": it may yet do what was asked" : "");
        break;
    default: /* it ended, or its queue of connections is full (curl does not tell EAGAIN), or it speaks no HTTP */
        (void)ps_err_set(&asking->err, err->code == PS_E_NO_MEMORY ? PS_E_NO_MEMORY : code,
                         "the agent at %s gave no whole answer%s", path,
                         changes ? ": it may have done what was asked" : "");
    }
}

static void on_done(void *user, const struct ps_http_answer *answer, const struct ps_err *err)
{
    struct asking *asking = user;

    asking->done = true;
    asking->reach = err != NULL ? PS_ADMIN_SILENT : PS_ADMIN_ANSWERED;
    if (err != NULL) {
        take_failure(asking, err);
    } else {
        take_answer(asking, answer);
    }
    uv_stop(
        asking->question->loop); /* where a timer called us uv_run would go on to wait for others */
}

/* --- asking --- */

static enum ps_code start(struct asking *asking, struct ps_err *err)
{
    const struct ps_admin_question *question = asking->question;
    char *url = ps_str_format("http://agent%s", question->path);
    const struct ps_http_options options = {
        .method = question->method,
        .url = url,
        .on_done = on_done,
        .user = asking,
        .unix_socket = question->socket_path,
        .connect_timeout_ms = question->timeout_ms,
        .stall_timeout_ms = question->timeout_ms,
        .total_timeout_ms = question->timeout_ms,
        .no_proxy = true,
    };
    struct ps_http_request *request = NULL;
    enum ps_code code = url != NULL ? ps_http_start(question->http, &options, &request, err)
                                    : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(url);
    return code;
}

enum ps_code ps_admin_ask(const struct ps_admin_question *question, json_t **json_out,
                          enum ps_admin_reach *reach_out, struct ps_err *err)
{
    struct asking asking = { .question = question };
    const struct ps_err nobody = { .code = PS_E_TEMPORARY, .sys_errno = ENOENT };

    *reach_out = PS_ADMIN_SILENT;
    if (strlen(question->socket_path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        take_failure(&asking, &nobody); /* no agent could listen there */
    } else {
        enum ps_code code = start(&asking, err);

        if (code != PS_OK) {
            return code;
        }
    }
    while (!asking.done && asking.err.code == PS_OK && uv_run(question->loop, UV_RUN_ONCE) != 0) {
    }
    *reach_out = asking.reach;
    if (asking.err.code != PS_OK) {
        json_decref(asking.json);
        if (err != NULL) {
            *err = asking.err;
        }
        return asking.err.code;
    }
    *json_out = asking.json;
    return PS_OK;
}
