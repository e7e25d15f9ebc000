#include "kube/kube_config.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/** A kubeconfig with many contexts and certificates in it; a token has 1 to 4 KiB. */
#define FILE_LIMIT_BYTES ((size_t)1024 * 1024)

static enum ps_code no_memory(struct ps_err *err)
{
    return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
}

static enum ps_code read_text(const char *path, char **text_out, size_t *size_bytes_out,
                              struct ps_err *err)
{
    FILE *file = fopen(path, "re");
    struct ps_buf text;
    char block[4096];
    size_t got;
    enum ps_code code = PS_OK;

    if (file == NULL) {
        return ps_err_set_errno(err, errno, "%s", path);
    }
    ps_buf_init(&text, FILE_LIMIT_BYTES);
    for (got = fread(block, 1, sizeof(block), file); got > 0 && code == PS_OK;
         got = fread(block, 1, sizeof(block), file)) {
        code = ps_buf_append(&text, block, got, err);
    }
    if (code == PS_OK && ferror(file) != 0) {
        code = ps_err_set_errno(err, errno, "%s", path);
    }
    (void)fclose(file); /* only read */
    if (code == PS_OK) {
        *size_bytes_out = text.size_bytes;
        *text_out = text.size_bytes > 0 ? ps_buf_steal(&text) : ps_strdup("");
        code = *text_out != NULL ? PS_OK : no_memory(err);
    }
    ps_buf_clear(&text);
    return code;
}

static void trim_end(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
}

/* --- the pod's service account --- */

static enum ps_code load_account(struct ps_kube_config *config, ps_getenv_fn getenv_fn,
                                 void *getenv_user, struct ps_err *err)
{
    const char *host = getenv_fn(getenv_user, "KUBERNETES_SERVICE_HOST");
    const char *port = getenv_fn(getenv_user, "KUBERNETES_SERVICE_PORT");
    size_t size_bytes = 0;
    enum ps_code code;

    if (host == NULL || host[0] == '\0') {
        return ps_err_set(err, PS_E_NOT_FOUND,
                          "not in a pod (KUBERNETES_SERVICE_HOST is not set): name a kubeconfig by "
                          "watch.kubeconfig");
    }
    /* An IPv6 address stands in brackets in a URL. */
    config->server = ps_str_format(strchr(host, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s",
                                   host, port != NULL && port[0] != '\0' ? port : "443");
    config->token_file = ps_strdup(ACCOUNT_DIR "/token");
    config->ca_file = ps_strdup(ACCOUNT_DIR "/ca.crt");
    code = read_text(ACCOUNT_DIR "/namespace", &config->ns, &size_bytes, err);
    if (code == PS_OK) {
        trim_end(config->ns);
    }
    if (code == PS_OK &&
        (config->server == NULL || config->token_file == NULL || config->ca_file == NULL)) {
        code = no_memory(err);
    }
    return code;
}

/* --- a kubeconfig --- */

struct reader {
    yaml_document_t document;
    const char *path;
    struct ps_err *err;
};

static const yaml_node_t *child(struct reader *reader, const yaml_node_t *map, const char *name)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);

        if (key->type == YAML_SCALAR_NODE &&
            strcmp((const char *)key->data.scalar.value, name) == 0) {
            return yaml_document_get_node(&reader->document, pair->value);
        }
    }
    return NULL;
}

/* NULL when it is not there, or not a text. */
static const char *text_of(struct reader *reader, const yaml_node_t *map, const char *name)
{
    const yaml_node_t *node = child(reader, map, name);

    return node != NULL && node->type == YAML_SCALAR_NODE &&
                   ((const char *)node->data.scalar.value)[0] != '\0'
               ? (const char *)node->data.scalar.value
               : NULL;
}

/* "clusters: [{name: X, cluster: {...}}]": the inner map of the entry with that name. */
static const yaml_node_t *entry(struct reader *reader, const char *list_name, const char *name,
                                const char *inner)
{
    const yaml_node_t *list =
        child(reader, yaml_document_get_root_node(&reader->document), list_name);

    if (list == NULL || list->type != YAML_SEQUENCE_NODE || name == NULL) {
        return NULL;
    }
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *node = yaml_document_get_node(&reader->document, *item);
        const char *its_name = text_of(reader, node, "name");

        if (its_name != NULL && strcmp(its_name, name) == 0) {
            return child(reader, node, inner);
        }
    }
    return NULL;
}

/* A path in a kubeconfig counts from its folder. */
static char *beside(const char *config_path, const char *path)
{
    const char *slash = strrchr(config_path, '/');

    return path[0] == '/' || slash == NULL
               ? ps_strdup(path)
               : ps_str_format("%.*s/%s", (int)(slash - config_path), config_path, path);
}

static enum ps_code decode(struct reader *reader, const char *name, const char *base64,
                           char **text_out)
{
    size_t room = strlen(base64);
    size_t size_bytes = 0;
    char *text = malloc(room + 1);

    if (text == NULL) {
        return no_memory(reader->err);
    }
    if (!ps_base64_decode(base64, text, room, &size_bytes)) {
        free(text);
        return ps_err_set(reader->err, PS_E_INVALID, "%s: %s is no base64", reader->path, name);
    }
    text[size_bytes] = '\0';
    *text_out = text;
    return PS_OK;
}

/* NAME-data, or the file NAME. Neither: *text_out stays NULL. */
static enum ps_code take_pem(struct reader *reader, const yaml_node_t *map, const char *name,
                             char **text_out)
{
    char data_name[64];
    const char *file = text_of(reader, map, name);
    const char *data;
    size_t size_bytes = 0;
    char *path;
    enum ps_code code;

    (void)snprintf(data_name, sizeof(data_name), "%s-data", name);
    data = text_of(reader, map, data_name);
    if (data != NULL) {
        return decode(reader, data_name, data, text_out);
    }
    if (file == NULL) {
        return PS_OK;
    }
    path = beside(reader->path, file);
    code =
        path != NULL ? read_text(path, text_out, &size_bytes, reader->err) : no_memory(reader->err);
    free(path);
    return code;
}

static enum ps_code take_user(struct reader *reader, const yaml_node_t *user,
                              struct ps_kube_config *config)
{
    const char *token = text_of(reader, user, "token");
    const char *token_file = text_of(reader, user, "tokenFile");
    enum ps_code code = PS_OK;

    if (child(reader, user, "exec") != NULL || child(reader, user, "auth-provider") != NULL) {
        return ps_err_set(reader->err, PS_E_INVALID,
                          "%s: credentials by a program: put a token or a certificate there",
                          reader->path);
    }
    if (token_file != NULL) {
        config->token_file = beside(reader->path, token_file);
        code = config->token_file != NULL ? PS_OK : no_memory(reader->err);
    } else if (token != NULL) {
        config->token = ps_strdup(token);
        code = config->token != NULL ? PS_OK : no_memory(reader->err);
    }
    if (code == PS_OK) {
        code = take_pem(reader, user, "client-certificate", &config->client_cert_pem);
    }
    return code == PS_OK ? take_pem(reader, user, "client-key", &config->client_key_pem) : code;
}

static enum ps_code take_cluster(struct reader *reader, const yaml_node_t *cluster,
                                 struct ps_kube_config *config)
{
    const char *server = text_of(reader, cluster, "server");
    const char *insecure = text_of(reader, cluster, "insecure-skip-tls-verify");
    size_t length = server != NULL ? strlen(server) : 0;

    if (length == 0) {
        return ps_err_set(reader->err, PS_E_INVALID, "%s: the current context has no server",
                          reader->path);
    }
    if (insecure != NULL && strcmp(insecure, "true") == 0) {
        return ps_err_set(reader->err, PS_E_INVALID,
                          "%s: insecure-skip-tls-verify: name the certificate authority instead",
                          reader->path);
    }
    while (length > 0 && server[length - 1] == '/') {
        length--;
    }
    config->server = ps_strndup(server, length);
    return config->server != NULL
               ? take_pem(reader, cluster, "certificate-authority", &config->ca_pem)
               : no_memory(reader->err);
}

static enum ps_code take_all(struct reader *reader, struct ps_kube_config *config)
{
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    const char *current = text_of(reader, root, "current-context");
    const yaml_node_t *context = entry(reader, "contexts", current, "context");
    const char *ns = text_of(reader, context, "namespace");
    enum ps_code code;

    if (context == NULL) {
        return ps_err_set(reader->err, PS_E_INVALID, "%s: no current-context, or it is not there",
                          reader->path);
    }
    code = take_cluster(
        reader, entry(reader, "clusters", text_of(reader, context, "cluster"), "cluster"), config);
    if (code == PS_OK) {
        code = take_user(reader, entry(reader, "users", text_of(reader, context, "user"), "user"),
                         config);
    }
    if (code == PS_OK) {
        config->ns = ps_strdup(ns != NULL ? ns : "default");
        code = config->ns != NULL ? PS_OK : no_memory(reader->err);
    }
    return code;
}

enum ps_code ps_kube_config_parse(struct ps_kube_config *config_out, const char *text,
                                  size_t size_bytes, const char *path, struct ps_err *err)
{
    struct reader reader = { .path = path, .err = err };
    struct ps_kube_config config = { 0 };
    yaml_parser_t parser;
    enum ps_code code;

    if (yaml_parser_initialize(&parser) == 0) {
        return no_memory(err);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size_bytes);
    if (yaml_parser_load(&parser, &reader.document) == 0) {
        code = ps_err_set(err, PS_E_INVALID, "%s:%zu: %s", path, parser.problem_mark.line + 1,
                          parser.problem != NULL ? parser.problem : "no YAML");
    } else {
        code = take_all(&reader, &config);
        yaml_document_delete(&reader.document);
    }
    yaml_parser_delete(&parser);
    if (code != PS_OK) {
        ps_kube_config_clear(&config);
        return code;
    }
    *config_out = config;
    return PS_OK;
}

enum ps_code ps_kube_config_load(struct ps_kube_config *config_out, const char *kubeconfig,
                                 ps_getenv_fn getenv_fn, void *getenv_user, struct ps_err *err)
{
    struct ps_kube_config config = { 0 };
    char *text = NULL;
    size_t size_bytes = 0;
    enum ps_code code;

    if (kubeconfig[0] == '\0') {
        code = load_account(&config, getenv_fn, getenv_user, err);
    } else {
        code = read_text(kubeconfig, &text, &size_bytes, err);
        if (code == PS_OK) {
            code = ps_kube_config_parse(&config, text, size_bytes, kubeconfig, err);
        }
    }
    free(text);
    if (code != PS_OK) {
        ps_kube_config_clear(&config);
        return code;
    }
    *config_out = config;
    return PS_OK;
}

enum ps_code ps_kube_config_token(const struct ps_kube_config *config, char **token_out,
                                  struct ps_err *err)
{
    size_t size_bytes = 0;
    enum ps_code code = PS_OK;

    *token_out = NULL;
    if (config->token_file != NULL) {
        code = read_text(config->token_file, token_out, &size_bytes, err);
        if (code == PS_OK) {
            trim_end(*token_out);
        }
    } else if (config->token != NULL) {
        *token_out = ps_strdup(config->token);
        code = *token_out != NULL ? PS_OK : no_memory(err);
    }
    return code;
}

void ps_kube_config_clear(struct ps_kube_config *config)
{
    char **const texts[] = { &config->server,         &config->ns,      &config->token,
                             &config->token_file,     &config->ca_file, &config->ca_pem,
                             &config->client_cert_pem };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    if (config->client_key_pem != NULL) {
        explicit_bzero(config->client_key_pem, strlen(config->client_key_pem));
        free(config->client_key_pem);
        config->client_key_pem = NULL;
    }
}
