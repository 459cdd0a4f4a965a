/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin tap --read`: the events of a recording, as if they came now. */
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/tap.h"
#include "cli/recording.h"
#include "cli/when.h"
#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/names.h"
#include "ipc/tap.h"
#include "ipc/topic.h"
#include "ipc/unpack.h"

/* Which events are wanted. */
struct wanted {
    const struct tc_cli *cli;
    struct tc_filter *filter;
    struct tc_follow *follow;
    uint64_t since_ns, until_ns; /* 0: from the beginning; to the end */
    uint64_t sample, matched;
};

static int read_time(const struct tc_cli *cli, const char *name, uint64_t *ret_ns)
{
    const char *text = tc_args_option(cli, name);

    if (text && tc_when_past(text, (uint64_t)time(NULL), ret_ns))
        return tc_args_wrong(cli, "--%s is a time, as 2026-12-31T18:00 or 10m, not %s",
                             name, text);
    return TC_EXIT_DONE;
}

static int read_wanted(struct wanted *wanted)
{
    const struct tc_cli *cli = wanted->cli;
    uint64_t pid = 0;
    int r;

    for (size_t i = 0; i < cli->arg_count; i++)
        if (!tc_topic_pattern_valid(cli->args[i]))
            return tc_args_wrong(cli, "%s is no topic: as file.open, file.* or *",
                                 cli->args[i]);
    r = read_time(cli, "since", &wanted->since_ns);
    if (!r)
        r = read_time(cli, "until", &wanted->until_ns);
    if (!r)
        r = tc_args_number(cli, "follow-process", 0, &pid);
    if (!r)
        r = tc_tap_filter(cli, &wanted->filter);
    if (r || !pid)
        return r;
    wanted->follow = tc_follow_new();
    if (!wanted->follow || tc_follow_add(wanted->follow, pid, 0))
        return tc_call_failed("%s", strerror(ENOMEM));
    return TC_EXIT_DONE;
}

static bool of_topic(const struct wanted *wanted, struct tocsin_str topic)
{
    char name[TC_TOPIC_MAX_LEN + 1];

    if (!wanted->cli->arg_count)
        return true;
    if (topic.len >= sizeof(name))
        return false;
    memcpy(name, topic.ptr, topic.len);
    name[topic.len] = '\0';
    for (size_t i = 0; i < wanted->cli->arg_count; i++)
        if (tc_topic_match(wanted->cli->args[i], name))
            return true;
    return false;
}

/* The map's own bytes: the fourth entry of what was recorded. */
static bool find_map(const struct tc_recorded *recorded, struct tocsin_value *ret)
{
    struct tocsin_value array;
    struct tocsin_iter it;

    if (!tocsin_read(recorded->bytes, recorded->bytes + recorded->len, &array))
        return false;
    tocsin_iter_init(&it, &array);
    for (int i = 0; i < 4; i++)
        if (!tocsin_iter_next(&it, NULL, ret))
            return false;
    return true;
}

static bool is_wanted(struct wanted *wanted, const struct tc_recorded *recorded)
{
    const struct tc_tap_event *event = &recorded->event;
    int64_t own = tc_unpack_int(event->map, TOCSIN_FIELD_TIMESTAMP, 0);
    uint64_t time_ns = own > 0 ? (uint64_t)own : event->time_ns;
    struct tc_filter_event asked = {.topic = event->topic,
                                    .source = event->source,
                                    .id = event->id,
                                    .reply_to = event->reply_to,
                                    .time_ns = event->time_ns};
    struct tocsin_value map;

    if (!find_map(recorded, &map))
        return false;
    asked.data = map.start;
    asked.len = tocsin_value_size(&map);
    if (wanted->follow && !tc_follow_match(wanted->follow, asked.data, asked.len))
        return false;
    if (!of_topic(wanted, event->topic) || time_ns < wanted->since_ns ||
        (wanted->until_ns && time_ns > wanted->until_ns) ||
        (wanted->filter && !tc_filter_match(wanted->filter, &asked)))
        return false;
    return wanted->sample < 2 || wanted->matched++ % wanted->sample == 0;
}

/* A topic that nobody knows is said when it has found nothing: it may be a plugin's. */
static void say_nothing(const struct tc_cli *cli, uint64_t total)
{
    char hint[128];

    fprintf(stderr, "tocsin: none of the %" PRIu64 " events is asked for\n", total);
    for (size_t i = 0; i < cli->arg_count; i++) {
        if (tc_names_topic(cli->args[i]))
            continue;
        tc_names_suggest_topic(cli->args[i], hint, sizeof(hint));
        tc_call_failed("there is no topic %s%s", cli->args[i], hint);
    }
}

static int take_all(struct tc_tap_out *out, struct wanted *wanted,
                    struct tc_recording *recording, const char *path)
{
    struct tc_recorded recorded;
    uint64_t number = 0, wrong = 0;
    int r = 0;

    while (!tc_tap_out_finished(out) &&
           (r = tc_recording_next(recording, &recorded)) != 0) {
        number++;
        if (r == 1 && is_wanted(wanted, &recorded))
            tc_tap_out_take(out, &recorded.event, recorded.bytes, recorded.len);
        if (r != 1 && !wrong++)
            tc_call_failed("%s: number %" PRIu64 " is no recorded event", path, number);
    }
    if (number && !out->seen && !wrong)
        say_nothing(out->cli, number);
    return wrong ? TC_EXIT_FAILED : TC_EXIT_DONE;
}

/* Whether --record names the very file that is read. */
static bool is_itself(const struct tc_tap_out *out, FILE *file)
{
    struct stat from, to;

    return out->path && !fstat(fileno(file), &from) && !stat(out->path, &to) &&
           from.st_dev == to.st_dev && from.st_ino == to.st_ino;
}

int tc_tap_read(struct tc_tap_out *out)
{
    const char *path = tc_args_option(out->cli, "read");
    struct wanted wanted = {.cli = out->cli, .sample = out->sample};
    bool opens = strcmp(path, "-") != 0;
    struct tc_recording *recording = NULL;
    FILE *file = NULL;
    int r = read_wanted(&wanted), error;

    if (!r) {
        file = opens ? fopen(path, "re") : stdin;
        error = file ? tc_recording_new(file, &recording) : -errno;
        r = error ? tc_call_failed("%s: %s", path, strerror(-error)) : TC_EXIT_DONE;
    }
    if (!r && is_itself(out, file))
        r = tc_call_failed("%s is what is read", out->path);
    if (!r)
        r = tc_tap_out_open(out);
    if (!r)
        r = tc_tap_out_close(out, take_all(out, &wanted, recording, path));
    tc_recording_free(recording);
    if (file && opens)
        fclose(file);
    tc_filter_free(wanted.filter);
    tc_follow_free(wanted.follow);
    return r;
}
