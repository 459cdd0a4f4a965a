/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises about all profiles together: which files are believed, what they say as
 * one, how that is shown, and that a change of the folder is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "core/profile/profiles.h"
#include "ipc/json.h"
#include "ipc/pack.h"
#include "tests/support/profile_text.h"
#include "tests/support/skip.h"

#define WAIT_MS 10000

static const struct tc_identity us = {
    .team = "TOCSIN",
    .agent = "org.tocsin.agent",
    .es = "org.tocsin.es",
    .netfilter = "org.tocsin.netfilter",
    .kext = "org.tocsin.kext",
};

static const char lists_es[] = PROFILE("Lists", EXTENSIONS(LISTS_ES));
static const char closes[] = PROFILE("Closes", EXTENSIONS(CLOSED));
static const char allows_disk[] =
    PROFILE("Allows", ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><true/>")));
static const char denies_disk[] =
    PROFILE("Denies", ALL_FILES(ACCESS("org.tocsin.es", "<key>Allowed</key><false/>")));

/* A folder of profiles, and what was read last. */
struct fixture {
    char base[64], folder[96], why[256];
    struct tc_profiles *profiles;
    uv_loop_t loop;
    struct tc_profiles_watch *watch;
    uv_timer_t deadline;
    unsigned changes, wanted;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->base, "/tmp/tocsin-profiles-XXXXXX");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->folder, sizeof(f->folder), "%s/managed.d", f->base);
    assert_int_equal(mkdir(f->folder, 0755), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tc_profiles_free(f->profiles);
    tc_profiles_watch_stop(f->watch);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    nftw(f->base, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void path_of(const struct fixture *f, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", f->folder, name);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    char path[256];
    int fd;

    path_of(f, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
}

static void read_folder(struct fixture *f)
{
    tc_profiles_free(f->profiles);
    f->profiles = NULL;
    assert_int_equal(tc_profiles_read(f->folder, &us, &f->profiles, f->why), 0);
}

static size_t count(const struct fixture *f)
{
    size_t n = 0;

    while (tc_profiles_item(f->profiles, n))
        n++;
    return n;
}

static void assert_gate(const struct fixture *f, enum tc_profile_gate gate,
                        enum tc_profile_says says, const char *by)
{
    struct tc_profiles_gate result = tc_profiles_gate(f->profiles, gate);

    assert_int_equal(result.says, says);
    if (by)
        assert_string_equal(result.by->name, by);
    else
        assert_null(result.by);
}

/* Checks that the only item is refused with a sentence that has `part` in it. */
static void assert_refused(struct fixture *f, const char *part)
{
    read_folder(f);
    assert_int_equal(count(f), 1);
    assert_non_null(tc_profiles_item(f->profiles, 0)->error);
    assert_non_null(strstr(tc_profiles_item(f->profiles, 0)->error, part));
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_NOTHING, NULL);
}

/* ---- Together. ---- */

static void folder_that_does_not_exist_is_an_empty_set(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(rmdir(f->folder), 0);
    read_folder(f);
    assert_int_equal(count(f), 0);
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        assert_gate(f, (enum tc_profile_gate)gate, TC_PROFILE_NOTHING, NULL);
    assert_int_equal(tc_profiles_ring(NULL, NULL), TC_PROFILE_RING_NONE);
    assert_int_equal(tc_profiles_gate(NULL, TC_PROFILE_ES_EXTENSION).says,
                     TC_PROFILE_NOTHING);
}

static void files_are_read_in_name_order_and_others_ignored(void **state)
{
    struct fixture *f = *state;

    put(f, "20.mobileconfig", lists_es);
    put(f, "10.mobileconfig", closes);
    put(f, ".hidden.mobileconfig", denies_disk);
    put(f, "30.mobileconfig.bak", denies_disk);
    put(f, "readme", "no profile");
    read_folder(f);
    assert_int_equal(count(f), 2);
    assert_string_equal(tc_profiles_item(f->profiles, 0)->file, "10.mobileconfig");
    assert_string_equal(tc_profiles_item(f->profiles, 0)->name, "Closes");
    assert_string_equal(tc_profiles_item(f->profiles, 1)->identifier, "test.Lists");
}

static void closed_list_forbids_what_no_profile_lists(void **state)
{
    struct fixture *f = *state;

    put(f, "10.mobileconfig", closes);
    read_folder(f);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_FORBIDS, "Closes");
    put(f, "20.mobileconfig", lists_es);
    read_folder(f);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_ALLOWS, "Lists");
    assert_gate(f, TC_PROFILE_NETWORK_EXTENSION, TC_PROFILE_FORBIDS, "Closes");
}

static void deny_wins_over_allow_in_either_order(void **state)
{
    struct fixture *f = *state;

    put(f, "10.mobileconfig", allows_disk);
    put(f, "20.mobileconfig", denies_disk);
    read_folder(f);
    assert_gate(f, TC_PROFILE_FULL_DISK_ACCESS, TC_PROFILE_DENIES, "Denies");
    put(f, "10.mobileconfig", denies_disk);
    put(f, "20.mobileconfig", allows_disk);
    read_folder(f);
    assert_gate(f, TC_PROFILE_FULL_DISK_ACCESS, TC_PROFILE_DENIES, "Denies");
}

static void types_of_several_profiles_add_up(void **state)
{
#define TYPES(type)                                                                      \
    "<key>AllowedSystemExtensionTypes</key><dict>" TEAM("TOCSIN", ITEM(type)) "</dict>"
    struct fixture *f = *state;

    put(f, "1.mobileconfig",
        PROFILE("ES", EXTENSIONS(TYPES("EndpointSecurityExtension"))));
    put(f, "2.mobileconfig",
        PROFILE("Net", EXTENSIONS(TYPES("NetworkExtension")
                                      TEAM("AllowedTeamIdentifiers", ITEM("TOCSIN")))));
    read_folder(f);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_ALLOWS, "Net");
    assert_gate(f, TC_PROFILE_NETWORK_EXTENSION, TC_PROFILE_ALLOWS, "Net");
    put(f, "1.mobileconfig", lists_es);
    read_folder(f);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_DENIES, "Net");
}

static void sample_grants_every_gate(void **state)
{
    struct fixture *f = *state;
    char text[65536];
    size_t n;
    FILE *file;

    file = fopen(TEST_SOURCE_DIR "/config/profiles/tocsin.mobileconfig", "r");
    assert_non_null(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    text[n] = '\0';
    fclose(file);
    put(f, "tocsin.mobileconfig", text);
    read_folder(f);
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++)
        assert_gate(f, (enum tc_profile_gate)gate, TC_PROFILE_ALLOWS, "Tocsin");
}

static void most_cautious_ring_wins(void **state)
{
    const struct tc_profiles_item *by = NULL;
    struct fixture *f = *state;

    put(f, "1.mobileconfig", PROFILE("B", CHANNEL("Beta")));
    put(f, "2.mobileconfig", PROFILE("P", CHANNEL("Preview")));
    put(f, "3.mobileconfig", PROFILE("B2", CHANNEL("Beta")));
    read_folder(f);
    assert_int_equal(tc_profiles_ring(f->profiles, &by), TC_PROFILE_RING_PREVIEW);
    assert_string_equal(by->name, "P");
}

static void sets_are_the_same_when_they_say_the_same(void **state)
{
    struct tc_profiles *before;
    struct fixture *f = *state;

    put(f, "1.mobileconfig", lists_es);
    read_folder(f);
    before = f->profiles;
    f->profiles = NULL;
    put(f, "2.mobileconfig", "broken");
    read_folder(f);
    assert_true(tc_profiles_same(before, f->profiles));
    put(f, "3.mobileconfig", PROFILE("B", CHANNEL("Beta")));
    read_folder(f);
    assert_false(tc_profiles_same(before, f->profiles));
    assert_false(tc_profiles_same(before, NULL));
    assert_true(tc_profiles_same(NULL, NULL));
    tc_profiles_free(before);
}

/* ---- Distrust. ---- */

static void file_with_the_identifier_of_one_before_replaces_it(void **state)
{
    struct fixture *f = *state;
    const struct tc_profiles_item *item;

    put(f, "1.mobileconfig", allows_disk);
    put(f, "2.mobileconfig", lists_es);
    put(f, "3.mobileconfig", PROFILE("Allows", EXTENSIONS(CLOSED)));
    read_folder(f);
    assert_gate(f, TC_PROFILE_FULL_DISK_ACCESS, TC_PROFILE_NOTHING, NULL);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_ALLOWS, "Lists");
    item = tc_profiles_item(f->profiles, 0);
    assert_null(item->error);
    assert_string_equal(item->warning, "1.mobileconfig: it counts no longer: "
                                       "3.mobileconfig has the same PayloadIdentifier");
    assert_null(tc_profiles_item(f->profiles, 1)->warning);

    /* A new version that is refused takes nothing away. */
    put(f, "3.mobileconfig", "no profile");
    read_folder(f);
    assert_gate(f, TC_PROFILE_FULL_DISK_ACCESS, TC_PROFILE_ALLOWS, "Allows");
}

static void bad_file_hides_no_good_one(void **state)
{
    struct fixture *f = *state;

    put(f, "10.mobileconfig", "broken");
    put(f, "20.mobileconfig", lists_es);
    put(f, "30.mobileconfig", "<plist><dict>");
    read_folder(f);
    assert_int_equal(count(f), 3);
    assert_string_equal(tc_profiles_item(f->profiles, 0)->error,
                        "10.mobileconfig: this is no XML or binary property list");
    assert_null(tc_profiles_item(f->profiles, 1)->error);
    assert_non_null(tc_profiles_item(f->profiles, 2)->error);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_ALLOWS, "Lists");
}

static void file_that_others_may_write_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256];

    put(f, "1.mobileconfig", lists_es);
    path_of(f, "1.mobileconfig", path);
    assert_int_equal(chmod(path, 0664), 0);
    assert_refused(f, "others than its owner may write it: chmod go-w it");
    assert_int_equal(chmod(path, 0646), 0);
    assert_refused(f, "others than its owner may write it");
}

static void file_of_another_owner_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256];

    if (geteuid() != 0)
        test_skip("only root can give a file away");
    put(f, "1.mobileconfig", lists_es);
    path_of(f, "1.mobileconfig", path);
    assert_int_equal(chown(path, 65534, 0), 0);
    assert_refused(f, "does not belong to root: chown it");
}

static void file_that_is_no_regular_file_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256], target[256];

    path_of(f, "1.mobileconfig", path);
    assert_int_equal(mkfifo(path, 0644), 0);
    assert_refused(f, "no regular file");
    assert_int_equal(remove(path), 0);
    put(f, "target", lists_es);
    path_of(f, "target", target);
    assert_int_equal(symlink(target, path), 0);
    assert_refused(f, "symbolic link: put the file itself here");
}

static void folder_that_others_may_write_is_believed_in_nothing(void **state)
{
    struct fixture *f = *state;

    put(f, "1.mobileconfig", lists_es);
    assert_int_equal(chmod(f->folder, 0777), 0);
    assert_int_equal(tc_profiles_read(f->folder, &us, &f->profiles, f->why), -EPERM);
    assert_null(f->profiles);
    assert_non_null(strstr(f->why, "managed.d: no managed profile is believed: others"));
}

static void file_that_is_too_large_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[256];

    put(f, "1.mobileconfig", lists_es);
    path_of(f, "1.mobileconfig", path);
    assert_int_equal(truncate(path, TC_PROFILE_BYTES_MAX + 1), 0);
    assert_refused(f, "larger than 1 MiB");
}

static void profiles_beyond_the_bound_are_refused_by_name(void **state)
{
    struct fixture *f = *state;
    char name[64];

    for (int i = 0; i < TC_PROFILES_MAX + 2; i++) {
        snprintf(name, sizeof(name), "%03d.mobileconfig", i);
        put(f, name, i == TC_PROFILES_MAX ? lists_es : closes);
    }
    read_folder(f);
    assert_int_equal(count(f), TC_PROFILES_MAX + 1);
    assert_non_null(strstr(tc_profiles_item(f->profiles, TC_PROFILES_MAX)->error,
                           "064.mobileconfig: there are more than 64 profiles"));
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_FORBIDS, "Closes");
}

/* ---- What is shown. ---- */

static void assert_json(struct tc_pack *p, const char *expected)
{
    const msgpack_object *o = tc_pack_read(p);
    char *text = NULL;

    assert_non_null(o);
    assert_int_equal(tc_json_text(o, &text), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void list_shows_what_each_says_or_why_it_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tc_pack p;

    put(f, "1.mobileconfig", "broken");
    put(f, "2.mobileconfig",
        PROFILE("Both", EXTENSIONS(CLOSED LISTS_ES) CHANNEL("Beta")));
    read_folder(f);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_profiles_put(f->profiles, &p);
    tc_pack_end(&p);
    assert_json(&p,
                "{\"items\":[{\"file\":\"1.mobileconfig\",\"name\":\"1.mobileconfig\","
                "\"identifier\":null,\"error\":\"1.mobileconfig: this is no XML or "
                "binary property list\",\"says\":{}},{\"file\":\"2.mobileconfig\","
                "\"name\":\"Both\",\"identifier\":\"test.Both\",\"release_ring\":"
                "\"beta\",\"says\":{\"es_extension\":\"allows\","
                "\"network_extension\":\"forbids\"}}]}");
    tc_pack_done(&p);
}

/* The texts that profile.check has of one gate. */
struct shown {
    const char *declared, *effective, *why;
};

static void assert_shown(const struct tc_pack *p, enum tc_profile_gate gate,
                         struct shown expected)
{
    struct tocsin_value gates, entry;
    struct tocsin_iter it;
    struct tocsin_str s;
    size_t len;

    assert_int_equal(p->error, 0);
    assert_true(tocsin_find(p->bytes.data, p->bytes.size, "gates", &gates));
    tocsin_iter_init(&it, &gates);
    for (int i = 0; i <= (int)gate; i++)
        assert_true(tocsin_iter_next(&it, NULL, &entry));
    len = (size_t)(entry.end - entry.start);
    assert_true(tocsin_str_is(tocsin_find_str(entry.start, len, "gate"),
                              tc_profile_gate_name(gate)));
    assert_true(
        tocsin_str_is(tocsin_find_str(entry.start, len, "declared"), expected.declared));
    s = tocsin_find_str(entry.start, len, "effective");
    assert_true(expected.effective ? tocsin_str_is(s, expected.effective) : !s.ptr);
    s = tocsin_find_str(entry.start, len, "why");
    if (!s.ptr != !expected.why || (s.ptr && !tocsin_str_is(s, expected.why)))
        print_error("%s: why is %.*s\n", tc_profile_gate_name(gate), (int)s.len, s.ptr);
    assert_true(expected.why ? tocsin_str_is(s, expected.why) : !s.ptr);
}

static void check_says_why_a_gate_does_not_stand_as_declared(void **state)
{
    static const struct tc_profiles_effect effects[TC_PROFILE_GATES] = {
        [TC_PROFILE_ES_EXTENSION] = {.state = "granted",
                                     .granted = true,
                                     .managed = true},
        [TC_PROFILE_NETWORK_EXTENSION] = {.state = "granted", .granted = true},
        [TC_PROFILE_NETWORK_FILTER] = {.state = NULL},
        [TC_PROFILE_FULL_DISK_ACCESS] = {.state = "error",
                                         .reason = "NOT_PERMITTED: no CAP_SYS_ADMIN"},
        [TC_PROFILE_KERNEL_EXTENSION] = {.state = NULL},
    };
    struct fixture *f = *state;
    struct tc_pack p;

    put(f, "1.mobileconfig",
        PROFILE("A", EXTENSIONS(CLOSED LISTS_ES) KERNEL("") CHANNEL("Beta")
                         FILTER(STRING("FilterType", "Plugin")
                                    STRING("PluginBundleID", "org.tocsin.agent")
                                        STRING("FilterDataProviderBundleIdentifier",
                                               "org.tocsin.netfilter") //
                                "<key>FilterSockets</key><true/>")));
    put(f, "2.mobileconfig", allows_disk);
    read_folder(f);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_profiles_put_check(f->profiles, effects, "current", &p);
    tc_pack_end(&p);
    assert_shown(&p, TC_PROFILE_ES_EXTENSION,
                 (struct shown){"allows", "granted (managed)", NULL});
    assert_shown(&p, TC_PROFILE_NETWORK_EXTENSION,
                 (struct shown){"forbids", "granted",
                                "the profiles refuse it: it is about to be withdrawn"});
    assert_shown(
        &p, TC_PROFILE_NETWORK_FILTER,
        (struct shown){"allows", NULL,
                       "the agent does not ask for it: its plugin is not installed "
                       "or not enabled"});
    assert_shown(&p, TC_PROFILE_FULL_DISK_ACCESS,
                 (struct shown){"allows", "error", "NOT_PERMITTED: no CAP_SYS_ADMIN"});
    assert_shown(&p, TC_PROFILE_KERNEL_EXTENSION, (struct shown){"forbids", NULL, NULL});
    assert_true(
        tocsin_str_is(tocsin_find_str(p.bytes.data, p.bytes.size, "release_ring.why"),
                      "the ring is read when the agent starts: restart it"));
    tc_pack_done(&p);
}

static void check_of_sent_profiles_says_what_declares_it(void **state)
{
    struct fixture *f = *state;
    struct tc_pack sent, p;

    tc_pack_init(&sent);
    tc_pack_begin_map(&sent, NULL);
    tc_pack_begin_array(&sent, "files");
    tc_pack_begin_map(&sent, NULL);
    tc_pack_str(&sent, "name", "a.mobileconfig");
    tc_pack_bin(&sent, "data", lists_es, strlen(lists_es));
    tc_pack_end(&sent);
    tc_pack_begin_map(&sent, NULL);
    tc_pack_str(&sent, "name", "b.mobileconfig");
    tc_pack_str(&sent, "data", "broken");
    tc_pack_end(&sent);
    tc_pack_end(&sent);
    tc_pack_end(&sent);
    assert_int_equal(tc_profiles_read_sent(sent.bytes.data, sent.bytes.size, &us,
                                           &f->profiles, f->why),
                     0);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_profiles_put_check(f->profiles, NULL, NULL, &p);
    tc_pack_end(&p);
    assert_shown(&p, TC_PROFILE_ES_EXTENSION,
                 (struct shown){"allows", NULL, "allowed by \"Lists\" (a.mobileconfig)"});
    assert_shown(&p, TC_PROFILE_NETWORK_FILTER, (struct shown){"nothing", NULL, NULL});
    assert_non_null(tc_profiles_item(f->profiles, 1)->error);
    tc_pack_done(&p);
    tc_pack_done(&sent);
}

static void message_without_profiles_is_refused(void **state)
{
    static const uint8_t empty[] = {0x80};
    static const uint8_t number[] = {0x81, 0xa5, 'f', 'i', 'l', 'e', 's', 0x91, 0x01};
    struct fixture *f = *state;

    assert_int_equal(
        tc_profiles_read_sent(empty, sizeof(empty), &us, &f->profiles, f->why), -EINVAL);
    assert_string_equal(f->why, "files wants 1 to 64 profiles");
    assert_int_equal(
        tc_profiles_read_sent(number, sizeof(number), &us, &f->profiles, f->why),
        -EINVAL);
    assert_string_equal(f->why, "files wants maps of name and data");
}

static void near_misses_are_explained(void **state)
{
    struct fixture *f = *state;
    char text[256];

    put(f, "1.mobileconfig",
        PROFILE("Near", EXTENSIONS("<key>AllowedSystemExtensions</key><dict>" TEAM(
                            "OTHER", ITEM("org.tocsin.es")) "</dict>")));
    read_folder(f);
    tc_profiles_explain(f->profiles, TC_PROFILE_ES_EXTENSION, text);
    assert_string_equal(text, "\"Near\" lists our extension for another team: compare "
                              "identity.team of the configuration");
    tc_profiles_explain(f->profiles, TC_PROFILE_NETWORK_FILTER, text);
    assert_string_equal(text, "");
}

/* ---- The watch. ---- */

static void changed(void *arg)
{
    struct fixture *f = arg;

    f->changes++;
    if (f->changes >= f->wanted)
        uv_stop(&f->loop);
}

static void too_late(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* Runs the loop until one more change was reported, or the time is up. */
static bool await_change(struct fixture *f, unsigned ms)
{
    unsigned before = f->changes;

    f->wanted = before + 1;
    uv_timer_init(&f->loop, &f->deadline);
    uv_timer_start(&f->deadline, too_late, ms, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    return f->changes > before;
}

static void start_watch(struct fixture *f)
{
    assert_int_equal(tc_profiles_watch_start(&f->loop, f->folder, changed, f, &f->watch),
                     0);
}

static void change_of_a_file_is_reported_once_it_is_quiet(void **state)
{
    struct fixture *f = *state;

    start_watch(f);
    put(f, "1.mobileconfig", lists_es);
    put(f, "2.mobileconfig", closes);
    assert_true(await_change(f, WAIT_MS));
    assert_int_equal(f->changes, 1); /* both in one */
    read_folder(f);
    assert_int_equal(count(f), 2);
}

static void every_kind_of_change_is_reported(void **state)
{
    struct fixture *f = *state;
    char path[256], other[256];

    path_of(f, "1.mobileconfig", path);
    path_of(f, "2.mobileconfig", other);
    put(f, "1.mobileconfig", lists_es);
    start_watch(f);
    put(f, "1.mobileconfig", closes);
    assert_true(await_change(f, WAIT_MS));
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(await_change(f, WAIT_MS));
    assert_int_equal(rename(path, other), 0);
    assert_true(await_change(f, WAIT_MS));
    assert_int_equal(unlink(other), 0);
    assert_true(await_change(f, WAIT_MS));
}

static void folder_that_comes_later_is_seen(void **state)
{
    struct fixture *f = *state;
    char parent[128];

    assert_int_equal(rmdir(f->folder), 0);
    snprintf(parent, sizeof(parent), "%s/a", f->base);
    snprintf(f->folder, sizeof(f->folder), "%s/a/b", f->base);
    start_watch(f);
    assert_int_equal(mkdir(parent, 0755), 0);
    assert_false(await_change(f, 2 * TC_PROFILES_QUIET_MS)); /* still nothing to read */
    assert_int_equal(mkdir(f->folder, 0755), 0);
    assert_true(await_change(f, WAIT_MS));
    put(f, "1.mobileconfig", lists_es);
    assert_true(await_change(f, WAIT_MS));
    read_folder(f);
    assert_gate(f, TC_PROFILE_ES_EXTENSION, TC_PROFILE_ALLOWS, "Lists");
}

static void folder_that_goes_and_comes_back_is_followed(void **state)
{
    struct fixture *f = *state;
    char aside[128];

    snprintf(aside, sizeof(aside), "%s/aside", f->base);
    put(f, "1.mobileconfig", lists_es);
    start_watch(f);
    assert_int_equal(rename(f->folder, aside), 0);
    assert_true(await_change(f, WAIT_MS));
    read_folder(f);
    assert_int_equal(count(f), 0);
    assert_int_equal(rename(aside, f->folder), 0);
    assert_true(await_change(f, WAIT_MS));
    read_folder(f);
    assert_int_equal(count(f), 1);
}

static void folder_with_a_path_from_here_is_watched(void **state)
{
    struct fixture *f = *state;
    char back[4096], whole[96];

    strcpy(whole, f->folder);
    assert_int_equal(rmdir(f->folder), 0);
    assert_non_null(getcwd(back, sizeof(back)));
    assert_int_equal(chdir(f->base), 0);
    strcpy(f->folder, "managed.d/");
    start_watch(f);
    assert_int_equal(mkdir(f->folder, 0755), 0);
    assert_true(await_change(f, WAIT_MS));
    assert_int_equal(chdir(back), 0);
    strcpy(f->folder, whole);
}

static void watch_that_has_stopped_reports_nothing(void **state)
{
    struct fixture *f = *state;

    start_watch(f);
    put(f, "1.mobileconfig", lists_es);
    tc_profiles_watch_stop(f->watch);
    f->watch = NULL;
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->changes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folder_that_does_not_exist_is_an_empty_set),
        TEST(files_are_read_in_name_order_and_others_ignored),
        TEST(closed_list_forbids_what_no_profile_lists),
        TEST(deny_wins_over_allow_in_either_order),
        TEST(types_of_several_profiles_add_up),
        TEST(sample_grants_every_gate),
        TEST(most_cautious_ring_wins),
        TEST(sets_are_the_same_when_they_say_the_same),
        TEST(file_with_the_identifier_of_one_before_replaces_it),
        TEST(bad_file_hides_no_good_one),
        TEST(file_that_others_may_write_is_refused),
        TEST(file_of_another_owner_is_refused),
        TEST(file_that_is_no_regular_file_is_refused),
        TEST(folder_that_others_may_write_is_believed_in_nothing),
        TEST(file_that_is_too_large_is_refused),
        TEST(profiles_beyond_the_bound_are_refused_by_name),
        TEST(list_shows_what_each_says_or_why_it_is_refused),
        TEST(check_says_why_a_gate_does_not_stand_as_declared),
        TEST(check_of_sent_profiles_says_what_declares_it),
        TEST(message_without_profiles_is_refused),
        TEST(near_misses_are_explained),
        TEST(change_of_a_file_is_reported_once_it_is_quiet),
        TEST(every_kind_of_change_is_reported),
        TEST(folder_that_comes_later_is_seen),
        TEST(folder_that_goes_and_comes_back_is_followed),
        TEST(folder_with_a_path_from_here_is_watched),
        TEST(watch_that_has_stopped_reports_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
