/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see tap.h. */
#include "cli/cmd/tap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/when.h"
#include "ipc/filter.h"
#include "ipc/json.h"
#include "ipc/names.h"

static int read_size(const struct tc_cli *cli, uint64_t *ret)
{
    const char *text = tc_args_option(cli, "max-size");
    bool duration = false;
    long double n = 0;

    if (!text)
        return TC_EXIT_DONE;
    if (!tc_filter_number(text, strlen(text), &n, &duration) || duration || n < 1 ||
        n > 1e18L)
        return tc_args_wrong(cli, "--max-size is bytes, as 100M or 1Gi, not %s", text);
    *ret = (uint64_t)n;
    return TC_EXIT_DONE;
}

static int read_duration(const struct tc_cli *cli, uint64_t *ret_ms)
{
    const char *text = tc_args_option(cli, "duration");
    uint64_t seconds = 0;

    if (!text)
        return TC_EXIT_DONE;
    if (tc_when_duration(text, &seconds) || seconds > INT_MAX / 1000)
        return tc_args_wrong(cli, "--duration is a time, as 30s or 10m, not %s", text);
    *ret_ms = seconds * 1000;
    return TC_EXIT_DONE;
}

int tc_tap_out_init(struct tc_tap_out *out, const struct tc_cli *cli)
{
    int r;

    *out = (struct tc_tap_out){.cli = cli, .path = tc_args_option(cli, "record")};
    out->line.wide = tc_args_option(cli, "wide") != NULL;
    out->line.columns = out->line.wide ? 0 : tc_print_columns();
    out->line.ascii = tc_print_ascii();
    r = tc_args_number(cli, "count", 0, &out->count);
    if (!r)
        r = tc_args_number(cli, "sample", 0, &out->sample);
    if (!r)
        r = read_size(cli, &out->max_bytes);
    if (!r)
        r = read_duration(cli, &out->duration_ms);
    if (!r && !out->path && (out->max_bytes || tc_args_option(cli, "overwrite")))
        r = tc_args_wrong(cli, "--max-size and --overwrite go with --record");
    return r;
}

int tc_tap_filter(const struct tc_cli *cli, struct tc_filter **ret)
{
    char why[256];
    const char *text;
    size_t at = 0;
    int r = 0;

    *ret = NULL;
    while (!r && (text = tc_args_next(cli, "filter", &at)) != NULL)
        r = tc_filter_add(ret, text, strlen(text), &tc_names_fields, why);
    if (!r)
        return TC_EXIT_DONE;
    tc_filter_free(*ret);
    *ret = NULL;
    return r == -ENOMEM ? tc_call_failed("%s", why) : tc_args_wrong(cli, "%s", why);
}

/* Events hold what people do, so the file is the owner's alone. */
int tc_tap_out_open(struct tc_tap_out *out)
{
    int fd, how = tc_args_option(out->cli, "overwrite") ? O_TRUNC : O_EXCL;

    if (!out->path)
        return TC_EXIT_DONE;
    if (!strcmp(out->path, "-")) {
        out->record = stdout;
        return TC_EXIT_DONE;
    }
    fd = open(out->path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
    if (fd >= 0)
        out->record = fdopen(fd, "w");
    out->owned = out->record != NULL;
    if (out->record)
        return TC_EXIT_DONE;
    if (errno == EEXIST)
        return tc_call_failed("%s is there already; --overwrite replaces it", out->path);
    tc_call_failed("cannot write %s: %s", out->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return TC_EXIT_FAILED;
}

static void print_json(const struct tc_tap_event *event)
{
    fputs("{\"topic\":", stdout);
    tc_json_string(stdout, event->topic.ptr, event->topic.len);
    fputs(",\"source\":", stdout);
    tc_json_string(stdout, event->source.ptr, event->source.len);
    printf(",\"id\":%" PRIu64, event->id);
    if (event->time_ns)
        printf(",\"time_ns\":%" PRIu64, event->time_ns);
    if (event->reply_to)
        printf(",\"reply_to\":%" PRIu64, event->reply_to);
    fputs(",\"event\":", stdout);
    if (tc_json_write(stdout, event->map))
        fputs("null", stdout);
    fputs("}\n", stdout);
}

void tc_tap_out_take(struct tc_tap_out *out, const struct tc_tap_event *event,
                     const void *bytes, size_t len)
{
    struct timespec now;

    if (out->record && out->max_bytes && out->bytes + len > out->max_bytes) {
        out->full = true;
        return;
    }
    out->seen++;
    if (out->record) {
        out->bytes += len;
        fwrite(bytes, 1, len, out->record);
    } else if (out->cli->json) {
        print_json(event);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        tc_tapline_print(stdout, &out->line, event,
                         (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    }
}

bool tc_tap_out_finished(const struct tc_tap_out *out)
{
    return (out->count && out->seen >= out->count) || out->full || ferror(stdout) ||
           (out->record && ferror(out->record));
}

int tc_tap_out_close(struct tc_tap_out *out, int r)
{
    bool failed;

    if (!out->record)
        return r;
    failed = ferror(out->record) != 0;
    if (out->owned)
        failed = fclose(out->record) != 0 || failed;
    if (failed)
        return tc_call_failed("cannot write all of it to %s", out->path);
    fprintf(stderr, "tocsin: recorded %" PRIu64 " events", out->seen);
    if (out->missed)
        fprintf(stderr, ", missed %" PRIu64, out->missed);
    if (out->full)
        fputs(", up to --max-size", stderr);
    fputc('\n', stderr);
    return r;
}
