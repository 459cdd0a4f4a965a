/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin tap`: events off the bus, one a line, or recorded as they came. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/tapline.h"
#include "ipc/json.h"

struct tap {
    const struct tc_cli *cli;
    FILE *record; /* NULL: events are printed */
    bool owned;   /* `record` is to be closed */
    uint64_t seen, missed;
    uint64_t count; /* end after so many; 0: never */
};

static bool finished(const struct tap *tap)
{
    return (tap->count && tap->seen >= tap->count) || ferror(stdout) ||
           (tap->record && ferror(tap->record));
}

static void print_json(const struct tc_tap_event *event)
{
    fputs("{\"topic\":", stdout);
    tc_json_string(stdout, event->topic.ptr, event->topic.len);
    fputs(",\"source\":", stdout);
    tc_json_string(stdout, event->source.ptr, event->source.len);
    printf(",\"id\":%" PRIu64 ",\"event\":", event->id);
    if (tc_json_write(stdout, event->map))
        fputs("null", stdout);
    fputs("}\n", stdout);
}

static void take_event(struct tap *tap, const struct tc_message *message)
{
    struct tc_tap_event event;
    struct timespec now;

    if (tc_tapline_read(message->params, &event))
        return;
    tap->seen++;
    if (tap->record) {
        fwrite(message->data, 1, message->len, tap->record);
    } else if (tap->cli->json) {
        print_json(&event);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        tc_tapline_print(stdout, &event,
                         (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    }
}

static void take_missed(struct tap *tap, const struct tc_message *message)
{
    uint64_t numbers[3] = {0, 0, 0}; /* tap, count, total */
    const msgpack_object_array *params = &message->params->via.array;

    for (uint32_t i = 0; i < 3 && i < params->size; i++)
        if (params->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            numbers[i] = params->ptr[i].via.u64;
    tap->missed += numbers[1];
    if (tap->cli->json && !tap->record)
        printf("{\"missed\":%" PRIu64 ",\"total\":%" PRIu64 "}\n", numbers[1],
               numbers[2]);
    else
        fprintf(stderr, "tocsin: missed %" PRIu64 " events, %" PRIu64 " in all\n",
                numbers[1], numbers[2]);
}

static void take(void *arg, const struct tc_message *message)
{
    struct tap *tap = arg;

    if (finished(tap))
        return;
    if (!strcmp(message->method, "tap.event"))
        take_event(tap, message);
    else if (!strcmp(message->method, "tap.missed"))
        take_missed(tap, message);
}

/* The parameters of tap.open: all topics unless some are named. */
static int put_params(const struct tc_cli *cli, struct tc_pack *p)
{
    const char *filter, *equals;
    size_t at = 0;
    char *field;

    tc_pack_begin_map(p, NULL);
    tc_pack_begin_array(p, "topics");
    for (size_t i = 0; i < cli->arg_count; i++)
        tc_pack_str(p, NULL, cli->args[i]);
    if (!cli->arg_count)
        tc_pack_str(p, NULL, "*");
    tc_pack_end(p);
    tc_pack_begin_map(p, "filter");
    while ((filter = tc_args_next(cli, "filter", &at)) != NULL) {
        equals = strchr(filter, '=');
        if (!equals || equals == filter)
            return tc_args_wrong(cli, "--filter is FIELD=VALUE, not %s", filter);
        field = strndup(filter, (size_t)(equals - filter));
        if (!field)
            return tc_call_failed("%s", strerror(ENOMEM));
        tc_pack_str(p, field, equals + 1);
        free(field);
    }
    tc_pack_end(p);
    tc_pack_end(p);
    return TC_EXIT_DONE;
}

/* Opens the file to record to: events hold what people do, so it is the owner's alone. */
static int open_record(struct tap *tap, const char *path)
{
    int fd;

    if (!strcmp(path, "-")) {
        tap->record = stdout;
        return TC_EXIT_DONE;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        tap->record = fdopen(fd, "w");
    tap->owned = tap->record != NULL;
    if (tap->record)
        return TC_EXIT_DONE;
    tc_call_failed("cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return TC_EXIT_FAILED;
}

/* Opens the tap and takes events until there have been enough, Ctrl-C, or the agent goes
 * away. */
static int follow(struct tap *tap, struct tc_client *client, const struct tc_pack *p)
{
    struct tc_interrupt interrupt;
    struct tc_message message;
    struct tc_answer answer;
    bool open;
    int r;

    r = tc_interrupt_start(&interrupt, client);
    if (r)
        return tc_call_failed("cannot wait for Ctrl-C: %s", strerror(-r));
    r = tc_client_call(client, "tap.open", p->bytes.data, p->bytes.size, take, tap,
                       &answer);
    open = !r && answer.result;
    while (open && !finished(tap)) {
        r = tc_client_next(client, &message);
        if (!r)
            take(tap, &message);
        else if (r != -EINTR)
            break;
    }
    if (tc_interrupt_stop(&interrupt) || finished(tap))
        return TC_EXIT_DONE;
    return tc_call_check(r, "tap.open", &answer);
}

static int close_record(struct tap *tap, const char *path, int r)
{
    bool failed = ferror(tap->record) != 0;

    if (tap->owned)
        failed = fclose(tap->record) != 0 || failed;
    if (failed)
        return tc_call_failed("cannot write all of it to %s", path);
    fprintf(stderr, "tocsin: recorded %" PRIu64 " events", tap->seen);
    if (tap->missed)
        fprintf(stderr, ", missed %" PRIu64, tap->missed);
    fputc('\n', stderr);
    return r;
}

int tc_run_tap(struct tc_cli *cli)
{
    const char *path = tc_args_option(cli, "record");
    struct tap tap = {.cli = cli};
    struct tc_pack p;
    int r;

    r = tc_args_number(cli, "count", 0, &tap.count);
    if (r)
        return r;
    tc_pack_init(&p);
    r = put_params(cli, &p);
    if (!r && p.error)
        r = tc_call_failed("cannot send this: %s", strerror(-p.error));
    if (!r)
        r = tc_call_connect(cli);
    if (!r && path)
        r = open_record(&tap, path);
    if (!tap.record)
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (!r)
        r = follow(&tap, cli->client, &p);
    tc_pack_done(&p);
    if (tap.record)
        r = close_record(&tap, path, r);
    return r;
}
