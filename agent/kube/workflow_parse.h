/**
 * workflow_parse - a Workflow of Argo's as JSON: its state, and where each of its output artifacts lies.
 *
 * Flow:    workflow_watch.h -> [workflow_parse] -> jansson, zlib
 * Thread:  any; holds no state
 * Source:  Argo Workflows 4: Workflow (argoproj.io/v1alpha1), status.nodes, status.compressedNodes (base64 of gzip),
 *          status.artifactRepositoryRef; artifactGC: an artifact's own strategy, else the workflow's
 */
#ifndef PS_KUBE_WORKFLOW_PARSE_H
#define PS_KUBE_WORKFLOW_PARSE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Nodes of one workflow as JSON, when they come compressed. etcd limits the compressed text to 1.5 MiB; a bomb of that
 * size would inflate to 1.5 GiB. Lower: workflows with some 30,000 nodes are refused. Higher: memory.
 */
#define PS_WORKFLOW_NODES_LIMIT_BYTES ((size_t)32 * 1024 * 1024)

struct ps_watched_pair {
    const char *name;
    const char *value;
};

struct ps_watched_artifact {
    const char *url;      /* "s3://bucket/key" */
    const char *endpoint; /* as the workflow names it, "" = it does not */
    const char *name;
    const char *node_id;
    const char *node_status;
    const char *strategy;   /* effective; "" = none is named */
    int64_t created_unix_s; /* when its node ended; 0 = not known */
};

/** Text is borrowed from document, for as long as the struct is not cleared. "" = not there, times 0. */
struct ps_watched_workflow {
    const char *uid;
    const char *ns;
    const char *name;
    const char *template_name;
    const char *phase;
    const char *strategy;
    const char *resource_version;
    int64_t created_unix_s;
    int64_t finished_unix_s;
    bool is_finished;  /* Succeeded, Failed or Error */
    bool is_offloaded; /* its nodes are in Argo's database: there are no artifacts here */
    struct ps_watched_pair *labels;
    size_t label_count;
    struct ps_watched_pair *annotations;
    size_t annotation_count;
    struct ps_watched_artifact *artifacts;
    size_t artifact_count;
    size_t elsewhere_count; /* artifacts in stores that purser does not know: git, http, gcs ... */
    void *document;         /* a json_t */
    char **texts;           /* URLs, in the order of artifacts */
};

/**
 * Parse one Workflow. Artifacts that Argo has deleted itself are left out.
 *
 * Errors:  PS_E_PARSE (no JSON, no Workflow, nodes that do not unpack), PS_E_TOO_LARGE (nodes over the limit),
 *          PS_E_NO_MEMORY. *workflow_out is untouched then.
 */
PS_MUST_USE enum ps_code ps_watched_workflow_parse(struct ps_watched_workflow *workflow_out,
                                                   const char *text, size_t size_bytes,
                                                   struct ps_err *err);

/** The same of a JSON value that the workflow takes over (a json_t *, which is set NULL). */
PS_MUST_USE enum ps_code ps_watched_workflow_take(struct ps_watched_workflow *workflow_out,
                                                  void **document, struct ps_err *err);

void ps_watched_workflow_clear(struct ps_watched_workflow *workflow);

#endif
