/**
 * policy_rig - policies of a test in a directory of their own, and a clock that goes on when it is looked at.
 *
 * Flow:    test_*.c of this folder -> [policy_rig] -> lua/policy_set.h
 * Thread:  one rig a test
 * Source:  none
 */
#ifndef PS_TESTS_POLICY_RIG_H
#define PS_TESTS_POLICY_RIG_H

#include "hash/digest.h"
#include "lua/policy_set.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct policy_rig {
    char dir[40];
    char path[160]; /* of the file written last */
    int64_t mono_ms;
    struct ps_clock clock;
    struct ps_policy_set *set;
    struct ps_decider decider;
};

/* A millisecond a look: a loop runs into its limit after as many looks, however fast the machine is. */
static inline int64_t policy_rig_mono_ms(void *user)
{
    struct policy_rig *rig = user;

    return rig->mono_ms++;
}

static inline int64_t policy_rig_unix_ms(void *user)
{
    (void)user;
    return 0;
}

static inline void policy_rig_init(struct policy_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/purser-policies-XXXXXX");
    cr_assert(mkdtemp(rig->dir) != NULL);
    rig->clock = (struct ps_clock){ .user = rig,
                                    .unix_ms = policy_rig_unix_ms,
                                    .mono_ms = policy_rig_mono_ms };
}

static inline int policy_rig_remove_one(const char *name, const struct stat *status, int flag,
                                        struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(name);
}

static inline void policy_rig_clear(struct policy_rig *rig)
{
    ps_policy_set_free(rig->set);
    rig->set = NULL;
    (void)nftw(rig->dir, policy_rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* name: may have directories in front, which are made. */
static inline void policy_rig_write(struct policy_rig *rig, const char *name, const char *text,
                                    size_t size_bytes)
{
    FILE *file;

    (void)snprintf(rig->path, sizeof(rig->path), "%s/%s", rig->dir, name);
    for (char *at = strchr(rig->path + strlen(rig->dir) + 1, '/'); at != NULL;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(rig->path, 0700);
        *at = '/';
    }
    file = fopen(rig->path, "we");
    cr_assert(file != NULL, "%s", rig->path);
    cr_assert_eq(fwrite(text, 1, size_bytes, file), size_bytes);
    cr_assert_eq(fclose(file), 0);
}

static inline enum ps_code policy_rig_load(struct policy_rig *rig, struct ps_err *err)
{
    const struct ps_policy_options options = {
        .dirs = { rig->dir },
        .dir_count = 1,
        .clock = &rig->clock,
        .digest = ps_sha256,
    };
    enum ps_code code = ps_policy_set_load(&rig->set, &options, err);

    if (code == PS_OK) {
        rig->decider = ps_policy_set_decider(rig->set);
    }
    return code;
}

/* A rig with this one policy, 50-test.lua, that loads. */
static inline void policy_rig_start(struct policy_rig *rig, const char *text)
{
    struct ps_err err = { .code = PS_OK };

    policy_rig_init(rig);
    policy_rig_write(rig, "50-test.lua", text, strlen(text));
    cr_assert_eq(policy_rig_load(rig, &err), PS_OK, "%s", err.message);
}

/* A rig whose policy `t` has an upload hook with this body: `o` is the object, `now` the time. */
static inline void policy_rig_start_upload(struct policy_rig *rig, const char *body)
{
    char text[2048];
    int length = snprintf(text, sizeof(text),
                          "return { api = 1, name = 't', upload = function(o, now) %s end }", body);

    cr_assert(length > 0 && (size_t)length < sizeof(text));
    policy_rig_start(rig, text);
}

struct policy_rig_faults {
    uint64_t count;
    char last[256];
};

static inline void policy_rig_add_faults(void *user, const struct ps_policy_info *info)
{
    struct policy_rig_faults *faults = user;

    faults->count += info->fault_count;
    if (info->last_fault[0] != '\0') {
        (void)snprintf(faults->last, sizeof(faults->last), "%s", info->last_fault);
    }
}

static inline struct policy_rig_faults policy_rig_faults(const struct policy_rig *rig)
{
    struct policy_rig_faults faults = { 0 };

    ps_policy_set_each(rig->set, policy_rig_add_faults, &faults);
    return faults;
}

static inline struct ps_object_facts policy_rig_object(void)
{
    return (struct ps_object_facts){ .url = "s3://b/logs/a.txt",
                                     .store = "s3",
                                     .bucket = "b",
                                     .key = "logs/a.txt",
                                     .name = "a.txt",
                                     .has_size = true,
                                     .size_bytes = 1000 };
}

#endif
