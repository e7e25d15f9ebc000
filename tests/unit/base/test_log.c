#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

TestSuite(log, .timeout = 20);

/* 2026-01-02T03:04:05.678Z by date(1) */
static int64_t fixed_ms(void *user)
{
    (void)user;
    return 1767323045678;
}

static const struct ps_clock fixed_clock = { .unix_ms = fixed_ms };

struct catch
{
    int fds[2];
    struct ps_log log;
    char text[16384];
};

static void catch_init(struct catch *caught, enum ps_log_format format,
                       const struct ps_clock *clock)
{
    memset(caught, 0, sizeof(*caught));
    cr_assert_eq(pipe2(caught->fds, O_CLOEXEC | O_NONBLOCK), 0);
    caught->log = (struct ps_log){
        .level = PS_LOG_DEBUG, .format = format, .fd = caught->fds[1], .clock = clock
    };
}

/* All that was written since the last call. */
static const char *catch_read(struct catch *caught)
{
    ssize_t got = read(caught->fds[0], caught->text, sizeof(caught->text) - 1);

    caught->text[got > 0 ? got : 0] = '\0';
    return caught->text;
}

static void catch_clear(struct catch *caught)
{
    (void)close(caught->fds[0]);
    (void)close(caught->fds[1]);
}

Test(log, a_line_is_as_the_header_shows_it)
{
    static const struct row {
        enum ps_log_format format;
        const struct ps_clock *clock;
        const char *line;
    } rows[] = {
        { PS_LOG_TEXT, &fixed_clock, "2026-01-02T03:04:05.678Z warn upload: part 7\n" },
        { PS_LOG_TEXT, NULL, "warn upload: part 7\n" },
        { PS_LOG_JSON, &fixed_clock,
          "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"module\":\"upload\","
          "\"message\":\"part 7\"}\n" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct catch caught;

        catch_init(&caught, rows[i].format, rows[i].clock);
        ps_log(&caught.log, PS_LOG_WARN, "upload", "part %d", 7);
        cr_assert_str_eq(catch_read(&caught), rows[i].line, "%s", caught.text);
        catch_clear(&caught);
    }
}

Test(log, lines_above_the_level_are_dropped)
{
    struct catch caught;

    catch_init(&caught, PS_LOG_TEXT, NULL);
    for (int level = PS_LOG_ERROR; level <= PS_LOG_DEBUG; level++) {
        caught.log.level = (enum ps_log_level)level;
        for (int of_line = PS_LOG_ERROR; of_line <= PS_LOG_DEBUG; of_line++) {
            ps_log(&caught.log, (enum ps_log_level)of_line, "m", "x");
            cr_assert_eq(catch_read(&caught)[0] != '\0', of_line <= level, "%d at level %d",
                         of_line, level);
        }
    }
    catch_clear(&caught);
    ps_log(NULL, PS_LOG_ERROR, "m", "nobody listens");
}

/* A key may hold any byte; it must not forge a line nor command the terminal. */
Test(log, control_bytes_never_reach_the_output)
{
    struct catch caught;

    catch_init(&caught, PS_LOG_TEXT, NULL);
    ps_log(&caught.log, PS_LOG_ERROR, "ls", "%s", "a\nerror fake: b\x1b[2J\r\t\x7f");
    cr_assert_str_eq(catch_read(&caught), "error ls: a?error fake: b?[2J???\n");

    caught.log.format = PS_LOG_JSON;
    ps_log(&caught.log, PS_LOG_ERROR, "ls", "%s", "a\n\"q\"\\\x1b");
    cr_assert_str_eq(catch_read(&caught), "{\"time\":\"\",\"level\":\"error\",\"module\":\"ls\","
                                          "\"message\":\"a\\u000a\\\"q\\\"\\\\\\u001b\"}\n");
    catch_clear(&caught);
}

/* RFC 8259 8.1: JSON is UTF-8. Texts that are not, or are cut within a character, still make one line of JSON. */
Test(log, every_json_line_can_be_parsed)
{
    static const struct row {
        const char *name;
        const char *unit;
        size_t count;
    } rows[] = {
        { "nothing", "", 0 },
        { "plain", "a", 5000 },
        { "quotes grow to two bytes", "\"", 5000 },
        { "control bytes grow to six", "\x01", 5000 },
        { "two bytes a character", "\xc3\xa9", 2500 },
        { "an odd start", "a\xc3\xa9", 2000 },
        { "three bytes a character", "\xe2\x82\xac", 2000 },
        { "four bytes a character", "\xf0\x9f\x90\x84", 2000 },
        { "no UTF-8 at all", "\xff\xfe", 1000 },
        { "a lone continuation", "\x80", 3 },
        { "a character that ends too soon", "\xe2\x82", 1 },
        { "a slash in two bytes (overlong)", "\xc0\xaf", 1 },
        { "three bytes overlong", "\xe0\x80\xaf", 1 },
        { "a surrogate", "\xed\xa0\x80", 1 },
        { "above U+10FFFF", "\xf4\x90\x80\x80", 1 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[8192] = "";
        struct catch caught;
        json_t *line;
        json_error_t why;

        for (size_t k = 0; k < rows[i].count; k++) {
            memcpy(text + k * strlen(rows[i].unit), rows[i].unit, strlen(rows[i].unit) + 1);
        }
        catch_init(&caught, PS_LOG_JSON, &fixed_clock);
        ps_log(&caught.log, PS_LOG_INFO, "upload", "%s", text);
        line = json_loads(catch_read(&caught), 0, &why);
        cr_assert_not_null(line, "%s: %s: %s", rows[i].name, why.text, caught.text);
        cr_assert_leq(strlen(caught.text), 2048, "%s", rows[i].name);
        cr_assert_eq(strchr(caught.text, '\n'), caught.text + strlen(caught.text) - 1, "%s",
                     rows[i].name);
        json_decref(line);
        catch_clear(&caught);
    }
}

Test(log, characters_outside_ascii_pass_unchanged)
{
    struct catch caught;

    catch_init(&caught, PS_LOG_JSON, NULL);
    ps_log(&caught.log, PS_LOG_INFO, "m", "%s", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x84");
    cr_assert_not_null(strstr(catch_read(&caught), "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x84"), "%s",
                       caught.text);
    caught.log.format = PS_LOG_TEXT;
    ps_log(&caught.log, PS_LOG_INFO, "m", "%s", "\xc3\xa9");
    cr_assert_str_eq(catch_read(&caught), "info m: \xc3\xa9\n");
    catch_clear(&caught);
}

static void write_mark(void *user)
{
    const int *fd = user;

    cr_assert_eq(write(*fd, "<", 1), 1);
}

Test(log, the_bar_is_cleared_before_a_line_and_only_then)
{
    struct catch caught;

    catch_init(&caught, PS_LOG_TEXT, NULL);
    caught.log.level = PS_LOG_WARN;
    caught.log.before_line = write_mark;
    caught.log.user = &caught.fds[1];

    ps_log(&caught.log, PS_LOG_INFO, "m", "dropped");
    cr_assert_str_eq(catch_read(&caught), "");
    ps_log(&caught.log, PS_LOG_WARN, "m", "x");
    cr_assert_str_eq(catch_read(&caught), "<warn m: x\n");
    catch_clear(&caught);
}

Test(log, levels_have_names)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    enum ps_log_level level = PS_LOG_INFO;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert(ps_log_level_parse(names[i], &level));
        cr_assert_eq((size_t)level, i, "%s", names[i]);
    }
    level = PS_LOG_INFO;
    cr_assert(!ps_log_level_parse("loud", &level));
    cr_assert(!ps_log_level_parse("", &level));
    cr_assert_eq(level, PS_LOG_INFO, "untouched on failure");
}
