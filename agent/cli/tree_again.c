#include "cli/tree_again.h"

#include "base/encode.h"
#include "base/str.h"
#include "hash/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Flags that change neither what is moved nor how it is stored. */
static bool is_of_no_matter(size_t option)
{
    static const enum ps_option names[] = {
        PS_OPT_JSON,          PS_OPT_QUIET,      PS_OPT_VERBOSE,
        PS_OPT_SKIP_EXISTING, PS_OPT_RESTART,    PS_OPT_CONCURRENCY,
        PS_OPT_LOG_LEVEL,     PS_OPT_LOG_FORMAT, PS_OPT_STATE_DIR,
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] == option) {
            return true;
        }
    }
    return false;
}

static enum ps_code add(struct ps_buf *text, const char *word)
{
    return ps_buf_append(text, word, strlen(word) + 1,
                         NULL); /* with its NUL: "ab","c" is not "a","bc" */
}

static enum ps_code add_list(struct ps_buf *text, const char *const *list, size_t count)
{
    enum ps_code code = add(text, "list");

    for (size_t i = 0; i < count && code == PS_OK; i++) {
        code = add(text, list[i]);
    }
    return code;
}

static enum ps_code add_options(struct ps_buf *text, const struct ps_options *options)
{
    enum ps_code code = PS_OK;
    char number[24];

    for (size_t i = 0; i < PS_OPT_COUNT && code == PS_OK; i++) {
        if (options->values[i] != NULL && !is_of_no_matter(i)) {
            (void)snprintf(number, sizeof(number), "%zu", i);
            code = add(text, number);
            code = code == PS_OK ? add(text, options->values[i]) : code;
        }
    }
    code = code == PS_OK ? add_list(text, options->meta, options->meta_count) : code;
    code = code == PS_OK ? add_list(text, options->tags, options->tag_count) : code;
    code = code == PS_OK ? add_list(text, options->labels, options->label_count) : code;
    code = code == PS_OK ? add_list(text, options->include, options->include_count) : code;
    return code == PS_OK ? add_list(text, options->exclude, options->exclude_count) : code;
}

static char *path_of(struct ps_app *app, const char *command, const char *from, const char *to)
{
    struct ps_buf text = { 0 };
    uint8_t digest[PS_SHA256_SIZE];
    char hex[PS_HEX_SIZE(PS_SHA256_SIZE)];
    char name[32];
    char *path = NULL;

    if (add(&text, command) == PS_OK && add(&text, from) == PS_OK && add(&text, to) == PS_OK &&
        add_options(&text, &app->options) == PS_OK) {
        ps_sha256(text.data, text.size_bytes, digest);
        (void)snprintf(name, sizeof(name), "tree-%.16s",
                       ps_hex_encode(digest, sizeof(digest), hex));
        path = ps_app_state_path(app, "", name, NULL);
    }
    ps_buf_clear(&text);
    return path;
}

void ps_tree_again_begin(struct ps_tree_again *again, struct ps_app *app, const char *command,
                         const char *from, const char *to)
{
    int fd;

    again->unfinished = false;
    again->path = path_of(app, command, from, to);
    if (again->path == NULL) {
        return;
    }
    again->unfinished =
        access(again->path, F_OK) == 0 && !ps_options_has(&app->options, PS_OPT_RESTART);
    fd = open(again->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && ps_app_open_state(app, NULL) != NULL) { /* makes the directory */
        fd = open(again->path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (fd < 0) {
        free(again->path);
        again->path = NULL;
        return;
    }
    (void)close(fd);
    if (again->unfinished && !app->quiet && !app->json) {
        (void)fprintf(stderr, "purser: this command did not end well before: what is there and "
                              "equal is left alone\n");
    }
}

void ps_tree_again_end(struct ps_tree_again *again, bool whole, bool moved)
{
    if (again->path != NULL && (whole || (!moved && !again->unfinished))) {
        (void)unlink(again->path);
    }
    free(again->path);
    again->path = NULL;
}

void ps_tree_again_advise(const struct ps_tree_again *again, struct ps_err *err)
{
    char message[sizeof(err->message)];

    if (err->code == PS_E_PARTIAL) {
        ps_str_copy(message, sizeof(message), err->message);
        (void)ps_err_set(err, PS_E_PARTIAL, "%.180s; the same command%s does only those", message,
                         again->path != NULL ? "" : " with --skip-existing");
    }
}
