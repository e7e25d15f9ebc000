#include "cli/app.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

const struct ps_command ps_commands[] = {
    { "put", "SOURCE URL", "send a file (or - for standard input)",
      "An interrupted put goes on where it stopped when the same command is run again.\n"
      "A source that changed meanwhile is refused; --restart sends it anew.\n",
      2, 2, ps_cmd_put, true },
    { "get", "URL DEST", "fetch an object into a file (or - for standard output)",
      "DEST may be a directory. The file appears when it is whole and verified; an\n"
      "interrupted get goes on where it stopped.\n",
      2, 2, ps_cmd_get, true },
    { "cat", "URL", "write an object to standard output", "", 1, 1, ps_cmd_cat, true },
    { "ls", "[-r] URL", "list objects below a prefix",
      "Columns: bytes, time of change, key. Without -r one level, as directories.\n", 1, 1,
      ps_cmd_ls, true },
    { "stat", "URL", "size, time, etag, checksum and metadata of an object", "", 1, 1, ps_cmd_stat,
      true },
    { "rm", "[-r] URL", "remove an object, or with -r all below a prefix", "", 1, 1, ps_cmd_rm,
      true },
    { "uploads", "[ls | abort ID]", "interrupted uploads of this machine", "", 0, 2, ps_cmd_uploads,
      true },
    { "policy", "list | check [DIR...]", "policies in force; check policies before use",
      "list: every policy file, in load order, with its hooks and what it masks.\n"
      "check: load the policies (of DIRs instead of the usual places) and say what is wrong.\n",
      1, 32, ps_cmd_policy, false },
    { "doctor", "URL", "check credentials, endpoint, clock, rights and multipart",
      "Writes and removes one small object and one multipart upload below the URL.\n", 1, 1,
      ps_cmd_doctor, true },
    { "help", "[COMMAND | flags | settings | exit-codes]", "this and more", "", 0, 1, ps_cmd_help,
      false },
    { "version", "", "version of purser and of its libraries", "", 0, 0, ps_cmd_version, false },
    { NULL, NULL, NULL, NULL, 0, 0, NULL, false },
};

static void print_commands(FILE *file)
{
    (void)fprintf(file,
                  "purser moves artifacts between files and object stores: resumable, verified, "
                  "by policy.\n\nUsage: purser COMMAND [FLAGS] ...\n\n");
    for (const struct ps_command *command = ps_commands; command->name != NULL; command++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "%s %s", command->name, command->usage);
        if (strlen(left) > 28) {
            (void)fprintf(file, "  %s\n  %-28s %s\n", left, "", command->summary);
        } else {
            (void)fprintf(file, "  %-28s %s\n", left, command->summary);
        }
    }
    (void)fprintf(file, "\nURLs: s3://BUCKET/KEY and file:///DIR/KEY.\n"
                        "More: purser help flags, help settings, help exit-codes, help COMMAND.\n");
}

static void print_command(FILE *file, const struct ps_command *command)
{
    (void)fprintf(file, "Usage: purser %s %s\n\n%s\n", command->name, command->usage,
                  command->summary);
    if (command->help[0] != '\0') {
        (void)fprintf(file, "\n%s", command->help);
    }
    (void)fprintf(file, "\n");
    ps_options_describe(file, command->name);
}

enum ps_exit ps_cmd_help(struct ps_app *app, const char **args, int arg_count)
{
    const char *topic = arg_count > 0 ? args[0] : "";
    struct ps_err err;

    if (topic[0] == '\0') {
        print_commands(stdout);
        return PS_EXIT_DONE;
    }
    if (strcmp(topic, "flags") == 0) {
        ps_options_describe(stdout, NULL);
        return PS_EXIT_DONE;
    }
    if (strcmp(topic, "settings") == 0) {
        ps_settings_describe(stdout);
        return PS_EXIT_DONE;
    }
    if (strcmp(topic, "exit-codes") == 0) {
        ps_exit_describe(stdout);
        return PS_EXIT_DONE;
    }
    for (const struct ps_command *command = ps_commands; command->name != NULL; command++) {
        if (strcmp(topic, command->name) == 0) {
            print_command(stdout, command);
            return PS_EXIT_DONE;
        }
    }
    (void)ps_err_set(&err, PS_E_INVALID, "no help on '%s': see purser help", topic);
    return ps_app_fail(app, &err);
}
