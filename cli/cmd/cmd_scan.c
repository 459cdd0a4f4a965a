/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin scan custom`: a scan that shows its progress and can be interrupted. */
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

static uint64_t number(const msgpack_object *map, const char *field)
{
    return (uint64_t)tc_unpack_int(map, field, 0);
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
    const msgpack_object *map = message->params->via.array.ptr;
    struct progress *progress = arg;

    if (strcmp(message->method, "progress") != 0 || !message->params->via.array.size)
        return;
    progress->any = true;
    progress->files = number(map, "files");
    progress->bytes = number(map, "bytes");
    progress->threats = number(map, "threats");
    if (progress->shown)
        show(progress, tc_unpack_str(map, "current"));
}

static void print_result(const msgpack_object *map)
{
    static const struct tc_column columns[] = {
        {"STATUS", "status"}, {"RULE", "rule"}, {"PATH", "path"}, {NULL, NULL}};
    const msgpack_object *items = tc_unpack_array(map, "items");
    const msgpack_object *seconds = tc_unpack_find(map, "seconds");

    if (items && items->via.array.size) {
        tc_print_table(stdout, columns, items);
        fputc('\n', stdout);
    }
    if (tc_unpack_bool(map, "cancelled", false))
        fputs("cancelled; so far ", stdout);
    fputs("scanned ", stdout);
    print_count(stdout, number(map, "files"), "file");
    fputs(", ", stdout);
    print_count(stdout, number(map, "bytes"), "byte");
    if (seconds) {
        fputs(" in ", stdout);
        if (seconds->type == MSGPACK_OBJECT_FLOAT64)
            printf("%.1f", seconds->via.f64);
        else
            tc_print_value(stdout, seconds);
        fputs(" s", stdout);
    }
    fputs(": ", stdout);
    print_count(stdout, number(map, "threats"), "threat");
    if (tc_unpack_find(map, "skipped"))
        printf(", %" PRIu64 " skipped", number(map, "skipped"));
    if (tc_unpack_find(map, "errors"))
        printf(", %" PRIu64 " could not be read", number(map, "errors"));
    fputc('\n', stdout);
}

static int report(const struct tc_cli *cli, const msgpack_object *map)
{
    int r = TC_EXIT_DONE;

    if (cli->json)
        r = tc_general_json(map);
    else
        print_result(map);
    if (!r && tc_unpack_bool(map, "cancelled", false))
        r = TC_EXIT_FAILED;
    return r;
}

/* Ctrl-C has closed the connection, which cancels the scan that it asked for and no other
 * one. The answer went with it: reports what was last heard. */
static int report_cancelled(const struct tc_cli *cli, const struct progress *progress)
{
    const msgpack_object *map;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "files", progress->files);
    tc_pack_uint(&p, "bytes", progress->bytes);
    tc_pack_uint(&p, "threats", progress->threats);
    tc_pack_bool(&p, "cancelled", true);
    tc_pack_end(&p);
    map = tc_pack_read(&p);
    r = map ? report(cli, map) : tc_call_failed("%s", strerror(-p.error));
    tc_pack_done(&p);
    return r;
}

/* The call, which may take hours. -EPIPE and *ret_cancelled: Ctrl-C. */
static int scan(struct tc_cli *cli, const struct tc_pack *p, struct progress *progress,
                struct tc_answer *ret_answer, bool *ret_cancelled)
{
    struct tc_interrupt interrupt;
    int r;

    r = tc_call_connect(cli);
    if (r)
        return r;
    r = tc_interrupt_start(&interrupt, cli->client);
    if (r)
        return tc_call_failed("cannot wait for Ctrl-C: %s", strerror(-r));
    r = tc_client_call(cli->client, "av.scan", p->bytes.data, p->bytes.size,
                       take_progress, progress, ret_answer);
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
    struct tc_pack p;
    bool cancelled = false;
    char *path = NULL;
    int r;

    if ((given != NULL) == (cli->arg_count == 1))
        return tc_args_wrong(cli, "which file or folder? Give its path, once");
    if (!given)
        given = cli->args[0];
    r = tc_general_path(given, &path);
    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "path", path);
    tc_pack_end(&p);
    free(path);
    if (p.error)
        r = tc_call_failed("%s", strerror(-p.error));
    else
        r = scan(cli, &p, &progress, &answer, &cancelled);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cancelled)
        return report_cancelled(cli, &progress);
    return report(cli, answer.result);
}
