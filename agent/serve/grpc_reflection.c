#include "serve/grpc_reflection.h"

#include "descriptors.h"
#include "reflection.pb-c.h"

#include <string.h>

/* A file's descriptor set is one field of it: a tag, a length, the FileDescriptorProto. */
struct file {
    const char *name;
    const char *package; /* with its last dot: what symbols begin with */
    const char *service;
    const uint8_t *set;
    size_t set_bytes;
};

static const struct file files[] = {
    { "artifact.proto", "artifact.", "artifact.ArtifactService", ps_descriptor_artifact,
      sizeof(ps_descriptor_artifact) },
    { "health.proto", "grpc.health.v1.", "grpc.health.v1.Health", ps_descriptor_health,
      sizeof(ps_descriptor_health) },
    { "reflection.proto", "grpc.reflection.v1.", "grpc.reflection.v1.ServerReflection",
      ps_descriptor_reflection, sizeof(ps_descriptor_reflection) },
};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

static ProtobufCBinaryData descriptor_of(const struct file *file)
{
    size_t at = 1; /* after the tag */

    while (file->set[at] >= 0x80) { /* a length of several bytes */
        at++;
    }
    at++;
    return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)(file->set + at),
                                  .len = file->set_bytes - at };
}

static void send_response(struct ps_grpc_call *call, response_t *response, request_t *request)
{
    struct ps_err err;

    response->valid_host = request->host;
    response->original_request = request;
    if (ps_grpc_call_send(call, &response->base, &err) != PS_OK) {
        ps_grpc_call_finish(call, ps_grpc_status_of(err.code), err.message);
    }
}

static void send_file(struct ps_grpc_call *call, request_t *request, const struct file *file)
{
    Grpc__Reflection__V1__FileDescriptorResponse body;
    response_t response;
    ProtobufCBinaryData descriptor = descriptor_of(file);

    grpc__reflection__v1__file_descriptor_response__init(&body);
    grpc__reflection__v1__server_reflection_response__init(&response);
    body.n_file_descriptor_proto = 1;
    body.file_descriptor_proto = &descriptor;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &body;
    send_response(call, &response, request);
}

static void send_services(struct ps_grpc_call *call, request_t *request)
{
    Grpc__Reflection__V1__ListServiceResponse body;
    Grpc__Reflection__V1__ServiceResponse services[FILE_COUNT];
    Grpc__Reflection__V1__ServiceResponse *list[FILE_COUNT];
    response_t response;

    grpc__reflection__v1__list_service_response__init(&body);
    grpc__reflection__v1__server_reflection_response__init(&response);
    for (size_t i = 0; i < FILE_COUNT; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        services[i].name = (char *)(uintptr_t)files[i].service;
        list[i] = &services[i];
    }
    body.n_service = FILE_COUNT;
    body.service = list;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &body;
    send_response(call, &response, request);
}

static void send_missing(struct ps_grpc_call *call, request_t *request)
{
    static const char text[] = "not known here";
    Grpc__Reflection__V1__ErrorResponse body;
    response_t response;

    grpc__reflection__v1__error_response__init(&body);
    grpc__reflection__v1__server_reflection_response__init(&response);
    body.error_code = PS_GRPC_NOT_FOUND;
    body.error_message = (char *)(uintptr_t)text;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &body;
    send_response(call, &response, request);
}

static const struct file *file_named(const char *name)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static const struct file *file_of_symbol(const char *symbol)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        if (strncmp(files[i].package, symbol, strlen(files[i].package)) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static void answer(struct ps_grpc_call *call, request_t *request)
{
    const struct file *file = NULL;

    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        send_services(call, request);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        file = file_named(request->file_by_filename);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        file = file_of_symbol(request->file_containing_symbol);
        break;
    default: /* extensions: there are none */
        break;
    }
    if (file != NULL) {
        send_file(call, request, file);
    } else {
        send_missing(call, request);
    }
}

void ps_grpc_reflection_info(struct ps_grpc_call *call, void *user, const uint8_t *data,
                             size_t size_bytes)
{
    request_t *request =
        grpc__reflection__v1__server_reflection_request__unpack(NULL, size_bytes, data);

    (void)user;
    if (request == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_INVALID_ARGUMENT, "no ServerReflectionRequest");
        return;
    }
    answer(call, request);
    grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
}
