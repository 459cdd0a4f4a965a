/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin-plugin-test`: the command line, and how it ends. A plugin is run on
 * recorded events, without an agent, and what it says is printed and held against what
 * was expected.
 */
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/host/loader.h"
#include "plugintest/expect.h"
#include "plugintest/feed.h"
#include "plugintest/run.h"
#include "plugintest/say.h"

/* tocsin-plugin-test(1) */
enum {
    EXIT_WELL = 0,
    EXIT_NOT_AS_EXPECTED = 1, /* or something was wrong with the plugin */
    EXIT_USAGE = 2,
    EXIT_NOT_RUN = 3, /* refused, not started; or no events to be read */
};

#define OPTIONS_MAX 256

enum option_code {
    OPTION = 256,
    OPTIONS,
    EXPECT,
    EXPECT_ALERT,
    EXPECT_DENY,
    FILES,
    PASSIVE,
    WAIT,
    LINGER,
    STATE,
    OUTPUT,
};

static const struct option long_options[] = {
    {"option", required_argument, NULL, OPTION},
    {"options", required_argument, NULL, OPTIONS},
    {"expect", required_argument, NULL, EXPECT},
    {"expect-alert", required_argument, NULL, EXPECT_ALERT},
    {"expect-deny", required_argument, NULL, EXPECT_DENY},
    {"files", required_argument, NULL, FILES},
    {"passive", no_argument, NULL, PASSIVE},
    {"wait", required_argument, NULL, WAIT},
    {"linger", required_argument, NULL, LINGER},
    {"state", required_argument, NULL, STATE},
    {"output", required_argument, NULL, OUTPUT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "usage: tocsin-plugin-test [OPTION...] PLUGIN.so EVENTS...\n"
    "\n"
    "Run a plugin on recorded events, without the agent, and print what it says.\n"
    "EVENTS: what `tocsin tap --record` has written, or a JSON object a line; - is "
    "stdin.\n"
    "\n"
    "  --option KEY=VALUE   set an option of the plugin; a list's items parted by "
    "commas\n"
    "  --options JSON       set them all from one object\n"
    "  --expect FILE        fail where nothing is published that has all of a line of "
    "FILE\n"
    "  --expect-alert N     fail unless N alerts are raised\n"
    "  --expect-deny N      fail unless N events are denied\n"
    "  --files DIR          events about /x get the file DIR/x as theirs\n"
    "  --passive            as under `mode: passive`\n"
    "  --wait SECONDS       for answers and work under way; 10 without it\n"
    "  --linger SECONDS     go on so long after the last event\n"
    "  --state DIR          the state folder; a scratch one without it\n"
    "  --output text|json   how to print\n"
    "\n"
    "It ends with 0; 1: not as expected, or errors; 2: usage; 3: it could not be run.\n";

struct command {
    const char *plugin;
    char *const *events; /* ended by NULL */
    const char *pairs[OPTIONS_MAX];
    size_t pair_count;
    const char *options, *expect, *files, *state;
    long alerts, denials; /* -1: any number */
    uint64_t wait_ms, linger_ms;
    bool passive, json;
};

struct session {
    const struct command *command;
    struct tc_expect *expect;
    struct tc_run *run;
    char scratch[64];
};

static int failed(int status, const char *sentence)
{
    fprintf(stderr, "tocsin-plugin-test: %s\n", sentence);
    return status;
}

/* ---- The command line ---- */

/* A number from 0 on; -1: it is none. */
static long number_of(const char *text)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    return errno || *end || end == text || n < 0 || n > 1000000000 ? -1 : n;
}

/* False: the value does not fit. */
static bool take_number(int code, const char *text, struct command *c)
{
    long n = number_of(text);

    if (code == EXPECT_ALERT)
        c->alerts = n;
    else if (code == EXPECT_DENY)
        c->denials = n;
    else if (code == WAIT)
        c->wait_ms = (uint64_t)n * 1000;
    else
        c->linger_ms = (uint64_t)n * 1000;
    return n >= 0;
}

static bool take_option(int code, const char *value, struct command *c)
{
    switch (code) {
    case OPTION:
        if (c->pair_count == OPTIONS_MAX)
            return false;
        c->pairs[c->pair_count++] = value;
        return true;
    case OPTIONS:
        c->options = value;
        return true;
    case EXPECT:
        c->expect = value;
        return true;
    case FILES:
        c->files = value;
        return true;
    case STATE:
        c->state = value;
        return true;
    case PASSIVE:
        return c->passive = true;
    case OUTPUT:
        c->json = !strcmp(value, "json");
        return c->json || !strcmp(value, "text");
    default:
        return take_number(code, value, c);
    }
}

/* -1: go on; else how the program ends. */
static int parse(int argc, char **argv, struct command *c)
{
    int code;

    *c = (struct command){.alerts = -1, .denials = -1, .wait_ms = TC_RUN_WAIT_MS};
    while ((code = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (code == '?')
            return EXIT_USAGE;
        if (code == 'h' || code == 'V') {
            fputs(code == 'h' ? help : "tocsin-plugin-test " TOCSIN_VERSION "\n", stdout);
            return EXIT_WELL;
        }
        if (!take_option(code, optarg, c)) {
            fprintf(stderr, "tocsin-plugin-test: %s does not fit: see --help\n",
                    optarg ? optarg : "");
            return EXIT_USAGE;
        }
    }
    if (argc - optind < 2)
        return failed(EXIT_USAGE, "name a plugin's file and events: see --help");
    c->plugin = argv[optind];
    c->events = argv + optind + 1;
    return -1;
}

/* ---- What comes of it ---- */

static void on_published(void *arg, const struct tocsin_event *event,
                         const struct tc_run_question *question, uint64_t took_ns)
{
    struct session *s = arg;
    json_object *object = tc_say_object(event, question, took_ns);

    tc_say_published(s->command->json, object, event, question, took_ns);
    tc_expect_offer(s->expect, object);
    json_object_put(object);
}

static void on_reported(void *arg, uint32_t what, const char *key, const char *text,
                        const char *fix)
{
    struct session *s = arg;

    tc_say_reported(s->command->json, what, key, text, fix);
}

static void on_wrong(void *arg, const char *sentence)
{
    struct session *s = arg;

    tc_say_wrong(s->command->json, sentence);
}

static bool met(const struct command *c, const char *what, long wanted, uint64_t there)
{
    char sentence[128];

    if (wanted < 0 || (uint64_t)wanted == there)
        return true;
    (void)snprintf(sentence, sizeof(sentence), "not as expected: %llu %s, not %ld",
                   (unsigned long long)there, what, wanted);
    tc_say_wrong(c->json, sentence);
    return false;
}

static bool as_expected(const struct session *s)
{
    const struct tc_run_counts *counts = tc_run_counts(s->run);
    const struct command *c = s->command;
    bool well = met(c, "alerts", c->alerts, counts->alerts);
    char sentence[1024];
    const char *missed;
    size_t at = 0;

    well = met(c, "denials", c->denials, counts->denied) && well;
    while ((missed = tc_expect_missed(s->expect, &at)) != NULL) {
        (void)snprintf(sentence, sizeof(sentence), "not as expected: nothing has %s",
                       missed);
        tc_say_wrong(c->json, sentence);
        well = false;
    }
    return well;
}

/* ---- The run ---- */

/*
 * Loads it as the agent does, but for who may have written the file, which is run with no
 * more rights than he has who runs this. It stays mapped to the end, so that tools that
 * look back from there, as valgrind does, know its functions' names.
 */
static int open_plugin(struct session *s, struct tc_module **ret_module, char why[256])
{
    char copies[96];
    int err;

    (void)snprintf(copies, sizeof(copies), "%s/plugins", s->scratch);
    err = tc_module_open_any(s->command->plugin, copies, ret_module, why);
    if (!err)
        (void)dlopen((*ret_module)->private_path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return err;
}

static int start(struct session *s, char why[256])
{
    const struct command *c = s->command;
    const struct tc_run_options options = {.state_dir = c->state ? c->state : s->scratch,
                                           .sink = {.published = on_published,
                                                    .reported = on_reported,
                                                    .wrong = on_wrong,
                                                    .arg = s},
                                           .wait_ms = c->wait_ms,
                                           .linger_ms = c->linger_ms,
                                           .passive = c->passive};
    struct tc_module *module;
    int err = open_plugin(s, &module, why);

    if (err)
        return err;
    err = tc_run_new(&options, module, &s->run, why);
    if (err) {
        tc_module_close(module);
        return err;
    }
    if (c->options)
        err = tc_run_set_json(s->run, c->options, why);
    for (size_t i = 0; !err && i < c->pair_count; i++)
        err = tc_run_set(s->run, c->pairs[i], why);
    return err ? err : tc_run_start(s->run, why);
}

static int run_it(struct session *s)
{
    const struct command *c = s->command;
    struct tc_feed feed = {.files = c->files};
    char why[TC_WHY_MAX];

    if (c->expect && tc_expect_read(c->expect, &s->expect, why))
        return failed(EXIT_NOT_RUN, why);
    if (start(s, why))
        return failed(EXIT_NOT_RUN, why);
    feed.run = s->run;
    for (char *const *events = c->events; *events; events++)
        if (tc_feed_file(&feed, *events, why))
            return failed(EXIT_NOT_RUN, why);
    tc_run_finish(s->run);
    tc_say_counts(c->json, tc_run_counts(s->run));
    return as_expected(s) && !tc_run_counts(s->run)->wrong ? EXIT_WELL
                                                           : EXIT_NOT_AS_EXPECTED;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    struct session s = {.scratch = "/tmp/tocsin-plugin-test-XXXXXX"};
    struct command command;
    int status = parse(argc, argv, &command);

    if (status >= 0)
        return status;
    s.command = &command;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* in the order of the log's lines */
    if (!mkdtemp(s.scratch))
        return failed(EXIT_NOT_RUN, "no scratch folder in /tmp");
    status = run_it(&s);
    tc_run_free(s.run);
    tc_expect_free(s.expect);
    (void)nftw(s.scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (fflush(stdout) && status == EXIT_WELL)
        status = failed(EXIT_NOT_RUN, "not all of the output could be written");
    return status;
}
