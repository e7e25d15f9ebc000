/**
 * options - flags and their PURSER_ variables, from one table; commands ask for values by name.
 *
 * Flow:    argv, environment -> [options] -> cli/app.h, cli/cmd_*.c
 * Thread:  the loop thread
 * Source:  POSIX 12.2 utility syntax, with GNU long options ("--name value", "--name=value", "--" ends them)
 */
#ifndef PS_CLI_OPTIONS_H
#define PS_CLI_OPTIONS_H

#include "base/environment.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum ps_option {
    PS_OPT_HELP,
    PS_OPT_JSON,
    PS_OPT_QUIET,
    PS_OPT_VERBOSE,
    PS_OPT_RECURSIVE,
    PS_OPT_RESTART,
    PS_OPT_ARCHIVE,
    PS_OPT_COMPRESSION_LEVEL,
    PS_OPT_EXTRACT,
    PS_OPT_INCLUDE,
    PS_OPT_EXCLUDE,
    PS_OPT_SKIP_EXISTING,
    PS_OPT_DIRECTORIES,
    PS_OPT_XATTRS,
    PS_OPT_OUTSIDE_LINKS,
    PS_OPT_MODE,
    PS_OPT_RECURSE_MODE,
    PS_OPT_SAME_OWNER,
    PS_OPT_CREATE_ONLY,
    PS_OPT_PART_SIZE,
    PS_OPT_THRESHOLD,
    PS_OPT_CONCURRENCY,
    PS_OPT_CHECKSUM,
    PS_OPT_STORAGE_CLASS,
    PS_OPT_CONTENT_TYPE,
    PS_OPT_META,
    PS_OPT_TAG,
    PS_OPT_EXPIRES,
    PS_OPT_METHOD,
    PS_OPT_VIA,
    PS_OPT_ENDPOINT,
    PS_OPT_REGION,
    PS_OPT_PROFILE,
    PS_OPT_PATH_STYLE,
    PS_OPT_CA_BUNDLE,
    PS_OPT_NETWORK,
    PS_OPT_SIGNATURE,
    PS_OPT_KIND,
    PS_OPT_ENCRYPTION,
    PS_OPT_ENCRYPTION_KEY,
    PS_OPT_ENCRYPTION_KEY_FILE,
    PS_OPT_REQUESTER_PAYS,
    PS_OPT_SIGN_PAYLOAD,
    PS_OPT_CONNECT_TIMEOUT,
    PS_OPT_STALL_TIMEOUT,
    PS_OPT_MEMORY_LIMIT,
    PS_OPT_STATE_DIR,
    PS_OPT_POLICY_PATH,
    PS_OPT_CONFIG,
    PS_OPT_LOG_LEVEL,
    PS_OPT_LOG_FORMAT,
    PS_OPT_WORKFLOW,
    PS_OPT_UID,
    PS_OPT_NODE,
    PS_OPT_NODE_STATUS,
    PS_OPT_ARTIFACT,
    PS_OPT_GC,
    PS_OPT_LABEL,
    PS_OPT_STATUS,
    PS_OPT_TEMPLATE,
    PS_OPT_PREFIX,
    PS_OPT_DUE,
    PS_OPT_WHY,
    PS_OPT_DRY_RUN,
    PS_OPT_MAX,
    PS_OPT_UNTIL,
    PS_OPT_SINCE,
    PS_OPT_NOW,
    PS_OPT_LIMIT,
    PS_OPT_WATCH,
    PS_OPT_GATEWAY_MEMORY,
    PS_OPT_COUNT,
};

/** Most --meta, --tag, --label, --include and --exclude each; a store takes fewer tags. */
#define PS_OPTION_LIST_MAX 32

struct ps_options {
    const char *values[PS_OPT_COUNT]; /* NULL = not given; "true" for a switch */
    bool from_env[PS_OPT_COUNT];
    const char *meta[PS_OPTION_LIST_MAX]; /* "name=value" */
    size_t meta_count;
    const char *tags[PS_OPTION_LIST_MAX];
    size_t tag_count;
    const char *labels[PS_OPTION_LIST_MAX];
    size_t label_count;
    const char *include[PS_OPTION_LIST_MAX];
    size_t include_count;
    const char *exclude[PS_OPTION_LIST_MAX];
    size_t exclude_count;
    const char **args; /* what is no flag, the command's name first; points into argv */
    int arg_count;
};

/**
 * Take argv[1..] apart, then fill in what is unset from the environment. Text is borrowed from both.
 *
 * Errors:  PS_E_INVALID for an unknown flag (with the nearest known one) or a missing value; PS_E_NO_MEMORY.
 */
PS_MUST_USE enum ps_code ps_options_parse(struct ps_options *options, int argc, char **argv,
                                          ps_getenv_fn getenv_fn, void *getenv_user,
                                          struct ps_err *err);
void ps_options_clear(struct ps_options *options);

bool ps_options_has(const struct ps_options *options, enum ps_option option);

/** The value as a size or a number; *value_out is left alone when it was not given. PS_E_INVALID names flag and value. */
PS_MUST_USE enum ps_code ps_options_size(const struct ps_options *options, enum ps_option option,
                                         uint64_t *bytes_out, struct ps_err *err);
PS_MUST_USE enum ps_code ps_options_number(const struct ps_options *options, enum ps_option option,
                                           uint32_t *value_out, struct ps_err *err);

/** PS_E_INVALID when one of the count options was given: "--mode goes with --extract" for with "--extract". */
PS_MUST_USE enum ps_code ps_options_refuse(const struct ps_options *options,
                                           const enum ps_option *list, size_t count,
                                           const char *with, struct ps_err *err);

/** --compression-level, -1..19; left alone when it was not given. PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_options_level(const struct ps_options *options, int *level_out,
                                          struct ps_err *err);

/** --mode as 0..0777; -1 when it was not given. PS_E_INVALID. */
PS_MUST_USE enum ps_code ps_options_mode(const struct ps_options *options, int *mode_out,
                                         struct ps_err *err);

/** "flag --part-size" or "PURSER_PART_SIZE", whichever gave the value; text holds 64 bytes. Returns text. */
const char *ps_options_origin(const struct ps_options *options, enum ps_option option, char *text);

/** PS_E_INVALID when a flag was written that command does not take. A variable is for all commands and passes. */
PS_MUST_USE enum ps_code ps_options_check(const struct ps_options *options, const char *command,
                                          struct ps_err *err);

/** Print the flags that command takes, those of its own first; NULL = all flags. 80 columns. */
void ps_options_describe(FILE *file, const char *command);

#endif
