/* Workflows as the API server might send them, kubeconfigs as users might write them: any bytes. */
#include "kube/kube_config.h"
#include "kube/workflow_parse.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_watched_workflow workflow = { 0 };
    struct ps_kube_config config = { 0 };

    if (ps_watched_workflow_parse(&workflow, (const char *)data, size, NULL) == PS_OK) {
        ps_watched_workflow_clear(&workflow);
    }
    if (ps_kube_config_parse(&config, (const char *)data, size, "/nowhere/config", NULL) == PS_OK) {
        ps_kube_config_clear(&config);
    }
    return 0;
}
