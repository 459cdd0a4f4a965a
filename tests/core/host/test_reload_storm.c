/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random configurations, right and wrong, random files, and random calls to one registry,
 * one after the other and many at once, while sensors are called and sent away. After
 * each round, when all has ended, everything is as the last configuration that was taken
 * says: what runs, with which options; no sensor runs that nobody has called. Freed
 * memory that is used shows under the address sanitizer.
 *
 *     test_reload_storm [ROUNDS [SEED]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/registry_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/loader.h"
#include "core/host/plugin.h"
#include "ipc/pack.h"

#define ROUNDS 200
#define ROUND_S 60 /* the alarm of each */
#define OPERATIONS_MAX 8
#define TEXT_MAX 2048

static unsigned long rounds = ROUNDS;
static uint64_t seed = 1;

/* xorshift64*: the same everywhere. */
static unsigned draw(unsigned n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

#define VARIANTS 9

/* What may stand in the section of each; with `file`, the right one comes and goes. */
static const struct kind {
    const char *name;
    bool sensor;
    const char
        *file; /* the test plugin that is installed under the name; NULL: its own */
    const char *sections[VARIANTS];
} kinds[] = {
    {"one",
     false,
     "good",
     {"", "word: a", "word: b", "depth: 2", "depth: 3, word: c", "word: bad", "depth: 99",
      "wrod: a", "items: [x, y]"}},
    {"two",
     false,
     "good",
     {"", "word: a", "word: b", "items: [x]", "file: /nonexistent/x.so", "word: bad",
      "depth: [1]", "", "word: d"}},
    {"late_ready",
     false,
     NULL,
     {"", "", "error: 5", "error: 7", "error: many", "error: 0", "", "error: 5", ""}},
    {"flaky", false, "supplement", {"", "", "", "", "", "", "", "", "file: relative"}},
    {"eye",
     true,
     "netstub",
     {"", "fail: start", "mute: true", "filter: false", "after: 1ms", "fail: sideways",
      "mute: maybe", "", "after: 2ms"}},
    {"hand",
     true,
     "netstub",
     {"", "fail: start", "mute: true", "", "after: 1ms", "after: -1s", "", "",
      "fail: start"}},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *const flaky_files[] = {"supplement", "good",       "start_fails",
                                          "init_fails", "bad_magic",  "newer_major",
                                          "no_symbol",  "late_ready", "netstub"};

struct storm;

struct operation {
    struct storm *storm;
    struct tc_rig_outcome outcome;
    struct tc_config *config;
    char text[TEXT_MAX];
    bool dry;
    size_t plugin; /* of one by hand */
    bool reload, off;
};

struct storm {
    struct tc_rig rig;
    struct operation operations[OPERATIONS_MAX];
    size_t count;
    size_t seen; /* of the rig's events */
    char text_in_force[TEXT_MAX];
    unsigned long taken, refused;
    bool called[KINDS];  /* a sensor: is to run */
    bool kept[KINDS];    /* runs with what it had before: the new did not start */
    bool off[KINDS];     /* disabled by hand */
    bool by_hand[KINDS]; /* enabled, disabled or loaded anew since the configuration */
};

static size_t index_of(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(kinds[i].name, name))
            return i;
    fail_msg("an event of %s", name);
    return 0;
}

static bool runs(const struct storm *s, size_t i)
{
    const struct tc_plugin *plugin = tc_registry_plugin(s->rig.registry, kinds[i].name);

    return plugin && tc_plugin_state(plugin) == TC_PLUGIN_RUNNING;
}

/* ---- What the registry says ---- */

static void hear_one(struct storm *s, const char *event, const char *why)
{
    size_t i = index_of(strchr(event, ' ') + 1);
    bool started = !strncmp(event, "started ", 8);

    if (!strncmp(event, "kept ", 5)) {
        s->kept[i] = *why;
        return;
    }
    /* A sensor that is called again still has what it had. */
    if (!started || !kinds[i].sensor)
        s->kept[i] = s->kept[i] && !strncmp(event, "stopped ", 8);
    if (!started && strncmp(event, "restarting ", 11) != 0)
        s->called[i] = false;
}

static bool to_send_away(const struct storm *s, size_t i)
{
    return kinds[i].sensor && runs(s, i) &&
           !tc_registry_wants(s->rig.registry, kinds[i].name);
}

static void hear(struct storm *s)
{
    for (; s->seen < s->rig.count; s->seen++)
        hear_one(s, s->rig.events[s->seen], s->rig.whys[s->seen]);
    s->rig.count = s->seen = 0;
    /* Whoever calls sensors sends away those that are disabled, in time. */
    for (size_t i = 0; i < KINDS; i++)
        if (to_send_away(s, i))
            (void)tc_registry_demand(s->rig.registry, kinds[i].name, false);
}

/* ---- Operations ---- */

static void write_config(char *text, size_t cap)
{
    size_t used = (size_t)snprintf(text, cap, "plugins:\n");

    for (size_t i = 0; i < KINDS; i++) {
        unsigned how = draw(10);
        /* Mostly what is right, so that many a configuration is. */
        const char *section = kinds[i].sections[draw(3) ? draw(4) : draw(VARIANTS)];

        if (how < 2)
            continue;
        used += (size_t)snprintf(text + used, cap - used, "  %s: {%s%s%s}\n",
                                 kinds[i].name, how < 4 ? "enabled: false" : "",
                                 how < 4 && *section ? ", " : "", section);
    }
    if (!draw(20))
        used += (size_t)snprintf(text + used, cap - used, "  acme: {}\n");
    assert_true(used < cap);
}

static void on_applied(void *arg, int status, const char *why)
{
    struct operation *o = arg;
    struct storm *s = o->storm;

    tc_rig_ended(&o->outcome, status, why);
    hear(s);
    if (status || o->dry) {
        s->refused += status < 0;
        tc_config_free(o->config);
        return;
    }
    s->taken++;
    tc_config_free(s->rig.config);
    s->rig.config = o->config;
    memcpy(s->text_in_force, o->text, sizeof(o->text));
    memset(s->by_hand, 0, sizeof(s->by_hand));
}

static struct operation *new_operation(struct storm *s)
{
    struct operation *o = &s->operations[s->count++];

    memset(o, 0, sizeof(*o));
    o->storm = s;
    return o;
}

static void apply(struct storm *s, bool dry)
{
    struct operation *o = new_operation(s);
    char why[256];
    int err;

    write_config(o->text, sizeof(o->text));
    o->dry = dry;
    err = tc_config_read_text("storm.yaml", o->text, &o->config, why);
    if (err)
        tc_rig_ended(&o->outcome, err, why);
    else
        tc_registry_apply(s->rig.registry, o->config, dry, on_applied, o);
}

static void on_done_by_hand(void *arg, int status, const char *why)
{
    struct tc_plugin_settings settings;
    struct operation *o = arg;

    tc_rig_ended(&o->outcome, status, why);
    if (!tc_config_plugin_settings(o->storm->rig.config, kinds[o->plugin].name,
                                   &settings)) {
        o->storm->by_hand[o->plugin] = true;
        if (!o->reload)
            o->storm->off[o->plugin] = o->off;
    }
}

static void by_hand(struct storm *s)
{
    static void (*const all[])(struct tc_registry *, const char *, tc_registry_done_fn,
                               void *) = {tc_registry_enable, tc_registry_disable,
                                          tc_registry_reload};
    struct operation *o = new_operation(s);
    unsigned what;

    o->plugin = draw(KINDS);
    what = draw(3);
    o->reload = what == 2;
    o->off = what == 1;
    all[what](s->rig.registry, kinds[o->plugin].name, on_done_by_hand, o);
}

static void call_sensor(struct storm *s)
{
    size_t i = KINDS - 1 - draw(2);
    bool run = draw(3) != 0;
    int err;

    hear(s);
    err = tc_registry_demand(s->rig.registry, kinds[i].name, run);
    if (err != -EBUSY)
        s->called[i] = run && !err;
}

static void step(struct storm *s)
{
    unsigned what = draw(20);

    if (what < 9)
        apply(s, false);
    else if (what < 11)
        apply(s, true);
    else if (what < 14)
        by_hand(s);
    else if (what < 18)
        call_sensor(s);
    else
        tc_rig_install(&s->rig,
                       flaky_files[draw(sizeof(flaky_files) / sizeof(flaky_files[0]))],
                       "flaky");
}

/* ---- Until all has ended ---- */

static bool settled(const struct tc_plugin *plugin)
{
    return !plugin || (tc_plugin_state(plugin) != TC_PLUGIN_STARTING &&
                       tc_plugin_state(plugin) != TC_PLUGIN_STOPPING);
}

/* Every operation has ended, nobody is to be sent away, and a demand has had its end. */
static bool all_ended(const struct storm *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->operations[i].outcome.count)
            return false;
    for (size_t i = 0; i < KINDS; i++)
        if (!settled(tc_registry_plugin(s->rig.registry, kinds[i].name)) ||
            (kinds[i].sensor && s->called[i] != runs(s, i)) || to_send_away(s, i))
            return false;
    return s->seen == s->rig.count;
}

static void wait_for_all(struct storm *s)
{
    hear(s);
    while (!all_ended(s)) {
        (void)uv_run(&s->rig.loop, UV_RUN_ONCE);
        hear(s);
    }
    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(s->operations[i].outcome.count, 1);
}

/* ---- What must be so ---- */

static bool has_options(const struct storm *s, const char *name,
                        const struct tc_plugin *plugin)
{
    const struct tocsin_plugin *descriptor = tc_plugin_module(plugin)->plugin;
    struct tc_option_table table = {descriptor->options, descriptor->option_size};
    struct tc_options *options;
    char why[256];
    bool has;

    /* A file that has come since may have another table. */
    if (tc_config_bind(s->rig.config, name, table, &options, why))
        return true;
    has = tc_plugin_has_options(plugin, options);
    tc_options_free(options);
    return has;
}

static void check_plugin(const struct storm *s, size_t i)
{
    const struct tc_plugin *plugin = tc_registry_plugin(s->rig.registry, kinds[i].name);
    struct tc_plugin_settings settings;
    bool named = !tc_config_plugin_settings(s->rig.config, kinds[i].name, &settings);

    settings.enabled = settings.enabled && !s->off[i];
    if (!named || (!settings.enabled && (!s->by_hand[i] || s->off[i])))
        assert_null(plugin);
    if (!named || s->by_hand[i])
        return;
    assert_int_equal(tc_registry_wants(s->rig.registry, kinds[i].name), settings.enabled);
    if (settings.enabled && kinds[i].file && !strcmp(kinds[i].file, "good"))
        assert_true(runs(s, i));
    if (runs(s, i) && !s->kept[i] && strcmp(kinds[i].name, "flaky") != 0 &&
        !has_options(s, kinds[i].name, plugin))
        fail_msg("%s runs with other options than these:\n%s", kinds[i].name,
                 s->text_in_force);
}

static void check_all(const struct storm *s)
{
    struct tc_pack p;

    for (size_t i = 0; i < KINDS; i++)
        check_plugin(s, i);
    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    tc_registry_put_all(s->rig.registry, &p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    tc_pack_done(&p);
}

static void storm(void **state)
{
    static struct storm s;
    char why[256] = "";

    (void)state;
    memset(&s, 0, sizeof(s));
    assert_int_equal(tc_rig_init(&s.rig), 0);
    assert_int_equal(tc_rig_make(&s.rig), 0);
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].file)
            tc_rig_install(&s.rig, kinds[i].file, kinds[i].name);
    assert_int_equal(tc_rig_boot(&s.rig, "plugins: {one: {}, eye: {}}\n", why), 0);
    for (unsigned long round = 0; round < rounds; round++) {
        /* One at a time, in every other round; else as many as come. */
        unsigned n = round % 2 ? 1 : 1 + draw(OPERATIONS_MAX);

        alarm(ROUND_S);
        s.count = 0;
        while (n--)
            step(&s);
        wait_for_all(&s);
        check_all(&s);
        tc_rig_ask(&s.rig);
    }
    print_message("%lu rounds: %lu configurations taken, %lu refused\n", rounds, s.taken,
                  s.refused);
    assert_true(s.taken > rounds / 10);
    assert_true(s.refused > rounds / 20);
    tc_rig_done(&s.rig);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(storm)};

    if (argc > 1)
        rounds = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10) | 1;
    return cmocka_run_group_tests_name("reload_storm", tests, NULL, NULL);
}
