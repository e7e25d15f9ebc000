#include "lua/api_purser.h"

#include <criterion/criterion.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(api_purser, .timeout = 20);

Test(api_purser, globs_match_as_documented)
{
    static const struct row {
        const char *pattern;
        const char *text;
        bool matches;
    } rows[] = {
        { "", "", true },           { "", "a", false },          { "a", "a", true },
        { "*", "", true },          { "*", "abc", true },        { "*", "a/b", false },
        { "**", "a/b", true },      { "a/**", "a/b/c", true },   { "a/**/c", "a/b/c", true },
        { "a/**/c", "a/c", false }, { "a**c", "a/c", true },     { "?", "a", true },
        { "?", "/", false },        { "*.txt", "a.txt", true },  { "*.txt", "a.txt.gz", false },
        { "a*b*c", "aXbYc", true }, { "a*b*c", "aXcYb", false }, { "[a]", "[a]", true },
        { "**/x", "a/b/x", true },  { "**x", "x", true },        { "a", "", false },
        { "***", "a/b", true },     { "*?", "", false },         { "**/", "a/b", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_eq(ps_glob_match(rows[i].pattern, rows[i].text), rows[i].matches, "%s on %s",
                     rows[i].pattern, rows[i].text);
    }
}

Test(api_purser, the_longest_pattern_ends_on_the_longest_text)
{
    char pattern[1025];
    char text[4097];

    memset(pattern, '*', sizeof(pattern) - 1);
    for (size_t i = 0; i < sizeof(pattern) - 1; i += 2) {
        pattern[i] = 'a';
    }
    pattern[sizeof(pattern) - 1] = '\0';
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cr_assert(ps_glob_match(pattern, text));
    text[sizeof(text) - 2] = '/';
    cr_assert_not(ps_glob_match(pattern, text));
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 65536);

    cr_assert(file != NULL && text != NULL, "%s", path);
    cr_assert(fread(text, 1, 65535, file) > 0);
    (void)fclose(file);
    return text;
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

Test(api_purser, table_readme_and_annotations_name_the_same_functions)
{
    char *readme = read_whole(PS_SOURCE_DIR "/lua/README.md");
    char *annotations = read_whole(PS_SOURCE_DIR "/lua/purser.d.lua");
    lua_State *lua = luaL_newstate();
    size_t count = 0;

    cr_assert(lua != NULL);
    ps_api_purser_push(lua);
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        char row[64];
        char line[64];

        (void)snprintf(row, sizeof(row), "\n| `purser.%s(", lua_tostring(lua, -2));
        (void)snprintf(line, sizeof(line), "\nfunction purser.%s(", lua_tostring(lua, -2));
        cr_expect_eq(count_of(readme, row), 1, "README.md: %s", row);
        cr_expect_eq(count_of(annotations, line), 1, "purser.d.lua: %s", line);
        lua_pop(lua, 1);
        count++;
    }
    cr_assert_eq(count, 6);
    cr_assert_eq(count_of(readme, "\n| `purser."), count);
    cr_assert_eq(count_of(annotations, "\nfunction purser."), count);
    lua_close(lua);
    free(readme);
    free(annotations);
}
