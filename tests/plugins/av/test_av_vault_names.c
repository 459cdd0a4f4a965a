/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine and names: only that of the file which is meant goes, and all of its own
 * come back. */
#include "test_av_vault_util.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/av_name.h"
#include "vault/av_unmapped.h"

static void vault_follows_no_link_in_a_parent_folder(void **state)
{
    struct fixture *f = *state;
    char real[PATH_MAX], link[PATH_MAX], path[PATH_MAX], id[TC_AV_ID_TEXT];
    struct tc_av_record record;
    uint64_t links;
    int fd;

    mkdir(in(real, f->dir, "real"), 0755);
    put_text(in(path, f->dir, "real/file"), "bad");
    assert_int_equal(symlink(real, in(link, f->dir, "link")), 0);
    fd = open_ro(path);
    fill(&record, fd);
    record.path = strdup(in(path, f->dir, "link/file"));
    assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why),
                     -ELOOP);
    tc_av_record_done(&record);
    close(fd);
    assert_int_equal(entries(f), 0);
    assert_int_equal(access(in(path, f->dir, "real/file"), F_OK), 0);

    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(restore(f, id, in(path, f->dir, "link/file"), false), -ELOOP);
    /* The folder it came from has become a link to another. */
    mkdir(in(path, f->dir, "other"), 0755);
    assert_int_equal(rmdir(real), 0);
    assert_int_equal(symlink(path, real), 0);
    assert_int_equal(restore(f, id, NULL, true), -ELOOP);
    assert_int_equal(access(in(path, f->dir, "other/file"), F_OK), -1);
    assert_int_equal(entries(f), 1);
}

static void vault_does_not_touch_another_file_of_the_same_name(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    struct tc_av_record record;
    uint64_t links;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    fd = open_ro(path);
    fill(&record, fd);
    record.path = strdup(path);
    unlink(path);
    put_text(path, "innocent");
    assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why),
                     -ESTALE);
    tc_av_record_done(&record);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(entries(f), 0);
}

/* Made without a name, as by O_TMPFILE, and then given one; found by its descriptor. */
static void regress_vault_takes_a_file_that_was_given_its_name_later(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], now[PATH_MAX], self[64];
    struct tc_av_record record;
    uint64_t links;
    int fd = open(f->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        test_skip("no O_TMPFILE here: %s", strerror(errno));
    }
    assert_int_equal(write(fd, "bad", 3), 3);
    assert_int_equal(tc_av_fd_path(fd, now, sizeof(now)), -ENOENT);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    in(path, f->dir, "named");
    assert_int_equal(linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW), 0);
    assert_int_equal(tc_av_fd_path(fd, now, sizeof(now)), 0);
    assert_string_equal(now, path);
    /* Whoever saw it before it was linked says another name. */
    fill(&record, fd);
    record.path = strdup(in(now, f->dir, "#5 (deleted)"));
    assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, false, &links, f->why), 0);
    assert_string_equal(record.path, path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(restore(f, record.id, NULL, false), 0);
    assert_int_equal(access(path, F_OK), 0);
    tc_av_record_done(&record);
    close(fd);
}

static void regress_vault_tells_a_deleted_name_from_one_that_says_so(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], plain[PATH_MAX], now[PATH_MAX];
    int fd;

    put_text(in(path, f->dir, "file (deleted)"), "bad");
    put_text(in(plain, f->dir, "file"), "innocent");
    fd = open_ro(path);
    assert_int_equal(tc_av_fd_path(fd, now, sizeof(now)), 0);
    assert_string_equal(now, path);
    /* Its name goes, and a second one stays. */
    assert_int_equal(link(path, in(now, f->dir, "other")), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tc_av_fd_path(fd, now, sizeof(now)), 0);
    assert_string_equal(now, in(path, f->dir, "other"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tc_av_fd_path(fd, now, sizeof(now)), -ENOENT);
    close(fd);
    assert_int_equal(access(plain, F_OK), 0);
}

static void vault_keeps_a_link_whose_content_it_has_not(void **state)
{
    struct fixture *f = *state;
    const char *unknown = "00000000-0000-8000-8000-000000000000";
    char path[PATH_MAX];
    struct stat st;

    put_text(in(path, f->dir, "file"), "bad");
    stat(path, &st);
    assert_int_equal(
        tc_av_vault_take_link(&f->vault, unknown, path, st.st_dev, st.st_ino, f->why),
        -ENOENT);
    assert_int_equal(access(path, F_OK), 0);
}

static void vault_removes_a_second_link_into_the_same_record(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], second[PATH_MAX];
    struct tc_av_record record;
    uint64_t links = 0;
    struct stat st;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    assert_int_equal(link(path, in(second, f->dir, "second")), 0);
    fd = open_ro(path);
    fstat(fd, &st);
    fill(&record, fd);
    assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why),
                     0);
    assert_int_equal(links, 1);
    assert_int_equal(tc_av_vault_take_link(&f->vault, record.id, second, st.st_dev,
                                           st.st_ino + 1, f->why),
                     -ESTALE);
    assert_int_equal(
        tc_av_vault_take_link(&f->vault, record.id, second, st.st_dev, st.st_ino, f->why),
        0);
    close(fd);
    assert_int_equal(access(second, F_OK), -1);
    {
        struct tc_av_record found;

        assert_int_equal(tc_av_vault_find(&f->vault, record.id, &found), 0);
        assert_int_equal(found.links_n, 1);
        assert_string_equal(found.links[0], second);
        tc_av_record_done(&found);
    }
    assert_int_equal(tc_av_vault_remove(&f->vault, record.id), 0);
    assert_int_equal(entries(f), 0);
    tc_av_record_done(&record);
}

static void regress_vault_gives_back_all_names_of_a_file(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], second[PATH_MAX], third[PATH_MAX], id[TC_AV_ID_TEXT];
    struct stat st, now;

    put_text(in(path, f->dir, "file"), "bad");
    assert_int_equal(link(path, in(second, f->dir, "second")), 0);
    assert_int_equal(link(path, in(third, f->dir, "third")), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(
        tc_av_vault_take_link(&f->vault, id, second, st.st_dev, st.st_ino, f->why), 0);
    assert_int_equal(
        tc_av_vault_take_link(&f->vault, id, third, st.st_dev, st.st_ino, f->why), 0);
    put_text(third, "somebody else's");
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(stat(second, &now), 0);
    assert_int_equal(now.st_ino, st.st_ino);
    assert_text(third, "somebody else's");
    assert_non_null(strstr(f->left, third)); /* said, since it is not back */
    assert_null(strstr(f->left, second));
    assert_int_equal(entries(f), 0);
}

static void vault_finds_the_way_without_a_mapping(void **state)
{
    static const char table[] =
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 21 8:1 /srv/data /mnt/a\\040b rw,relatime,idmapped - ext4 /dev/sda1 rw\n"
        "31 21 0:40 / /tmp rw - tmpfs tmpfs rw\n"
        "32 21 0:41 /x /only rw,idmapped - tmpfs tmpfs rw\n"
        "33 21 0:41 /y /beside rw - tmpfs tmpfs rw\n";
    static const struct {
        uint64_t mount;
        const char *path, *plain; /* NULL: there is none */
    } rows[] = {
        {30, "/mnt/a b/sub/file", "/srv/data/sub/file"},
        {30, "/mnt/a b", "/srv/data"},
        {21, "/srv/data/file", NULL}, /* maps nothing */
        {32, "/only/file", NULL},     /* no other mount shows it */
        {99, "/mnt/a b/file", NULL},
    };
    char path[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool found =
            tc_av_unmapped_path(table, rows[i].mount, rows[i].path, path, sizeof(path));

        assert_int_equal(found, rows[i].plain != NULL);
        if (found)
            assert_string_equal(path, rows[i].plain);
    }
}

/* In a mount namespace of its own: an overlay whose layers are on two file systems gives
 * a file another inode number with its first change. 0 done, 2 no such mounts here. */
static int take_from_overlay(struct fixture *f)
{
    static const char *const folders[] = {"lower", "upper", "overlay"};
    char path[PATH_MAX], options[4 * PATH_MAX], id[TC_AV_ID_TEXT];

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return 2;
    for (size_t i = 0; i < 3; i++) {
        mkdir(in(path, f->dir, folders[i]), 0755);
        if (i < 2 && mount("tmpfs", path, "tmpfs", 0, NULL))
            return 2;
    }
    mkdir(in(path, f->dir, "upper/files"), 0755);
    mkdir(in(path, f->dir, "upper/work"), 0755);
    put_text(in(path, f->dir, "lower/file"), "bad");
    snprintf(options, sizeof(options),
             "xino=off,lowerdir=%s/lower,upperdir=%s/upper/files,workdir=%s/upper/work",
             f->dir, f->dir, f->dir);
    if (mount("overlay", in(path, f->dir, "overlay"), "overlay", 0, options))
        return 2;
    if (take(f, in(path, f->dir, "overlay/file"), id))
        return 3;
    return access(path, F_OK) ? 0 : 4;
}

static void vault_takes_a_file_of_an_overlay(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child)
        _exit(take_from_overlay(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        test_skip("no overlay here");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A user namespace in which uid 0 is 100000 outside, or -1. */
static int mapping(void)
{
    char path[64];
    pid_t child;
    int ready[2], go[2], fd = -1;
    char c;

    if (pipe(ready) || pipe(go))
        return -1;
    /* Not by unshare(2), which a process with threads, as of a sanitizer, is refused. */
    child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (!child)
        _exit(write(ready[1], "y", 1) != 1 || read(go[0], &c, 1) != 1);
    if (child > 0 && read(ready[0], &c, 1) == 1) {
        for (int i = 0; i < 2; i++) {
            snprintf(path, sizeof(path), "/proc/%d/%s", (int)child,
                     i ? "gid_map" : "uid_map");
            fd = open(path, O_WRONLY | O_CLOEXEC);
            if (fd < 0 || write(fd, "0 100000 65536", 14) != 14)
                _exit(2);
            close(fd);
        }
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (write(go[1], "x", 1) == 1 && child > 0)
        waitpid(child, NULL, 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    return fd;
}

/* In a mount namespace of its own: 0 done, 2 no such mounts here, else a promise broken.
 */
static int take_through_a_mapping(struct fixture *f)
{
    char plain[PATH_MAX], mapped[PATH_MAX], path[PATH_MAX], id[TC_AV_ID_TEXT];
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
    struct stat st;
    int tree, ns;

    mkdir(in(plain, f->dir, "plain"), 0755);
    mkdir(in(mapped, f->dir, "mapped"), 0755);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", plain, "tmpfs", 0, NULL) || (ns = mapping()) < 0)
        return 2;
    put_text(in(path, f->dir, "plain/file"), "bad");
    if (chown(path, 1000, 1000))
        return 2;
    attr.userns_fd = (uint64_t)ns;
    tree = open_tree(AT_FDCWD, plain, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) ||
        move_mount(tree, "", AT_FDCWD, mapped, MOVE_MOUNT_F_EMPTY_PATH))
        return 2;
    if (stat(in(path, f->dir, "mapped/file"), &st) || st.st_uid != 101000)
        return 2;
    if (take(f, path, id) || !access(path, F_OK))
        return 3;
    if (restore(f, id, NULL, false))
        return 4;
    if (stat(path, &st) || st.st_uid != 101000 || st.st_gid != 101000)
        return 5;
    return stat(in(path, f->dir, "plain/file"), &st) || st.st_uid != 1000 ? 6 : 0;
}

static void regress_vault_keeps_the_owner_behind_a_mapping(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child)
        _exit(take_through_a_mapping(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        test_skip("no idmapped mounts here");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(vault_follows_no_link_in_a_parent_folder),
        TEST(vault_does_not_touch_another_file_of_the_same_name),
        TEST(regress_vault_takes_a_file_that_was_given_its_name_later),
        TEST(regress_vault_tells_a_deleted_name_from_one_that_says_so),
        TEST(vault_keeps_a_link_whose_content_it_has_not),
        TEST(vault_removes_a_second_link_into_the_same_record),
        TEST(regress_vault_gives_back_all_names_of_a_file),
        TEST(vault_takes_a_file_of_an_overlay),
        TEST(vault_finds_the_way_without_a_mapping),
        TEST(regress_vault_keeps_the_owner_behind_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
