#include "cli/options.h"

#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_SWITCH,
    KIND_VALUE,
    KIND_LIST,
};

struct row {
    const char *name;
    char letter; /* '\0' = none */
    enum kind kind;
    const char *value_name;
    const char *help;
    const char *commands; /* those that take it, with spaces between; NULL = all */
};

static const struct row rows[PS_OPT_COUNT] = {
    [PS_OPT_HELP] = { "help", 'h', KIND_SWITCH, "", "what this command does", NULL },
    [PS_OPT_JSON] = { "json", '\0', KIND_SWITCH, "", "JSON Lines on standard output", NULL },
    [PS_OPT_QUIET] = { "quiet", 'q', KIND_SWITCH, "", "no progress, errors only", NULL },
    [PS_OPT_VERBOSE] = { "verbose", 'v', KIND_SWITCH, "", "say every step and decision", NULL },
    [PS_OPT_RECURSIVE] = { "recursive", 'r', KIND_SWITCH, "", "all keys below the prefix",
                           "get ls rm" },
    [PS_OPT_RESTART] = { "restart", '\0', KIND_SWITCH, "", "throw an interrupted run's parts away",
                         "put get cp" },
    [PS_OPT_ARCHIVE] = { "archive", '\0', KIND_VALUE, "FORMAT", "tar tar.gz tar.zst zip none",
                         "put" },
    [PS_OPT_COMPRESSION_LEVEL] = { "compression-level", '\0', KIND_VALUE, "N",
                                   "gzip, zip 0..9, zstd 1..19; -1 = default", "put" },
    [PS_OPT_EXTRACT] = { "extract", 'x', KIND_SWITCH, "", "files of the archive into DEST", "get" },
    [PS_OPT_INCLUDE] = { "include", '\0', KIND_LIST, "GLOB", "only these files; may be repeated",
                         "put get ls rm" },
    [PS_OPT_EXCLUDE] = { "exclude", '\0', KIND_LIST, "GLOB", "not these; may be repeated",
                         "put get ls rm" },
    [PS_OPT_SKIP_EXISTING] = { "skip-existing", '\0', KIND_SWITCH, "",
                               "not what is there with equal content", "put get" },
    [PS_OPT_DIRECTORIES] = { "directories", '\0', KIND_SWITCH, "",
                             "an object for each directory, too", "put" },
    [PS_OPT_XATTRS] = { "xattrs", '\0', KIND_SWITCH, "", "user.* attributes, tar only", "put get" },
    [PS_OPT_OUTSIDE_LINKS] = { "outside-links", '\0', KIND_SWITCH, "",
                               "keep symbolic links that lead out", "get" },
    [PS_OPT_MODE] = { "mode", '\0', KIND_VALUE, "OCTAL", "of DEST, e.g. 0755", "get" },
    [PS_OPT_RECURSE_MODE] = { "recurse-mode", '\0', KIND_SWITCH, "", "--mode for all that is in it",
                              "get" },
    [PS_OPT_SAME_OWNER] = { "same-owner", '\0', KIND_SWITCH, "", "owners as in the archive (root)",
                            "get" },
    [PS_OPT_CREATE_ONLY] = { "create-only", '\0', KIND_SWITCH, "", "fail if the object exists",
                             "put cp" },
    [PS_OPT_PART_SIZE] = { "part-size", '\0', KIND_VALUE, "SIZE", "size of a part, e.g. 64MiB",
                           "put get cp" },
    [PS_OPT_THRESHOLD] = { "threshold", '\0', KIND_VALUE, "SIZE", "multipart from this size on",
                           "put cp" },
    [PS_OPT_CONCURRENCY] = { "concurrency", 'c', KIND_VALUE, "N", "parts under way at once, 1..64",
                             "put get cp" },
    [PS_OPT_CHECKSUM] = { "checksum", '\0', KIND_VALUE, "NAME",
                          "crc64nvme crc64ecma crc32c crc32 sha256 md5", NULL },
    [PS_OPT_STORAGE_CLASS] = { "storage-class", '\0', KIND_VALUE, "NAME", "as the store names it",
                               "put cp" },
    [PS_OPT_CONTENT_TYPE] = { "content-type", '\0', KIND_VALUE, "TYPE", "of the object",
                              "put cp share" },
    [PS_OPT_META] = { "meta", '\0', KIND_LIST, "K=V", "user metadata; may be repeated", "put cp" },
    [PS_OPT_TAG] = { "tag", '\0', KIND_LIST, "K=V", "object tag; may be repeated", "put cp" },
    [PS_OPT_EXPIRES] = { "expires", '\0', KIND_VALUE, "TIME", "life of the URL: 1s to 7d, 1h",
                         "share" },
    [PS_OPT_METHOD] = { "method", '\0', KIND_VALUE, "GET|HEAD|PUT", "what the URL allows: GET",
                        "share" },
    [PS_OPT_VIA] = { "via", '\0', KIND_VALUE, "gateway", "through this machine's agent", "share" },
    [PS_OPT_ENDPOINT] = { "endpoint", '\0', KIND_VALUE, "URL", "of a store that is not AWS", NULL },
    [PS_OPT_REGION] = { "region", '\0', KIND_VALUE, "NAME", "of the bucket", NULL },
    [PS_OPT_PROFILE] = { "profile", '\0', KIND_VALUE, "NAME", "in the shared credentials files",
                         NULL },
    [PS_OPT_PATH_STYLE] = { "path-style", '\0', KIND_VALUE, "auto|true|false", "host/bucket/key",
                            NULL },
    [PS_OPT_CA_BUNDLE] = { "ca-bundle", '\0', KIND_VALUE, "FILE", "certificates to trust", NULL },
    [PS_OPT_NETWORK] = { "network", '\0', KIND_VALUE, "NAME",
                         "OSS: public internal accelerate dual-stack", NULL },
    [PS_OPT_SIGNATURE] = { "signature", '\0', KIND_VALUE, "v4|v1", "OSS: version", NULL },
    [PS_OPT_KIND] = { "kind", '\0', KIND_VALUE, "NAME", "of S3 store: auto aws minio ceph r2 ...",
                      NULL },
    [PS_OPT_ENCRYPTION] = { "encryption", '\0', KIND_VALUE, "NAME", "AES256 aws:kms customer ...",
                            NULL },
    [PS_OPT_ENCRYPTION_KEY] = { "encryption-key", '\0', KIND_VALUE, "ID", "of a KMS key", NULL },
    [PS_OPT_ENCRYPTION_KEY_FILE] = { "encryption-key-file", '\0', KIND_VALUE, "FILE",
                                     "a customer's key", NULL },
    [PS_OPT_REQUESTER_PAYS] = { "requester-pays", '\0', KIND_SWITCH, "", "agree to pay", NULL },
    [PS_OPT_SIGN_PAYLOAD] = { "sign-payload", '\0', KIND_SWITCH, "", "sign a SHA-256 of each body",
                              NULL },
    [PS_OPT_CONNECT_TIMEOUT] = { "connect-timeout", '\0', KIND_VALUE, "TIME", "to a store: 5s",
                                 NULL },
    [PS_OPT_STALL_TIMEOUT] = { "stall-timeout", '\0', KIND_VALUE, "TIME",
                               "without a byte either way: 30s", NULL },
    [PS_OPT_MEMORY_LIMIT] = { "memory-limit", '\0', KIND_VALUE, "SIZE", "for parts of a stream",
                              "put cp" },
    [PS_OPT_STATE_DIR] = { "state-dir", '\0', KIND_VALUE, "DIR", "where checkpoints are kept",
                           NULL },
    [PS_OPT_POLICY_PATH] = { "policy-path", '\0', KIND_VALUE, "DIRS",
                             "more policies, colon-separated", NULL },
    [PS_OPT_CONFIG] = { "config", '\0', KIND_VALUE, "FILE", "settings (help settings)", NULL },
    [PS_OPT_LOG_LEVEL] = { "log-level", '\0', KIND_VALUE, "LEVEL", "error warn info debug", NULL },
    [PS_OPT_LOG_FORMAT] = { "log-format", '\0', KIND_VALUE, "text|json", "of lines on stderr",
                            NULL },
    [PS_OPT_WORKFLOW] = { "workflow", '\0', KIND_VALUE, "NS/NAME",
                          "whose artifact it is: record it", "put" },
    [PS_OPT_UID] = { "uid", '\0', KIND_VALUE, "UID", "of the workflow", "put workflow" },
    [PS_OPT_NODE] = { "node", '\0', KIND_VALUE, "ID", "of the workflow, that made it", "put" },
    [PS_OPT_NODE_STATUS] = { "node-status", '\0', KIND_VALUE, "STATUS", "of that node", "put" },
    [PS_OPT_ARTIFACT] = { "artifact", '\0', KIND_VALUE, "NAME", "of the output artifact", "put" },
    [PS_OPT_GC] = { "gc", '\0', KIND_VALUE, "STRATEGY", "when it may go: see help put", "put" },
    [PS_OPT_LABEL] = { "label", '\0', KIND_LIST, "K=V", "for policies; may be repeated", "put" },
    [PS_OPT_STATUS] = { "status", '\0', KIND_VALUE, "STATUS", "Succeeded Failed Error",
                        "workflow" },
    [PS_OPT_TEMPLATE] = { "template", '\0', KIND_VALUE, "NAME", "of the workflow", "put workflow" },
    [PS_OPT_PREFIX] = { "prefix", '\0', KIND_VALUE, "URL", "only what begins with it", "reclaims" },
    [PS_OPT_DUE] = { "due", '\0', KIND_VALUE, "24h", "only what is due by then", "reclaims" },
    [PS_OPT_WHY] = { "why", '\0', KIND_SWITCH, "", "with policy, line and reason", "reclaims" },
    [PS_OPT_DRY_RUN] = { "dry-run", '\0', KIND_SWITCH, "", "tell what would be done, do nothing",
                         "reclaims lifecycle" },
    [PS_OPT_MAX] = { "max", '\0', KIND_VALUE, "N|N%", "the fuse's limit, this once", "reclaims" },
    [PS_OPT_UNTIL] = { "until", '\0', KIND_VALUE, "TIME", "2026-01-31T12:00:00Z, or +7d",
                       "reclaims" },
    [PS_OPT_SINCE] = { "since", '\0', KIND_VALUE, "30d", "how far back", "reclaims policy" },
    [PS_OPT_WATCH] = { "watch", '\0', KIND_SWITCH, "", "note Argo's workflows as they come and go",
                       "agent" },
    [PS_OPT_GATEWAY_MEMORY] = { "gateway-memory", '\0', KIND_VALUE, "SIZE",
                                "for all streams together", "agent" },
    [PS_OPT_NOW] = { "now", '\0', KIND_VALUE, "TIME", "as if it were TIME; also +7d",
                     "workflow reclaims explain policy" },
    [PS_OPT_LIMIT] = { "limit", '\0', KIND_VALUE, "N", "lines at most; 0 = all", "reclaims" },
};

/* Whether text is one of the words of list. */
static bool is_listed(const char *list, const char *text)
{
    size_t length = strlen(text);

    for (const char *at = strstr(list, text); at != NULL; at = strstr(at + 1, text)) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool takes(size_t index, const char *command)
{
    return rows[index].commands == NULL || is_listed(rows[index].commands, command);
}

static bool was_written(const struct ps_options *options, size_t index)
{
    if (rows[index].kind == KIND_LIST) {
        return (index == PS_OPT_META      ? options->meta_count
                : index == PS_OPT_LABEL   ? options->label_count
                : index == PS_OPT_TAG     ? options->tag_count
                : index == PS_OPT_INCLUDE ? options->include_count
                                          : options->exclude_count) > 0;
    }
    return options->values[index] != NULL && !options->from_env[index];
}

enum ps_code ps_options_check(const struct ps_options *options, const char *command,
                              struct ps_err *err)
{
    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        if (was_written(options, i) && !takes(i, command)) {
            return ps_err_set(err, PS_E_INVALID, "%s has no flag --%s: it is for %s", command,
                              rows[i].name, rows[i].commands);
        }
    }
    return PS_OK;
}

bool ps_options_has(const struct ps_options *options, enum ps_option option)
{
    return options->values[option] != NULL && strcmp(options->values[option], "false") != 0;
}

/* How many letters must change to make b of a; only good enough to find a slip of the finger. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t b_length = strnlen(b, 63);

    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; *a != '\0'; i++, a++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (*a == b[j - 1] ? 0 : 1);

            diagonal = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[b_length];
}

static enum ps_code unknown_flag(const char *name, struct ps_err *err)
{
    const char *nearest = NULL;
    size_t length = strlen(name);
    /* More than three slips are another word; as many as there are letters fit any word. */
    size_t nearest_distance = length < 4 ? length : 4;

    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        size_t d = distance(name, rows[i].name);

        if (d < nearest_distance) {
            nearest = rows[i].name;
            nearest_distance = d;
        }
    }
    if (nearest != NULL) {
        return ps_err_set(err, PS_E_INVALID, "unknown flag --%s: did you mean --%s?", name,
                          nearest);
    }
    return ps_err_set(err, PS_E_INVALID, "unknown flag --%s: see purser help flags", name);
}

static enum ps_code check_pair(const char *name, const char *value, struct ps_err *err)
{
    const char *equals = strchr(value, '=');

    if (equals == NULL || equals == value) {
        return ps_err_set(err, PS_E_INVALID, "--%s %s: write it as NAME=VALUE", name, value);
    }
    return PS_OK;
}

static enum ps_code append(const char **list, size_t *count, const char *name, const char *value,
                           struct ps_err *err)
{
    if (*count == PS_OPTION_LIST_MAX) {
        return ps_err_set(err, PS_E_INVALID, "--%s: at most %d of them", name, PS_OPTION_LIST_MAX);
    }
    list[(*count)++] = value;
    return PS_OK;
}

static enum ps_code set_value(struct ps_options *options, size_t index, const char *value,
                              struct ps_err *err)
{
    switch (index) {
    case PS_OPT_META:
        return check_pair("meta", value, err) == PS_OK
                   ? append(options->meta, &options->meta_count, "meta", value, err)
                   : PS_E_INVALID;
    case PS_OPT_TAG:
        return check_pair("tag", value, err) == PS_OK
                   ? append(options->tags, &options->tag_count, "tag", value, err)
                   : PS_E_INVALID;
    case PS_OPT_LABEL:
        return check_pair("label", value, err) == PS_OK
                   ? append(options->labels, &options->label_count, "label", value, err)
                   : PS_E_INVALID;
    case PS_OPT_INCLUDE:
        return append(options->include, &options->include_count, "include", value, err);
    case PS_OPT_EXCLUDE:
        return append(options->exclude, &options->exclude_count, "exclude", value, err);
    default:
        options->values[index] = value;
        return PS_OK;
    }
}

static bool find_long(const char *name, size_t length, size_t *index_out)
{
    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) {
            *index_out = i;
            return true;
        }
    }
    return false;
}

static bool find_letter(char letter, size_t *index_out)
{
    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        if (rows[i].letter == letter && letter != '\0') {
            *index_out = i;
            return true;
        }
    }
    return false;
}

/* "--name", "--name=value", "--name value"; *at moves over the value. */
static enum ps_code parse_long(struct ps_options *options, int argc, char **argv, int *at,
                               struct ps_err *err)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    size_t index = 0;

    if (!find_long(name, length, &index)) {
        char text[64];

        ps_str_copy(text, length < sizeof(text) - 1 ? length + 1 : sizeof(text), name);
        return unknown_flag(text, err);
    }
    if (rows[index].kind == KIND_SWITCH) {
        if (equals != NULL && strcmp(equals, "=true") != 0 && strcmp(equals, "=false") != 0) {
            return ps_err_set(err, PS_E_INVALID, "--%s takes no value", rows[index].name);
        }
        return set_value(options, index, equals != NULL ? equals + 1 : "true", err);
    }
    if (equals != NULL) {
        return set_value(options, index, equals + 1, err);
    }
    if (*at + 1 >= argc) {
        return ps_err_set(err, PS_E_INVALID, "--%s needs a value: %s", rows[index].name,
                          rows[index].value_name);
    }
    *at += 1;
    return set_value(options, index, argv[*at], err);
}

/* "-qr", "-c 4", "-c4". */
static enum ps_code parse_letters(struct ps_options *options, int argc, char **argv, int *at,
                                  struct ps_err *err)
{
    for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
        size_t index = 0;

        if (!find_letter(*letter, &index)) {
            return ps_err_set(err, PS_E_INVALID, "unknown flag -%c: see purser help flags",
                              *letter);
        }
        if (rows[index].kind == KIND_SWITCH) {
            options->values[index] = "true";
            continue;
        }
        if (letter[1] != '\0') {
            return set_value(options, index, letter + 1, err);
        }
        if (*at + 1 >= argc) {
            return ps_err_set(err, PS_E_INVALID, "-%c needs a value: %s", *letter,
                              rows[index].value_name);
        }
        *at += 1;
        return set_value(options, index, argv[*at], err);
    }
    return PS_OK;
}

static const char *env_name(size_t index, char *text, size_t text_size_bytes)
{
    (void)snprintf(text, text_size_bytes, "PURSER_%s", rows[index].name);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    return text;
}

static bool is_on(const char *value)
{
    return strcmp(value, "1") == 0 || strcmp(value, "true") == 0 || strcmp(value, "yes") == 0;
}

static void fill_from_env(struct ps_options *options, ps_getenv_fn getenv_fn, void *getenv_user)
{
    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        char name[64];
        const char *value = getenv_fn(getenv_user, env_name(i, name, sizeof(name)));

        if (value == NULL || value[0] == '\0' || options->values[i] != NULL ||
            rows[i].kind == KIND_LIST || i == PS_OPT_HELP) {
            continue;
        }
        options->values[i] = rows[i].kind == KIND_SWITCH && is_on(value) ? "true"
                             : rows[i].kind == KIND_SWITCH               ? "false"
                                                                         : value;
        options->from_env[i] = true;
    }
}

enum ps_code ps_options_parse(struct ps_options *options, int argc, char **argv,
                              ps_getenv_fn getenv_fn, void *getenv_user, struct ps_err *err)
{
    enum ps_code code = PS_OK;
    bool flags_ended = false;

    memset(options, 0, sizeof(*options));
    options->args = calloc((size_t)argc + 1, sizeof(*options->args));
    if (options->args == NULL) {
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    for (int i = 1; i < argc && code == PS_OK; i++) {
        if (flags_ended || argv[i][0] != '-' || argv[i][1] == '\0') {
            options->args[options->arg_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            flags_ended = true;
        } else if (argv[i][1] == '-') {
            code = parse_long(options, argc, argv, &i, err);
        } else {
            code = parse_letters(options, argc, argv, &i, err);
        }
    }
    if (code == PS_OK) {
        fill_from_env(options, getenv_fn, getenv_user);
    }
    return code;
}

void ps_options_clear(struct ps_options *options)
{
    free(options->args);
    options->args = NULL;
}

const char *ps_options_origin(const struct ps_options *options, enum ps_option option, char *text)
{
    if (options->from_env[option]) {
        return env_name(option, text, 64);
    }
    (void)snprintf(text, 64, "flag --%s", rows[option].name);
    return text;
}

enum ps_code ps_options_refuse(const struct ps_options *options, const enum ps_option *list,
                               size_t count, const char *with, struct ps_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (was_written(options, list[i])) {
            return ps_err_set(err, PS_E_INVALID, "--%s goes with %s", rows[list[i]].name, with);
        }
    }
    return PS_OK;
}

static void describe_rows(FILE *file, const char *command, bool of_all)
{
    for (size_t i = 0; i < PS_OPT_COUNT; i++) {
        char left[48];
        char letter[8] = "    ";

        if (command != NULL && (!takes(i, command) || (rows[i].commands == NULL) != of_all)) {
            continue;
        }

        if (rows[i].letter != '\0') {
            (void)snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        }
        (void)snprintf(left, sizeof(left), "%s--%s %s", letter, rows[i].name, rows[i].value_name);
        (void)fprintf(file, "  %-34s %s\n", left, rows[i].help);
    }
}

void ps_options_describe(FILE *file, const char *command)
{
    (void)fprintf(file, "Flags. Each has a variable: --part-size is PURSER_PART_SIZE.\n");
    if (command == NULL) {
        describe_rows(file, NULL, true);
        return;
    }
    describe_rows(file, command, false);
    (void)fprintf(file, "\nof every command:\n");
    describe_rows(file, command, true);
}
