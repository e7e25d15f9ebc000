#include "cli/app.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

const struct ps_command ps_commands[] = {
    { "put", "SOURCE URL", "send a file, a directory, or - (standard input)",
      "An interrupted put goes on where it stopped when the same command is run again.\n"
      "A source that changed meanwhile is refused; --restart sends it anew.\n"
      "--workflow NS/NAME records the object as that workflow's artifact; --gc says\n"
      "when it may go: Never, OnWorkflowCompletion, OnWorkflowDeletion. Policies may\n"
      "say more.\n"
      "--archive tar|tar.gz|tar.zst|zip: a directory as one object, made as it is sent.\n"
      "--archive none: each file of a directory as an object below URL, recorded each\n"
      "by --workflow. mtime and mode are metadata, a symbolic link is its target with a\n"
      "mode of 0120777. A directory that is empty, or of a mode other than 0755 and\n"
      "0775, is an object without bytes whose key ends in '/'; with --directories each\n"
      "one is, which keeps their times (Argo passes over such keys). After a run in\n"
      "which files failed or that was interrupted the same command moves only what is\n"
      "missing or differs, as --skip-existing does; --restart moves all.\n",
      2, 2, ps_cmd_put, true },
    { "get", "[-r] URL DEST", "fetch an object, or many with -r",
      "DEST may be a directory, or - for standard output. The file appears when\n"
      "it is whole and verified; an interrupted get goes on where it stopped.\n"
      "--extract: the files of a tar, tar.gz, tar.zst or zip into the directory DEST;\n"
      "an interrupted one fetches and writes the rest only (zstd begins at frames:\n"
      "purser's have 64 MiB, those of others may be the whole, which is read again).\n"
      "What you remove from DEST in between is not made again: --restart does that.\n"
      "Modes are kept without setuid; owners with --same-owner, by number.\n"
      "-r: all objects below URL as files of the directory DEST. --skip-existing leaves\n"
      "a file alone that has the object's size and checksum (of an object without one\n"
      "nothing is known: it is fetched), as does a run after one that failed in part.\n",
      2, 2, ps_cmd_get, true },
    { "cat", "URL", "write an object to standard output", "", 1, 1, ps_cmd_cat, true },
    { "ls", "[-r] URL", "list objects below a prefix",
      "Columns: bytes, time of change, key. Without -r one level, as directories;\n"
      "with -r all, in the order of their keys; --include and --exclude choose.\n",
      1, 1, ps_cmd_ls, true },
    { "stat", "URL", "size, time, checksum, metadata of an object", "", 1, 1, ps_cmd_stat, true },
    { "rm", "[-r] URL", "remove an object, or with -r all below a prefix",
      "-r: all keys that begin with URL's; end it with '/' to mean a directory. With\n"
      "--include and --exclude only those; `purser ls -r` shows which.\n",
      1, 1, ps_cmd_rm, true },
    { "cp", "URL URL", "copy an object, within a store or to another one",
      "Within a store the store copies, whatever the size; between two the bytes stream\n"
      "through memory. Type, metadata and tags come along unless they are given anew.\n"
      "An interrupted copy within a store goes on where it stopped.\n",
      2, 2, ps_cmd_cp, true },
    { "share", "URL", "a URL that opens an object without credentials",
      "It works until --expires (1h) is over, or the credentials that sign it end.\n"
      "Whoever has it can read the object: treat it like a password. --method PUT: a\n"
      "URL to put the object with (curl -T FILE URL), whether it is there or not; with\n"
      "--content-type that header must be sent, without it none to OSS.\n"
      "--via gateway: a link through this machine's agent, also of file://, signed by\n"
      "the key in its state directory; of a URL that ends in '/' it opens all below.\n",
      1, 1, ps_cmd_share, true },
    { "uploads", "[ls | abort ID]", "running and interrupted uploads of this machine",
      "abort ends an interrupted one, at its store too: by the agent, with its\n"
      "credentials, when one runs; with a flag like --profile or --endpoint from here.\n",
      0, 2, ps_cmd_uploads, false },
    { "workflow", "ls | NS/NAME completed | deleted | cleared | running",
      "report what happened to a workflow",
      "completed takes --status Succeeded, Failed or Error; --uid tells runs of one\n"
      "name apart. The policies decide at once what that means for the artifacts;\n"
      "`purser reclaims run` does it when due. cleared: remove what is left of it.\n",
      1, 2, ps_cmd_workflow, true },
    { "reclaims", "[ls | run | plan | cancel | hold | release | history]",
      "what is to be deleted, and when",
      "ls [--prefix URL] [--due 24h] [--why] [--limit N]   what is planned, by time\n"
      "run [--dry-run] [--max N|N%]   do what is due; the fuse stops it before its\n"
      "                               first delete when that is too much\n"
      "plan                           ask the policies anew about all artifacts\n"
      "cancel URL                     keep what is planned for URL (all below PREFIX/)\n"
      "hold URL [--until TIME]        keep it whatever policies say (all below PREFIX/)\n"
      "release URL, holds             end a hold; list them\n"
      "history [--since 30d]          what was decided and done\n"
      "With --now TIME each looks from that time, e.g. --now +7d.\n"
      "All but run are asked of this machine's agent when one runs.\n",
      0, 3, ps_cmd_reclaims, false },
    { "explain", "URL", "what policies say of an artifact, and why",
      "Asks every policy as if it were now (--now TIME), and changes nothing. An agent\n"
      "that runs answers by the policies that it has loaded; with --policy-path those\n"
      "are asked, from here.\n",
      1, 1, ps_cmd_explain, false },
    { "policy", "list | check | test | simulate | replay | bench [DIR...]",
      "policies in force; try policies before use",
      "list: every policy file, in load order, with its hooks and what it masks; of the\n"
      "agent's when one runs (the other words are about files, and ask no agent).\n"
      "check: load the policies (of DIRs, else the usual places), say what is wrong.\n"
      "test: run the rows of DIR/tests/NAME_test.lua; hooks without a row are listed.\n"
      "simulate DIR: what its policies would change of all that is known now.\n"
      "replay DIR [--since 30d]: what they would have decided where others did, and\n"
      "which of that was read again afterwards.\n"
      "bench: what a decision costs.\n",
      1, 32, ps_cmd_policy, false },
    { "lifecycle", "show | diff | apply URL", "rules that a bucket itself acts on",
      "URL is a bucket (s3://BUCKET, oss://BUCKET) or a directory (file:///DIR). The\n"
      "rules are the rows of the `lifecycle` tables in the policies in force.\n"
      "show: what the bucket has. diff: what apply would add +, replace ~, remove -.\n"
      "apply [--dry-run]: does it and reads it back. Purser's own rules have ids that\n"
      "begin with purser-; those of others stay byte for byte.\n"
      "Directories that are under `stores` in the settings are looked after by\n"
      "`reclaims run` and, once a day, by the agent.\n",
      1, 2, ps_cmd_lifecycle, true },
    { "agent", "", "serve downloads and reclaim until SIGTERM",
      "Runs in the foreground. Objects are at http://LISTEN/a/STORE/KEY (help settings:\n"
      "gateway), where STORE is a name under `stores` in the settings; nobody may read\n"
      "without a token of gateway.tokens_file or a prefix in gateway.allow. Below a\n"
      "prefix: ?archive=tar.gz (tar, zip); of an archive: ?members, ?member=NAME.\n"
      "SIGTERM finishes what is being sent.\n"
      "--watch: follow the cluster's Workflows (help settings: watch), so that what\n"
      "they leave is reclaimed by policy; of several agents one watches.\n",
      0, 0, ps_cmd_agent, true },
    { "status", "", "what the agent of this machine does",
      "It is asked at admin.socket (help settings). Where none runs, what is on the\n"
      "disk is told, in the same form; so it is with uploads, reclaims, explain and\n"
      "policy list. An agent that is there and does not answer in 10 s is exit 5.\n",
      0, 0, ps_cmd_status, false },
    { "reload", "", "have the agent load policies and tokens anew",
      "Also gateway.tokens_file and gateway.allow of the settings. Policies that\n"
      "do not load (exit 2) or whose tests fail (exit 8) leave the old ones in force.\n",
      0, 0, ps_cmd_reload, false },
    { "drain", "", "end the agent when what it sends is sent", "", 0, 0, ps_cmd_drain, false },
    { "plugin", "SOCKET", "serve Argo Workflows as its artifact plugin",
      "Also when called as purser-plugin SOCKET, which is how Argo starts it. Where to\n"
      "store is said by each artifact's configuration. SIGTERM lets calls end for\n"
      "plugin.grace (10 s), stops what still runs (its parts are kept) and exits 0.\n"
      "\n"
      "A configuration has the keys of a store (help settings), and: part_size,\n"
      "concurrency, policies (directories), credentials: { profile, file, config_file }\n"
      "or credentials: { access_key_id_env, secret_access_key_env, session_token_env },\n"
      "which are names of variables.\n"
      "\n"
      "A delete asks the policies (reclaim, event 'cleared'): one that is to wait is\n"
      "left as a marker below .purser/reclaim/, which `purser agent` takes over when\n"
      "a store of its settings has the configuration's URL.\n",
      1, 1, ps_cmd_plugin, true },
    { "doctor", "URL", "check credentials, endpoint, clock and rights",
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
                  "purser moves artifacts between files and object stores: resumable, verified,\n"
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
    (void)fprintf(file, "\nURLs: s3://BUCKET/KEY, oss://BUCKET/KEY and file:///DIR/KEY.\n"
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
