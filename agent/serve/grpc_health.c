#include "serve/grpc_health.h"

#include "health.pb-c.h"

#include <string.h>

/* False: the call was finished with an error. */
static bool is_known(struct ps_grpc_call *call, const char *service, const uint8_t *data,
                     size_t size_bytes, bool *known_out)
{
    Grpc__Health__V1__HealthCheckRequest *request =
        grpc__health__v1__health_check_request__unpack(NULL, size_bytes, data);

    if (request == NULL) {
        ps_grpc_call_finish(call, PS_GRPC_INVALID_ARGUMENT, "no HealthCheckRequest");
        return false;
    }
    *known_out = request->service[0] == '\0' || strcmp(request->service, service) == 0 ||
                 strcmp(request->service, "grpc.health.v1.Health") == 0;
    grpc__health__v1__health_check_request__free_unpacked(request, NULL);
    return true;
}

void ps_grpc_health_check(struct ps_grpc_call *call, void *user, const uint8_t *data,
                          size_t size_bytes)
{
    Grpc__Health__V1__HealthCheckResponse response;
    bool known = false;

    if (!is_known(call, user, data, size_bytes, &known)) {
        return;
    }
    if (!known) {
        ps_grpc_call_finish(call, PS_GRPC_NOT_FOUND, "unknown service");
        return;
    }
    grpc__health__v1__health_check_response__init(&response);
    response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    ps_grpc_call_answer(call, &response.base);
}

void ps_grpc_health_watch(struct ps_grpc_call *call, void *user, const uint8_t *data,
                          size_t size_bytes)
{
    Grpc__Health__V1__HealthCheckResponse response;
    struct ps_err err;
    bool known = false;

    if (!is_known(call, user, data, size_bytes, &known)) {
        return;
    }
    grpc__health__v1__health_check_response__init(&response);
    response.status =
        known ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
              : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    if (ps_grpc_call_send(call, &response.base, &err) != PS_OK) {
        ps_grpc_call_finish(call, ps_grpc_status_of(err.code), err.message);
    }
}
