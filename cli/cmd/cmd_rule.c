/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin rule test`: Sigma rules against recorded events, in this process. What
 * rules mean is in sigma/.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/jsonevent.h"
#include "cli/print.h"
#include "cli/recording.h"
#include "ipc/json.h"
#include "sigma/base/sigma.h"

#define TOPIC_MAX 256 /* bytes; none of ours is as long */

struct run {
    const struct tc_cli *cli;
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    const char *events;    /* the file's name */
    uint64_t line, number; /* of the event at hand, from 1 */
    uint64_t time_ns;      /* of the last event that said it */
    size_t matches;        /* of the event at hand, */
    uint64_t *reported;    /* and the rules that were reported, as bits */
    unsigned wrong;        /* rules that are none, events that could not be read */
    bool joined;           /* filters, as pySigma reads them */
    uint64_t timeless;     /* line of the first event whose time nobody knows; 0: none */
    bool told_timeless, told_unreadable; /* each once for all events */
};

/* ---- Rules ---- */

static void say_problem(void *arg, const struct tc_sigma_problem *problem)
{
    struct run *run = arg;

    run->wrong += problem->refused;
    tc_print_str(stderr, (struct tocsin_str){problem->file, strlen(problem->file)});
    if (problem->line)
        fprintf(stderr, ":%u:%u", problem->line, problem->column);
    fputs(": ", stderr);
    tc_print_str(stderr, (struct tocsin_str){problem->text, strlen(problem->text)});
    fputc('\n', stderr);
}

static size_t reported_words(const struct run *run)
{
    return tc_sigma_count(run->set) / 64 + 1;
}

int tc_filters_option(const struct tc_cli *cli, bool *ret_joined)
{
    const char *reading = tc_args_option(cli, "filters");

    *ret_joined = reading && !strcmp(reading, "pysigma");
    if (!reading || *ret_joined || !strcmp(reading, "specification"))
        return TC_EXIT_DONE;
    return tc_args_wrong(cli, "--filters is specification or pysigma");
}

static int load_rules(struct run *run)
{
    const struct tc_sigma_options options = {
        .problem = say_problem, .arg = run, .filters_are_joined = run->joined};
    struct tc_sigma_loader *loader = NULL;
    const char *path;
    size_t at = 0;
    int error = tc_sigma_loader_new(&options, &loader), r = 0;

    while (error == 0 && (path = tc_args_next(run->cli, "rules", &at)) != NULL) {
        r = tc_sigma_loader_add(loader, path);
        if (r == -ENOMEM)
            error = r;
        else if (r < 0 && ++run->wrong)
            tc_call_failed("%s: %s", path, strerror(-r));
    }
    if (loader) {
        r = tc_sigma_loader_finish(loader, &run->set);
        error = error ? error : r;
    }
    if (error == 0)
        error = tc_sigma_scratch_new(run->set, &run->scratch);
    if (error == 0) {
        run->reported = calloc(reported_words(run), sizeof(*run->reported));
        error = run->reported ? 0 : -ENOMEM;
    }
    return error ? tc_call_failed("the rules: %s", strerror(-error)) : TC_EXIT_DONE;
}

/* ---- Matches ---- */

static bool printed_before(const struct tc_sigma_match *match, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(match->fields[k].name, match->fields[i].name))
            return true;
    return false;
}

/* A field's value; a list where several have matched. */
static void print_values(const struct tc_sigma_match *match, size_t i)
{
    const char *name = match->fields[i].name;
    size_t count = 0;

    for (size_t k = i; k < match->field_count; k++)
        count += !strcmp(match->fields[k].name, name);
    fputs(count > 1 ? "[" : "", stdout);
    for (size_t k = i, n = 0; k < match->field_count; k++) {
        if (strcmp(match->fields[k].name, name) != 0)
            continue;
        fputs(n++ ? "," : "", stdout);
        tc_json_string(stdout, match->fields[k].value.ptr, match->fields[k].value.len);
    }
    fputs(count > 1 ? "]" : "", stdout);
}

static void print_text(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    if (text)
        tc_json_string(stdout, text, strlen(text));
    else
        fputs("null", stdout);
}

static void print_json(struct run *run, const struct tc_sigma_rule *rule,
                       const struct tc_sigma_match *match)
{
    const char *name;

    fputs(run->matches ? ",{\"id\":" : "{\"id\":", stdout);
    if (rule->id)
        tc_json_string(stdout, rule->id, strlen(rule->id));
    else
        fputs("null", stdout);
    print_text("title", rule->title);
    fputs(",\"fields\":{", stdout);
    for (size_t i = 0, n = 0; i < match->field_count; i++) {
        if (printed_before(match, i))
            continue;
        name = *match->fields[i].name ? match->fields[i].name : "keywords";
        fputs(n++ ? "," : "", stdout);
        tc_json_string(stdout, name, strlen(name));
        fputc(':', stdout);
        print_values(match, i);
    }
    fputc('}', stdout);
    if (rule->correlation)
        printf(",\"count\":%" PRIu64, match->count);
    fputc('}', stdout);
}

static void print_line(const struct run *run, const struct tc_sigma_rule *rule,
                       const struct tc_sigma_match *match)
{
    static const char *const levels[] = {"informational", "low", "medium", "high",
                                         "critical"};

    printf("%" PRIu64 ": %s: ", run->number, levels[rule->level]);
    tc_print_str(stdout, (struct tocsin_str){rule->title, strlen(rule->title)});
    for (size_t i = 0; i < match->field_count; i++) {
        const char *name = match->fields[i].name;

        fputs(i ? ", " : ": ", stdout);
        tc_print_str(stdout, (struct tocsin_str){name, strlen(name)});
        fputs(*name ? "=" : "", stdout);
        tc_print_str(stdout, match->fields[i].value);
    }
    if (rule->correlation)
        printf(" (%" PRIu64 ")", match->count);
    fputc('\n', stdout);
}

/* A correlation has matched that may have counted events of different days as one. */
static void say_timeless(struct run *run)
{
    if (run->told_timeless)
        return;
    run->told_timeless = true;
    tc_call_failed("%s:%" PRIu64 ": it has no @timestamp, or time under another known "
                   "name: correlations count it, and others like it, at the time of the "
                   "event before",
                   run->events, run->timeless);
}

/* An event may be several records: a rule that matches more than one is reported once. */
static void take_match(void *arg, const struct tc_sigma_match *match)
{
    struct run *run = arg;
    const struct tc_sigma_rule *rule = tc_sigma_rule(run->set, match->rule);
    uint64_t bit = UINT64_C(1) << match->rule % 64;

    if (run->reported[match->rule / 64] & bit)
        return;
    run->reported[match->rule / 64] |= bit;
    if (rule->correlation && run->timeless)
        say_timeless(run);
    if (run->cli->json)
        print_json(run, rule, match);
    else
        print_line(run, rule, match);
    run->matches++;
}

static void begin_event(struct run *run)
{
    run->matches = 0;
    memset(run->reported, 0, reported_words(run) * sizeof(*run->reported));
    if (run->cli->json)
        printf("{\"event\":%" PRIu64 ",\"matches\":[", run->number);
}

static void evaluate(struct run *run, const struct tc_sigma_event *event)
{
    run->time_ns = event->time_ns;
    tc_sigma_evaluate(run->set, run->scratch, event, take_match, run);
}

static void end_event(const struct run *run)
{
    if (run->cli->json)
        fputs("]}\n", stdout);
}

static void say_wrong(struct run *run, const char *why)
{
    fflush(stdout);
    run->wrong++;
    tc_call_failed("%s:%" PRIu64 ": %s", run->events, run->line, why);
    if (run->cli->json)
        printf("{\"event\":%" PRIu64 ",\"matches\":[]}\n", run->number);
}

/* What correlations would go by. */
static void take_time(struct run *run, enum tc_json_time time)
{
    if (time == TC_JSON_TIME_NONE && !run->timeless)
        run->timeless = run->line;
    if (time != TC_JSON_TIME_UNREADABLE || run->told_unreadable)
        return;
    run->told_unreadable = true;
    fflush(stdout);
    tc_call_failed("%s:%" PRIu64 ": its time cannot be read: it, and others like it, "
                   "count at the time of the event before",
                   run->events, run->line);
}

/* ---- Events ---- */

static void take_line(struct run *run, const char *text, size_t len)
{
    const struct tc_sigma_event *record;
    struct tc_json_event event;
    char why[128] = "out of memory";

    if (run->line == 1 && len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3; /* a byte order mark, as Windows writes it */
        len -= 3;
    }
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (!len)
        return;
    run->number++;
    if (tc_json_event_read(&event, text, len, run->time_ns, why) < 0) {
        say_wrong(run, why);
    } else {
        take_time(run, event.time);
        begin_event(run);
        for (size_t i = 0; (record = tc_json_event_record(&event, i)) != NULL; i++)
            evaluate(run, record);
        end_event(run);
    }
    tc_json_event_done(&event);
}

static int take_lines(struct run *run, FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while ((len = getline(&line, &room, file)) >= 0) {
        run->line++;
        take_line(run, line, (size_t)len);
    }
    free(line);
    return ferror(file) ? -EIO : 0;
}

/* An event that a tap brought, encoded again, as Sigma's records have it. */
static void evaluate_tap(struct run *run, const struct tc_tap_event *tap)
{
    int64_t time_ns = tc_unpack_int(tap->map, TOCSIN_FIELD_TIMESTAMP, 0);
    struct tc_sigma_record record;
    char topic[TOPIC_MAX];
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_object(&p, NULL, tap->map);
    if (p.error) {
        say_wrong(run, strerror(-p.error));
        goto out;
    }
    snprintf(topic, sizeof(topic), "%.*s", (int)tap->topic.len, tap->topic.ptr);
    begin_event(run);
    for (size_t i = 0; tc_sigma_record(&record, i, topic, p.bytes.data, p.bytes.size,
                                       time_ns > 0    ? (uint64_t)time_ns
                                       : tap->time_ns ? tap->time_ns
                                                      : run->time_ns);
         i++)
        evaluate(run, &record.sigma);
    end_event(run);

out:
    tc_pack_done(&p);
}

static int take_recording(struct run *run, FILE *file)
{
    struct tc_recording *recording = NULL;
    struct tc_recorded recorded;
    int r = tc_recording_new(file, &recording);

    while (!r && (r = tc_recording_next(recording, &recorded)) != 0) {
        run->line++;
        run->number++;
        if (r == 1)
            evaluate_tap(run, &recorded.event);
        else
            say_wrong(run, "this is no recorded event");
        r = 0;
    }
    tc_recording_free(recording);
    return r;
}

static int take_events(struct run *run)
{
    bool opens = strcmp(run->events, "-") != 0;
    FILE *file = opens ? fopen(run->events, "re") : stdin;
    int first, error;

    if (!file)
        return tc_call_failed("%s: %s", run->events, strerror(errno));
    first = getc(file);
    if (first == EOF) {
        error = ferror(file) ? -EIO : 0;
    } else {
        ungetc(first, file);
        error = tc_recording_begins(first) ? take_recording(run, file)
                                           : take_lines(run, file);
    }
    if (opens)
        fclose(file);
    return error ? tc_call_failed("%s: %s", run->events, strerror(-error)) : TC_EXIT_DONE;
}

int tc_run_rule_test(struct tc_cli *cli)
{
    struct run run = {.cli = cli, .events = tc_args_option(cli, "events")};
    int r;

    if (!tc_args_option(cli, "rules") || !run.events)
        return tc_args_wrong(cli, "rule test needs --rules PATH and --events FILE");
    r = tc_filters_option(cli, &run.joined);
    if (!r)
        r = load_rules(&run);
    if (!r)
        r = take_events(&run);
    free(run.reported);
    tc_sigma_scratch_free(run.scratch);
    tc_sigma_set_free(run.set);
    return r ? r : run.wrong ? TC_EXIT_FAILED : TC_EXIT_DONE;
}
