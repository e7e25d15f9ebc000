/* Requests as a client sends them: what protobuf-c takes in, it gives out, and what it takes in again is alike. */
#include "artifact.pb-c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                       size_t size)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, size, data);
    ProtobufCMessage *again;
    size_t packed_bytes;
    uint8_t *packed;

    if (message == NULL) {
        return;
    }
    packed_bytes = protobuf_c_message_get_packed_size(message);
    packed = malloc(packed_bytes + 1);
    if (packed == NULL || protobuf_c_message_pack(message, packed) != packed_bytes) {
        abort();
    }
    again = protobuf_c_message_unpack(descriptor, NULL, packed_bytes, packed);
    /* protobuf-c takes a field number 0 when it is written at length, and not as it writes it itself. */
    if (again != NULL && protobuf_c_message_get_packed_size(again) != packed_bytes) {
        abort();
    }
    protobuf_c_message_free_unpacked(again, NULL);
    protobuf_c_message_free_unpacked(message, NULL);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    round_trip(&artifact__load_artifact_request__descriptor, data, size);
    round_trip(&artifact__save_artifact_request__descriptor, data, size);
    round_trip(&artifact__open_stream_request__descriptor, data, size);
    return 0;
}
