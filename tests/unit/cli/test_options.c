#include "cli/options.h"

#include "base/settings_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(options, .timeout = 20);

enum {
    ARGS_MAX = 80
};

struct variable {
    const char *name;
    const char *value;
};

/* user: variables, ended by one without a name; NULL = none. */
static const char *fake_getenv(void *user, const char *name)
{
    for (const struct variable *variable = user; variable != NULL && variable->name != NULL;
         variable++) {
        if (strcmp(variable->name, name) == 0) {
            return variable->value;
        }
    }
    return NULL;
}

/* words: the command line without the program's name, ended by NULL; borrowed by options. */
static enum ps_code parse(struct ps_options *options, const char *const *words,
                          const struct variable *variables, struct ps_err *err)
{
    char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t) "purser" };
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    return ps_options_parse(options, argc, argv, fake_getenv, (void *)(uintptr_t)variables, err);
}

#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

Test(options, flags_and_arguments_may_be_mixed)
{
    struct ps_options options;

    cr_assert_eq(parse(&options,
                       WORDS("put", "-q", "a.bin", "--part-size", "64MiB", "--region=eu-west-1",
                             "s3://b/k", "-c4"),
                       NULL, NULL),
                 PS_OK);

    cr_assert_eq(options.arg_count, 3);
    cr_assert_str_eq(options.args[0], "put");
    cr_assert_str_eq(options.args[1], "a.bin");
    cr_assert_str_eq(options.args[2], "s3://b/k");
    cr_assert(ps_options_has(&options, PS_OPT_QUIET));
    cr_assert(!ps_options_has(&options, PS_OPT_JSON));
    cr_assert_str_eq(options.values[PS_OPT_PART_SIZE], "64MiB");
    cr_assert_str_eq(options.values[PS_OPT_REGION], "eu-west-1");
    cr_assert_str_eq(options.values[PS_OPT_CONCURRENCY], "4");
    cr_assert_null(options.values[PS_OPT_CHECKSUM]);
    ps_options_clear(&options);
    ps_options_clear(&options);
}

/* POSIX 12.2 guidelines 5 to 7, 10 and 13; GNU long options. */
Test(options, follows_the_utility_syntax)
{
    static const struct row {
        const char *name;
        const char *words[4];
        enum ps_option option;
        const char *value; /* NULL = not given */
        int arg_count;
    } rows[] = {
        { "grouped letters", { "-qvr" }, PS_OPT_RECURSIVE, "true", 0 },
        { "grouped, the last with a value", { "-qc", "8" }, PS_OPT_CONCURRENCY, "8", 0 },
        { "grouped, the value joined", { "-qc8" }, PS_OPT_CONCURRENCY, "8", 0 },
        { "a switch set", { "--json=true" }, PS_OPT_JSON, "true", 0 },
        { "a switch not set", { "--json=false" }, PS_OPT_JSON, "false", 0 },
        { "an empty value", { "--region=" }, PS_OPT_REGION, "", 0 },
        { "a value with =", { "--endpoint=http://h/?a=b" }, PS_OPT_ENDPOINT, "http://h/?a=b", 0 },
        { "a value that looks like a flag", { "--region", "--json" }, PS_OPT_REGION, "--json", 0 },
        { "the last one counts", { "--region=a", "--region", "b" }, PS_OPT_REGION, "b", 0 },
        { "- is standard input", { "-" }, PS_OPT_QUIET, NULL, 1 },
        { "-- ends the flags", { "--", "-q", "--json" }, PS_OPT_QUIET, NULL, 2 },
        { "-- a second time is an argument", { "--", "--" }, PS_OPT_QUIET, NULL, 1 },
        { "an empty argument", { "" }, PS_OPT_QUIET, NULL, 1 },
        { "nothing", { NULL }, PS_OPT_QUIET, NULL, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_options options;
        struct ps_err err = { .code = PS_OK };
        const char *value;

        cr_assert_eq(parse(&options, rows[i].words, NULL, &err), PS_OK, "%s: %s", rows[i].name,
                     err.message);
        value = options.values[rows[i].option];
        cr_assert_eq(value == NULL, rows[i].value == NULL, "%s", rows[i].name);
        if (value != NULL) {
            cr_assert_str_eq(value, rows[i].value, "%s", rows[i].name);
        }
        cr_assert_eq(options.arg_count, rows[i].arg_count, "%s", rows[i].name);
        ps_options_clear(&options);
    }
}

Test(options, mistakes_are_told)
{
    static const struct row {
        const char *words[3];
        const char *message;
    } rows[] = {
        { { "--part-sise=1" }, "unknown flag --part-sise: did you mean --part-size?" },
        { { "--jsno" }, "unknown flag --jsno: did you mean --json?" },
        { { "--partsize", "1" }, "unknown flag --partsize: did you mean --part-size?" },
        { { "--frobnicate" }, "unknown flag --frobnicate: see purser help flags" },
        { { "--=x" }, "unknown flag --: see purser help flags" },
        { { "-z" }, "unknown flag -z: see purser help flags" },
        { { "-qz" }, "unknown flag -z: see purser help flags" },
        { { "put", "--region" }, "--region needs a value: NAME" },
        { { "-c" }, "-c needs a value: N" },
        { { "--json=1" }, "--json takes no value" },
        { { "--meta", "colour" }, "--meta colour: write it as NAME=VALUE" },
        { { "--tag", "=red" }, "--tag =red: write it as NAME=VALUE" },
        { { "--meta" }, "--meta needs a value: K=V" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_options options;
        struct ps_err err;

        cr_assert_eq(parse(&options, rows[i].words, NULL, &err), PS_E_INVALID, "%s",
                     rows[i].message);
        cr_assert_str_eq(err.message, rows[i].message);
        ps_options_clear(&options);
    }
}

Test(options, a_flag_of_any_length_is_told_within_bounds)
{
    static char flag[5000] = "--";
    struct ps_options options;
    struct ps_err err;

    memset(flag + 2, 'x', sizeof(flag) - 3);

    cr_assert_eq(parse(&options, WORDS(flag), NULL, &err), PS_E_INVALID);

    cr_assert_eq(strncmp(err.message, "unknown flag --xxxx", 19), 0, "%s", err.message);
    ps_options_clear(&options);
}

Test(options, metadata_and_tags_are_lists)
{
    const char *words[2 * PS_OPTION_LIST_MAX + 3] = { NULL };
    struct ps_options options;
    struct ps_err err;

    cr_assert_eq(parse(&options, WORDS("--meta", "a=1", "--tag=t=x=y", "--meta=b=", "--meta=a=2"),
                       NULL, NULL),
                 PS_OK);
    cr_assert_eq(options.meta_count, 3);
    cr_assert_str_eq(options.meta[0], "a=1");
    cr_assert_str_eq(options.meta[1], "b=");
    cr_assert_str_eq(options.meta[2], "a=2");
    cr_assert_eq(options.tag_count, 1);
    cr_assert_str_eq(options.tags[0], "t=x=y");
    ps_options_clear(&options);

    for (size_t i = 0; i < PS_OPTION_LIST_MAX; i++) {
        words[i] = "--tag=a=b";
    }
    cr_assert_eq(parse(&options, words, NULL, NULL), PS_OK);
    cr_assert_eq(options.tag_count, PS_OPTION_LIST_MAX);
    ps_options_clear(&options);
    words[PS_OPTION_LIST_MAX] = "--tag=a=b";
    cr_assert_eq(parse(&options, words, NULL, &err), PS_E_INVALID);
    cr_assert_str_eq(err.message, "--tag: at most 32 of them");
    ps_options_clear(&options);
}

Test(options, a_variable_fills_in_what_no_flag_gave)
{
    static const struct variable variables[] = {
        { "PURSER_REGION", "from-env" }, { "PURSER_PART_SIZE", "1MiB" },
        { "PURSER_JSON", "1" },          { "PURSER_VERBOSE", "yes" },
        { "PURSER_RESTART", "0" },       { "PURSER_QUIET", "true" },
        { "PURSER_PROFILE", "" },        { "PURSER_META", "a=b" },
        { "PURSER_HELP", "1" },          { NULL, NULL },
    };
    struct ps_options options;
    char origin[64];

    cr_assert_eq(parse(&options, WORDS("--region", "from-flag", "--quiet=false"), variables, NULL),
                 PS_OK);

    cr_assert_str_eq(options.values[PS_OPT_REGION], "from-flag");
    cr_assert_str_eq(ps_options_origin(&options, PS_OPT_REGION, origin), "flag --region");
    cr_assert_str_eq(options.values[PS_OPT_PART_SIZE], "1MiB");
    cr_assert_str_eq(ps_options_origin(&options, PS_OPT_PART_SIZE, origin), "PURSER_PART_SIZE");
    cr_assert(ps_options_has(&options, PS_OPT_JSON));
    cr_assert(ps_options_has(&options, PS_OPT_VERBOSE));
    cr_assert(!ps_options_has(&options, PS_OPT_RESTART));
    cr_assert(!ps_options_has(&options, PS_OPT_QUIET), "a flag can undo a variable");
    cr_assert_null(options.values[PS_OPT_PROFILE], "an empty variable is none");
    cr_assert_eq(options.meta_count, 0);
    cr_assert(!ps_options_has(&options, PS_OPT_HELP));
    ps_options_clear(&options);
}

Test(options, sizes_and_numbers_are_checked)
{
    static const struct row {
        const char *word;
        bool is_size;
        enum ps_option option;
        uint64_t value; /* 7 = left alone */
        const char *message;
    } rows[] = {
        { "--part-size=64MiB", true, PS_OPT_PART_SIZE, 67108864, NULL },
        { "--threshold=5kB", true, PS_OPT_THRESHOLD, 5000, NULL },
        { "--json", true, PS_OPT_PART_SIZE, 7, NULL },
        { "--part-size=0", true, PS_OPT_PART_SIZE, 7,
          "flag --part-size: '0' is no size: write e.g. 64MiB" },
        { "--part-size=-5", true, PS_OPT_PART_SIZE, 7,
          "flag --part-size: '-5' is no size: write e.g. 64MiB" },
        { "--part-size=", true, PS_OPT_PART_SIZE, 7,
          "flag --part-size: '' is no size: write e.g. 64MiB" },
        { "--concurrency=1", false, PS_OPT_CONCURRENCY, 1, NULL },
        { "--concurrency=64", false, PS_OPT_CONCURRENCY, 64, NULL },
        { "--json", false, PS_OPT_CONCURRENCY, 7, NULL },
        { "--concurrency=0", false, PS_OPT_CONCURRENCY, 7,
          "flag --concurrency: '0' is no number from 1 to 64" },
        { "--concurrency=65", false, PS_OPT_CONCURRENCY, 7,
          "flag --concurrency: '65' is no number from 1 to 64" },
        { "--concurrency=4294967297", false, PS_OPT_CONCURRENCY, 7,
          "flag --concurrency: '4294967297' is no number from 1 to 64" },
        { "--concurrency=four", false, PS_OPT_CONCURRENCY, 7,
          "flag --concurrency: 'four' is no number from 1 to 64" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_options options;
        struct ps_err err = { .code = PS_OK };
        uint64_t bytes = 7;
        uint32_t number = 7;
        enum ps_code code;

        cr_assert_eq(parse(&options, WORDS(rows[i].word), NULL, NULL), PS_OK);
        code = rows[i].is_size ? ps_options_size(&options, rows[i].option, &bytes, &err)
                               : ps_options_number(&options, rows[i].option, &number, &err);
        cr_assert_eq(code, rows[i].message == NULL ? PS_OK : PS_E_INVALID, "%s", rows[i].word);
        cr_assert_eq(rows[i].is_size ? bytes : number, rows[i].value, "%s", rows[i].word);
        cr_assert_str_eq(err.message, rows[i].message == NULL ? "" : rows[i].message);
        ps_options_clear(&options);
    }
}

Test(options, a_wrong_variable_is_told_by_its_name)
{
    static const struct variable variables[] = { { "PURSER_CONCURRENCY", "many" }, { NULL, NULL } };
    struct ps_options options;
    struct ps_err err;
    uint32_t number = 7;

    cr_assert_eq(parse(&options, WORDS("ls"), variables, NULL), PS_OK);

    cr_assert_eq(ps_options_number(&options, PS_OPT_CONCURRENCY, &number, &err), PS_E_INVALID);

    cr_assert_str_eq(err.message, "PURSER_CONCURRENCY: 'many' is no number from 1 to 64");
    ps_options_clear(&options);
}

Test(options, every_flag_is_in_the_help_within_80_columns)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct ps_options options = { .arg_count = 0 };

    ps_options_describe(file, NULL);
    (void)fclose(file);

    for (int i = 0; i < PS_OPT_COUNT; i++) {
        char origin[64];

        (void)ps_options_origin(&options, (enum ps_option)i, origin);
        cr_assert_not_null(strstr(text, origin + strlen("flag ")), "%s", origin);
    }
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        cr_assert_leq(length, 80, "%.*s", (int)length, line);
        line += length + 1;
    }
    free(text);
}

Test(options, flag_of_another_command_is_refused)
{
    static const struct {
        const char *words[3];
        bool good;
    } rows[] = {
        { { "ls", "--part-size=5MiB" }, false },
        { { "ls", "--meta=a=b" }, false },
        { { "put", "-r" }, false },
        { { "put", "--meta=a=b" }, true },
        { { "get", "--part-size=5MiB" }, true },
        { { "ls", "-r" }, true },
        { { "stat", "--json" }, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_options options;
        struct ps_err err = { .code = PS_OK };

        cr_assert_eq(parse(&options, rows[i].words, NULL, &err), PS_OK, "%s", err.message);
        cr_expect_eq(ps_options_check(&options, rows[i].words[0], &err),
                     rows[i].good ? PS_OK : PS_E_INVALID, "%s %s", rows[i].words[0],
                     rows[i].words[1]);
        cr_expect(rows[i].good || strstr(err.message, "it is for") != NULL, "%s", err.message);
        ps_options_clear(&options);
    }
}

Test(options, variable_of_another_commands_flag_passes)
{
    static const struct variable variables[] = { { "PURSER_PART_SIZE", "5MiB" }, { NULL, NULL } };
    struct ps_options options;

    cr_assert_eq(parse(&options, WORDS("ls"), variables, NULL), PS_OK);

    cr_expect_eq(ps_options_check(&options, "ls", NULL), PS_OK);
    ps_options_clear(&options);
}

Test(options, each_setting_of_a_store_has_its_flag)
{
    for (size_t i = 0; i < ps_settings_store_row_count; i++) {
        const struct ps_setting *row = &ps_settings_store_rows[i];
        struct ps_options options;
        struct ps_err err;
        char flag[64];

        if (strcmp(row->name, "url") == 0) {
            continue; /* it is the command's argument */
        }
        (void)snprintf(flag, sizeof(flag), "--%s=true", row->name);
        for (char *c = flag; *c != '\0'; c++) {
            *c = *c == '_' ? '-' : *c;
        }

        enum ps_code code = parse(&options, WORDS("ls", flag), NULL, &err);

        cr_assert_eq(code, PS_OK, "stores.NAME.%s: %s", row->name, err.message);
        cr_assert_eq(ps_options_check(&options, "ls", &err), PS_OK, "%s", err.message);
        ps_options_clear(&options);
    }
}
