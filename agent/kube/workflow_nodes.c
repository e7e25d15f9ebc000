#include "kube/workflow_nodes.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/** A gzip header is wanted, with the largest window. */
#define GZIP_WINDOW_BITS (15 + 16)

static enum ps_code code_of_zlib(int result, struct ps_err *err)
{
    if (result == Z_MEM_ERROR) {
        return ps_err_set(err, PS_E_NO_MEMORY, "compressedNodes: out of memory");
    }
    return ps_err_set(err, PS_E_PARSE, "compressedNodes: no gzip, or cut short");
}

static enum ps_code inflate_all(z_stream *stream, struct ps_buf *json_out, struct ps_err *err)
{
    unsigned char block[16384];
    int result = Z_OK;
    enum ps_code code = PS_OK;

    while (result == Z_OK && code == PS_OK) {
        stream->next_out = block;
        stream->avail_out = sizeof(block);
        result = inflate(stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END) {
            return code_of_zlib(result, err);
        }
        code = ps_buf_append(json_out, block, sizeof(block) - stream->avail_out, err);
    }
    return code;
}

static enum ps_code unpack(unsigned char *data, size_t size_bytes, struct ps_buf *json_out,
                           struct ps_err *err)
{
    z_stream stream = { .next_in = data, .avail_in = (unsigned)size_bytes };
    int result = inflateInit2(&stream, GZIP_WINDOW_BITS);
    enum ps_code code;

    if (result != Z_OK) {
        return code_of_zlib(result, err);
    }
    code = inflate_all(&stream, json_out, err);
    (void)inflateEnd(&stream);
    return code;
}

enum ps_code ps_workflow_nodes_unpack(const char *text, struct ps_buf *json_out, struct ps_err *err)
{
    size_t room = strlen(text);
    size_t size_bytes = 0;
    unsigned char *data = malloc(room + 1);
    enum ps_code code;

    if (data == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "compressedNodes: out of memory");
    }
    code = ps_base64_decode(text, data, room, &size_bytes)
               ? unpack(data, size_bytes, json_out, err)
               : ps_err_set(err, PS_E_PARSE, "compressedNodes: no base64");
    free(data);
    return code;
}
