/* gRPC's framing: any bytes in any cuts. The first byte says how the rest is cut; both ways must agree. */
#include "serve/grpc_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t count;
    size_t bytes;
    uint32_t sum;
};

static bool add(void *user, const uint8_t *data, size_t size_bytes)
{
    struct seen *seen = user;

    seen->count++;
    seen->bytes += size_bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        seen->sum = seen->sum * 31 + data[i];
    }
    return true;
}

static enum ps_code feed(const uint8_t *data, size_t size, size_t cut, struct seen *seen)
{
    struct ps_grpc_frame frame = { 0 };
    enum ps_code code = PS_OK;

    for (size_t at = 0; at < size && code == PS_OK; at += cut) {
        code = ps_grpc_frame_feed(&frame, data + at, size - at < cut ? size - at : cut, add, seen,
                                  NULL);
    }
    ps_grpc_frame_clear(&frame);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = { 0 };
    struct seen cut = { 0 };

    if (size < 2) {
        return 0;
    }
    if (feed(data + 1, size - 1, size, &whole) !=
            feed(data + 1, size - 1, data[0] % 16 + 1, &cut) ||
        whole.count != cut.count || whole.bytes != cut.bytes || whole.sum != cut.sum) {
        abort();
    }
    return 0;
}
