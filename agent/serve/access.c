#include "serve/access.h"

#include "base/encode.h"
#include "base/str.h"
#include "hash/digest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/** Each request is compared with all of them. Lower: a team each its token fails. Higher: a slow request. */
#define TOKENS_MAX 1024

/** Prefixes of one token, and of `allow`. */
#define SCOPES_MAX 64

/** A shorter one is guessed. */
#define TOKEN_LENGTH_MIN 16

#define FILE_LIMIT_BYTES ((size_t)1024 * 1024)

struct scopes {
    char *items[SCOPES_MAX]; /* "STORE/PREFIX" */
    size_t count;
};

struct token {
    uint8_t hash[PS_SHA256_SIZE];
    enum ps_access_level level;
    struct scopes scopes; /* none = all */
};

struct ps_access {
    struct token *tokens;
    size_t token_count;
    struct scopes allow;
};

static void scopes_clear(struct scopes *scopes)
{
    while (scopes->count > 0) {
        free(scopes->items[--scopes->count]);
    }
}

void ps_access_free(struct ps_access *access)
{
    if (access == NULL) {
        return;
    }
    for (size_t i = 0; i < access->token_count; i++) {
        scopes_clear(&access->tokens[i].scopes);
    }
    scopes_clear(&access->allow);
    free(access->tokens);
    free(access);
}

static enum ps_code scopes_add(struct scopes *scopes, const char *text, struct ps_err *err)
{
    if (text[0] == '/' || text[0] == '\0' || strchr(text, '/') == NULL) {
        return ps_err_set(err, PS_E_INVALID, "'%s' is no STORE/PREFIX: write STORE/ for all of it",
                          text);
    }
    if (scopes->count == SCOPES_MAX) {
        return ps_err_set(err, PS_E_INVALID, "more than %d prefixes", SCOPES_MAX);
    }
    scopes->items[scopes->count] = ps_strdup(text);
    if (scopes->items[scopes->count] == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    scopes->count++;
    return PS_OK;
}

/* "STORE/PREFIX" holds for the keys that begin with PREFIX, byte for byte. */
static bool scopes_have(const struct scopes *scopes, const char *store, const char *key)
{
    size_t length = strlen(store);

    for (size_t i = 0; i < scopes->count; i++) {
        const char *scope = scopes->items[i];

        if (strncmp(scope, store, length) == 0 && scope[length] == '/' &&
            ps_str_has_prefix(key, scope + length + 1)) {
            return true;
        }
    }
    return false;
}

/* --- the tokens file --- */

static bool hex_value(char c, uint8_t *value_out)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

    if (at == NULL) {
        return false;
    }
    *value_out = (uint8_t)(at - digits);
    return true;
}

static bool hex_decode(const char *text, uint8_t out[PS_SHA256_SIZE])
{
    if (strlen(text) != 2 * (size_t)PS_SHA256_SIZE) {
        return false;
    }
    for (size_t i = 0; i < PS_SHA256_SIZE; i++) {
        uint8_t high = 0;
        uint8_t low = 0;

        if (!hex_value(text[2 * i], &high) || !hex_value(text[2 * i + 1], &low)) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static enum ps_code take_token(struct token *token, const char *word, bool *plain_out,
                               struct ps_err *err)
{
    token->level = PS_ACCESS_READ;
    if (ps_str_has_prefix(word, "sha256:")) {
        if (!hex_decode(word + strlen("sha256:"), token->hash)) {
            return ps_err_set(err, PS_E_INVALID, "after sha256: stand 64 hex digits");
        }
        return PS_OK;
    }
    if (strlen(word) < TOKEN_LENGTH_MIN) {
        return ps_err_set(err, PS_E_INVALID,
                          "a token has at least %d characters: try `openssl rand -hex 24`",
                          TOKEN_LENGTH_MIN);
    }
    *plain_out = true;
    ps_sha256(word, strlen(word), token->hash);
    return PS_OK;
}

static enum ps_code take_line(struct ps_access *access, char *line, bool *plain_out,
                              struct ps_err *err)
{
    struct token *token = &access->tokens[access->token_count];
    char *save = NULL;
    char *word = strtok_r(line, " \t\r", &save);
    enum ps_code code;

    if (word == NULL || word[0] == '#') {
        return PS_OK;
    }
    if (access->token_count == TOKENS_MAX) {
        return ps_err_set(err, PS_E_INVALID, "more than %d tokens", TOKENS_MAX);
    }
    access->token_count++;
    code = take_token(token, word, plain_out, err);
    for (word = strtok_r(NULL, " \t\r", &save); word != NULL && word[0] != '#' && code == PS_OK;
         word = strtok_r(NULL, " \t\r", &save)) {
        if (strcmp(word, "operate") == 0) {
            token->level = PS_ACCESS_OPERATE;
        } else if (strcmp(word, "read") != 0) {
            code = scopes_add(&token->scopes, word, err);
        }
    }
    return code;
}

static enum ps_code read_all(int fd, const char *path, char *text, struct stat *status,
                             struct ps_err *err)
{
    size_t used_bytes = 0;

    if (fd < 0 || fstat(fd, status) != 0) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    while (used_bytes < FILE_LIMIT_BYTES) {
        ssize_t got_bytes = read(fd, text + used_bytes, FILE_LIMIT_BYTES - used_bytes);

        if (got_bytes < 0) {
            return ps_err_set_errno(err, errno, "%s", path);
        }
        if (got_bytes == 0) {
            text[used_bytes] = '\0';
            return PS_OK;
        }
        used_bytes += (size_t)got_bytes;
    }
    return ps_err_set(err, PS_E_INVALID, "%s: a tokens file has at most 1 MiB", path);
}

static enum ps_code check_mode(const char *path, const struct stat *status, bool plain,
                               struct ps_err *err)
{
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return ps_err_set(err, PS_E_DENIED, "%s: others may write it: run chmod go-w", path);
    }
    if (plain && (status->st_mode & S_IRWXO) != 0) {
        return ps_err_set(err, PS_E_DENIED,
                          "%s: has plain tokens and everybody may read it: run chmod o-rwx", path);
    }
    return PS_OK;
}

static enum ps_code take_lines(struct ps_access *access, const char *path, char *text,
                               bool *plain_out, struct ps_err *err)
{
    unsigned number = 0;

    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');

        number++;
        if (end != NULL) {
            *end = '\0';
        }
        if (take_line(access, line, plain_out, err) != PS_OK) {
            return ps_err_wrap(err, PS_E_INVALID, "%s:%u", path, number);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return PS_OK;
}

static enum ps_code read_tokens(struct ps_access *access, const char *path, struct ps_err *err)
{
    char *text = malloc(FILE_LIMIT_BYTES + 1);
    int fd = -1;
    struct stat status;
    bool plain = false;
    enum ps_code code = PS_OK;

    access->tokens = calloc(TOKENS_MAX + 1, sizeof(*access->tokens));
    if (text == NULL || access->tokens == NULL) {
        code = ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    } else {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        code = read_all(fd, path, text, &status, err);
    }
    if (code == PS_OK) {
        code = take_lines(access, path, text, &plain, err);
    }
    if (code == PS_OK) {
        code = check_mode(path, &status, plain, err);
    }
    if (text != NULL) {
        explicit_bzero(text, FILE_LIMIT_BYTES);
    }
    free(text);
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

static enum ps_code take_allow(struct ps_access *access, const char *allow, struct ps_err *err)
{
    char *text = ps_strdup(allow);
    char *save = NULL;
    enum ps_code code = text != NULL ? PS_OK : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    for (char *item = text != NULL ? strtok_r(text, ",", &save) : NULL;
         item != NULL && code == PS_OK; item = strtok_r(NULL, ",", &save)) {
        code = scopes_add(&access->allow, item, err);
    }
    if (code != PS_OK) {
        (void)ps_err_wrap(err, code, "gateway.allow");
    }
    free(text);
    return code;
}

enum ps_code ps_access_new(struct ps_access **access_out, const struct ps_access_options *options,
                           struct ps_err *err)
{
    struct ps_access *access = calloc(1, sizeof(*access));
    enum ps_code code = PS_OK;

    if (access == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    if (options->tokens_file[0] != '\0') {
        code = read_tokens(access, options->tokens_file, err);
    }
    if (code == PS_OK) {
        code = take_allow(access, options->allow, err);
    }
    if (code != PS_OK) {
        ps_access_free(access);
        return code;
    }
    *access_out = access;
    return PS_OK;
}

/* --- a request --- */

/* The token of "Bearer TOKEN", or of "Basic" as its password; text holds size bytes. False = none. */
static bool token_of(const char *authorization, char *text, size_t text_size_bytes)
{
    size_t size_bytes = 0;
    const char *colon;

    if (authorization == NULL) {
        return false;
    }
    if (strncasecmp(authorization, "Bearer ", strlen("Bearer ")) == 0) {
        const char *token = authorization + strlen("Bearer ");

        token += strspn(token, " ");
        ps_str_copy(text, text_size_bytes, token);
        return strlen(token) < text_size_bytes;
    }
    if (strncasecmp(authorization, "Basic ", strlen("Basic ")) != 0 ||
        !ps_base64_decode(authorization + strlen("Basic "), text, text_size_bytes - 1,
                          &size_bytes)) {
        return false;
    }
    text[size_bytes] = '\0';
    colon = strchr(text, ':');
    if (colon == NULL) {
        return false;
    }
    memmove(text, colon + 1, strlen(colon + 1) + 1);
    return true;
}

/* In a time that depends on the number of tokens only: which one it is, or how much of one is right, cannot be timed. */
static const struct token *find_token(const struct ps_access *access, const char *text)
{
    const struct token *found = NULL;
    uint8_t hash[PS_SHA256_SIZE];

    ps_sha256(text, strlen(text), hash);
    for (size_t i = 0; i < access->token_count; i++) {
        const volatile uint8_t *have = access->tokens[i].hash;
        uint8_t differs = 0;

        for (size_t j = 0; j < sizeof(hash); j++) {
            differs = (uint8_t)(differs | (have[j] ^ hash[j]));
        }
        found = differs == 0 ? &access->tokens[i] : found;
    }
    return found;
}

void ps_access_check(const struct ps_access *access, const char *authorization, const char *store,
                     const char *key, struct ps_access_answer *answer_out)
{
    const struct token *token = NULL;
    char text[512];
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];

    memset(answer_out, 0, sizeof(*answer_out));
    if (token_of(authorization, text, sizeof(text))) {
        token = find_token(access, text);
    }
    explicit_bzero(text, sizeof(text));
    if (token != NULL) {
        answer_out->known = true;
        answer_out->scoped = token->scopes.count > 0;
        (void)snprintf(answer_out->subject, sizeof(answer_out->subject), "token:%.8s",
                       ps_hex_encode(token->hash, sizeof(token->hash), hex));
        if (store == NULL || token->scopes.count == 0 || scopes_have(&token->scopes, store, key)) {
            answer_out->level = token->level;
        }
    }
    if (answer_out->level == PS_ACCESS_NONE && store != NULL &&
        scopes_have(&access->allow, store, key)) {
        answer_out->level = PS_ACCESS_READ;
        if (token == NULL) {
            ps_str_copy(answer_out->subject, sizeof(answer_out->subject), "anyone");
        }
    }
}
