#include "http/http_date.h"

#include "base/str.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    YEAR_MIN = 1970,
    YEAR_MAX = 9999,
};

#define MS_PER_DAY ((int64_t)24 * 60 * 60 * 1000)

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct civil {
    int year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
    int hour;
    int minute;
    int second; /* 0..60 */
};

/* --- calendar: proleptic Gregorian, UTC --- */

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of_month(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from the year 1 to the first day of year. */
static int64_t days_before_year(int year)
{
    int64_t before = year - 1;

    return before * 365 + before / 4 - before / 100 + before / 400;
}

static int64_t unix_day_of(const struct civil *civil)
{
    int64_t day = days_before_year(civil->year) - days_before_year(YEAR_MIN);

    for (int month = 1; month < civil->month; month++) {
        day += days_of_month(civil->year, month);
    }
    return day + civil->day - 1;
}

static bool is_valid(const struct civil *civil)
{
    return civil->year >= YEAR_MIN && civil->year <= YEAR_MAX && civil->month >= 1 &&
           civil->month <= 12 && civil->day >= 1 &&
           civil->day <= days_of_month(civil->year, civil->month) && civil->hour <= 23 &&
           civil->minute <= 59 && civil->second <= 60;
}

static int64_t unix_ms_of(const struct civil *civil)
{
    int64_t hours = unix_day_of(civil) * 24 + civil->hour;
    int64_t minutes = hours * 60 + civil->minute;

    return (minutes * 60 + civil->second) * 1000;
}

static int weekday_of(int64_t unix_day)
{
    return (int)((unix_day + 4) % 7); /* 1 January 1970 was a Thursday */
}

/* False before 1970 or after 9999. */
static bool civil_of(int64_t unix_ms, struct civil *civil_out)
{
    int64_t day = unix_ms / MS_PER_DAY;
    int second_of_day = (int)(unix_ms % MS_PER_DAY / 1000);
    struct civil civil = { .year = YEAR_MIN, .month = 1 };

    if (unix_ms < 0 || day >= days_before_year(YEAR_MAX + 1) - days_before_year(YEAR_MIN)) {
        return false;
    }
    civil.year = (int)(YEAR_MIN + day / 366); /* never too late; a few steps make it exact */
    while (days_before_year(civil.year + 1) - days_before_year(YEAR_MIN) <= day) {
        civil.year++;
    }
    day -= days_before_year(civil.year) - days_before_year(YEAR_MIN);
    while (day >= days_of_month(civil.year, civil.month)) {
        day -= days_of_month(civil.year, civil.month);
        civil.month++;
    }
    civil.day = (int)day + 1;
    civil.hour = second_of_day / 3600;
    civil.minute = second_of_day / 60 % 60;
    civil.second = second_of_day % 60;
    *civil_out = civil;
    return true;
}

/* --- reading: a cursor which stays NULL once something did not fit --- */

static void take_char(const char **at, char wanted)
{
    if (*at != NULL) {
        *at = **at == wanted ? *at + 1 : NULL;
    }
}

static void take_text(const char **at, const char *wanted)
{
    if (*at != NULL) {
        *at = ps_str_has_prefix(*at, wanted) ? *at + strlen(wanted) : NULL;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly count digits. */
static int take_number(const char **at, int count)
{
    int value = 0;

    for (int i = 0; i < count && *at != NULL; i++) {
        if (!is_digit(**at)) {
            *at = NULL;
            return 0;
        }
        value = value * 10 + (**at - '0');
        (*at)++;
    }
    return value;
}

/* One of count names of three letters; its index. */
static int take_name(const char **at, const char (*names)[4], int count)
{
    for (int i = 0; i < count && *at != NULL; i++) {
        if (ps_str_has_prefix(*at, names[i])) {
            *at += strlen(names[i]);
            return i;
        }
    }
    *at = NULL;
    return 0;
}

static void take_clock(const char **at, struct civil *civil)
{
    civil->hour = take_number(at, 2);
    take_char(at, ':');
    civil->minute = take_number(at, 2);
    take_char(at, ':');
    civil->second = take_number(at, 2);
}

bool ps_http_date_parse_imf(const char *text, int64_t *unix_ms_out)
{
    struct civil civil = { 0 };
    const char *at = text;
    int weekday = take_name(&at, day_names, 7);

    take_text(&at, ", ");
    civil.day = take_number(&at, 2);
    take_char(&at, ' ');
    civil.month = take_name(&at, month_names, 12) + 1;
    take_char(&at, ' ');
    civil.year = take_number(&at, 4);
    take_char(&at, ' ');
    take_clock(&at, &civil);
    take_text(&at, " GMT");
    if (at == NULL || *at != '\0' || !is_valid(&civil) ||
        weekday_of(unix_day_of(&civil)) != weekday) {
        return false;
    }
    *unix_ms_out = unix_ms_of(&civil);
    return true;
}

/* ".123456789" in ms; nothing there is 0. */
static int take_fraction_ms(const char **at)
{
    int ms = 0;
    int scale = 100;
    int count = 0;

    if (*at == NULL || **at != '.') {
        return 0;
    }
    for ((*at)++; is_digit(**at); (*at)++) {
        ms += (**at - '0') * scale;
        scale /= 10;
        count++;
    }
    if (count < 1 || count > 9) {
        *at = NULL;
    }
    return ms;
}

/* Z, +hh:mm or -hh:mm: how many minutes the zone is ahead of UTC. */
static int take_zone_minutes(const char **at)
{
    int sign;
    int hours;
    int minutes;

    if (*at == NULL || **at == 'Z') {
        take_char(at, 'Z');
        return 0;
    }
    sign = **at == '-' ? -1 : 1;
    take_char(at, sign < 0 ? '-' : '+');
    hours = take_number(at, 2);
    take_char(at, ':');
    minutes = take_number(at, 2);
    if (hours > 23 || minutes > 59) {
        *at = NULL;
    }
    return sign * (hours * 60 + minutes);
}

bool ps_http_date_parse_iso(const char *text, int64_t *unix_ms_out)
{
    struct civil civil = { 0 };
    const char *at = text;
    int fraction_ms;
    int zone_minutes;
    int64_t unix_ms;

    civil.year = take_number(&at, 4);
    take_char(&at, '-');
    civil.month = take_number(&at, 2);
    take_char(&at, '-');
    civil.day = take_number(&at, 2);
    take_char(&at, 'T');
    take_clock(&at, &civil);
    fraction_ms = take_fraction_ms(&at);
    zone_minutes = take_zone_minutes(&at);
    if (at == NULL || *at != '\0' || !is_valid(&civil)) {
        return false;
    }
    unix_ms = unix_ms_of(&civil) + fraction_ms - (int64_t)zone_minutes * 60 * 1000;
    if (unix_ms < 0) {
        return false; /* 1970 only in its own zone */
    }
    *unix_ms_out = unix_ms;
    return true;
}

bool ps_http_date_parse(const char *text, int64_t *unix_ms_out)
{
    return ps_http_date_parse_imf(text, unix_ms_out) || ps_http_date_parse_iso(text, unix_ms_out);
}

bool ps_http_date_format_amz(int64_t unix_ms, char text[PS_HTTP_DATE_AMZ_SIZE])
{
    struct civil civil;

    text[0] = '\0';
    if (!civil_of(unix_ms, &civil)) {
        return false;
    }
    /* The moduli change nothing: they tell the compiler that the text fits. */
    (void)snprintf(text, PS_HTTP_DATE_AMZ_SIZE, "%04u%02u%02uT%02u%02u%02uZ",
                   (unsigned)civil.year % 10000, (unsigned)civil.month % 100,
                   (unsigned)civil.day % 100, (unsigned)civil.hour % 100,
                   (unsigned)civil.minute % 100, (unsigned)civil.second % 100);
    return true;
}

bool ps_http_date_format_imf(int64_t unix_ms, char text[PS_HTTP_DATE_IMF_SIZE])
{
    struct civil civil;

    text[0] = '\0';
    if (!civil_of(unix_ms, &civil)) {
        return false;
    }
    (void)snprintf(text, PS_HTTP_DATE_IMF_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                   day_names[weekday_of(unix_ms / MS_PER_DAY)], (unsigned)civil.day % 100,
                   month_names[civil.month - 1], (unsigned)civil.year % 10000,
                   (unsigned)civil.hour % 100, (unsigned)civil.minute % 100,
                   (unsigned)civil.second % 100);
    return true;
}

bool ps_http_date_parse_retry_after(const char *text, int64_t now_unix_ms, uint64_t *wait_ms_out)
{
    uint64_t seconds = 0;
    int64_t then_unix_ms = 0;

    if (ps_u64_parse(text, &seconds)) {
        return ps_mul_u64(seconds, 1000, wait_ms_out);
    }
    if (!ps_http_date_parse_imf(text, &then_unix_ms)) {
        return false;
    }
    if (then_unix_ms <= now_unix_ms) {
        *wait_ms_out = 0;
    } else {
        *wait_ms_out = (uint64_t)then_unix_ms - (uint64_t)now_unix_ms;
    }
    return true;
}
