/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine: nothing lost, nothing twice, whatever happens in between. */
#include "test_av_util.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/av_name.h"
#include "tests/support/fault.h"
#include "tests/support/skip.h"
#include "vault/av_payload.h"
#include "vault/av_vault.h"

#define KILLS 20
#define KILL_CALLS 1000 /* it is killed before one of so many */
#define KILL_FILES 40

struct fixture {
    char *dir;
    struct tc_av_vault vault;
    int own;
    bool unlock;
    char why[TC_AV_WHY], left[TC_AV_LEFT];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = scratch_new();
    assert_int_equal(tc_av_vault_open(&f->vault, f->dir), 0);
    f->own = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_av_vault_close(&f->vault);
    close(f->own);
    scratch_free(f->dir);
    free(f);
    return 0;
}

static void fill(struct tc_av_record *record, int fd)
{
    struct tc_av_key key;
    struct stat st;

    memset(record, 0, sizeof(*record));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(tc_av_hash_fd(fd, 0, (uint64_t)st.st_size, record->hash), 0);
    key = tc_av_key_of(&st);
    assert_int_equal(tc_av_id_of(&key, record->hash, record->id), 0);
    snprintf(record->rule, sizeof(record->rule), "rule");
    snprintf(record->name, sizeof(record->name), "Test.Name");
    snprintf(record->severity, sizeof(record->severity), "high");
}

static int take(struct fixture *f, const char *path, char ret_id[TC_AV_ID_TEXT])
{
    struct tc_av_record record;
    uint64_t links = 99;
    int fd = tc_av_open_quiet(AT_FDCWD, path), r;

    assert_true(fd >= 0);
    fill(&record, fd);
    f->why[0] = 0;
    r = tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why);
    if (ret_id)
        snprintf(ret_id, TC_AV_ID_TEXT, "%s", record.id);
    tc_av_record_done(&record);
    close(fd);
    return r;
}

static int restore(struct fixture *f, const char *id, const char *to, bool overwrite)
{
    struct tc_av_restore how = {.id = id,
                                .to = to,
                                .overwrite = overwrite,
                                .own_dirfd = f->own,
                                .own = "allowed"};
    struct tc_av_record record = {.id = ""};
    int r = tc_av_vault_restore(&f->vault, &how, &record, f->left, f->why);

    tc_av_record_done(&record);
    return r;
}

static size_t entries(const struct fixture *f)
{
    char path[PATH_MAX];
    struct dirent **list;
    int n = scandir(in(path, f->dir, "quarantine"), &list, NULL, alphasort);

    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return (size_t)n - 2;
}

static void vault_round_trip_keeps_bytes_and_metadata(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], buf[300001], back[sizeof(buf)], value[16];
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    struct stat before, after;
    bool xattrs;
    int fd;

    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (char)(i * 31 ^ i >> 8);
    put_bytes(in(path, f->dir, "sample"), buf, sizeof(buf));
    if (!geteuid())
        assert_int_equal(chown(path, 12, 34), 0);
    assert_int_equal(chmod(path, geteuid() ? 0751 : 04751), 0);
    xattrs = !setxattr(path, "user.one", "value-1", 7, 0) &&
             !setxattr(path, "user.empty", "", 0, 0);
    if (!xattrs)
        print_message("no extended attributes on this file system\n");
    utimensat(AT_FDCWD, path, times, 0);
    stat(path, &before);

    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(entries(f), 1);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(entries(f), 0);
    stat(path, &after);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_uid, after.st_uid);
    assert_int_equal(before.st_gid, after.st_gid);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(tc_av_ns(before.st_mtim), tc_av_ns(after.st_mtim));
    assert_int_equal(after.st_atim.tv_sec, times[0].tv_sec);
    fd = open_ro(path);
    assert_int_equal(tc_av_pread_all(fd, back, sizeof(back), 0), 0);
    close(fd);
    assert_memory_equal(buf, back, sizeof(buf));
    if (xattrs) {
        assert_int_equal(getxattr(path, "user.one", value, sizeof(value)), 7);
        assert_memory_equal(value, "value-1", 7);
        assert_int_equal(getxattr(path, "user.empty", value, sizeof(value)), 0);
    }
}

static void vault_keeps_capabilities_of_a_program(void **state)
{
    /* VFS_CAP_REVISION_2, effective; CAP_NET_RAW (linux/capability.h). */
    static const uint8_t cap[20] = {1, 0, 0, 2, 0, 0x20, 0, 0};
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    uint8_t now[32];

    put_text(in(path, f->dir, "program"), "#!/bin/true\n");
    if (setxattr(path, "security.capability", cap, sizeof(cap), 0)) {
        test_skip("cannot set capabilities: %s", strerror(errno));
    }
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(getxattr(path, "security.capability", now, sizeof(now)), 20);
    assert_memory_equal(now, cap, sizeof(cap));
}

static void vault_file_is_inert(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], name[128], id[TC_AV_ID_TEXT], text[EICAR_BYTES + 1], *data;
    struct stat st;
    size_t len;

    eicar(text);
    put_text(in(path, f->dir, "eicar"), text);
    chmod(path, 0755);
    assert_int_equal(take(f, path, id), 0);
    snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    assert_int_equal(stat(in(path, f->dir, name), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(tc_av_read_whole(AT_FDCWD, path, 1 << 20, &data, &len), 0);
    assert_null(memmem(data, len, text, EICAR_BYTES));
    assert_null(memmem(data, len, "EICAR", 5));
    free(data);
    assert_int_equal(stat(in(path, f->dir, "quarantine"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void vault_takes_an_empty_file_and_odd_names(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    struct tc_av_record record;

    put_text(in(path, f->dir, "line\nbreak \xff\xfe"), "");
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(tc_av_vault_find(&f->vault, id, &record), 0);
    assert_string_equal(record.path, path);
    tc_av_record_done(&record);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void vault_restore_refuses_to_overwrite_unless_asked(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], buf[8] = "";
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    assert_int_equal(take(f, path, id), 0);
    put_text(path, "mine");
    assert_int_equal(restore(f, id, NULL, false), -EEXIST);
    fd = open_ro(path);
    assert_int_equal(read(fd, buf, 4), 4);
    close(fd);
    assert_string_equal(buf, "mine");
    assert_int_equal(entries(f), 1);
    assert_int_equal(restore(f, id, NULL, true), 0);
    fd = open_ro(path);
    memset(buf, 0, sizeof(buf));
    assert_int_equal(read(fd, buf, sizeof(buf)), 3);
    close(fd);
    assert_string_equal(buf, "bad");
    assert_int_equal(entries(f), 0);
}

static void vault_restore_to_another_place_adds_to_the_allowed(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], to[PATH_MAX], id[TC_AV_ID_TEXT], *list;
    size_t len;

    put_text(in(path, f->dir, "file"), "hello");
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(restore(f, id, in(to, f->dir, "elsewhere"), false), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(to, F_OK), 0);
    assert_int_equal(tc_av_read_whole(f->own, "allowed", 4096, &list, &len), 0);
    assert_non_null(strstr(list, "2cf24dba5fb0a30e26e83b2ac5b9e29e"));
    free(list);
}

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

/* What an editor does: the new file is written beside the old one and renamed over it. */
static void save_over(void *arg)
{
    struct fixture *f = arg;
    char path[PATH_MAX], fresh[PATH_MAX];

    put_text(in(fresh, f->dir, "fresh"), "innocent");
    assert_int_equal(rename(fresh, in(path, f->dir, "file")), 0);
}

static void assert_text(const char *path, const char *text)
{
    char buf[64] = "";
    int fd = open_ro(path);

    assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
    close(fd);
    assert_string_equal(buf, text);
}

/* Nothing but what the fixture has made is in its folder. */
static void assert_nothing_left_beside(const struct fixture *f)
{
    struct dirent **list;
    int n = scandir(f->dir, &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        assert_null(strstr(list[i]->d_name, "tocsin-"));
        free(list[i]);
    }
    free(list);
}

/* Before each call of the move in turn, another file is saved over the name. */
static void regress_vault_never_removes_a_file_saved_over_the_name(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    bool hit = true;

    for (unsigned n = 1; hit; n++) {
        struct tc_av_record record;
        uint64_t links;
        int fd;

        put_text(in(path, f->dir, "file"), "bad");
        fd = open_ro(path);
        fill(&record, fd);
        tc_fault_interrupt(TC_FAULT_FILES, n, save_over, f);
        (void)tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why);
        hit = tc_fault_disarm();
        if (hit)
            assert_text(path, "innocent");
        else
            assert_int_equal(access(path, F_OK), -1);
        assert_nothing_left_beside(f);
        unlink(path);
        (void)tc_av_vault_remove(&f->vault, record.id);
        tc_av_record_done(&record);
        close(fd);
    }
}

/* The same for a further name of an inode that is in the vault. */
static void regress_vault_never_removes_a_file_saved_over_a_link(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], first[PATH_MAX];
    bool hit = true;

    for (unsigned n = 1; hit; n++) {
        struct tc_av_record record;
        uint64_t links;
        struct stat st;
        int fd;

        put_text(in(first, f->dir, "first"), "bad");
        assert_int_equal(link(first, in(path, f->dir, "file")), 0);
        fd = open_ro(first);
        fill(&record, fd);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(
            tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why), 0);
        tc_fault_interrupt(TC_FAULT_FILES, n, save_over, f);
        (void)tc_av_vault_take_link(&f->vault, record.id, path, st.st_dev, st.st_ino,
                                    f->why);
        hit = tc_fault_disarm();
        if (hit)
            assert_text(path, "innocent");
        else
            assert_int_equal(access(path, F_OK), -1);
        assert_nothing_left_beside(f);
        unlink(path);
        assert_int_equal(tc_av_vault_remove(&f->vault, record.id), 0);
        tc_av_record_done(&record);
        close(fd);
    }
}

static void vault_refuses_a_file_changed_since_its_scan(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    struct tc_av_record record;
    uint64_t links;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    fd = open_ro(path);
    fill(&record, fd);
    put_text(path, "bad and more");
    assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, f->why),
                     -ESTALE);
    assert_non_null(strstr(f->why, "changed"));
    tc_av_record_done(&record);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(entries(f), 0);
}

/* False, and skipped, where there is no such attribute. */
static bool lock(const char *path, uint32_t locks, bool on)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;

    assert_true(fd >= 0);
    r = tc_av_locks_set(fd, locks, on);
    close(fd);
    return !r;
}

static void vault_leaves_an_immutable_file_and_says_so(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    int r;

    put_text(in(path, f->dir, "file"), "bad");
    if (!lock(path, FS_IMMUTABLE_FL, true)) {
        test_skip("no immutable flag here: %s", strerror(errno));
    }
    r = take(f, path, NULL);
    assert_true(lock(path, FS_IMMUTABLE_FL, false));
    assert_int_equal(r, -EPERM);
    assert_non_null(strstr(f->why, "immutable"));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(entries(f), 0);
}

static void vault_leaves_a_file_in_an_immutable_folder_and_says_so(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], folder[PATH_MAX];
    int r;

    mkdir(in(folder, f->dir, "folder"), 0755);
    put_text(in(path, f->dir, "folder/file"), "bad");
    if (!lock(folder, FS_APPEND_FL, true)) {
        test_skip("no append-only flag here: %s", strerror(errno));
    }
    f->unlock = true;
    r = take(f, path, NULL);
    assert_true(lock(folder, FS_APPEND_FL, false));
    assert_int_equal(r, -EPERM);
    assert_non_null(strstr(f->why, "its folder"));
    assert_int_equal(access(path, F_OK), 0);
}

static void vault_takes_an_immutable_file_when_it_may_and_gives_it_back_so(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    uint32_t locks;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    if (!lock(path, FS_IMMUTABLE_FL | FS_APPEND_FL, true)) {
        test_skip("no immutable flag here: %s", strerror(errno));
    }
    f->unlock = true;
    assert_int_equal(take(f, path, id), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(restore(f, id, NULL, false), 0);
    fd = open_ro(path);
    locks = tc_av_locks_of(fd);
    close(fd);
    assert_true(lock(path, FS_IMMUTABLE_FL | FS_APPEND_FL, false));
    assert_int_equal(locks, FS_IMMUTABLE_FL | FS_APPEND_FL);
    assert_string_equal(f->left, "");
}

/* In a mount namespace of its own: 0 done, 1 a promise broken, 2 no such mounts here. */
static int take_from_read_only(struct fixture *f)
{
    char path[PATH_MAX], folder[PATH_MAX];

    mkdir(in(folder, f->dir, "mount"), 0755);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", folder, "tmpfs", 0, NULL))
        return 2;
    put_text(in(path, f->dir, "mount/file"), "bad");
    if (mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL))
        return 2;
    return take(f, path, NULL) != -EROFS || access(path, F_OK) || entries(f) != 0 ||
           !strstr(f->why, "Read-only");
}

static void vault_leaves_a_file_on_a_read_only_file_system(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child)
        _exit(take_from_read_only(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        test_skip("cannot mount here");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
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

static void regress_vault_keeps_holes(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], vault_file[PATH_MAX], name[128], id[TC_AV_ID_TEXT];
    struct stat before, st;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    assert_int_equal(truncate(path, 64 << 20), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "middle", 6, 32 << 20), 6);
    close(fd);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(take(f, path, id), 0);
    snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    assert_int_equal(stat(in(vault_file, f->dir, name), &st), 0);
    assert_true(st.st_blocks * 512 < 1 << 20);
    assert_int_equal(restore(f, id, NULL, false), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, before.st_size);
    assert_true(st.st_blocks * 512 < 1 << 20);
}

static void regress_vault_counts_bytes_and_not_holes(void **state)
{
    static const struct {
        off_t size;
        int r; /* -ESTALE: it has been read, and the hash is another */
    } table[] = {{(off_t)TC_AV_VAULT_FILE_MAX + 1, -ESTALE},
                 {(off_t)TC_AV_HASH_MAX + 1, -EFBIG}};
    struct fixture *f = *state;
    char path[PATH_MAX];
    struct tc_av_record record;
    uint64_t links;
    int fd;

    put_text(in(path, f->dir, "file"), "bad");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(truncate(path, table[i].size), 0);
        fd = open_ro(path);
        memset(&record, 0, sizeof(record));
        snprintf(record.id, sizeof(record.id), "00000000-0000-8000-8000-000000000000");
        assert_int_equal(tc_av_vault_take(&f->vault, fd, &record, false, &links, f->why),
                         table[i].r);
        tc_av_record_done(&record);
        close(fd);
    }
}

/* In a mount namespace of its own: ramfs has no attributes. 0 done, 1 not, 2 no mounts.
 */
static int restore_to_ramfs(struct fixture *f, const char *id)
{
    char to[PATH_MAX], folder[PATH_MAX];
    struct stat st;

    mkdir(in(folder, f->dir, "mount"), 0755);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("ramfs", folder, "ramfs", 0, NULL))
        return 2;
    if (restore(f, id, in(to, f->dir, "mount/file"), false) || stat(to, &st))
        return 1;
    return st.st_uid != 12 || st.st_mode != (S_IFREG | 0640) ||
           strcmp(f->left, "user.one") != 0 || entries(f) != 0;
}

static void regress_vault_gives_back_what_the_target_can_hold(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    int status;
    pid_t child;

    put_text(in(path, f->dir, "file"), "bad");
    if (chown(path, 12, 34) || chmod(path, 0640) ||
        setxattr(path, "user.one", "value-1", 7, 0)) {
        test_skip("no owners or attributes here: %s", strerror(errno));
    }
    assert_int_equal(take(f, path, id), 0);
    child = fork();
    assert_true(child >= 0);
    if (!child)
        _exit(restore_to_ramfs(f, id));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        test_skip("cannot mount here");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* One who cannot be given his owner back is nobody's set-user-ID program. */
static void vault_gives_no_set_id_to_a_file_of_its_own(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], left[TC_AV_LEFT] = "";
    struct tc_av_record record = {.uid = (uint32_t)-1, .gid = (uint32_t)-1};
    struct stat st;
    int fd;

    record.mode = 04755;
    fd = open(in(path, f->dir, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(tc_av_record_apply(&record, fd, left), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_string_equal(left, "owner, mode");
    close(fd);
}

/* An item as one of that user's, without the move of a file. */
static void pretend_item(const struct fixture *f, int n, uid_t user)
{
    char path[PATH_MAX], name[64];

    snprintf(name, sizeof(name), "quarantine/%08d-0000-8000-8000-000000000000.tq", n);
    put_text(in(path, f->dir, name), "");
    assert_int_equal(chown(path, user, (gid_t)-1), 0);
}

static void regress_vault_one_user_does_not_fill_it_for_others(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];

    if (geteuid()) {
        test_skip("only root takes files of others");
    }
    for (int i = 0; i < TC_AV_VAULT_USER_ITEMS_MAX - 1; i++)
        pretend_item(f, i, 12);
    put_text(in(path, f->dir, "last"), "bad");
    assert_int_equal(chown(path, 12, 34), 0);
    assert_int_equal(take(f, path, NULL), 0); /* counted as his, as the next shows */
    put_text(in(path, f->dir, "more"), "bad, too");
    assert_int_equal(chown(path, 12, 34), 0);
    assert_int_equal(take(f, path, NULL), -EDQUOT);
    assert_non_null(strstr(f->why, "user 12"));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(chown(path, 13, 34), 0);
    assert_int_equal(take(f, path, NULL), 0);
    assert_int_equal(entries(f), TC_AV_VAULT_USER_ITEMS_MAX + 1);
}

static void vault_lists_the_good_and_counts_the_damaged(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT], name[128];
    struct tc_av_record *list;
    size_t count, bad;

    put_text(in(path, f->dir, "a"), "one");
    assert_int_equal(take(f, path, NULL), 0);
    put_text(in(path, f->dir, "b"), "two");
    assert_int_equal(take(f, path, id), 0);
    snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    assert_int_equal(chmod(in(path, f->dir, name), 0600), 0);
    assert_int_equal(truncate(path, 30), 0);
    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    assert_int_equal(count, 1);
    assert_int_equal(bad, 1);
    tc_av_vault_list_free(list, count);
    assert_int_equal(restore(f, id, NULL, false), -EBADMSG);
}

/* ---- Killed at any moment ---- */

static void name_of(char buf[PATH_MAX], const struct fixture *f, int i)
{
    char name[32];

    snprintf(name, sizeof(name), "victim-%d", i);
    in(buf, f->dir, name);
}

static size_t text_of(char *buf, size_t cap, int i)
{
    memset(buf, 'a' + i % 26, cap);
    return (size_t)snprintf(buf, cap, "victim %d ", i) + 3000u * (unsigned)(i % 5) + 10;
}

/* Until it is killed: quarantines all, gives all back, over and over. */
static void move_in_and_out(struct fixture *f)
{
    char path[PATH_MAX], ids[KILL_FILES][TC_AV_ID_TEXT];

    for (;;) {
        for (int i = 0; i < KILL_FILES; i++) {
            name_of(path, f, i);
            if (take(f, path, ids[i]))
                _exit(1);
        }
        for (int i = 0; i < KILL_FILES; i++) {
            if (restore(f, ids[i], NULL, false))
                _exit(1);
        }
    }
}

/* Which victims are in place, and which are whole in the vault. */
static void check_before_recovery(struct fixture *f)
{
    struct tc_av_recovery none;
    struct dirent **list;
    char path[PATH_MAX];
    int n = scandir(in(path, f->dir, "quarantine"), &list, NULL, alphasort);
    int places[KILL_FILES] = {0};

    memset(&none, 0, sizeof(none));
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        places[i] += !access(path, F_OK);
    }
    for (int i = 0; i < n; i++) {
        char full[PATH_MAX];
        struct tc_av_record record;
        uint64_t payload;
        bool whole = strstr(list[i]->d_name, ".tq") != NULL;
        int fd, victim;

        if (whole || strstr(list[i]->d_name, ".partial")) {
            snprintf(full, sizeof(full), "%s/quarantine/%s", f->dir, list[i]->d_name);
            fd = open_ro(full);
            if (!tc_av_record_load(fd, &record, &payload)) {
                victim = atoi(strrchr(record.path, '-') + 1);
                if (whole || !places[victim]) {
                    assert_int_equal(tc_av_payload_verify(&record, fd, payload), 0);
                    places[victim]++;
                }
                tc_av_record_done(&record);
            } else {
                assert_false(whole); /* what has the final name is always whole */
            }
            close(fd);
        }
        free(list[i]);
    }
    free(list);
    /* Never nowhere; twice only between the last two steps of giving one back. */
    for (int i = 0; i < KILL_FILES; i++)
        assert_in_range(places[i], 1, 2);
}

static void check_after_recovery(struct fixture *f)
{
    struct tc_av_record *list;
    char path[PATH_MAX], want[16384], got[16384];
    size_t count, bad, len;
    int places[KILL_FILES] = {0};

    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    assert_int_equal(bad, 0);
    for (size_t i = 0; i < count; i++) {
        places[atoi(strrchr(list[i].path, '-') + 1)]++;
        assert_int_equal(restore(f, list[i].id, NULL, true), 0);
    }
    tc_av_vault_list_free(list, count);
    assert_int_equal(entries(f), 0); /* nothing half done is left */
    assert_true(count <= KILL_FILES);
    for (int i = 0; i < KILL_FILES; i++) {
        int fd;

        assert_in_range(places[i], 0, 1);
        name_of(path, f, i);
        len = text_of(want, sizeof(want), i);
        fd = open_ro(path);
        assert_int_equal(read(fd, got, sizeof(got)), (ssize_t)len);
        assert_memory_equal(want, got, len);
        close(fd);
    }
}

static void check_once_after_recovery(struct fixture *f)
{
    struct tc_av_record *list;
    char path[PATH_MAX];
    size_t count, bad;
    int places[KILL_FILES] = {0};

    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    for (size_t i = 0; i < count; i++)
        places[atoi(strrchr(list[i].path, '-') + 1)]++;
    tc_av_vault_list_free(list, count);
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        places[i] += !access(path, F_OK);
        assert_int_equal(places[i], 1);
    }
}

static void vault_killed_at_any_moment_leaves_each_file_in_one_place(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], text[16384];

    srandom(5);
    for (int i = 0; i < KILL_FILES; i++) {
        name_of(path, f, i);
        put_bytes(path, text, text_of(text, sizeof(text), i));
    }
    for (int round = 0; round < KILLS; round++) {
        struct tc_av_recovery recovery;
        unsigned calls = (unsigned)(random() % KILL_CALLS) + 1;
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (!child) {
            tc_fault_arm(TC_FAULT_FILES, calls, TC_FAULT_KILL);
            move_in_and_out(f);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        check_before_recovery(f);
        assert_int_equal(tc_av_vault_recover(&f->vault, &recovery), 0);
        tc_av_recovery_done(&recovery);
        check_once_after_recovery(f);
        check_after_recovery(f);
    }
}

static void regress_vault_recovers_a_file_whose_path_is_a_socket_now(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], whole[PATH_MAX], partial[PATH_MAX], id[TC_AV_ID_TEXT];
    struct tc_av_recovery recovery;

    put_text(in(path, f->dir, "victim"), "bad");
    assert_int_equal(take(f, path, id), 0);
    /* As if it had died between the unlink of the original and the last rename. */
    snprintf(whole, sizeof(whole), "%s/quarantine/%s.tq", f->dir, id);
    snprintf(partial, sizeof(partial), "%s/quarantine/%s.partial", f->dir, id);
    assert_int_equal(rename(whole, partial), 0);
    assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
    assert_int_equal(tc_av_vault_recover(&f->vault, &recovery), 0);
    assert_int_equal(recovery.taken_n, 1);
    tc_av_recovery_done(&recovery);
    assert_int_equal(access(whole, F_OK), 0);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(vault_round_trip_keeps_bytes_and_metadata),
        TEST(vault_keeps_capabilities_of_a_program),
        TEST(vault_file_is_inert),
        TEST(vault_takes_an_empty_file_and_odd_names),
        TEST(vault_restore_refuses_to_overwrite_unless_asked),
        TEST(vault_restore_to_another_place_adds_to_the_allowed),
        TEST(vault_follows_no_link_in_a_parent_folder),
        TEST(vault_does_not_touch_another_file_of_the_same_name),
        TEST(regress_vault_takes_a_file_that_was_given_its_name_later),
        TEST(regress_vault_tells_a_deleted_name_from_one_that_says_so),
        TEST(regress_vault_never_removes_a_file_saved_over_the_name),
        TEST(regress_vault_never_removes_a_file_saved_over_a_link),
        TEST(vault_refuses_a_file_changed_since_its_scan),
        TEST(vault_leaves_an_immutable_file_and_says_so),
        TEST(vault_leaves_a_file_in_an_immutable_folder_and_says_so),
        TEST(vault_takes_an_immutable_file_when_it_may_and_gives_it_back_so),
        TEST(regress_vault_gives_back_all_names_of_a_file),
        TEST(regress_vault_keeps_holes),
        TEST(regress_vault_counts_bytes_and_not_holes),
        TEST(regress_vault_gives_back_what_the_target_can_hold),
        TEST(vault_gives_no_set_id_to_a_file_of_its_own),
        TEST(regress_vault_one_user_does_not_fill_it_for_others),
        TEST(vault_leaves_a_file_on_a_read_only_file_system),
        TEST(vault_keeps_a_link_whose_content_it_has_not),
        TEST(vault_removes_a_second_link_into_the_same_record),
        TEST(vault_lists_the_good_and_counts_the_damaged),
        TEST(regress_vault_recovers_a_file_whose_path_is_a_socket_now),
        TEST(vault_killed_at_any_moment_leaves_each_file_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
