#include "base/str.h"
#include "tests/support/creds_rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(creds_process, .timeout = 20);

static void open_process(struct creds_rig *rig, const char *command)
{
    char *text = ps_str_format("[default]\ncredential_process = %s\n", command);

    creds_rig_open(rig, PS_CREDS_AWS, "AWS_CONFIG_FILE=$DIR/config");
    creds_rig_file(rig, "config", text);
    free(text);
}

/* The form is that of the AWS guide, "Process credential provider". */
static const struct {
    const char *name;
    const char *command;
    const char *text;
    const char *said;
    enum ps_code code;
} processes[] = {
    { "keys", "printf '{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}'",
      "a b - credential_process", "", PS_OK },
    { "keys with an end",
      "printf '{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"SessionToken\":"
      "\"c\",\"Expiration\":\"2026-01-02T05:04:05+01:00\"}'",
      "a b c credential_process", "", PS_OK },
    { "another version", "printf '{\"Version\":2,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}'",
      "", "Version", PS_E_PARSE },
    { "a failure", "exit 3", "", "ended with status 3", PS_E_DENIED },
    { "a signal", "kill -9 $$", "", "ended by signal 9", PS_E_DENIED },
    { "no JSON", "printf hunter2", "", "not JSON", PS_E_PARSE },
    { "too much", "head -c 100000 /dev/zero", "", "more than", PS_E_TOO_LARGE },
};

Test(creds_process, programs_print_credentials)
{
    for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++) {
        struct creds_rig rig;

        open_process(&rig, processes[i].command);
        creds_rig_get(&rig, 0);

        cr_expect_str_eq(rig.text, processes[i].text, "%s: %s", processes[i].name, rig.err.message);
        cr_expect_eq(rig.err.code, processes[i].code, "%s: %s", processes[i].name, rig.err.message);
        cr_expect_not_null(strstr(rig.err.message, processes[i].said), "%s: %s", processes[i].name,
                           rig.err.message);
        cr_expect_null(strstr(rig.err.message, "hunter2"), "%s", processes[i].name);
        creds_rig_close(&rig);
    }
}

Test(creds_process, a_chain_that_is_freed_ends_what_it_asked_and_what_that_has_started)
{
    char dir[] = "/tmp/purser-alive-XXXXXX";
    char pipe_path[64];
    struct creds_rig rig;
    char command[160];
    char byte;
    int fd;

    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", dir);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    (void)snprintf(command, sizeof(command), "sleep 60 >%s & wait", pipe_path);
    open_process(&rig, command);
    ps_creds_get(rig.chain, 0, creds_rig_on_creds, &rig);
    fd = open(pipe_path, O_RDONLY | O_CLOEXEC); /* waits for the sleeper, the program's child */

    ps_creds_chain_free(rig.chain);

    rig.chain = NULL;
    cr_expect_eq(read(fd, &byte, 1), 0, "it still holds the pipe");
    (void)close(fd);
    (void)unlink(pipe_path);
    (void)rmdir(dir);
    creds_rig_close(&rig);
    cr_expect_eq(rig.count, 0);
}
