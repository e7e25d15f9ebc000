#include "tests/support/creds_rig.h"

#include "base/str.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *creds_rig_getenv(void *user, const char *name)
{
    const struct creds_rig *rig = user;
    size_t length = strlen(name);

    for (size_t i = 0; i < CREDS_RIG_LINES_MAX; i++) {
        if (strncmp(rig->lines[i], name, length) == 0 && rig->lines[i][length] == '=') {
            return rig->lines[i] + length + 1;
        }
    }
    return NULL;
}

static int64_t rig_now(void *user)
{
    return ((const struct creds_rig *)user)->now_ms;
}

static uint64_t rig_random(void *user)
{
    (void)user;
    return 7;
}

/* length bytes of text as a line, each $SERVER and $DIR for what they are. */
static void set_line(struct creds_rig *rig, char *line, const char *text, size_t length)
{
    size_t used = 0;

    while (length > 0) {
        const char *value = HAS_PREFIX(text, "$SERVER") ? http_server_url(rig->server)
                            : HAS_PREFIX(text, "$DIR")  ? rig->dir
                                                        : NULL;
        size_t step = value == NULL ? 1 : *value == '/' ? strlen("$DIR") : strlen("$SERVER");

        used +=
            (size_t)snprintf(line + used, CREDS_RIG_LINE_SIZE - used, "%.*s",
                             value != NULL ? CREDS_RIG_LINE_SIZE : 1, value != NULL ? value : text);
        cr_assert_lt(used, (size_t)CREDS_RIG_LINE_SIZE, "%s", line);
        text += step;
        length -= step;
    }
}

void creds_rig_set(struct creds_rig *rig, const char *variables)
{
    for (size_t i = 0; *variables != '\0'; i++) {
        size_t length = strcspn(variables, "\n");

        cr_assert_lt(i, (size_t)CREDS_RIG_LINES_MAX, "too many variables");
        if (rig->lines[i][0] == '\0') {
            set_line(rig, rig->lines[i], variables, length);
            variables += length + (variables[length] == '\n' ? 1 : 0);
        }
    }
}

void creds_rig_open(struct creds_rig *rig, enum ps_creds_family family, const char *variables)
{
    struct ps_creds_options options = {
        .family = family,
        .getenv = creds_rig_getenv,
        .getenv_user = rig,
        .clock = &rig->clock,
        .loop = &rig->loop,
    };

    memset(rig, 0, sizeof(*rig));
    cr_assert_eq(uv_loop_init(&rig->loop), 0);
    rig->server = http_server_new(&rig->loop);
    cr_assert_eq(ps_http_client_new(&rig->http, &rig->loop, "test", NULL), PS_OK);
    rig->clock = (struct ps_clock){ rig, rig_now, rig_now, rig_random, NULL };
    rig->now_ms = CREDS_RIG_NOW_UNIX_MS;
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/purser-creds-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->dir));
    creds_rig_set(rig, variables);
    options.http = rig->http;
    cr_assert_eq(ps_creds_chain_new(&rig->chain, &options, NULL), PS_OK);
}

void creds_rig_close(struct creds_rig *rig)
{
    static const char *const files[] = { "token", "config", "credentials", "" };

    ps_creds_chain_free(rig->chain);
    ps_http_client_free(rig->http);
    http_server_free(rig->server);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&rig->loop), 0, "a handle was left open");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, files[i]);
        (void)remove(path);
    }
}

void creds_rig_file(const struct creds_rig *rig, const char *name, const char *content)
{
    char *path = ps_str_format("%s/%s", rig->dir, name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(content, file), 0);
    (void)fclose(file);
    free(path);
}

void creds_rig_on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct creds_rig *rig = user;

    rig->count++;
    memset(&rig->err, 0, sizeof(rig->err));
    rig->text[0] = '\0';
    if (err != NULL) {
        rig->err = *err;
        return;
    }
    (void)snprintf(rig->text, sizeof(rig->text), "%s %s %s %s", creds->access_key_id,
                   creds->secret_access_key,
                   creds->session_token != NULL ? creds->session_token : "-", creds->source);
}

void creds_rig_wait(struct creds_rig *rig, unsigned count)
{
    while (rig->count < count) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
}

void creds_rig_get(struct creds_rig *rig, uint64_t refused_number)
{
    unsigned before = rig->count;

    ps_creds_get(rig->chain, refused_number, creds_rig_on_creds, rig);
    creds_rig_wait(rig, before + 1);
}

void creds_rig_answer(struct creds_rig *rig, int status, const char *type, const char *body)
{
    char *text = ps_str_format("HTTP/1.1 %d X\ncontent-type: %s\ncontent-length: auto\n\n%s",
                               status, type, body);

    http_server_answer(rig->server, text);
    free(text);
}

void creds_rig_check_header(const struct creds_rig *rig, size_t index, const char *name,
                            const char *value)
{
    char *is = http_seen_header(http_server_request(rig->server, index), name);

    cr_expect_str_eq(is, value, "request %zu: %s", index, name);
    free(is);
}

void creds_rig_check_line(const struct creds_rig *rig, size_t index, const char *method,
                          const char *target)
{
    const struct http_seen *seen = http_server_request(rig->server, index);

    cr_expect_str_eq(seen->method, method, "request %zu", index);
    cr_expect_str_eq(seen->target, target, "request %zu", index);
}
