/**
 * store_open - the store that a URL names, by the settings, and the key in it.
 *
 * Flow:    cli/app.h -> [store_open] -> file_store.h, s3_store.h, oss_store.h
 * Thread:  the loop thread
 * Source:  AWS SDK: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_CA_BUNDLE; ossutil: OSS_ENDPOINT, OSS_REGION
 */
#ifndef PS_STORE_STORE_OPEN_H
#define PS_STORE_STORE_OPEN_H

#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/settings.h"
#include "creds/creds.h"
#include "http/retry.h"
#include "store/store.h"
#include "store/store_url.h"

/** From flags; what is set here beats the settings. NULL = not given. */
struct ps_store_overrides {
    const char *endpoint;
    const char *region;
    const char *path_style;
    const char *profile;
    const char *checksum;
    const char *ca_bundle;
    const char *network;
    const char *signature;
    const char *kind;
    const char *encryption;
    const char *encryption_key;
    const char *encryption_key_file;
    bool requester_pays;
    bool sign_payload;
    const char *connect_timeout; /* "5s" */
    const char *stall_timeout;
};

/** What stores are made with; all borrowed for their life. */
struct ps_store_factory {
    uv_loop_t *loop;
    struct ps_http_client *http;
    const struct ps_settings *settings;
    struct ps_store_overrides overrides;
    const struct ps_clock *clock;
    const struct ps_log *log;
    ps_getenv_fn getenv;
    void *getenv_user;
    ps_retry_ask_fn ask_retry; /* NULL = the built-in number of attempts */
    void *ask_retry_user;
};

/** A store with what it needs for itself. */
struct ps_open_store {
    struct ps_store *store;
    struct ps_creds_chain *creds; /* NULL for file:// */
    struct ps_retrier *retrier;   /* NULL for file:// */
    char *key;                    /* of the URL in the store; "" = the root */
    char *bucket;                 /* "" for file:// */
    char name[64];                /* in the settings, else the scheme */
    char endpoint[256];           /* for people; "" for file:// */
};

/**
 * Open the store of url. For file:// the root is the directory of the last component (of the URL itself when it ends in
 * a '/'), so that file:///dir/key is key "key" in /dir.
 *
 * Errors:  PS_E_INVALID (URL, setting), PS_E_NO_MEMORY. *open_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_store_open(const struct ps_store_factory *factory, const char *url,
                                       struct ps_open_store *open_out, struct ps_err *err);

/** Whether the store of to can copy from that of from by itself: the same settings, endpoint and credentials. */
bool ps_store_can_copy_from(const struct ps_open_store *to, const struct ps_open_store *from);

/** What from_bucket of struct ps_copy_request is for this store, as heap text. NULL when memory is out. */
char *ps_store_copy_bucket(const struct ps_open_store *from);

/** The local file of open's key as heap text; NULL when the store is not local, or memory is out. */
char *ps_store_local_path(const struct ps_open_store *open);

/** Free all of it; operations must have ended. Safe on a zeroed struct. */
void ps_store_close(struct ps_open_store *open);

#endif
