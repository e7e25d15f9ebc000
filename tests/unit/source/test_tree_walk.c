#include "source/tree_walk.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];

static void set_up(void)
{
    (void)snprintf(top, sizeof(top), "/tmp/purser-walk-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    cr_assert_eq(chdir(top), 0);
}

static void tear_down(void)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

TestSuite(tree_walk, .init = set_up, .fini = tear_down, .timeout = 20);

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0640);

    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, path, strlen(path)), (ssize_t)strlen(path));
    (void)close(fd);
}

/* All paths, each followed by a blank; directories with '/'. */
static const char *walk_all(const struct ps_tree_filter *filter)
{
    static char text[4096];
    struct ps_tree_walk *walk = NULL;
    const struct ps_tree_entry *entry = NULL;

    text[0] = '\0';
    cr_assert_eq(ps_tree_walk_open(&walk, top, filter, NULL), PS_OK);
    do {
        size_t used = strlen(text);

        cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
        if (entry != NULL) {
            (void)snprintf(text + used, sizeof(text) - used, "%s%s ", entry->path,
                           entry->kind == PS_TREE_DIRECTORY ? "/" : "");
        }
    } while (entry != NULL);
    ps_tree_walk_close(walk);
    return text;
}

Test(tree_walk, goes_in_the_order_of_keys)
{
    /* '-' 0x2d and '.' 0x2e sort before '/' 0x2f, '0' 0x30 after it: as the keys a-b a.b a/b a0b do. */
    cr_assert_eq(mkdir("a", 0700), 0);
    touch("a0b");
    touch("a-b");
    touch("a/z");
    touch("a/B");
    touch("a.b");
    touch("B");

    cr_assert_str_eq(walk_all(NULL), "B a-b a.b a/ a/B a/z a0b ");
}

Test(tree_walk, tells_what_an_entry_is_and_follows_no_link)
{
    struct ps_tree_walk *walk = NULL;
    const struct ps_tree_entry *entry = NULL;

    cr_assert_eq(mkdir("d", 0750), 0);
    touch("d/file");
    cr_assert_eq(symlink("../d", "d/link"), 0);
    cr_assert_eq(mkfifo("d/pipe", 0600), 0);

    cr_assert_eq(ps_tree_walk_open(&walk, top, NULL, NULL), PS_OK);
    cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
    cr_assert_eq(entry->kind, PS_TREE_DIRECTORY);
    cr_assert_eq(entry->mode, 0750);
    cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
    cr_assert_eq(entry->kind, PS_TREE_FILE);
    cr_assert_eq(entry->size_bytes, strlen("d/file"));
    cr_assert_str_eq(entry->name, "file");
    cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
    cr_assert_eq(entry->kind, PS_TREE_LINK);
    cr_assert_str_eq(entry->link_target, "../d");
    cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
    cr_assert_eq(entry->kind, PS_TREE_SPECIAL);
    cr_assert_eq(ps_tree_walk_next(walk, &entry, NULL), PS_OK);
    cr_assert_null(entry);
    ps_tree_walk_close(walk);
}

Test(tree_walk, filters)
{
    static const struct row {
        const char *include;
        const char *exclude;
        const char *paths;
    } rows[] = {
        { NULL, NULL, "a.c b/ b/a.c b/a.h b/c/ b/c/a.c " },
        { "*.c", NULL, "a.c b/ b/a.c b/c/ b/c/a.c " },
        { NULL, "*.c", "b/ b/a.h b/c/ " },
        { NULL, "b", "a.c " },
        { NULL, "c", "a.c b/ b/a.c b/a.h " },
        { "b/*", NULL, "b/ b/a.c b/a.h b/c/ b/c/a.c " },
        { NULL, "b/*", "a.c b/ " },
        { "*.c", "b/c", "a.c b/ b/a.c " },
    };

    cr_assert_eq(mkdir("b", 0700), 0);
    cr_assert_eq(mkdir("b/c", 0700), 0);
    touch("a.c");
    touch("b/a.c");
    touch("b/a.h");
    touch("b/c/a.c");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ps_tree_filter filter = {
            .include = &rows[i].include,
            .include_count = rows[i].include != NULL ? 1 : 0,
            .exclude = &rows[i].exclude,
            .exclude_count = rows[i].exclude != NULL ? 1 : 0,
        };

        cr_assert_str_eq(walk_all(&filter), rows[i].paths, "row %zu: %s", i, walk_all(&filter));
    }
}

Test(tree_walk, refuses_what_is_no_directory)
{
    struct ps_tree_walk *walk = NULL;

    touch("file");
    cr_assert_eq(ps_tree_walk_open(&walk, "file", NULL, NULL), PS_E_INVALID);
    cr_assert_eq(ps_tree_walk_open(&walk, "missing", NULL, NULL), PS_E_NOT_FOUND);
    cr_assert_null(walk);
}
