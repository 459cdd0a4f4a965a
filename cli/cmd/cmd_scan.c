/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin scan custom`: a scan that tells how far it is and can be interrupted. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/text.h"

#define LINE_MAX_COLUMNS 512
#define LINE_COLUMNS 80 /* of a terminal that does not say */

/* What the last notification said, and whether anybody sees it. */
struct progress {
    bool shown, any;
    uint64_t files, bytes, threats;
};

static uint64_t number(const void *map, size_t len, const char *field)
{
    return (uint64_t)tocsin_find_int(map, len, field, 0);
}

/* "1 file", "2 files". */
static void print_count(FILE *out, uint64_t n, const char *what)
{
    fprintf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

/* One line on the terminal, over the one before it, and no wider than the terminal. */
static void show(const struct progress *progress, struct tocsin_str current)
{
    char line[4 * LINE_MAX_COLUMNS + 1] = "";
    struct winsize size = {.ws_col = 0};
    size_t columns, at = 0, n;
    uint32_t character;
    FILE *out;

    out = fmemopen(line, sizeof(line), "w");
    if (!out)
        return;
    print_count(out, progress->files, "file");
    fputs(", ", out);
    print_count(out, progress->threats, "threat");
    if (current.ptr) {
        fputs("  ", out);
        tc_print_str(out, current);
    }
    fclose(out);
    line[sizeof(line) - 1] = 0;
    columns = LINE_COLUMNS;
    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
        columns = size.ws_col;
    columns = columns < LINE_MAX_COLUMNS ? columns : LINE_MAX_COLUMNS;
    for (size_t used = 1; line[at] && used < columns; used++) {
        n = tc_text_next(line + at, strlen(line + at), &character);
        if (!n)
            break;
        at += n;
    }
    fprintf(stderr, "\r%.*s\033[K", (int)at, line);
}

static void take_progress(void *arg, const struct tc_message *message)
{
    struct progress *progress = arg;
    struct tocsin_value params, map;
    struct tocsin_iter it;
    size_t len;

    if (strcmp(message->method, "progress") != 0 ||
        !tocsin_read(message->params, message->params + message->len, &params))
        return;
    tocsin_iter_init(&it, &params);
    if (!tocsin_iter_next(&it, NULL, &map))
        return;
    len = (size_t)(map.end - map.start);
    progress->any = true;
    progress->files = number(map.start, len, "files");
    progress->bytes = number(map.start, len, "bytes");
    progress->threats = number(map.start, len, "threats");
    if (progress->shown)
        show(progress, tocsin_find_str(map.start, len, "current"));
}

static void print_result(const void *map, size_t len)
{
    static const struct tc_column columns[] = {
        {"STATUS", "status"}, {"RULE", "rule"}, {"PATH", "path"}, {NULL, NULL}};
    struct tocsin_value v;

    if (tocsin_find(map, len, "items", &v) && v.type == TOCSIN_ARRAY && v.count) {
        tc_print_table(stdout, columns, &v);
        fputc('\n', stdout);
    }
    if (tocsin_find_bool(map, len, "cancelled", false))
        fputs("cancelled; so far ", stdout);
    fputs("scanned ", stdout);
    print_count(stdout, number(map, len, "files"), "file");
    fputs(", ", stdout);
    print_count(stdout, number(map, len, "bytes"), "byte");
    if (tocsin_find(map, len, "seconds", &v)) {
        fputs(" in ", stdout);
        if (v.type == TOCSIN_DOUBLE)
            printf("%.1f", v.d);
        else
            tc_print_value(stdout, &v);
        fputs(" s", stdout);
    }
    fputs(": ", stdout);
    print_count(stdout, number(map, len, "threats"), "threat");
    if (tocsin_find(map, len, "skipped", &v))
        printf(", %" PRIu64 " skipped", number(map, len, "skipped"));
    if (tocsin_find(map, len, "errors", &v))
        printf(", %" PRIu64 " could not be read", number(map, len, "errors"));
    fputc('\n', stdout);
}

static int report(const struct tc_cli *cli, const void *map, size_t len)
{
    struct tocsin_value v;
    const uint8_t *start = map;
    int r = TC_EXIT_DONE;

    if (cli->json && tocsin_read(start, start + len, &v))
        r = tc_general_json(&v);
    else
        print_result(map, len);
    if (!r && tocsin_find_bool(map, len, "cancelled", false))
        r = TC_EXIT_FAILED;
    return r;
}

/* Ctrl-C has closed the connection, which cancels the scan that it asked for and no other
 * one. The answer went with it: reports what was last heard. */
static int report_cancelled(const struct tc_cli *cli, const struct progress *progress)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "files", progress->files);
    tocsin_put_uint(&w, "bytes", progress->bytes);
    tocsin_put_uint(&w, "threats", progress->threats);
    tocsin_put_bool(&w, "cancelled", true);
    tocsin_end(&w);
    return report(cli, w.buf, w.len);
}

/* The call, which may take hours. -EPIPE and *ret_cancelled: Ctrl-C. */
static int scan(struct tc_cli *cli, const struct tocsin_writer *w,
                struct progress *progress, struct tc_answer *ret_answer,
                bool *ret_cancelled)
{
    struct tc_interrupt interrupt;
    int r;

    r = tc_call_connect(cli);
    if (r)
        return r;
    r = tc_interrupt_start(&interrupt, cli->client);
    if (r)
        return tc_call_failed("cannot wait for Ctrl-C: %s", strerror(-r));
    r = tc_client_call(cli->client, "av.scan", w->buf, w->len, take_progress, progress,
                       ret_answer);
    *ret_cancelled = tc_interrupt_stop(&interrupt) && r;
    if (progress->shown && progress->any)
        fputs("\r\033[K", stderr);
    if (*ret_cancelled)
        return TC_EXIT_DONE;
    return tc_call_check(r, "av.scan", ret_answer);
}

int tc_run_scan_custom(struct tc_cli *cli)
{
    const char *given = tc_args_option(cli, "path");
    struct progress progress = {.shown = !cli->json && isatty(STDERR_FILENO)};
    struct tc_answer answer = {.result = NULL};
    struct tocsin_writer w;
    bool cancelled = false;
    char *path = NULL;
    int r;

    if (!given)
        return tc_args_wrong(cli, "--path is missing");
    r = tc_general_path(given, &path);
    if (r)
        return r;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    free(path);
    if (w.error)
        r = tc_call_failed("%s", strerror(-w.error));
    else
        r = scan(cli, &w, &progress, &answer, &cancelled);
    tocsin_writer_done(&w);
    if (r)
        return r;
    if (cancelled)
        return report_cancelled(cli, &progress);
    return report(cli, answer.result, answer.len);
}
