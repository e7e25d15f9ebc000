/**
 * plugin_config - the stores that artifacts' configurations name, and keys below their prefixes.
 *
 * Flow:    plugin_task.c -> [plugin_config] -> base/artifact_config.h, store/store_open.h
 * Thread:  the loop thread
 * Source:  base/artifact_config.h
 *
 * A configuration is read once and kept by its text, with its store, so that connections and credentials serve many
 * calls.
 */
#ifndef PS_SERVE_PLUGIN_CONFIG_H
#define PS_SERVE_PLUGIN_CONFIG_H

#include "base/artifact_config.h"
#include "base/err.h"
#include "decide/decision.h"
#include "store/store_open.h"

#include <stdint.h>

/**
 * Configurations kept when nobody uses them. A cluster has a handful. Lower: stores are opened again and again. Higher:
 * a client that makes them up has us hold more.
 */
#define PS_PLUGIN_CONFIGS_KEPT 16

/** Policies that a configuration brings: those of its directories on top of the process's own. */
struct ps_plugin_policies {
    void *set; /* NULL = none: the process's own are asked */
    const struct ps_decider *decider;
    const char *digest;
    ps_retry_ask_fn ask_retry;
    void *ask_retry_user;
};

/** How they are loaded; this layer knows no Lua. load NULL: a configuration with policies is refused. */
struct ps_plugin_policy_loader {
    enum ps_code (*load)(void *user, const char *directories, struct ps_plugin_policies *out,
                         struct ps_err *err);
    void (*unload)(void *user, struct ps_plugin_policies *policies);
    void *user;
};

struct ps_plugin_config {
    struct ps_plugin_config *next;
    char *text;
    unsigned use_count;
    struct ps_artifact_config says;
    struct ps_store_factory factory;
    const struct ps_store_factory *process; /* the factory of all */
    const struct ps_plugin_policy_loader *loader;
    struct ps_plugin_policies policies;
    struct ps_open_store open; /* open.key: the prefix, "" or ending in '/' */
};

/** Zeroed = empty. */
struct ps_plugin_configs {
    const struct ps_store_factory *factory; /* borrowed */
    struct ps_plugin_policy_loader loader;
    struct ps_plugin_config *first; /* the last used first */
};

/**
 * The configuration of text; given back by ps_plugin_config_release.
 *
 * Errors:  PS_E_INVALID "configuration:LINE: key `x`: ..."; those of ps_store_open.
 */
PS_MUST_USE enum ps_code ps_plugin_config_get(struct ps_plugin_configs *configs, const char *text,
                                              struct ps_plugin_config **config_out,
                                              struct ps_err *err);

/** NULL is allowed. */
void ps_plugin_config_release(struct ps_plugin_configs *configs, struct ps_plugin_config *config);

/** None may be in use. */
void ps_plugin_configs_clear(struct ps_plugin_configs *configs);

/**
 * The key in the store, and the URL, of what key and sub_path ("" = none) name below the prefix; both on the heap.
 *
 * Errors:  PS_E_INVALID when it would leave the prefix ("..", a leading '/'), names nothing, or is longer than 1,024
 *          bytes; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_plugin_config_key(const struct ps_plugin_config *config,
                                              const char *key, const char *sub_path,
                                              char **store_key_out, char **url_out,
                                              struct ps_err *err);

#endif
