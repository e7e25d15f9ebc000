#include "sink/dest_tree.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];
static char dest[128];
static struct ps_dest_tree *tree;

static void set_up(void)
{
    (void)snprintf(top, sizeof(top), "/tmp/purser-dest-XXXXXX");
    cr_assert_not_null(mkdtemp(top));
    (void)snprintf(dest, sizeof(dest), "%s/a/dest", top);
    cr_assert_eq(ps_dest_tree_open(&tree, dest, NULL), PS_OK);
}

static void tear_down(void)
{
    char command[128];

    ps_dest_tree_close(tree);
    (void)snprintf(command, sizeof(command), "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

TestSuite(dest_tree, .init = set_up, .fini = tear_down, .timeout = 20);

static enum ps_code put_file(const char *path)
{
    const struct ps_dest_attributes attributes = { .mode = 0640, .mtime_ns = 5000000007 };
    struct ps_dest_file file = { .fd = -1 };

    cr_assert_eq(ps_dest_tree_file_begin(tree, &file, NULL), PS_OK);
    cr_assert_eq(write(file.fd, "x", 1), 1);
    return ps_dest_tree_file_commit(tree, &file, path, &attributes, NULL);
}

static size_t count_in_dest(void)
{
    char command[192];
    FILE *pipe;
    size_t count = 0;
    int byte;

    (void)snprintf(command, sizeof(command), "find %s -mindepth 1", dest);
    pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    for (byte = fgetc(pipe); byte != EOF; byte = fgetc(pipe)) {
        count += byte == '\n' ? 1 : 0;
    }
    (void)pclose(pipe);
    return count;
}

Test(dest_tree, cleans_paths)
{
    static const struct row {
        const char *path;
        const char *clean; /* NULL = refused */
    } rows[] = {
        { "a", "a" },
        { "a/b", "a/b" },
        { "./a//b/./c/", "a/b/c" },
        { ".", "" },
        { "./", "" },
        { "", "" },
        { "..a/b..", "..a/b.." },
        { "/a", NULL },
        { "..", NULL },
        { "a/..", NULL },
        { "a/../b", NULL },
        { "../a", NULL },
        { ".purser-tmp-1-1", NULL },
        { "./.purser-tmp-", NULL },
    };
    char clean[PATH_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum ps_code code = ps_dest_path_clean(rows[i].path, clean, NULL);

        cr_assert_eq(code, rows[i].clean != NULL ? PS_OK : PS_E_REFUSED, "%s", rows[i].path);
        if (rows[i].clean != NULL) {
            cr_assert_str_eq(clean, rows[i].clean, "%s", rows[i].path);
        }
    }
}

Test(dest_tree, knows_links_that_lead_out)
{
    static const struct row {
        const char *path;
        const char *target;
        bool inside;
    } rows[] = {
        { "a", "b", true },           { "a", "./b/c", true },      { "d/a", "../b", true },
        { "d/e/a", "../../b", true }, { "a", "..", false },        { "a", "../b", false },
        { "d/a", "../..", false },    { "a", "/etc", false },      { "a", "", false },
        { "d/a", "b/..", false },     { "d/a", "b/../..", false }, { "a", "...", true },
        { "d/a", "./../b", true },    { "d/a", "..//b", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(ps_dest_link_stays_inside(rows[i].path, rows[i].target), rows[i].inside,
                     "%s -> %s", rows[i].path, rows[i].target);
    }
}

Test(dest_tree, writes_files_with_their_attributes)
{
    char path[192];
    struct stat status;

    cr_assert_eq(put_file("b/c/file"), PS_OK);

    (void)snprintf(path, sizeof(path), "%s/b/c/file", dest);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0640);
    cr_assert_eq(status.st_mtim.tv_sec, 5);
    cr_assert_eq(status.st_mtim.tv_nsec, 7);
    cr_assert_eq(count_in_dest(), 3);
    cr_assert(ps_dest_tree_has_file(tree, "b/c/file", 1, 5000000007));
    cr_assert_not(ps_dest_tree_has_file(tree, "b/c/file", 2, 5000000007));
}

Test(dest_tree, follows_no_link_whoever_made_it)
{
    char link[192];

    (void)snprintf(link, sizeof(link), "%s/out", dest);
    cr_assert_eq(symlink("..", link), 0);

    cr_assert_eq(put_file("out/file"), PS_E_REFUSED);
    cr_assert_eq(ps_dest_tree_directory(tree, "out/d", NULL, NULL), PS_E_REFUSED);
    cr_assert_eq(ps_dest_tree_directory(tree, "out", NULL, NULL), PS_E_REFUSED);
    cr_assert_eq(ps_dest_tree_symlink(tree, "out/l", "x", INT64_MIN, NULL), PS_E_REFUSED);
    cr_assert_eq(put_file("out"), PS_OK, "a link in the last place is replaced");
    cr_assert_eq(count_in_dest(), 1);
}

Test(dest_tree, links_hard_to_its_own_files_only)
{
    cr_assert_eq(put_file("a"), PS_OK);
    cr_assert_eq(ps_dest_tree_symlink(tree, "l", "a", INT64_MIN, NULL), PS_OK);

    cr_assert_eq(ps_dest_tree_hard_link(tree, "d/b", "a", NULL), PS_OK);
    cr_assert_eq(ps_dest_tree_hard_link(tree, "a", "a", NULL), PS_OK);
    cr_assert_eq(ps_dest_tree_hard_link(tree, "c", "missing", NULL), PS_E_REFUSED);
    cr_assert_eq(ps_dest_tree_hard_link(tree, "c", "l", NULL), PS_E_REFUSED);
    cr_assert_eq(ps_dest_tree_hard_link(tree, "c", "d", NULL), PS_E_REFUSED);
}

Test(dest_tree, sets_directories_at_the_end)
{
    const struct ps_dest_attributes closed = { .mode = 0500, .mtime_ns = 9000000000 };
    char path[192];
    struct stat status;

    cr_assert_eq(ps_dest_tree_directory(tree, "d", &closed, NULL), PS_OK);
    cr_assert_eq(put_file("d/f"), PS_OK);
    cr_assert_eq(ps_dest_tree_finish(tree, NULL, NULL), PS_OK);

    (void)snprintf(path, sizeof(path), "%s/d", dest);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0500);
    cr_assert_eq(status.st_mtim.tv_sec, 9);
    cr_assert_eq(chmod(path, 0700), 0);
}

Test(dest_tree, removes_what_a_dead_process_left)
{
    char path[192];

    (void)snprintf(path, sizeof(path), "%s/" PS_DEST_TEMP_PREFIX "%d-0", dest, getpid());
    cr_assert_geq(open(path, O_CREAT | O_WRONLY, 0600), 0);
    ps_dest_tree_close(tree);

    cr_assert_eq(ps_dest_tree_open(&tree, dest, NULL), PS_OK);
    cr_assert_eq(count_in_dest(), 0);
}
