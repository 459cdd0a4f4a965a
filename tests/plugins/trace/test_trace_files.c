/* SPDX-License-Identifier: Apache-2.0 */
/* What trace reports of files: in folders of the test's own, with the real kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipc/event.h"
#include "tests/support/skip.h"
#include "tests/support/trace_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* One scratch file system: reported are in/ (all below), flat/ (not below) and late/,
 * which does not exist; reported elsewhere is in/other. out/ is nobody's, but for the
 * attributes of out/more. */
struct place {
    struct tc_trace_scratch s; /* first */
    char root[64];
    size_t from; /* of what was reported: the test's own */
    char paths[8][160];
    unsigned path;
};

static const char *at(struct place *p, const char *name)
{
    char *path = p->paths[p->path++ % 8];

    snprintf(path, sizeof(p->paths[0]), "%s/%s", p->root, name);
    return path;
}

static void make_folder(struct place *p, const char *name)
{
    assert_int_equal(mkdir(at(p, name), 0755), 0);
}

static int set_up(void **state, const char *acts)
{
    static struct place place;
    char files[256], elsewhere[128], attributes[128];
    const char *options[] = {files, elsewhere, attributes, acts, NULL};

    memset(&place, 0, sizeof(place));
    strcpy(place.root, "/tmp/tocsin-files-XXXXXX");
    assert_non_null(mkdtemp(place.root));
    assert_int_equal(mount("tocsin-files", place.root, "tmpfs", 0, NULL), 0);
    make_folder(&place, "in");
    make_folder(&place, "in/sub");
    make_folder(&place, "in/other");
    make_folder(&place, "flat");
    make_folder(&place, "flat/sub");
    make_folder(&place, "out");
    make_folder(&place, "out/more");
    snprintf(files, sizeof(files), "files=%s/in,%s/flat/*,%s/late/deep", place.root,
             place.root, place.root);
    snprintf(elsewhere, sizeof(elsewhere), "told_elsewhere=%s/in/other", place.root);
    snprintf(attributes, sizeof(attributes), "attributes=%s/out/more", place.root);
    tc_trace_scratch_init(&place.s, options);
    *state = &place;
    return 0;
}

static int setup_files(void **state)
{
    return set_up(state, "acts=none");
}

/* Letting go of what acts hook takes a kernel seconds in an emulator: once for all. */
static int setup_acts(void **state)
{
    return set_up(state, "acts=auto");
}

static int teardown(void **state)
{
    struct place *p = *state;

    tc_trace_scratch_done(&p->s);
    umount2(p->root, MNT_DETACH);
    return rmdir(p->root);
}

/* Runs a command of a shell's to its end; returns the shell's pid, which did it all, as
 * only what a shell does by itself is in it. */
static int by_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int by_shell(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return tc_trace_run("/bin/sh", (const char *[]){"sh", "-c", command, NULL});
}

static const struct tocsin_event *find(struct place *p, const char *topic,
                                       const char *path, size_t *ret_count)
{
    const struct tocsin_event *event, *found = NULL;

    *ret_count = 0;
    for (size_t i = p->from; (event = tc_trace_next(&p->s.h, topic, &i)) != NULL;) {
        if (strcmp(tc_harness_text(&p->s.h, event, TOCSIN_FIELD_FILE_PATH), path) != 0)
            continue;
        found = found ? found : event;
        ++*ret_count;
    }
    return found;
}

struct wanted {
    struct place *place;
    const char *topic, *path;
};

static bool was_reported(struct tc_harness *h)
{
    const struct wanted *wanted = h->arg;
    size_t count;

    return find(wanted->place, wanted->topic, wanted->path, &count) != NULL;
}

/* The only event of that topic about that path. */
static const struct tocsin_event *reported(struct place *p, const char *topic,
                                           const char *path)
{
    struct wanted wanted = {p, topic, path};
    const struct tocsin_event *event;
    size_t count;

    p->s.h.arg = &wanted;
    if (!tc_harness_run(&p->s.h, was_reported, TC_HARNESS_WAIT_MS))
        fail_msg("%s of %s was not reported", topic, path);
    event = find(p, topic, path, &count);
    assert_int_equal(count, 1);
    return event;
}

/* The last write is reported: all before it has been reported by then. */
static void await_last_write(struct place *p)
{
    char name[32];

    snprintf(name, sizeof(name), "in/end%u", p->path);
    by_shell("> %s", at(p, name));
    reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, name));
}

/* Each test finds the folders as they were made, and nothing in them. */
static int start_anew(void **state)
{
    struct place *p = *state;

    by_shell("cd %s && rm -rf late in/new in/a in/sub/b out/c; "
             "rm -f in/* in/*/* flat/* flat/*/* out/* out/*/* f 2>/dev/null",
             p->root);
    await_last_write(p);
    p->from = p->s.h.count;
    return 0;
}

static void not_reported(struct place *p, const char *topic, const char *path)
{
    size_t count;

    find(p, topic, path, &count);
    assert_int_equal(count, 0);
}

static void check_process(struct place *p, const struct tocsin_event *event, int pid)
{
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, -1), pid);
    assert_string_equal(tc_harness_text(&p->s.h, event, "sensor"), "trace");
    assert_non_null(
        strstr(tc_harness_text(&p->s.h, event, "process.command_line"), "sh -c"));
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, -1), getpid());
}

static void trace_reports_who_creates_and_writes_a_file(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    struct stat st;
    int pid = by_shell("echo text > %s", at(p, "in/sub/f"));

    event = reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/sub/f"));
    check_process(p, event, pid);
    assert_string_equal(tc_harness_text(&p->s.h, event, "file.name"), "f");
    event = reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "in/sub/f"));
    check_process(p, event, pid);
    assert_int_equal(stat(at(p, "in/sub/f"), &st), 0);
    assert_int_equal(tocsin_event_int(event, "file.inode", -1), st.st_ino);
    assert_int_equal(tocsin_event_int(event, "file.device", -1), st.st_dev);
    assert_int_equal(tocsin_event_int(event, "file.size", -1), 5);
    assert_int_equal(tocsin_event_int(event, "file.mode", -1), st.st_mode);
    assert_int_equal(tocsin_event_int(event, "file.uid", -1), 0);
    pid = by_shell("echo more >> %s", at(p, "in/sub/f"));
    await_last_write(p);
    assert_int_equal(tc_trace_count(&p->s, TOCSIN_TOPIC_FILE_CREATED, pid), 0);
    assert_int_equal(tc_trace_count(&p->s, TOCSIN_TOPIC_FILE_WRITTEN, pid), 1);
}

static void trace_reports_nothing_of_a_file_that_is_read(void **state)
{
    struct place *p = *state;
    int pid;

    by_shell("echo text > %s", at(p, "in/f"));
    pid = by_shell("read x < %s", at(p, "in/f"));
    await_last_write(p);
    assert_int_equal(tc_trace_count(&p->s, TOCSIN_TOPIC_FILE_WRITTEN, pid), 0);
}

static void trace_reports_a_file_that_is_renamed_within(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;

    by_shell("> %s", at(p, "in/a"));
    assert_int_equal(rename(at(p, "in/a"), at(p, "in/sub/b")), 0);
    event = reported(p, TOCSIN_TOPIC_FILE_RENAMED, at(p, "in/sub/b"));
    assert_string_equal(tc_harness_text(&p->s.h, event, "file.old_path"), at(p, "in/a"));
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, -1), getpid());
    not_reported(p, TOCSIN_TOPIC_FILE_DELETED, at(p, "in/a"));
}

static void trace_reports_a_file_that_is_moved_in_or_out(void **state)
{
    struct place *p = *state;

    by_shell("> %s; > %s", at(p, "out/a"), at(p, "in/b"));
    assert_int_equal(rename(at(p, "out/a"), at(p, "in/a")), 0);
    assert_int_equal(rename(at(p, "in/b"), at(p, "out/b")), 0);
    reported(p, TOCSIN_TOPIC_FILE_RENAMED, at(p, "in/a"));
    reported(p, TOCSIN_TOPIC_FILE_DELETED, at(p, "in/b"));
    not_reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "out/a"));
    not_reported(p, TOCSIN_TOPIC_FILE_RENAMED, at(p, "out/b"));
}

static void trace_reports_a_file_that_is_deleted(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    struct tocsin_value value;

    by_shell("> %s", at(p, "in/f"));
    reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "in/f"));
    assert_int_equal(unlink(at(p, "in/f")), 0);
    event = reported(p, TOCSIN_TOPIC_FILE_DELETED, at(p, "in/f"));
    assert_false(tocsin_find(event->data, event->len, "file.inode", &value));
}

/* The kernel makes one event of what is done to a name while nobody reads. */
static void trace_reports_a_replaced_file_in_the_order_of_what_is_there(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    const char *last = "";

    by_shell("> %s", at(p, "in/f"));
    reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "in/f"));
    assert_int_equal(unlink(at(p, "in/f")), 0);
    close(open(at(p, "in/f"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    await_last_write(p);
    for (size_t i = p->from; i < p->s.h.count; i++) {
        event = &p->s.h.events[i]->pub;
        if (!strcmp(tc_harness_text(&p->s.h, event, TOCSIN_FIELD_FILE_PATH),
                    at(p, "in/f")))
            last = event->topic;
    }
    assert_string_equal(last, TOCSIN_TOPIC_FILE_WRITTEN);
}

static void trace_reports_no_file_elsewhere(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"out/f", "in/other/f", "flat/sub/f", "f"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        by_shell("> %s; rm %s", at(p, names[i]), at(p, names[i]));
    await_last_write(p);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        not_reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, names[i]));
        not_reported(p, TOCSIN_TOPIC_FILE_DELETED, at(p, names[i]));
    }
    by_shell("> %s", at(p, "flat/f"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "flat/f"));
}

static void trace_follows_folders_that_are_made(void **state)
{
    struct place *p = *state;

    by_shell("mkdir -p %s; > %s", at(p, "in/new/deep"), at(p, "in/new/deep/f"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/new/deep/f"));
    by_shell("> %s", at(p, "in/new/deep/g"));
    reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "in/new/deep/g"));
    not_reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/new"));
}

static void trace_follows_folders_that_are_renamed(void **state)
{
    struct place *p = *state;

    by_shell("mkdir %s; > %s", at(p, "in/a"), at(p, "in/a/f"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/a/f"));
    by_shell("mv %s %s; > %s", at(p, "in/a"), at(p, "in/sub/b"), at(p, "in/sub/b/g"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/sub/b/g"));
    by_shell("mv %s %s; > %s", at(p, "in/sub/b"), at(p, "out/c"), at(p, "out/c/h"));
    await_last_write(p);
    not_reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "in/sub/b/h"));
    not_reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "out/c/h"));
}

static void trace_finds_places_that_appear_later_or_again(void **state)
{
    struct place *p = *state;

    by_shell("mkdir -p %s; > %s", at(p, "late/deep"), at(p, "late/deep/f"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "late/deep/f"));
    by_shell("rm -r %s", at(p, "late"));
    reported(p, TOCSIN_TOPIC_FILE_DELETED, at(p, "late/deep/f"));
    by_shell("mkdir -p %s; > %s", at(p, "late/deep"), at(p, "late/deep/g"));
    reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, "late/deep/g"));
}

static void trace_reports_each_of_many_files_once(void **state)
{
    enum { FILES = 300 };
    struct place *p = *state;
    char name[32];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "in/sub/n%d", i);
        close(open(at(p, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "in/sub/n%d", i);
        reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, name));
        reported(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, name));
    }
}

/* Their folders get their marks before, while and after they are created and written. */
static void trace_reports_each_file_in_new_folders_once(void **state)
{
    enum { FOLDERS = 60 };
    struct place *p = *state;
    char name[32];

    by_shell("i=0; while [ $i -lt %d ]; do mkdir %s$i; > %s$i/f; i=$((i+1)); done",
             FOLDERS, at(p, "in/m"), at(p, "in/m"));
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof(name), "in/m%d/f", i);
        reported(p, TOCSIN_TOPIC_FILE_CREATED, at(p, name));
    }
}

/* ---- Attributes. ---- */

static const struct tocsin_event *changed(struct place *p, const char *path,
                                          const char *action)
{
    const struct tocsin_event *event = reported(p, "file.attributes_changed", path);

    assert_string_equal(tc_harness_text(&p->s.h, event, "event.action"), action);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, -1), getpid());
    return event;
}

static void trace_reports_modes_and_owners(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    struct stat st;
    int fd;

    by_shell("> %s; > %s; > %s", at(p, "in/a"), at(p, "in/b"), at(p, "in/c"));
    assert_int_equal(chmod(at(p, "in/a"), 0640), 0);
    fd = open(at(p, "in/b"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(fchown(fd, 12, 34), 0);
    close(fd);
    fd = open(at(p, "in"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fchmodat(fd, "../in/sub/../c", 04755, 0), 0);
    close(fd);
    event = reported(p, "file.attributes_changed", at(p, "in/a"));
    assert_int_equal(tocsin_event_int(event, "file.mode", 0), S_IFREG | 0640);
    assert_int_equal(stat(at(p, "in/a"), &st), 0);
    assert_int_equal(tocsin_event_int(event, "file.inode", 0), st.st_ino);
    assert_string_equal(tc_harness_text(&p->s.h, event, "event.outcome"), "success");
    event = changed(p, at(p, "in/b"), "fchown");
    assert_int_equal(tocsin_event_int(event, "file.uid", 0), 12);
    assert_int_equal(tocsin_event_int(event, "file.gid", 0), 34);
    event = changed(p, at(p, "in/c"), "fchmodat");
    assert_int_equal(tocsin_event_int(event, "file.mode", 0), S_IFREG | 04755);
}

static void trace_reports_extended_attributes(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;

    by_shell("> %s", at(p, "in/x"));
    assert_int_equal(setxattr(at(p, "in/x"), "trusted.tocsin", "x", 1, 0), 0);
    event = changed(p, at(p, "in/x"), "setxattr");
    assert_string_equal(tc_harness_text(&p->s.h, event, "file.xattr"), "trusted.tocsin");
}

/* The link is changed, or what it leads to, as it was asked for. */
static void trace_reports_the_file_behind_a_link(void **state)
{
    struct place *p = *state;

    by_shell("> %s; ln -s %s %s", at(p, "in/f"), at(p, "in/f"), at(p, "out/link"));
    assert_int_equal(chown(at(p, "out/link"), 7, 7), 0);
    assert_int_equal(
        tocsin_event_int(reported(p, "file.attributes_changed", at(p, "in/f")),
                         "file.uid", 0),
        7);
    assert_int_equal(symlink("f", at(p, "in/link")), 0);
    assert_int_equal(lchown(at(p, "in/link"), 8, 8), 0);
    assert_int_equal(
        tocsin_event_int(changed(p, at(p, "in/link"), "lchown"), "file.uid", 0), 8);
}

static void trace_reports_attributes_where_others_report_files(void **state)
{
    struct place *p = *state;

    by_shell("> %s; > %s; > %s", at(p, "in/other/f"), at(p, "out/f"),
             at(p, "out/more/f"));
    assert_int_equal(chmod(at(p, "out/f"), 0640), 0);
    assert_int_equal(chmod(at(p, "in/other/f"), 0640), 0);
    assert_int_equal(chmod(at(p, "out/more/f"), 0640), 0);
    reported(p, "file.attributes_changed", at(p, "in/other/f"));
    reported(p, "file.attributes_changed", at(p, "out/more/f"));
    not_reported(p, "file.attributes_changed", at(p, "out/f"));
}

static void trace_reports_lent_rights_wherever_they_are(void **state)
{
    struct place *p = *state;

    by_shell("> %s", at(p, "out/s"));
    assert_int_equal(chmod(at(p, "out/s"), 04755), 0);
    assert_int_equal(mkdir(at(p, "out/folder"), 0755), 0);
    assert_int_equal(chmod(at(p, "out/folder"), 02755), 0); /* only names the group */
    assert_int_equal(
        tocsin_event_int(reported(p, "file.attributes_changed", at(p, "out/s")),
                         "file.mode", 0),
        S_IFREG | 04755);
    await_last_write(p);
    not_reported(p, "file.attributes_changed", at(p, "out/folder"));
}

static void trace_reports_no_attribute_that_was_refused(void **state)
{
    struct place *p = *state;

    assert_int_equal(chmod(at(p, "in/none"), 0640), -1);
    by_shell("> %s", at(p, "in/g"));
    assert_int_equal(chmod(at(p, "in/g"), 0640), 0);
    reported(p, "file.attributes_changed", at(p, "in/g"));
    not_reported(p, "file.attributes_changed", at(p, "in/none"));
}

#define WITH(test) cmocka_unit_test_setup(test, start_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(trace_reports_who_creates_and_writes_a_file),
        WITH(trace_reports_nothing_of_a_file_that_is_read),
        WITH(trace_reports_a_file_that_is_renamed_within),
        WITH(trace_reports_a_file_that_is_moved_in_or_out),
        WITH(trace_reports_a_file_that_is_deleted),
        WITH(trace_reports_a_replaced_file_in_the_order_of_what_is_there),
        WITH(trace_reports_no_file_elsewhere),
        WITH(trace_follows_folders_that_are_made),
        WITH(trace_follows_folders_that_are_renamed),
        WITH(trace_finds_places_that_appear_later_or_again),
        WITH(trace_reports_each_of_many_files_once),
        WITH(trace_reports_each_file_in_new_folders_once),
    };
    const struct CMUnitTest attributes[] = {
        WITH(trace_reports_modes_and_owners),
        WITH(trace_reports_extended_attributes),
        WITH(trace_reports_the_file_behind_a_link),
        WITH(trace_reports_attributes_where_others_report_files),
        WITH(trace_reports_lent_rights_wherever_they_are),
        WITH(trace_reports_no_attribute_that_was_refused),
    };
    int group;

    if (!tc_trace_scratch_possible())
        return test_skipped();
    group = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DFID_NAME, O_RDONLY);
    if (group < 0) {
        print_message("skipped: fanotify with names: %s\n", strerror(errno));
        return test_skipped();
    }
    close(group);
    return cmocka_run_group_tests(tests, setup_files, teardown) +
           cmocka_run_group_tests(attributes, setup_acts, teardown);
}
