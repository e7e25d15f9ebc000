/**
 * creds_rig - a chain of credentials whose every service is one scripted server, in a home of its own.
 *
 * Flow:    tests/unit/creds -> [creds_rig] -> creds/creds.h, http_server.h
 * Thread:  the loop thread
 * Source:  none
 */
#ifndef PS_TESTS_SUPPORT_CREDS_RIG_H
#define PS_TESTS_SUPPORT_CREDS_RIG_H

#include "creds/creds.h"
#include "http/http_client.h"
#include "tests/support/http_server.h"

/* 2026-01-02T03:04:05Z */
#define CREDS_RIG_NOW_UNIX_MS INT64_C(1767323045000)

enum {
    CREDS_RIG_LINES_MAX = 8,
    CREDS_RIG_LINE_SIZE = 256,
};

/* A chain of one family. */
struct creds_rig {
    uv_loop_t loop;
    struct http_server *server;
    struct ps_http_client *http;
    struct ps_creds_chain *chain;
    struct ps_clock clock;
    int64_t now_ms;
    char lines[CREDS_RIG_LINES_MAX][CREDS_RIG_LINE_SIZE]; /* "NAME=value" */
    char dir[64];
    unsigned count;
    char text[512]; /* "id secret token source" */
    struct ps_err err;
};

#define HAS_PREFIX(text, prefix) (strncmp((text), (prefix), strlen(prefix)) == 0)

/** user is the rig: what creds_rig_set has set. */
const char *creds_rig_getenv(void *user, const char *name);
/**
 * Open a chain of that family in an environment of these variables alone: "NAME=value", a line each; $SERVER stands for
 * the server's URL, $DIR for the rig's directory.
 */
void creds_rig_open(struct creds_rig *rig, enum ps_creds_family family, const char *variables);
/** More of them. */
void creds_rig_set(struct creds_rig *rig, const char *variables);
/** Also checks for handles left open. */
void creds_rig_close(struct creds_rig *rig);
/** Write $DIR/name: token, config or credentials. */
void creds_rig_file(const struct creds_rig *rig, const char *name, const char *content);
void creds_rig_on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err);
/** Run the loop until so many callbacks came. */
void creds_rig_wait(struct creds_rig *rig, unsigned count);
/** Ask and wait; text or err says what came. */
void creds_rig_get(struct creds_rig *rig, uint64_t refused_number);
/** The server's next answer. */
void creds_rig_answer(struct creds_rig *rig, int status, const char *type, const char *body);
void creds_rig_check_header(const struct creds_rig *rig, size_t index, const char *name,
                            const char *value);
void creds_rig_check_line(const struct creds_rig *rig, size_t index, const char *method,
                          const char *target);

#endif
