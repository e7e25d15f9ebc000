/* Values of artifacts, workflows and reclaims: no bytes may crash the readers, and what they read is written back. */
#include "base/buf.h"
#include "state/artifact_value.h"
#include "state/pending_reclaim.h"
#include "state/reclaim_internal.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct ps_buf *buf, const uint8_t *data, size_t size)
{
    if (buf->size_bytes != size || memcmp(buf->data, data, size) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_artifact artifact;
    struct ps_workflow workflow;
    struct ps_reclaim reclaim;
    struct ps_buf buf;

    if (size < 1) {
        return 0;
    }
    ps_buf_init(&buf, 0);
    switch (data[0]) {
    case 'a':
        if (ps_artifact_decode(data + 1, size - 1, &artifact, NULL) == PS_OK) {
            /* Zeros at the end of a checksum may have been written out: once more is stable. */
            if (ps_artifact_encode(&artifact, &buf, NULL) != PS_OK ||
                ps_artifact_decode(buf.data, buf.size_bytes, &artifact, NULL) != PS_OK) {
                abort();
            }
        }
        break;
    case 'w':
        if (ps_workflow_decode(data + 1, size - 1, &workflow, NULL) == PS_OK) {
            if (ps_workflow_encode(&workflow, &buf, NULL) != PS_OK) {
                abort();
            }
            same(&buf, data + 1, size - 1);
        }
        break;
    default:
        if (ps_reclaim_decode(data + 1, size - 1, &reclaim, NULL) == PS_OK) {
            if (ps_reclaim_encode(&reclaim, &buf, NULL) != PS_OK) {
                abort();
            }
            same(&buf, data + 1, size - 1);
        }
        break;
    }
    ps_buf_clear(&buf);
    return 0;
}
