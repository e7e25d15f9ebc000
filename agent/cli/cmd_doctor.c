#include "cli/app.h"
#include "cli/output.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* doctor URL: one line a check, each with the mend when it fails. */

enum {
    PROBE_SIZE = 16
};

struct doctor {
    struct ps_app *app;
    const char *url;
    struct ps_open_store open;
    struct ps_deleter deleter;
    char *key;       /* of the probe object */
    char *upload_id; /* of the probe upload */
    bool done;       /* the check under way */
    bool more;       /* the list goes on by itself */
    bool good;       /* it passed */
    struct ps_err err;
    unsigned failed_count;
    enum ps_code first_code;
    char detail[512];
};

static void say(struct doctor *doctor, const char *check, bool good, const char *text)
{
    if (!good) {
        doctor->failed_count++;
        if (doctor->first_code == PS_OK) {
            doctor->first_code = doctor->err.code != PS_OK ? doctor->err.code : PS_E_BUG;
        }
    }
    if (doctor->app->json) {
        json_t *object = json_pack("{s:s, s:b, s:o}", "check", check, "good", (int)good, "text",
                                   ps_output_text(text));

        ps_output_json("check", &object);
    } else {
        (void)printf("%-12s %-4s %s\n", check, good ? "ok" : "FAIL", text);
        (void)fflush(stdout);
    }
}

static void finish(struct doctor *doctor, const struct ps_err *err)
{
    doctor->done = true;
    doctor->good = err == NULL;
    ps_err_clear(&doctor->err);
    if (err != NULL) {
        doctor->err = *err;
    }
}

/* Run one check to its end: started is the operation, or NULL with doctor->err set. */
static bool wait_for(struct doctor *doctor, const struct ps_store_op *started)
{
    if (started == NULL) {
        doctor->good = false;
        return false;
    }
    doctor->done = false;
    ps_app_run_until(doctor->app, &doctor->done);
    return doctor->good;
}

/* --- credentials --- */

static void on_creds(void *user, const struct ps_creds *creds, const struct ps_err *err)
{
    struct doctor *doctor = user;

    if (err == NULL) {
        (void)snprintf(doctor->detail, sizeof(doctor->detail), "key %.4s... from %s",
                       creds->access_key_id, creds->source);
    }
    finish(doctor, err);
}

static bool check_creds(struct doctor *doctor)
{
    if (doctor->open.creds == NULL) {
        say(doctor, "credentials", true, "none needed");
        return true;
    }
    doctor->done = false;
    ps_creds_get(doctor->open.creds, 0, on_creds, doctor);
    if (!doctor->done) {
        ps_app_run_until(doctor->app, &doctor->done);
    }
    say(doctor, "credentials", doctor->good, doctor->good ? doctor->detail : doctor->err.message);
    return doctor->good;
}

/* --- listing: reaches the endpoint, tells the bucket and the clock --- */

static void on_list(void *user, const struct ps_object_info *objects, size_t count, bool more,
                    const struct ps_err *err)
{
    struct doctor *doctor = user;

    (void)objects;
    (void)count;
    doctor->more = more && err == NULL;
    finish(doctor, err);
}

static bool check_list(struct doctor *doctor)
{
    const struct ps_list_request request = { .prefix = doctor->open.key,
                                             .page_size = 1,
                                             .delimiter = "/" };
    struct ps_store_op *op =
        ps_store_list(doctor->open.store, &request, on_list, doctor, &doctor->err);
    bool good = wait_for(doctor, op);
    const char *kind;

    if (good && doctor->more) {
        ps_store_cancel(op); /* one page is enough, and the next would end another check */
    }
    kind = doctor->open.store->capabilities.kind;
    (void)snprintf(doctor->detail, sizeof(doctor->detail), "%s%s%s answers%s%s%s",
                   doctor->open.store->root_url, doctor->open.endpoint[0] != '\0' ? " at " : "",
                   doctor->open.endpoint, kind != NULL && kind[0] != '\0' ? " (" : "",
                   kind != NULL ? kind : "", kind != NULL && kind[0] != '\0' ? ")" : "");
    say(doctor, "list", good, good ? doctor->detail : doctor->err.message);
    if (!good && doctor->err.http_status == 0 && doctor->open.endpoint[0] != '\0') {
        (void)printf("%-12s      endpoint %s: is it up, is the address right, may this machine "
                     "reach it?\n",
                     "", doctor->open.endpoint);
    }
    return good;
}

/* --- clock: stores refuse a signature that is 15 minutes off --- */

enum {
    SKEW_MAX_MS = 15 * 60 * 1000
};

static void check_clock(struct doctor *doctor)
{
    const struct ps_store *store = doctor->open.store;
    int64_t skew_ms = store->clock_skew_ms;
    bool good = skew_ms > -SKEW_MAX_MS && skew_ms < SKEW_MAX_MS;

    if (!store->has_clock_skew) {
        say(doctor, "clock", true, "not told by this store");
        return;
    }
    (void)snprintf(doctor->detail, sizeof(doctor->detail), "%" PRId64 " s %s the store%s",
                   (skew_ms < 0 ? -skew_ms : skew_ms) / 1000, skew_ms > 0 ? "behind" : "ahead of",
                   good ? "" : ": set this machine's clock (purser corrects for it meanwhile)");
    (void)ps_err_set(&doctor->err, PS_E_DENIED, "clock");
    say(doctor, "clock", good, doctor->detail);
}

/* --- write, head, read, multipart, delete --- */

static ssize_t read_probe(void *user, uint64_t offset, void *into, size_t size)
{
    static const char probe[PROBE_SIZE + 1] = "purser doctor ok";

    (void)user;
    memcpy(into, probe + offset, size);
    return (ssize_t)size;
}

static struct ps_checksum probe_checksum(const struct doctor *doctor)
{
    struct ps_hasher hasher;
    struct ps_checksum sum = { .algorithm = PS_CHECKSUM_NONE };
    char probe[PROBE_SIZE];

    (void)read_probe(NULL, 0, probe, sizeof(probe));
    if (ps_hasher_init(&hasher, doctor->open.store->capabilities.checksum_default, NULL) == PS_OK) {
        ps_hasher_update(&hasher, probe, sizeof(probe));
        sum = ps_hasher_finish(&hasher);
    }
    ps_hasher_clear(&hasher);
    return sum;
}

static void on_put(void *user, const char *etag, const struct ps_checksum *checksum,
                   const struct ps_err *err)
{
    (void)etag;
    (void)checksum;
    finish(user, err);
}

static bool check_put(struct doctor *doctor)
{
    struct ps_put_request request = {
        .key = doctor->key,
        .body = { .size_bytes = PROBE_SIZE, .read = read_probe },
        .checksum = probe_checksum(doctor),
    };
    bool good;

    request.options.checksum = request.checksum.algorithm;
    good =
        wait_for(doctor, ps_store_put(doctor->open.store, &request, on_put, doctor, &doctor->err));
    (void)snprintf(doctor->detail, sizeof(doctor->detail), "wrote %s", doctor->key);
    say(doctor, "write", good, good ? doctor->detail : doctor->err.message);
    return good;
}

static void on_head(void *user, const struct ps_object_info *info, const struct ps_err *err)
{
    struct doctor *doctor = user;

    if (err == NULL) {
        (void)snprintf(doctor->detail, sizeof(doctor->detail), "%s",
                       info->checksum.algorithm != PS_CHECKSUM_NONE
                           ? ps_checksum_name(info->checksum.algorithm)
                           : "the store keeps no checksum: objects are proved by ETag only");
    }
    finish(doctor, err);
}

static void check_head(struct doctor *doctor)
{
    bool good = wait_for(
        doctor, ps_store_head(doctor->open.store, doctor->key, on_head, doctor, &doctor->err));

    say(doctor, "checksum", good, good ? doctor->detail : doctor->err.message);
}

static void on_begun(void *user, const char *upload_id, const struct ps_err *err)
{
    struct doctor *doctor = user;

    if (err == NULL) {
        doctor->upload_id = ps_strdup(upload_id);
    }
    finish(doctor, err);
}

static void on_done(void *user, const struct ps_err *err)
{
    finish(user, err);
}

static void check_multipart(struct doctor *doctor)
{
    const struct ps_begin_request request = {
        .key = doctor->key,
        .has_size = false,
        .options = { .checksum = doctor->open.store->capabilities.checksum_default },
    };
    bool good = wait_for(doctor, ps_store_begin_multipart(doctor->open.store, &request, on_begun,
                                                          doctor, &doctor->err));

    if (good && doctor->upload_id != NULL) {
        good = wait_for(doctor, ps_store_abort(doctor->open.store, doctor->key, doctor->upload_id,
                                               on_done, doctor, &doctor->err));
    }
    say(doctor, "multipart", good, good ? "began and aborted an upload" : doctor->err.message);
}

static void on_deleted(void *user, const struct ps_delete_result *results, size_t count,
                       const struct ps_err *err)
{
    struct doctor *doctor = user;
    struct ps_err own;

    if (err == NULL && count == 1 && results[0].code != PS_OK) {
        (void)ps_err_set(&own, results[0].code, "%s", results[0].message);
        err = &own;
    }
    finish(doctor, err);
}

static void check_delete(struct doctor *doctor)
{
    const char *const keys[] = { doctor->key };
    bool good;

    doctor->deleter.store = doctor->open.store;
    good = wait_for(doctor, ps_deleter_delete_batch(&doctor->deleter, keys, 1, on_deleted, doctor,
                                                    &doctor->err));
    say(doctor, "delete", good, good ? "removed it again" : doctor->err.message);
}

static void check_state(struct doctor *doctor)
{
    bool good = ps_app_open_state(doctor->app, &doctor->err) != NULL;

    say(doctor, "state", good, good ? "checkpoints can be kept" : doctor->err.message);
}

static void check_all(struct doctor *doctor)
{
    check_state(doctor);
    if (!check_creds(doctor) || !check_list(doctor)) {
        return;
    }
    check_clock(doctor);
    if (check_put(doctor)) {
        check_head(doctor);
        check_multipart(doctor);
        check_delete(doctor);
    }
}

enum ps_exit ps_cmd_doctor(struct ps_app *app, const char **args, int arg_count)
{
    struct doctor doctor = { .app = app, .url = args[0] };
    enum ps_exit exit_code = PS_EXIT_DONE;

    (void)arg_count;
    if (ps_store_open(&app->factory, args[0], &doctor.open, &doctor.err) != PS_OK) {
        exit_code = ps_app_fail(app, &doctor.err);
    } else {
        doctor.key = ps_str_format(
            "%s%s.purser-doctor-%08" PRIx64, doctor.open.key,
            doctor.open.key[0] == '\0' || ps_str_has_suffix(doctor.open.key, "/") ? "" : "/",
            ps_clock_random(app->clock) & UINT32_MAX);
        check_all(&doctor);
        exit_code = doctor.failed_count > 0 ? ps_exit_of(doctor.first_code) : PS_EXIT_DONE;
    }
    free(doctor.key);
    free(doctor.upload_id);
    ps_store_close(&doctor.open);
    return exit_code;
}
