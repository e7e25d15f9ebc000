#include "kube/workflow_parse.h"

#include "base/artifact_config.h"
#include "base/buf.h"
#include "base/str.h"
#include "http/http_date.h"
#include "kube/workflow_nodes.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static int64_t time_of(const json_t *object, const char *name)
{
    int64_t unix_ms = 0;

    (void)ps_http_date_parse(text_of(object, name), &unix_ms);
    return unix_ms / 1000;
}

static enum ps_code no_memory(struct ps_err *err)
{
    return ps_err_set(err, PS_E_NO_MEMORY, "workflow: out of memory");
}

/* --- where an artifact lies --- */

/* The artifact's own words, else the repository's: Argo leaves out of an artifact what its repository says. */
static const char *own_or_repository(const json_t *own, const json_t *repository, const char *name)
{
    const char *text = text_of(own, name);

    return text[0] != '\0' ? text : text_of(repository, name);
}

/* "s3://bucket/key"; NULL when something is missing or memory is out, which *code_out tells. */
static char *bucket_url(const char *scheme, const json_t *own, const json_t *repository,
                        const char **endpoint_out)
{
    const char *bucket = own_or_repository(own, repository, "bucket");
    const char *key = text_of(own, "key");

    *endpoint_out = own_or_repository(own, repository, "endpoint");
    return bucket[0] != '\0' && key[0] != '\0' ? ps_str_format("%s://%s/%s", scheme, bucket, key)
                                               : NULL;
}

/* A configuration of another plugin's makes no sense to us: such an artifact is left to it. */
static char *plugin_url(const json_t *own, const json_t *repository)
{
    const char *text = own_or_repository(own, repository, "configuration");
    const char *key = text_of(own, "key");
    struct ps_artifact_config config = { 0 };
    char *url = NULL;

    if (key[0] != '\0' && ps_artifact_config_read(&config, text, NULL) == PS_OK) {
        url = ps_str_format("%s%s", config.url, key);
    }
    ps_artifact_config_clear(&config);
    return url;
}

static char *url_of(const json_t *artifact, const json_t *repository, const char **endpoint_out)
{
    const json_t *s3 = json_object_get(artifact, "s3");
    const json_t *oss = json_object_get(artifact, "oss");
    const json_t *plugin = json_object_get(artifact, "plugin");

    *endpoint_out = "";
    if (s3 != NULL) {
        return bucket_url("s3", s3, json_object_get(repository, "s3"), endpoint_out);
    }
    if (oss != NULL) {
        return bucket_url("oss", oss, json_object_get(repository, "oss"), endpoint_out);
    }
    return plugin != NULL ? plugin_url(plugin, json_object_get(repository, "plugin")) : NULL;
}

/* --- artifacts --- */

struct collect {
    struct ps_watched_workflow *workflow;
    const json_t *repository;
    size_t capacity;
};

static bool grow(struct collect *collect)
{
    struct ps_watched_workflow *workflow = collect->workflow;
    size_t capacity = collect->capacity > 0 ? collect->capacity * 2 : 16;
    void *artifacts;
    void *texts;

    if (workflow->artifact_count < collect->capacity) {
        return true;
    }
    artifacts = realloc(workflow->artifacts, capacity * sizeof(*workflow->artifacts));
    if (artifacts != NULL) {
        workflow->artifacts = artifacts;
    }
    texts = realloc(workflow->texts, capacity * sizeof(*workflow->texts));
    if (texts != NULL) {
        workflow->texts = texts;
    }
    if (artifacts == NULL || texts == NULL) {
        return false;
    }
    collect->capacity = capacity;
    return true;
}

static const char *strategy_of(const json_t *artifact, const struct ps_watched_workflow *workflow)
{
    const char *own = text_of(json_object_get(artifact, "artifactGC"), "strategy");

    return own[0] != '\0' ? own : workflow->strategy;
}

/* A step's outputs are often those of the pod below it: the same URL again, which a later record only replaces. */
static enum ps_code add_artifact(struct collect *collect, const json_t *artifact,
                                 const char *node_id, const json_t *node, struct ps_err *err)
{
    struct ps_watched_workflow *workflow = collect->workflow;
    const char *endpoint = "";
    char *url;

    if (json_is_true(json_object_get(artifact, "deleted"))) {
        return PS_OK;
    }
    url = url_of(artifact, collect->repository, &endpoint);
    if (url == NULL) {
        workflow->elsewhere_count++;
        return PS_OK;
    }
    if (!grow(collect)) {
        free(url);
        return no_memory(err);
    }
    workflow->texts[workflow->artifact_count] = url;
    workflow->artifacts[workflow->artifact_count++] = (struct ps_watched_artifact){
        .url = url,
        .endpoint = endpoint,
        .name = text_of(artifact, "name"),
        .node_id = node_id,
        .node_status = text_of(node, "phase"),
        .strategy = strategy_of(artifact, workflow),
        .created_unix_s = time_of(node, "finishedAt"),
    };
    return PS_OK;
}

static enum ps_code add_nodes(struct collect *collect, json_t *nodes, struct ps_err *err)
{
    const char *node_id;
    json_t *node;
    enum ps_code code = PS_OK;

    json_object_foreach(nodes, node_id, node)
    {
        const json_t *artifacts = json_object_get(json_object_get(node, "outputs"), "artifacts");

        for (size_t i = 0; i < json_array_size(artifacts) && code == PS_OK; i++) {
            code = add_artifact(collect, json_array_get(artifacts, i), node_id, node, err);
        }
        if (code != PS_OK) {
            break;
        }
    }
    return code;
}

/* status.nodes, or what compressedNodes holds, which then becomes part of the document: texts point into it. */
static enum ps_code nodes_of(json_t *status, json_t **nodes_out, struct ps_err *err)
{
    const char *compressed = text_of(status, "compressedNodes");
    struct ps_buf json;
    enum ps_code code;

    *nodes_out = json_object_get(status, "nodes");
    if (compressed[0] == '\0') {
        return PS_OK;
    }
    ps_buf_init(&json, PS_WORKFLOW_NODES_LIMIT_BYTES);
    code = ps_workflow_nodes_unpack(compressed, &json, err);
    if (code == PS_OK) {
        *nodes_out = json_loadb(ps_buf_peek(&json), json.size_bytes, 0, NULL);
        if (*nodes_out == NULL || json_object_set_new(status, "nodes", *nodes_out) != 0) {
            code = ps_err_set(err, PS_E_PARSE, "compressedNodes: no JSON in it");
        }
    }
    ps_buf_clear(&json);
    return code;
}

/* --- the workflow --- */

static enum ps_code take_pairs(json_t *object, struct ps_watched_pair **pairs_out,
                               size_t *count_out, struct ps_err *err)
{
    size_t count = json_object_size(object);
    struct ps_watched_pair *pairs = calloc(count + 1, sizeof(*pairs));
    const char *name;
    json_t *value;
    size_t used = 0;

    if (pairs == NULL) {
        return no_memory(err);
    }
    json_object_foreach(object, name, value)
    {
        if (json_is_string(value)) {
            pairs[used++] = (struct ps_watched_pair){ name, json_string_value(value) };
        }
    }
    *pairs_out = pairs;
    *count_out = used;
    return PS_OK;
}

/* Argo keeps the spec that it runs in the status, when the workflow only refers to a template. */
static const json_t *spec_of(const json_t *document)
{
    const json_t *stored =
        json_object_get(json_object_get(document, "status"), "storedWorkflowTemplateSpec");

    return stored != NULL ? stored : json_object_get(document, "spec");
}

static const char *template_of(const json_t *document)
{
    const json_t *spec = json_object_get(document, "spec");
    const json_t *labels = json_object_get(json_object_get(document, "metadata"), "labels");
    const char *name = text_of(json_object_get(spec, "workflowTemplateRef"), "name");

    if (name[0] == '\0') {
        name = text_of(labels, "workflows.argoproj.io/workflow-template");
    }
    return name[0] != '\0' ? name : text_of(labels, "workflows.argoproj.io/cron-workflow");
}

static void take_state(struct ps_watched_workflow *workflow, const json_t *document)
{
    const json_t *metadata = json_object_get(document, "metadata");
    const json_t *status = json_object_get(document, "status");

    workflow->uid = text_of(metadata, "uid");
    workflow->ns = text_of(metadata, "namespace");
    workflow->name = text_of(metadata, "name");
    workflow->resource_version = text_of(metadata, "resourceVersion");
    workflow->created_unix_s = time_of(metadata, "creationTimestamp");
    workflow->template_name = template_of(document);
    workflow->phase = text_of(status, "phase");
    workflow->finished_unix_s = time_of(status, "finishedAt");
    workflow->strategy = text_of(json_object_get(spec_of(document), "artifactGC"), "strategy");
    workflow->is_finished = strcmp(workflow->phase, "Succeeded") == 0 ||
                            strcmp(workflow->phase, "Failed") == 0 ||
                            strcmp(workflow->phase, "Error") == 0;
    workflow->is_offloaded = text_of(status, "offloadNodeStatusVersion")[0] != '\0';
}

static enum ps_code take_artifacts(struct ps_watched_workflow *workflow, json_t *document,
                                   struct ps_err *err)
{
    json_t *status = json_object_get(document, "status");
    struct collect collect = {
        .workflow = workflow,
        .repository =
            json_object_get(json_object_get(status, "artifactRepositoryRef"), "artifactRepository"),
    };
    json_t *nodes = NULL;
    enum ps_code code = nodes_of(status, &nodes, err);

    if (code == PS_OK && json_object_size(nodes) > 0) {
        workflow->is_offloaded = false; /* the Argo server answers with the nodes in their place */
        code = add_nodes(&collect, nodes, err);
    }
    return code;
}

enum ps_code ps_watched_workflow_take(struct ps_watched_workflow *workflow_out, void **document,
                                      struct ps_err *err)
{
    struct ps_watched_workflow workflow = { .document = *document };
    json_t *metadata = json_object_get(workflow.document, "metadata");
    enum ps_code code = PS_OK;

    *document = NULL;
    take_state(&workflow, workflow.document);
    if (workflow.uid[0] == '\0' || workflow.name[0] == '\0') {
        code = ps_err_set(err, PS_E_PARSE, "no Workflow: it has no name or no uid");
    }
    if (code == PS_OK) {
        code = take_pairs(json_object_get(metadata, "labels"), &workflow.labels,
                          &workflow.label_count, err);
    }
    if (code == PS_OK) {
        code = take_pairs(json_object_get(metadata, "annotations"), &workflow.annotations,
                          &workflow.annotation_count, err);
    }
    if (code == PS_OK) {
        code = take_artifacts(&workflow, workflow.document, err);
        if (code != PS_OK) {
            code = ps_err_wrap(err, code, "%s/%s", workflow.ns, workflow.name);
        }
    }
    if (code != PS_OK) {
        ps_watched_workflow_clear(&workflow);
        return code;
    }
    *workflow_out = workflow;
    return PS_OK;
}

enum ps_code ps_watched_workflow_parse(struct ps_watched_workflow *workflow_out, const char *text,
                                       size_t size_bytes, struct ps_err *err)
{
    json_error_t why;
    void *document = json_loadb(text, size_bytes, 0, &why);

    if (document == NULL) {
        return ps_err_set(err, PS_E_PARSE, "no JSON: %s", why.text);
    }
    return ps_watched_workflow_take(workflow_out, &document, err);
}

void ps_watched_workflow_clear(struct ps_watched_workflow *workflow)
{
    for (size_t i = 0; i < workflow->artifact_count; i++) {
        free(workflow->texts[i]);
    }
    free(workflow->texts);
    free(workflow->artifacts);
    free(workflow->labels);
    free(workflow->annotations);
    json_decref(workflow->document);
    memset(workflow, 0, sizeof(*workflow));
}
