#include "base/settings_table.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOP(field) offsetof(struct ps_settings, field)
#define STORE(field) offsetof(struct ps_store_settings, field)

const struct ps_setting ps_settings_rows[] = {
    { "state_dir", PS_SETTING_TEXT, TOP(state_dir), "", "", 0,
      "of checkpoints; default /var/lib/purser" },
    { "policy_path", PS_SETTING_LIST, TOP(policy_path), "", "", ':',
      "besides /etc/purser/policies.d" },
    { "log.level", PS_SETTING_CHOICE, TOP(log_level), "warn", "error warn info debug", 0,
      "least weighty line that is written" },
    { "log.format", PS_SETTING_CHOICE, TOP(log_format), "text", "text json", 0, "of log lines" },
    { "transfer.memory_limit", PS_SETTING_SIZE, TOP(transfer_memory_limit_bytes), "256MiB", "", 0,
      "most memory for the parts of a stream" },
    { "transfer.concurrency", PS_SETTING_NUMBER, TOP(transfer_concurrency), "0", "", 0,
      "parts at once; 0 = the policy decides" },
    { "extract.entry_limit", PS_SETTING_NUMBER, TOP(extract_entry_limit), "2000000", "", 0,
      "an archive with more entries is refused" },
    { "extract.size_limit", PS_SETTING_SIZE, TOP(extract_size_limit_bytes), "1TiB", "", 0,
      "one that holds more bytes is refused" },
    { "extract.ratio_limit", PS_SETTING_NUMBER, TOP(extract_ratio_limit), "200", "", 0,
      "one that grows more times is refused" },
    { "reclaim.default_strategy", PS_SETTING_CHOICE, TOP(reclaim_default_strategy), "Never",
      "Never OnWorkflowCompletion OnWorkflowDeletion", 0, "of artifacts that name none" },
    { "reclaim.fuse.count", PS_SETTING_NUMBER, TOP(reclaim_fuse_count), "10000", "", 0,
      "a sweep that would delete more does nothing" },
    { "reclaim.fuse.percent", PS_SETTING_NUMBER, TOP(reclaim_fuse_percent), "50", "", 0,
      "the same in percent of all known artifacts" },
    { "reclaim.rate", PS_SETTING_NUMBER, TOP(reclaim_rate_per_s), "0", "", 0,
      "objects a second at most; 0 = no limit" },
    { "reclaim.interval", PS_SETTING_DURATION, TOP(reclaim_interval_ms), "60s", "", 0,
      "between two sweeps" },
    { "reclaim.take_markers", PS_SETTING_BOOL, TOP(reclaim_take_markers), "true", "", 0,
      "of delayed deletes, from all stores" },
    { "reclaim.orphan_uploads_after", PS_SETTING_DURATION, TOP(reclaim_orphan_uploads_after_ms),
      "7d", "", 0, "age at which own uploads are aborted" },
    { "gateway.listen", PS_SETTING_TEXT, TOP(gateway_listen), "127.0.0.1:8080", "", 0,
      "address of the gateway" },
    { "gateway.tokens_file", PS_SETTING_TEXT, TOP(gateway_tokens_file), "", "", 0,
      "lines: TOKEN [operate] [STORE/PREFIX ...]" },
    { "gateway.allow", PS_SETTING_LIST, TOP(gateway_allow), "", "", ',',
      "STORE/PREFIX that all may read" },
    { "gateway.link_key_file", PS_SETTING_TEXT, TOP(gateway_link_key_file), "", "", 0,
      "signs links; default: link.key in state_dir" },
    { "gateway.public_url", PS_SETTING_TEXT, TOP(gateway_public_url), "", "", 0,
      "of links; default: http://LISTEN" },
    { "gateway.tls_cert", PS_SETTING_TEXT, TOP(gateway_tls_cert), "", "", 0, "certificate file" },
    { "gateway.tls_key", PS_SETTING_TEXT, TOP(gateway_tls_key), "", "", 0, "key file" },
    { "gateway.memory_limit", PS_SETTING_SIZE, TOP(gateway_memory_limit_bytes), "256MiB", "", 0,
      "for all streams together" },
    { "gateway.header_limit", PS_SETTING_SIZE, TOP(gateway_header_limit_bytes), "16KiB", "", 0,
      "of a request's headers and target" },
    { "gateway.header_timeout", PS_SETTING_DURATION, TOP(gateway_header_timeout_ms), "30s", "", 0,
      "until a connection has sent its request" },
    { "gateway.stall_timeout", PS_SETTING_DURATION, TOP(gateway_stall_timeout_ms), "60s", "", 0,
      "of a reader that takes nothing" },
    { "gateway.outage_timeout", PS_SETTING_DURATION, TOP(gateway_outage_timeout_ms), "5m", "", 0,
      "a store that fails in mid-stream; then: cut" },
    { "gateway.connections", PS_SETTING_NUMBER, TOP(gateway_connections), "9000", "", 0,
      "at once; more wait" },
    { "gateway.connections_per_address", PS_SETTING_NUMBER, TOP(gateway_connections_per_address),
      "0", "", 0, "0 = no limit" },
    { "admin.socket", PS_SETTING_TEXT, TOP(admin_socket), "", "", 0,
      "default: admin.socket in the state directory" },
    { "metrics.listen", PS_SETTING_TEXT, TOP(metrics_listen), "", "", 0,
      "default: served by the gateway" },
    /* The kubelet's own grace period (30 s) ends by SIGKILL: well inside it. */
    { "plugin.grace", PS_SETTING_DURATION, TOP(plugin_grace_ms), "10s", "", 0,
      "how long SIGTERM lets calls go on" },
    { "plugin.stall_timeout", PS_SETTING_DURATION, TOP(plugin_stall_timeout_ms), "5m", "", 0,
      "a stream whose reader takes nothing is ended" },
    { "watch.kubeconfig", PS_SETTING_TEXT, TOP(watch_kubeconfig), "", "", 0,
      "default: the pod's service account" },
    { "watch.namespaces", PS_SETTING_LIST, TOP(watch_namespaces), "", "", ',', "default: all" },
    { "watch.argo_server", PS_SETTING_TEXT, TOP(watch_argo_server), "", "", 0,
      "where Argo's database has a workflow's nodes" },
};
const size_t ps_settings_row_count = sizeof(ps_settings_rows) / sizeof(ps_settings_rows[0]);

const struct ps_setting ps_settings_store_rows[] = {
    { "url", PS_SETTING_TEXT, STORE(url), "", "", 0, "s3://bucket/prefix, oss://..., file:///dir" },
    { "endpoint", PS_SETTING_TEXT, STORE(endpoint), "", "", 0,
      "default: AWS_ENDPOINT_URL_S3, OSS_ENDPOINT" },
    { "region", PS_SETTING_TEXT, STORE(region), "", "", 0,
      "default: AWS_REGION, OSS_REGION, the profile" },
    { "path_style", PS_SETTING_CHOICE, STORE(path_style), "auto", "auto true false", 0,
      "host/bucket/key" },
    { "profile", PS_SETTING_TEXT, STORE(profile), "", "", 0, "default: AWS_PROFILE" },
    { "checksum", PS_SETTING_CHOICE, STORE(checksum), "auto",
      "auto crc64nvme crc64ecma crc32c crc32 sha256 md5 none", 0, "that the store confirms" },
    { "network", PS_SETTING_CHOICE, STORE(network), "public",
      "public internal accelerate dual-stack", 0, "OSS: how a region is reached" },
    { "signature", PS_SETTING_CHOICE, STORE(signature), "v4", "v4 v1", 0, "OSS: version" },
    { "kind", PS_SETTING_CHOICE, STORE(kind), "auto", "auto aws oss-s3 minio versitygw ceph r2", 0,
      "S3: whose quirks to expect" },
    { "encryption", PS_SETTING_CHOICE, STORE(encryption), "none",
      "none AES256 aws:kms aws:kms:dsse SM4 customer", 0, "at the store, of new objects" },
    { "encryption_key", PS_SETTING_TEXT, STORE(encryption_key), "", "", 0, "name of a KMS key" },
    { "encryption_key_file", PS_SETTING_TEXT, STORE(encryption_key_file), "", "", 0,
      "customer's key: 32 bytes or base64" },
    { "requester_pays", PS_SETTING_BOOL, STORE(requester_pays), "false", "", 0,
      "agree to pay for requests" },
    { "sign_payload", PS_SETTING_BOOL, STORE(sign_payload), "false", "", 0,
      "sign a SHA-256 of each body" },
    { "ca_bundle", PS_SETTING_TEXT, STORE(ca_bundle), "", "", 0, "default: AWS_CA_BUNDLE" },
    { "connect_timeout", PS_SETTING_DURATION, STORE(connect_timeout_ms), "5s", "", 0,
      "to the store" },
    { "stall_timeout", PS_SETTING_DURATION, STORE(stall_timeout_ms), "30s", "", 0,
      "without a byte either way" },
};
const size_t ps_settings_store_row_count =
    sizeof(ps_settings_store_rows) / sizeof(ps_settings_store_rows[0]);

static enum ps_code assign_text(char **field, const char *value, struct ps_err *err)
{
    char *copy = ps_strdup(value);

    if (copy == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    free(*field);
    *field = copy;
    return PS_OK;
}

static enum ps_code assign_choice(char **field, const struct ps_setting *row, const char *value,
                                  struct ps_err *err)
{
    size_t length = strlen(value);

    for (const char *at = row->choices; *at != '\0';) {
        size_t word = strcspn(at, " ");

        if (word == length && strncmp(at, value, word) == 0) {
            return assign_text(field, value, err);
        }
        at += word + (at[word] == ' ' ? 1 : 0);
    }
    return ps_err_set(err, PS_E_INVALID, "'%s' is none of: %s", value, row->choices);
}

static enum ps_code assign_bool(bool *field, const char *value, struct ps_err *err)
{
    bool on = strcasecmp(value, "true") == 0;

    if (!on && strcasecmp(value, "false") != 0) {
        return ps_err_set(err, PS_E_INVALID, "'%s' is neither true nor false", value);
    }
    *field = on;
    return PS_OK;
}

static enum ps_code assign_number(uint32_t *field, const char *value, struct ps_err *err)
{
    uint64_t number = 0;

    if (!ps_u64_parse(value, &number) || number > UINT32_MAX) {
        return ps_err_set(err, PS_E_INVALID, "'%s' is no number from 0 to %" PRIu32, value,
                          UINT32_MAX);
    }
    *field = (uint32_t)number;
    return PS_OK;
}

enum ps_code ps_setting_assign(void *base, const struct ps_setting *row, const char *value,
                               struct ps_err *err)
{
    void *field = (char *)base + row->offset;

    switch (row->type) {
    case PS_SETTING_TEXT:
    case PS_SETTING_LIST:
        return assign_text(field, value, err);
    case PS_SETTING_CHOICE:
        return assign_choice(field, row, value, err);
    case PS_SETTING_BOOL:
        return assign_bool(field, value, err);
    case PS_SETTING_NUMBER:
        return assign_number(field, value, err);
    case PS_SETTING_SIZE:
        if (!ps_size_parse(value, field)) {
            return ps_err_set(err, PS_E_INVALID, "'%s' is no size: write e.g. 64MiB", value);
        }
        return PS_OK;
    case PS_SETTING_DURATION:
        if (!ps_duration_parse(value, field)) {
            return ps_err_set(err, PS_E_INVALID, "'%s' is no duration: write e.g. 90s, 12h or 7d",
                              value);
        }
        return PS_OK;
    }
    return ps_err_set(err, PS_E_BUG, "unknown type of setting");
}

const struct ps_setting *ps_setting_find(const struct ps_setting *rows, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool ps_settings_is_section(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < ps_settings_row_count; i++) {
        if (strncmp(ps_settings_rows[i].name, name, length) == 0 &&
            ps_settings_rows[i].name[length] == '.') {
            return true;
        }
    }
    return false;
}
