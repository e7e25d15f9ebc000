/**
 * kube_config - where the API server is and who we are: the pod's service account, or a kubeconfig file.
 *
 * Flow:    files, environment -> [kube_config] -> kube_client.h
 * Thread:  the loop thread; files of a few KiB on a tmpfs or a local disk are read in place
 * Source:  Kubernetes: accessing the API from a pod; kubeconfig v1
 */
#ifndef PS_KUBE_KUBE_CONFIG_H
#define PS_KUBE_KUBE_CONFIG_H

#include "base/environment.h"
#include "base/err.h"

#include <stddef.h>

/** Text on the heap; NULL = not there. */
struct ps_kube_config {
    char *server;     /* "https://10.96.0.1:443", no '/' at its end */
    char *ns;         /* the namespace we live in; "default" when none is named */
    char *token;      /* as it stands in a kubeconfig */
    char *token_file; /* read again for each request: kubelets renew it within the hour */
    char *ca_file;
    char *ca_pem;
    char *client_cert_pem;
    char *client_key_pem;
};

/**
 * kubeconfig: a path; "" = the pod's service account.
 *
 * Errors:  PS_E_NOT_FOUND (no file; not in a pod), PS_E_INVALID "FILE: ..." (no such context, a plugin for
 *          credentials, TLS without verification), PS_E_DENIED.
 */
PS_MUST_USE enum ps_code ps_kube_config_load(struct ps_kube_config *config_out,
                                             const char *kubeconfig, ps_getenv_fn getenv_fn,
                                             void *getenv_user, struct ps_err *err);

/** A kubeconfig's text; path is for messages and for the files that it names. */
PS_MUST_USE enum ps_code ps_kube_config_parse(struct ps_kube_config *config_out, const char *text,
                                              size_t size_bytes, const char *path,
                                              struct ps_err *err);

/** The token as it is now, on the heap; NULL in *token_out = none. Errors: those of the file. */
PS_MUST_USE enum ps_code ps_kube_config_token(const struct ps_kube_config *config, char **token_out,
                                              struct ps_err *err);

void ps_kube_config_clear(struct ps_kube_config *config);

#endif
