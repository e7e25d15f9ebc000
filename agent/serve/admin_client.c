#include "serve/admin_client.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct question {
    const char *socket_path;
    json_t *json;
    struct ps_err err; /* code PS_OK = none */
    bool done;
};

/* The code with this name, as the agent wrote it. */
static enum ps_code code_of(const char *name)
{
    for (int code = PS_OK; code <= (int)PS_E_PARTIAL; code++) {
        if (strcmp(ps_code_name((enum ps_code)code), name) == 0) {
            return (enum ps_code)code;
        }
    }
    return PS_E_PARSE;
}

static void take_error(struct question *question)
{
    const char *code = "";
    const char *message = "";

    if (json_unpack(question->json, "{s:{s:s, s:s}}", "error", "code", &code, "message",
                    &message) == 0) {
        (void)ps_err_set(&question->err, code_of(code), "%s", message);
    } else {
        (void)ps_err_set(&question->err, PS_E_PARSE, "%s: answers nothing that purser knows",
                         question->socket_path);
    }
}

static void on_done(void *user, const struct ps_http_answer *answer, const struct ps_err *err)
{
    struct question *question = user;
    size_t size_bytes = 0;
    const char *body;

    question->done = true;
    if (err != NULL) {
        (void)ps_err_set(&question->err,
                         err->sys_errno == ENOENT || err->sys_errno == ECONNREFUSED ||
                                 ps_http_answer_status(answer) == 0
                             ? PS_E_NOT_FOUND
                             : err->code,
                         "no agent answers at %s: start one with `purser agent`",
                         question->socket_path);
        return;
    }
    body = ps_http_answer_body(answer, &size_bytes);
    question->json = json_loadb(body, size_bytes, 0, NULL);
    if (question->json == NULL || ps_http_answer_status(answer) != 200) {
        take_error(question);
    }
}

enum ps_code ps_admin_ask(struct ps_http_client *http, uv_loop_t *loop, const char *socket_path,
                          const char *method, const char *path, json_t **json_out,
                          struct ps_err *err)
{
    struct question question = { .socket_path = socket_path };
    char *url = ps_str_format("http://agent%s", path);
    const struct ps_http_options options = {
        .method = method,
        .url = url,
        .on_done = on_done,
        .user = &question,
        .unix_socket = socket_path,
    };
    struct ps_http_request *request = NULL;
    enum ps_code code = url != NULL ? ps_http_start(http, &options, &request, err)
                                    : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(url);
    if (code != PS_OK) {
        return code;
    }
    while (!question.done && uv_run(loop, UV_RUN_ONCE) != 0) {
    }
    if (question.err.code != PS_OK) {
        json_decref(question.json);
        if (err != NULL) {
            *err = question.err;
        }
        return question.err.code;
    }
    *json_out = question.json;
    return PS_OK;
}
