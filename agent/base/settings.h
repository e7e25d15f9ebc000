/**
 * settings - the static settings: one table of names, types, defaults and help; YAML, environment and flags fill it.
 *
 * Flow:    /etc/purser/purser.yaml < $PURSER_CONFIG < PURSER_* variables < flags -> [settings] -> main.c
 * Thread:  one at a time; read-only after start
 * Source:  YAML 1.1 by libyaml; strict: what is not in the table is an error with file and line
 */
#ifndef PS_BASE_SETTINGS_H
#define PS_BASE_SETTINGS_H

#include "base/environment.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Text is on the heap and owned by the settings; "" = not set. */
struct ps_store_settings {
    char *name;
    char *url; /* "s3://bucket/prefix", "oss://bucket", "file:///dir" */
    char *endpoint;
    char *region;
    char *path_style; /* "auto" "true" "false" */
    char *profile;
    char *checksum;  /* "auto" "crc64nvme" "crc64ecma" "crc32c" "crc32" "sha256" "md5" "none" */
    char *network;   /* of OSS: "public" "internal" "accelerate" "dual-stack" */
    char *signature; /* of OSS: "v4" "v1" */
    bool sign_payload;
    char *kind;                /* of S3: store/s3_kind.h */
    char *encryption;          /* "" "AES256" "aws:kms" "aws:kms:dsse" "customer" */
    char *encryption_key;      /* of KMS */
    char *encryption_key_file; /* of the customer */
    bool requester_pays;
    char *ca_bundle;
    uint64_t connect_timeout_ms;
    uint64_t stall_timeout_ms;
};

/** Most named stores. A settings file with more is a mistake. */
#define PS_SETTINGS_STORES_MAX 64

struct ps_settings {
    char *state_dir;   /* "" = the default place: ps_settings_state_dir */
    char *policy_path; /* colon-separated, on top of the two fixed directories */
    char *log_level;
    char *log_format;
    uint64_t transfer_memory_limit_bytes;
    uint32_t transfer_concurrency; /* 0 = the policy's */
    uint32_t extract_entry_limit;
    uint64_t extract_size_limit_bytes;
    uint32_t extract_ratio_limit;
    char *reclaim_default_strategy;
    uint32_t reclaim_fuse_count;
    uint32_t reclaim_fuse_percent;
    uint32_t reclaim_rate_per_s;
    uint64_t reclaim_interval_ms;
    bool reclaim_take_markers;
    uint64_t reclaim_orphan_uploads_after_ms;
    char *gateway_listen;
    char *gateway_tokens_file;
    char *gateway_allow; /* comma-separated STORE/PREFIX */
    char *gateway_link_key_file;
    char *gateway_public_url;
    char *gateway_tls_cert;
    char *gateway_tls_key;
    uint64_t gateway_memory_limit_bytes;
    uint64_t gateway_header_limit_bytes;
    uint64_t gateway_header_timeout_ms;
    uint64_t gateway_stall_timeout_ms;
    uint64_t gateway_outage_timeout_ms;
    uint32_t gateway_connections;
    uint32_t gateway_connections_per_address; /* 0 = no limit */
    char *admin_socket;
    char *metrics_listen;
    uint64_t plugin_grace_ms;
    uint64_t plugin_stall_timeout_ms;
    char *watch_kubeconfig;
    char *watch_namespaces; /* comma-separated */
    char *watch_argo_server;
    struct ps_store_settings stores[PS_SETTINGS_STORES_MAX];
    size_t store_count;
};

/** All defaults. Errors: PS_E_NO_MEMORY. */
PS_MUST_USE enum ps_code ps_settings_init(struct ps_settings *settings, struct ps_err *err);

/** Free the contents. Safe twice. */
void ps_settings_clear(struct ps_settings *settings);

/**
 * Read a YAML file on top of what is set.
 *
 * Errors:  PS_E_INVALID "FILE:LINE: key `x`: ..." for an unknown or doubled key, a wrong type or value, bad YAML;
 *          PS_E_NOT_FOUND, PS_E_DENIED for the file.
 */
PS_MUST_USE enum ps_code ps_settings_read_file(struct ps_settings *settings, const char *path,
                                               struct ps_err *err);

/** The same for text; path is for messages. */
PS_MUST_USE enum ps_code ps_settings_read_text(struct ps_settings *settings, const char *text,
                                               size_t size_bytes, const char *path,
                                               struct ps_err *err);

struct ps_setting;

/** More keys than a store has: rows of settings_table.h, whose fields are in base. */
struct ps_settings_extra {
    const struct ps_setting *rows;
    size_t count;
    void *base;
};

/**
 * Read a YAML text that is the map of one store, and add that store under name. Keys that no store has are looked for
 * in extra; those of a map within are named "map.key" there.
 *
 * Errors:  as ps_settings_read_file.
 */
PS_MUST_USE enum ps_code ps_settings_read_store(struct ps_settings *settings, const char *name,
                                                const char *text, const char *path,
                                                const struct ps_settings_extra *extra,
                                                struct ps_err *err);

/**
 * Everything but the flags: /etc/purser/purser.yaml when it is there, the file config_path (else that of PURSER_CONFIG)
 * which must be there, then PURSER_<NAME> variables ("transfer.memory_limit" is PURSER_TRANSFER_MEMORY_LIMIT).
 */
PS_MUST_USE enum ps_code ps_settings_load(struct ps_settings *settings, const char *config_path,
                                          ps_getenv_fn getenv_fn, void *getenv_user,
                                          struct ps_err *err);

/** Set one by its dotted name. origin ("flag --memory-limit") begins an error's message. */
PS_MUST_USE enum ps_code ps_settings_set(struct ps_settings *settings, const char *name,
                                         const char *value, const char *origin, struct ps_err *err);

/** Print all settings with defaults and help, 80 columns. */
void ps_settings_describe(FILE *file);

/** The named store's settings; NULL = none. Borrowed. */
const struct ps_store_settings *ps_settings_store(const struct ps_settings *settings,
                                                  const char *name);

/** The store whose url is the longest that url lies at or below; NULL = none. Borrowed. */
const struct ps_store_settings *ps_settings_store_of_url(const struct ps_settings *settings,
                                                         const char *url);

/**
 * The state directory as a heap string (the caller frees it): state_dir if set, else /var/lib/purser when it is or can
 * be made writable, else $XDG_STATE_HOME/purser, else $HOME/.local/state/purser.
 *
 * Errors:  PS_E_INVALID when none can be named; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_settings_state_dir(const struct ps_settings *settings,
                                               ps_getenv_fn getenv_fn, void *getenv_user,
                                               char **dir_out, struct ps_err *err);

#endif
