/* policy decision: any bytes as a policy file. It loads or is refused with file and line; what it answers is in range;
 * it ends, by a clock that goes on a millisecond at every look. */
#include "lua/policy_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_NAME "50-fuzz.lua"
#define PART_SIZE_MAX ((uint64_t)5 * 1024 * 1024 * 1024)
#define DAY_MS ((uint64_t)86400 * 1000)

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

static int64_t looked_at(void *user)
{
    return (*(int64_t *)user)++;
}

static void require_line(const char *text)
{
    for (; *text != '\0'; text++) {
        require((unsigned char)*text >= 0x20 && *text != 0x7f);
    }
}

static void require_origin(const struct ps_origin *origin)
{
    require(origin->policy[0] != '\0' && origin->reason[0] != '\0');
    require_line(origin->policy);
    require_line(origin->reason);
}

static void require_pairs(const struct ps_pairs *pairs)
{
    require(pairs->count <= PS_PAIRS_MAX);
    for (size_t i = 0; i < pairs->count; i++) {
        require(pairs->items[i].name[0] != '\0');
        require_line(pairs->items[i].name);
        require_line(pairs->items[i].value);
        require(i == 0 || strcmp(pairs->items[i - 1].name, pairs->items[i].name) < 0);
    }
}

static void ask_upload(const struct ps_decider *decider, const struct ps_object_facts *object)
{
    struct ps_upload_decision decision;

    decider->upload(decider->user, object, 1, &decision);
    require(decision.threshold_bytes >= 1 && decision.threshold_bytes <= PART_SIZE_MAX);
    require(decision.concurrency >= 1 && decision.concurrency <= 64);
    require(decision.set < 1u << PS_UPLOAD_FIELD_COUNT);
    require_line(decision.storage_class);
    require_pairs(&decision.tags);
    require_pairs(&decision.metadata);
    for (size_t i = 0; i < PS_UPLOAD_FIELD_COUNT; i++) {
        require_origin(&decision.origins[i]);
    }
    ps_upload_decision_clear(&decision);
}

static void ask_part_size(const struct ps_decider *decider, const struct ps_object_facts *object)
{
    struct ps_part_size_decision decision;

    decider->part_size(decider->user, object, 1, &decision);
    require(decision.bytes >= 1 && decision.bytes <= PART_SIZE_MAX);
    require_origin(&decision.origin);
}

static void ask_retry(const struct ps_decider *decider, const struct ps_object_facts *object)
{
    const struct ps_retry_facts failure = { .operation = "put_part",
                                            .retry_class = "throttle",
                                            .http_status = 503,
                                            .store_code = "SlowDown",
                                            .attempt = 2,
                                            .part_number = 1,
                                            .object = object };
    struct ps_retry_decision decision;

    decider->retry(decider->user, &failure, 1, &decision);
    require(!decision.has_after || (!decision.give_up && decision.after_ms <= DAY_MS));
    require_origin(&decision.origin);
}

static void ask_all(struct ps_policy_set *set)
{
    const struct ps_pairs labels = { .count = 1, .items = { { "team", "blue" } } };
    const struct ps_object_facts object = { .url = "s3://b/logs/a.txt",
                                            .store = "s3",
                                            .bucket = "b",
                                            .key = "logs/a.txt",
                                            .name = "a.txt",
                                            .has_size = true,
                                            .size_bytes = 1000,
                                            .labels = &labels };
    const struct ps_decider decider = ps_policy_set_decider(set);

    ask_upload(&decider, &object);
    ask_part_size(&decider, &object);
    ask_retry(&decider, &object);
}

static void write_policy(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wbe");

    require(file != NULL);
    require(fwrite(data, 1, size, file) == size);
    require(fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/purser-fuzz-XXXXXX";
    char path[sizeof(dir) + sizeof(FILE_NAME)];
    int64_t mono_ms = 0;
    const struct ps_clock clock = { .user = &mono_ms, .unix_ms = looked_at, .mono_ms = looked_at };
    const struct ps_policy_options options = {
        .dirs = { dir },
        .dir_count = 1,
        .clock = &clock,
        .limits = { .live_bytes = (size_t)256 * 1024,
                    .block_bytes = (size_t)64 * 1024,
                    .call_allocated_bytes = (size_t)512 * 1024,
                    .call_ms = 20 },
    };
    struct ps_policy_set *set = NULL;
    struct ps_err err = { .code = PS_OK };

    require(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
    write_policy(path, data, size);
    if (ps_policy_set_load(&set, &options, &err) == PS_OK) {
        ask_all(set);
    } else {
        size_t length = strlen(path);

        require(err.code == PS_E_INVALID && set == NULL);
        require(strncmp(err.message, path, length) == 0 && err.message[length] == ':');
    }
    ps_policy_set_free(set);
    (void)unlink(path);
    (void)rmdir(dir);
    return 0;
}
