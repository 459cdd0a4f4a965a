/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_walk.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sensor_scope.h"

#define MANY 200

struct fixture {
    char root[64];
    char seen[MANY * 64]; /* names found, in order, each in blanks */
    size_t found, steps;
    uint64_t skipped;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.root, "/tmp/tocsin-walk-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    assert_int_equal(mount("tocsin-walk", f.root, "tmpfs", 0, NULL), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(umount2(f->root, MNT_DETACH), 0);
    assert_int_equal(rmdir(f->root), 0);
    return 0;
}

static const char *at(const struct fixture *f, const char *name)
{
    static char texts[4][128];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof(texts[0]), "%s%s%s", f->root, *name ? "/" : "", name);
    return text;
}

/* Makes a file; the time of its last change. */
static uint64_t put(const struct fixture *f, const char *name)
{
    int fd = open(at(f, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    return (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
}

/* Makes a file whose time is later than that, however coarse the clock. */
static void put_after(const struct fixture *f, const char *name, uint64_t ns)
{
    while (put(f, name) <= ns)
        ;
}

/* Walks to the end and notes what was found. */
static void walk(struct fixture *f, const char *const *roots,
                 struct tc_sensor_scope *scope, uint64_t since_ns)
{
    static struct tc_sensor_step step;
    struct tc_sensor_walk *w;
    char byte;
    bool more;

    f->seen[0] = '\0';
    f->found = f->steps = 0;
    assert_int_equal(tc_sensor_walk_new(roots, scope, since_ns, &w), 0);
    do {
        more = tc_sensor_walk_step(w, &step);
        f->steps++;
        f->found += step.count;
        f->skipped += step.skipped;
        for (size_t i = 0; i < step.count; i++) {
            assert_true(pread(step.found[i].fd, &byte, 1, 0) >= 0);
            strcat(strcat(f->seen, " "), step.found[i].path + strlen(f->root) + 1);
        }
        tc_sensor_step_clear(&step);
    } while (more);
    tc_sensor_walk_free(w);
    strcat(f->seen, " ");
}

static void walk_finds_what_has_changed_since_then(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {f->root, NULL};
    uint64_t old_ns = put(f, "old");
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

    put_after(f, "new", old_ns);
    put_after(f, "touched", old_ns); /* who sets the time back changes the other */
    assert_int_equal(utimensat(AT_FDCWD, at(f, "touched"), long_ago, 0), 0);
    walk(f, roots, NULL, old_ns + 1);
    assert_int_equal(f->found, 2);
    assert_non_null(strstr(f->seen, " new "));
    assert_non_null(strstr(f->seen, " touched "));
    walk(f, roots, NULL, old_ns);
    assert_int_equal(f->found, 3);
    assert_int_equal(f->skipped, 0);
}

static void walk_is_breadth_first_and_sees_each_file_once(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {at(f, "a"), f->root, at(f, "a/b"), f->root, NULL};

    assert_int_equal(mkdir(at(f, "a"), 0755), 0);
    assert_int_equal(mkdir(at(f, "a/b"), 0755), 0);
    put(f, "a/b/3");
    put(f, "a/2");
    put(f, "1");
    walk(f, roots, NULL, 0);
    assert_string_equal(f->seen, " 1 a/2 a/b/3 ");
}

static void walk_follows_no_symbolic_link(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {at(f, "in"), at(f, "link"), NULL};

    assert_int_equal(mkdir(at(f, "in"), 0755), 0);
    assert_int_equal(mkdir(at(f, "out"), 0755), 0);
    put(f, "out/f");
    assert_int_equal(symlink(at(f, "out"), at(f, "in/folder")), 0);
    assert_int_equal(symlink(at(f, "out/f"), at(f, "in/file")), 0);
    assert_int_equal(symlink(at(f, "out"), at(f, "link")), 0);
    walk(f, roots, NULL, 0);
    assert_int_equal(f->found, 0);
}

static void walk_opens_regular_files_only(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {f->root, NULL};

    assert_int_equal(mkfifo(at(f, "fifo"), 0644), 0);
    assert_int_equal(mknod(at(f, "null"), S_IFCHR | 0644, 0x103), 0);
    walk(f, roots, NULL, 0);
    assert_int_equal(f->found, 0);
}

static void walk_brings_a_few_at_a_time(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {f->root, NULL};
    char name[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "%d", i);
        put(f, name);
    }
    walk(f, roots, NULL, 0);
    assert_int_equal(f->found, MANY);
    assert_true(f->steps > MANY / TC_SENSOR_WALK_FOUND_MAX);
}

static void walk_enters_the_file_systems_that_are_protected(void **state)
{
    struct fixture *f = *state;
    const char *const roots[] = {f->root, NULL};
    const char *const ignored[] = {"ramfs", NULL};
    static char mounts[65536];
    struct tc_sensor_scope *scope;
    int fd;

    assert_int_equal(mkdir(at(f, "m"), 0755), 0);
    assert_int_equal(mkdir(at(f, "n"), 0755), 0);
    assert_int_equal(mkdir(at(f, "p"), 0755), 0);
    assert_int_equal(mount("m", at(f, "m"), "tmpfs", 0, NULL), 0);
    assert_int_equal(mount("n", at(f, "n"), "ramfs", 0, NULL), 0);
    assert_int_equal(mount("p", at(f, "p"), "proc", 0, NULL), 0);
    put(f, "m/f");
    put(f, "n/f");
    put(f, "z");
    fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (ssize_t n, len = 0; (n = read(fd, mounts + len, sizeof(mounts) - 1 - len)) > 0;)
        len += n;
    close(fd);
    assert_int_equal(tc_sensor_scope_new(mounts, roots, ignored, &scope), 0);
    walk(f, roots, scope, 0);
    assert_string_equal(f->seen, " z m/f ");
    walk(f, roots, NULL, 0); /* no scope to say what is what: this one alone */
    assert_string_equal(f->seen, " z ");
    tc_sensor_scope_unref(scope);
    assert_int_equal(umount(at(f, "m")), 0); /* nothing is held */
    assert_int_equal(umount(at(f, "n")), 0);
    assert_int_equal(umount(at(f, "p")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(walk_finds_what_has_changed_since_then),
        TEST(walk_is_breadth_first_and_sees_each_file_once),
        TEST(walk_follows_no_symbolic_link),
        TEST(walk_opens_regular_files_only),
        TEST(walk_brings_a_few_at_a_time),
        TEST(walk_enters_the_file_systems_that_are_protected),
#undef TEST
    };

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        print_message("skipped: mounts of one's own: %s\n", strerror(errno));
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
