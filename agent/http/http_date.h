/**
 * http_date - times as HTTP and S3 write them, to and from milliseconds since 1970 UTC; no locale, no time zone.
 *
 * Flow:    headers, XML answers -> [http_date] -> clock correction, listings; sign_v4.h -> x-amz-date
 * Thread:  any; holds no state
 * Source:  RFC 9110 5.6.7 (IMF-fixdate; the two obsolete forms are refused), 10.2.3 (Retry-After); RFC 3339;
 *          S3 LastModified and Initiated ("2009-10-12T17:50:30.000Z"); SigV4 x-amz-date
 *
 * Years are 1970..9999; a second of 60 (leap second, both sources allow it) counts as the next second's 0.
 */
#ifndef PS_HTTP_HTTP_DATE_H
#define PS_HTTP_HTTP_DATE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/** "20130524T000000Z" with its NUL. */
#define PS_HTTP_DATE_AMZ_SIZE 17
/** "Fri, 24 May 2013 00:00:00 GMT" with its NUL. */
#define PS_HTTP_DATE_IMF_SIZE 30

/** "Fri, 24 May 2013 00:00:00 GMT"; exactly that form, the day of the week must fit. False leaves *unix_ms_out. */
PS_MUST_USE bool ps_http_date_parse_imf(const char *text, int64_t *unix_ms_out);

/**
 * "2009-10-12T17:50:30.000Z": seconds may have a fraction of 1 to 9 digits (cut to ms), the zone is Z or +hh:mm or
 * -hh:mm. False leaves *unix_ms_out.
 */
PS_MUST_USE bool ps_http_date_parse_iso(const char *text, int64_t *unix_ms_out);

/** Either of the two forms above. False leaves *unix_ms_out, so a default may stand there. */
bool ps_http_date_parse(const char *text, int64_t *unix_ms_out);

/** Write "20130524T000000Z". False (and text is "") before 1970 or after 9999. */
bool ps_http_date_format_amz(int64_t unix_ms, char text[PS_HTTP_DATE_AMZ_SIZE]);

/** Write "Fri, 24 May 2013 00:00:00 GMT". False (and text is "") before 1970 or after 9999. */
bool ps_http_date_format_imf(int64_t unix_ms, char text[PS_HTTP_DATE_IMF_SIZE]);

/**
 * Retry-After: seconds ("120"), or a date, from which now_unix_ms (the server's time) is taken off; a date that is past
 * is 0. False for anything else, or when it does not fit.
 */
PS_MUST_USE bool ps_http_date_parse_retry_after(const char *text, int64_t now_unix_ms,
                                                uint64_t *wait_ms_out);

#endif
