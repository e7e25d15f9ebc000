#include "serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct row {
    const char *name;
    const char *type; /* "counter", "gauge" */
    const char *help;
    double value;
};

static double resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return 0;
    }
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static enum ps_code append_requests(struct ps_buf *buf, const struct ps_gateway_stats *stats,
                                    struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(
        buf,
        "# HELP purser_gateway_requests_total Requests by class of status; \"none\": the client "
        "went before an answer.\n# TYPE purser_gateway_requests_total counter\n",
        err);

    for (int class = 0; class < 6 && code == PS_OK; class ++) {
        char name[16] = "none";

        if (class == 1) {
            continue;
        }
        if (class > 0) {
            (void)snprintf(name, sizeof(name), "%dxx", class);
        }
        code = ps_buf_append_format(buf, err,
                                    "purser_gateway_requests_total{code=\"%s\"} %" PRIu64 "\n",
                                    name, stats->requests[class]);
    }
    return code;
}

enum ps_code ps_metrics_format(struct ps_buf *buf, const struct ps_gateway_stats *stats,
                               struct ps_err *err)
{
    const struct row rows[] = {
        { "purser_gateway_sent_bytes_total", "counter", "Bytes of bodies sent to users.",
          (double)stats->sent_bytes },
        { "purser_gateway_store_received_bytes_total", "counter", "Bytes received from stores.",
          (double)stats->store_bytes },
        { "purser_gateway_cut_total", "counter", "Answers cut by an error in mid-stream.",
          (double)stats->cut_count },
        { "purser_gateway_corrupt_total", "counter", "Of them because a checksum differed.",
          (double)stats->corrupt_count },
        { "purser_gateway_verified_total", "counter", "Whole objects sent with a fitting checksum.",
          (double)stats->verified_count },
        { "purser_gateway_busy_total", "counter", "Requests refused over gateway.memory_limit.",
          (double)stats->refused_busy_count },
        { "purser_gateway_denied_total", "counter", "Requests answered 401 or 403.",
          (double)stats->denied_count },
        { "purser_gateway_streams", "gauge", "Streams under way.", (double)stats->streams },
        { "purser_gateway_reserved_bytes", "gauge", "Memory reserved by streams.",
          (double)stats->reserved_bytes },
        { "purser_gateway_connections", "gauge", "Connections of users.",
          (double)stats->connections },
        { "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes() },
        { "process_cpu_seconds_total", "counter", "User and system time.", cpu_seconds() },
    };
    enum ps_code code = append_requests(buf, stats, err);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && code == PS_OK; i++) {
        code = ps_buf_append_format(buf, err, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n",
                                    rows[i].name, rows[i].help, rows[i].name, rows[i].type,
                                    rows[i].name, rows[i].value);
    }
    return code == PS_OK
               ? ps_buf_append_str(
                     buf,
                     "# HELP purser_build_info Version of this purser.\n# TYPE "
                     "purser_build_info gauge\npurser_build_info{version=\"" PURSER_VERSION
                     "\"} 1\n",
                     err)
               : code;
}
