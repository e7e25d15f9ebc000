#include "creds/creds_answer.h"

#include "base/str.h"
#include "base/xml_read.h"
#include "http/http_date.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

const struct ps_creds_json ps_creds_json_aws_metadata = {
    .id = "AccessKeyId",
    .secret = "SecretAccessKey",
    .token = "Token",
};

const struct ps_creds_json ps_creds_json_aws_process = {
    .id = "AccessKeyId",
    .secret = "SecretAccessKey",
    .token = "SessionToken",
    .needs_version_1 = true,
};

const struct ps_creds_json ps_creds_json_aliyun = {
    .id = "AccessKeyId",
    .secret = "AccessKeySecret",
    .token = "SecurityToken",
};

const struct ps_creds_json ps_creds_json_aliyun_sts = {
    .within = "Credentials",
    .id = "AccessKeyId",
    .secret = "AccessKeySecret",
    .token = "SecurityToken",
    .needs_token = true,
};

const struct ps_creds_json ps_creds_json_aliyun_process = {
    .id = "access_key_id",
    .secret = "access_key_secret",
    .token = "sts_token",
};

/* --- values --- */

/* A line break in a key would split a header. */
static bool is_plain(const char *value)
{
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < 0x21 || *value == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum ps_code copy_value(const char *name, const char *value, char **copy_out,
                               struct ps_err *err)
{
    if (!is_plain(value)) {
        return ps_err_set(err, PS_E_PARSE, "the answer's %s has odd characters", name);
    }
    *copy_out = ps_strdup(value);
    return *copy_out != NULL ? PS_OK
                             : ps_err_set(err, PS_E_NO_MEMORY, "credentials: out of memory");
}

static enum ps_code set_end(const char *text, struct ps_creds *creds, struct ps_err *err)
{
    if (!ps_http_date_parse_iso(text, &creds->expires_unix_ms) || creds->expires_unix_ms <= 0) {
        return ps_err_set(err, PS_E_PARSE, "the answer's Expiration makes no sense");
    }
    return PS_OK;
}

static void tidy(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = ' ';
        }
    }
}

/* --- JSON --- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "";
}

static enum ps_code check_code(const json_t *root, struct ps_err *err)
{
    const char *code = text_of(root, "Code");

    if (code[0] != '\0' && strcmp(code, "Success") != 0) {
        (void)ps_err_set(err, PS_E_DENIED, "the service says %.60s: %.120s", code,
                         text_of(root, "Message"));
        if (err != NULL) {
            tidy(err->message);
        }
        return PS_E_DENIED;
    }
    return PS_OK;
}

static enum ps_code read_values(const json_t *object, const struct ps_creds_json *names,
                                struct ps_creds *creds, struct ps_err *err)
{
    const char *id = text_of(object, names->id);
    const char *secret = text_of(object, names->secret);
    const char *token = text_of(object, names->token);
    const char *end = text_of(object, "Expiration");
    enum ps_code code = PS_OK;

    if (id[0] == '\0' || secret[0] == '\0' || (names->needs_token && token[0] == '\0')) {
        const char *missing = id[0] == '\0'       ? names->id
                              : secret[0] == '\0' ? names->secret
                                                  : names->token;

        return ps_err_set(err, PS_E_PARSE, "the answer has no %s", missing);
    }
    code = copy_value(names->id, id, &creds->access_key_id, err);
    if (code == PS_OK) {
        code = copy_value(names->secret, secret, &creds->secret_access_key, err);
    }
    if (code == PS_OK && token[0] != '\0') {
        code = copy_value(names->token, token, &creds->session_token, err);
    }
    return code == PS_OK && end[0] != '\0' ? set_end(end, creds, err) : code;
}

static enum ps_code read_root(const json_t *root, const struct ps_creds_json *names,
                              struct ps_creds *creds, struct ps_err *err)
{
    const json_t *object = names->within != NULL ? json_object_get(root, names->within) : root;
    enum ps_code code = check_code(root, err);

    if (code != PS_OK) {
        return code;
    }
    if (names->needs_version_1 && json_integer_value(json_object_get(root, "Version")) != 1) {
        return ps_err_set(err, PS_E_PARSE, "the answer is not of \"Version\": 1");
    }
    if (!json_is_object(object)) {
        return ps_err_set(err, PS_E_PARSE, "the answer has no %s",
                          names->within != NULL ? names->within : "values");
    }
    return read_values(object, names, creds, err);
}

enum ps_code ps_creds_answer_json(const char *body, size_t size_bytes,
                                  const struct ps_creds_json *names, struct ps_creds *creds_out,
                                  struct ps_err *err)
{
    struct ps_creds creds = { 0 };
    json_t *root = json_loadb(body, size_bytes, 0, NULL);
    enum ps_code code;

    if (root == NULL) {
        return ps_err_set(err, PS_E_PARSE, "the answer is not JSON");
    }
    code = read_root(root, names, &creds, err);
    json_decref(root);
    if (code != PS_OK) {
        ps_creds_clear(&creds);
        return code;
    }
    *creds_out = creds;
    return PS_OK;
}

/* --- XML --- */

struct xml {
    struct ps_creds creds;
    bool has_end;
    char code[64];
    char message[160];
};

/* The name after "/XResponse/XResult/Credentials/", or NULL. */
static const char *name_in_credentials(const char *path)
{
    const char *at = strstr(path, "Result/Credentials/");

    return at != NULL ? at + strlen("Result/Credentials/") : NULL;
}

static enum ps_code on_end(void *user, const char *path, const char *text, struct ps_err *err)
{
    struct xml *xml = user;
    const char *name = name_in_credentials(path);
    char **field = NULL;

    if (ps_str_has_suffix(path, "/Error/Code")) {
        ps_str_copy(xml->code, sizeof(xml->code), text);
    } else if (ps_str_has_suffix(path, "/Error/Message")) {
        ps_str_copy(xml->message, sizeof(xml->message), text);
    }
    if (name == NULL || text[0] == '\0') {
        return PS_OK;
    }
    if (strcmp(name, "Expiration") == 0) {
        xml->has_end = true;
        return set_end(text, &xml->creds, err);
    }
    field = strcmp(name, "AccessKeyId") == 0       ? &xml->creds.access_key_id
            : strcmp(name, "SecretAccessKey") == 0 ? &xml->creds.secret_access_key
            : strcmp(name, "SessionToken") == 0    ? &xml->creds.session_token
                                                   : NULL;
    if (field == NULL || *field != NULL) {
        return PS_OK;
    }
    return copy_value(name, text, field, err);
}

static const struct ps_xml_handler xml_handler = { .end = on_end };

enum ps_code ps_creds_answer_xml(const char *body, size_t size_bytes, struct ps_creds *creds_out,
                                 struct ps_err *err)
{
    struct xml xml = { .has_end = false };
    enum ps_code code = ps_xml_read(body, size_bytes, &xml_handler, &xml, err);

    if (code == PS_OK && (xml.creds.access_key_id == NULL || xml.creds.secret_access_key == NULL ||
                          xml.creds.session_token == NULL || !xml.has_end)) {
        code = ps_err_set(err, PS_E_PARSE, "the answer holds no credentials");
    }
    if (code != PS_OK) {
        ps_creds_clear(&xml.creds);
        return code;
    }
    *creds_out = xml.creds;
    return PS_OK;
}

/* --- refusals --- */

void ps_creds_answer_refusal(int http_status, const char *body, size_t size_bytes, char *text,
                             size_t text_size_bytes)
{
    struct xml xml = { .has_end = false };
    json_t *root = json_loadb(body, size_bytes, 0, NULL);

    if (root != NULL) {
        const char *code = text_of(root, "Code");
        const char *message = text_of(root, "Message");

        code = code[0] != '\0' ? code : text_of(root, "code");
        message = message[0] != '\0' ? message : text_of(root, "message");
        ps_str_copy(xml.code, sizeof(xml.code), code);
        ps_str_copy(xml.message, sizeof(xml.message), message);
    } else {
        struct ps_err ignored; /* what was read before a cut counts */

        if (ps_xml_read(body, size_bytes, &xml_handler, &xml, &ignored) != PS_OK) {
            xml.has_end = false;
        }
        ps_creds_clear(&xml.creds);
    }
    json_decref(root);
    if (xml.code[0] == '\0' && xml.message[0] == '\0') {
        (void)snprintf(text, text_size_bytes, "HTTP status %d", http_status);
        return;
    }
    (void)snprintf(text, text_size_bytes, "%s%s%s", xml.code,
                   xml.code[0] != '\0' && xml.message[0] != '\0' ? ": " : "", xml.message);
    tidy(text);
}
