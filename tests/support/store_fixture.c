#include "tests/support/store_fixture.h"

#include "base/str.h"
#include "http/retry.h"
#include "store/file_store.h"
#include "store/oss_store.h"
#include "store/s3_store.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCESS_KEY "testkey123"
#define SECRET_KEY "testsecret123"

char store_kinds[3][STORE_KIND_SIZE] = { "file", "s3", "oss" };

bool store_fixture_is_oss(const struct store_fixture *fixture)
{
    return strcmp(fixture->store->capabilities.family, "oss") == 0;
}

/* --- a server of our own --- */

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    (void)close(fd);
    return rc;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)bind(fd, (struct sockaddr *)&address, sizeof(address));
    (void)getsockname(fd, (struct sockaddr *)&address, &size);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void run_server(const struct store_fixture *fixture, const char *kind, uint16_t port)
{
    char address[32];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* ends with the test, however that ends */
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    (void)setenv("ROOT_ACCESS_KEY", ACCESS_KEY, 1);
    (void)setenv("ROOT_SECRET_KEY", SECRET_KEY, 1);
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
        _exit(127);
    }
    if (strcmp(kind, "oss") == 0) {
        (void)execlp("purser-test-python", "purser-test-python",
                     PS_SOURCE_DIR "/tests/support/oss_double.py", fixture->dir, "--port",
                     strchr(address, ':') + 1, (char *)NULL);
    } else {
        (void)execlp("versitygw", "versitygw", "--port", address, "posix", fixture->dir,
                     (char *)NULL);
    }
    _exit(127);
}

static bool start_server(struct store_fixture *fixture, const char *kind)
{
    uint16_t port = free_port();
    char bucket[96];

    (void)snprintf(bucket, sizeof(bucket), "%s/bkt", fixture->dir);
    (void)mkdir(bucket, 0700);
    (void)snprintf(fixture->endpoint, sizeof(fixture->endpoint), "http://127.0.0.1:%u", port);
    fixture->server = fork();
    if (fixture->server == 0) {
        run_server(fixture, kind, port);
    }
    for (int i = 0; i < 2000; i++) {
        if (connect_to(port) == 0) {
            return true;
        }
        if (waitpid(fixture->server, NULL, WNOHANG) != 0) {
            fixture->server = 0;
            return false; /* not installed */
        }
        (void)usleep(5000);
    }
    return false;
}

static const char *test_environment(void *user, const char *name)
{
    (void)user;
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0 || strcmp(name, "OSS_ACCESS_KEY_ID") == 0) {
        return ACCESS_KEY;
    }
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 || strcmp(name, "OSS_ACCESS_KEY_SECRET") == 0
               ? SECRET_KEY
               : NULL;
}

static bool open_server(struct store_fixture *fixture, const char *kind)
{
    bool is_oss = strcmp(kind, "oss") == 0;
    const struct ps_creds_options creds = {
        .family = is_oss ? PS_CREDS_ALIYUN : PS_CREDS_AWS,
        .getenv = test_environment,
        .clock = ps_clock_system(),
    };
    struct ps_oss_options options = { .base = {
                                          .loop = &fixture->loop,
                                          .clock = ps_clock_system(),
                                          .bucket = "bkt",
                                          .endpoint = fixture->endpoint,
                                          .region = is_oss ? "cn-hangzhou" : "us-east-1",
                                      } };

    if (!start_server(fixture, kind) ||
        ps_http_client_new(&fixture->http, &fixture->loop, "purser-test", NULL) != PS_OK ||
        ps_creds_chain_new(&fixture->creds, &creds, NULL) != PS_OK) {
        return false;
    }
    fixture->retrier = calloc(1, sizeof(*fixture->retrier));
    ps_retry_init(fixture->retrier, NULL, NULL, ps_clock_system());
    options.base.http = fixture->http;
    options.base.creds = fixture->creds;
    options.base.retry = fixture->retrier;
    return (is_oss ? ps_oss_store_new(&fixture->store, &options, NULL)
                   : ps_s3_store_new(&fixture->store, &options.base, NULL)) == PS_OK;
}

static bool open_file(struct store_fixture *fixture)
{
    const struct ps_file_store_options options = {
        .loop = &fixture->loop,
        .root_dir = fixture->dir,
        .clock = ps_clock_system(),
    };

    return ps_file_store_new(&fixture->store, &options, NULL) == PS_OK;
}

bool store_fixture_open(struct store_fixture *fixture, const char *kind)
{
    bool good;

    memset(fixture, 0, sizeof(*fixture));
    (void)uv_loop_init(&fixture->loop);
    ps_str_copy(fixture->dir, sizeof(fixture->dir), "/tmp/purser-conform-XXXXXX");
    if (mkdtemp(fixture->dir) == NULL) {
        return false;
    }
    good = strcmp(kind, "file") == 0 ? open_file(fixture) : open_server(fixture, kind);
    fixture->deleter.store = fixture->store;
    return good;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

void store_fixture_close(struct store_fixture *fixture)
{
    ps_store_free(fixture->store);
    ps_creds_chain_free(fixture->creds);
    ps_http_client_free(fixture->http);
    free(fixture->retrier);
    (void)uv_run(&fixture->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&fixture->loop);
    if (fixture->server > 0) {
        (void)kill(fixture->server, SIGKILL);
        (void)waitpid(fixture->server, NULL, 0);
    }
    (void)nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- operations that wait --- */

static void take_err(struct answer *answer, const struct ps_err *err)
{
    answer->done = true;
    ps_err_clear(&answer->err);
    if (err != NULL) {
        answer->err = *err;
    }
}

void wait_for(struct store_fixture *fixture, const struct ps_store_op *op, struct answer *answer)
{
    if (op == NULL) {
        answer->done = true; /* refused at once: answer->err says why */
        return;
    }
    while (!answer->done && uv_run(&fixture->loop, UV_RUN_ONCE) != 0) {
    }
}

ssize_t pattern_read(void *seed, uint64_t offset, void *into, size_t size)
{
    unsigned char *bytes = into;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)((uintptr_t)seed + (offset + i) * 7);
    }
    return (ssize_t)size;
}

struct ps_checksum pattern_checksum(const struct store_fixture *fixture, uintptr_t seed,
                                    uint64_t size)
{
    struct ps_hasher hasher;
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };
    char chunk[4096];

    if (ps_hasher_init(&hasher, fixture->store->capabilities.checksum_default, NULL) != PS_OK) {
        return sum;
    }
    for (uint64_t offset = 0; offset < size;) {
        size_t step = size - offset < sizeof(chunk) ? (size_t)(size - offset) : sizeof(chunk);

        (void)pattern_read((void *)seed, offset, chunk, step);
        ps_hasher_update(&hasher, chunk, step);
        offset += step;
    }
    sum = ps_hasher_finish(&hasher);
    ps_hasher_clear(&hasher);
    return sum;
}

static void on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err)
{
    struct answer *answer = user;

    take_err(answer, err);
    if (err == NULL) {
        ps_str_copy(answer->etag, sizeof(answer->etag), etag);
        if (checksum != NULL) {
            answer->checksum = *checksum;
        }
    }
}

void store_put_request(struct store_fixture *fixture, const struct ps_put_request *request,
                       struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_put(fixture->store, request, on_put, answer, &answer->err), answer);
}

void store_put(struct store_fixture *fixture, const char *key, uintptr_t seed, uint64_t size,
               struct answer *answer)
{
    struct ps_put_request request = {
        .key = key,
        .body = { .size_bytes = size, .read = pattern_read, .user = (void *)seed },
        .checksum = pattern_checksum(fixture, seed, size),
    };

    request.options.checksum = request.checksum.algorithm;
    store_put_request(fixture, &request, answer);
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct answer *answer = user;
    size_t used = 0;

    take_err(answer, err);
    if (err != NULL) {
        return;
    }
    answer->info.size_bytes = info->size_bytes;
    answer->info.mtime_unix_ms = info->mtime_unix_ms;
    answer->checksum = info->checksum;
    ps_str_copy(answer->etag, sizeof(answer->etag), info->etag);
    ps_str_copy(answer->content_type, sizeof(answer->content_type), info->content_type);
    for (size_t i = 0; i < info->metadata_count; i++) {
        used += (size_t)snprintf(answer->metadata + used, sizeof(answer->metadata) - used, "%s=%s ",
                                 info->metadata[i].name, info->metadata[i].value);
    }
}

void store_head(struct store_fixture *fixture, const char *key, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_head(fixture->store, key, on_head, answer, &answer->err), answer);
}

static void on_done(void *user, const struct ps_err *err)
{
    take_err(user, err);
}

static enum ps_push keep_body(void *user, const void *data, size_t size_bytes)
{
    struct answer *answer = user;

    for (size_t i = 0; i < size_bytes && answer->body_size + i < sizeof(answer->body); i++) {
        answer->body[answer->body_size + i] = ((const char *)data)[i];
    }
    answer->body_size += size_bytes;
    return PS_PUSH_TAKEN;
}

void store_get(struct store_fixture *fixture, const struct ps_get_request *request,
               struct answer *answer)
{
    struct ps_get_request copy = *request;

    memset(answer, 0, sizeof(*answer));
    copy.sink = (struct ps_sink){ .write = keep_body, .user = answer };
    wait_for(fixture, ps_store_get(fixture->store, &copy, on_done, answer, &answer->err), answer);
}

static void on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct answer *answer = user;

    answer->page_count++;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(answer->keys);

        (void)snprintf(answer->keys + used, sizeof(answer->keys) - used, "%s\n", objects[i].key);
        answer->count++;
    }
    if (!more || err != NULL) {
        take_err(answer, err);
    }
}

void store_list(struct store_fixture *fixture, const struct ps_list_request *request,
                struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_list(fixture->store, request, on_list, answer, &answer->err),
             answer);
}

static void on_begun(void *user, const char *upload_id, const struct ps_err *err)
{
    struct answer *answer = user;

    take_err(answer, err);
    if (err == NULL) {
        ps_str_copy(answer->upload_id, sizeof(answer->upload_id), upload_id);
    }
}

void store_begin(struct store_fixture *fixture, const char *key, uint64_t size,
                 struct answer *answer)
{
    static const struct ps_store_pair metadata[] = { { "colour", "blue" } };
    const struct ps_begin_request request = {
        .key = key,
        .has_size = true,
        .size_bytes = size,
        .options = { .checksum = fixture->store->capabilities.checksum_default,
                     .content_type = "text/x-test",
                     .metadata = metadata,
                     .metadata_count = 1 },
    };

    memset(answer, 0, sizeof(*answer));
    wait_for(fixture,
             ps_store_begin_multipart(fixture->store, &request, on_begun, answer, &answer->err),
             answer);
}

void store_part(struct store_fixture *fixture, const struct ps_part_request *request,
                struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_put_part(fixture->store, request, on_put, answer, &answer->err),
             answer);
}

static void on_parts(void *user, const struct ps_part_info *parts, size_t count, bool more,
                     const struct ps_err *err)
{
    struct answer *answer = user;

    for (size_t i = 0; i < count && answer->count < 16; i++, answer->count++) {
        answer->parts[answer->count] = parts[i];
        ps_str_copy(answer->part_etags[answer->count], sizeof(answer->part_etags[0]),
                    parts[i].etag);
        answer->parts[answer->count].etag = answer->part_etags[answer->count];
    }
    if (!more || err != NULL) {
        take_err(answer, err);
    }
}

void store_parts(struct store_fixture *fixture, const char *key, const char *upload_id,
                 struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture,
             ps_store_list_parts(fixture->store, key, upload_id, on_parts, answer, &answer->err),
             answer);
}

void store_complete(struct store_fixture *fixture, const struct ps_complete_request *request,
                    struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_complete(fixture->store, request, on_put, answer, &answer->err),
             answer);
}

void store_abort(struct store_fixture *fixture, const char *key, const char *upload_id,
                 struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_abort(fixture->store, key, upload_id, on_done, answer, &answer->err),
             answer);
}

static void on_uploads(void *user, const struct ps_upload_info *uploads, size_t count, bool more,
                       const struct ps_err *err)
{
    struct answer *answer = user;

    for (size_t i = 0; i < count; i++, answer->count++) {
        size_t used = strlen(answer->keys);

        (void)snprintf(answer->keys + used, sizeof(answer->keys) - used, "%s %s\n", uploads[i].key,
                       uploads[i].upload_id);
    }
    if (!more || err != NULL) {
        take_err(answer, err);
    }
}

void store_uploads(struct store_fixture *fixture, const char *prefix, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture,
             ps_store_list_uploads(fixture->store, prefix, on_uploads, answer, &answer->err),
             answer);
}

void store_copy(struct store_fixture *fixture, const struct ps_copy_request *request,
                struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_copy(fixture->store, request, on_put, answer, &answer->err), answer);
}

static void on_text(void *user, const char *text, size_t size_bytes, const struct ps_err *err)
{
    struct answer *answer = user;

    take_err(answer, err);
    if (err == NULL && size_bytes < sizeof(answer->text)) {
        memcpy(answer->text, text, size_bytes);
        answer->text[size_bytes] = '\0';
    }
}

void store_presign(struct store_fixture *fixture, const struct ps_presign_request *request,
                   struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_presign(fixture->store, request, on_text, answer, &answer->err),
             answer);
}

void store_restore(struct store_fixture *fixture, const struct ps_restore_request *request,
                   struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_restore(fixture->store, request, on_done, answer, &answer->err),
             answer);
}

static void on_tags(void *user, const struct ps_store_pair *tags, size_t count,
                    const struct ps_err *err)
{
    struct answer *answer = user;
    size_t used = 0;

    take_err(answer, err);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(answer->text + used, sizeof(answer->text) - used, "%s=%s;",
                                 tags[i].name, tags[i].value);
    }
}

void store_get_tags(struct store_fixture *fixture, const char *key, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_get_tags(fixture->store, key, on_tags, answer, &answer->err),
             answer);
}

void store_put_tags(struct store_fixture *fixture, const struct ps_tags_request *request,
                    struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_put_tags(fixture->store, request, on_done, answer, &answer->err),
             answer);
}

void store_get_lifecycle(struct store_fixture *fixture, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(fixture, ps_store_get_lifecycle(fixture->store, on_text, answer, &answer->err),
             answer);
}

void store_put_lifecycle(struct store_fixture *fixture, const char *xml, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(
        fixture,
        ps_store_put_lifecycle(fixture->store, xml, strlen(xml), on_done, answer, &answer->err),
        answer);
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct answer *answer = user;

    for (size_t i = 0; i < count; i++) {
        answer->count += results[i].code == PS_OK ? 1 : 0;
    }
    take_err(answer, err);
}

void store_delete(struct store_fixture *fixture, const char *const *keys, size_t count,
                  struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    wait_for(
        fixture,
        ps_deleter_delete_batch(&fixture->deleter, keys, count, on_deleted, answer, &answer->err),
        answer);
}
