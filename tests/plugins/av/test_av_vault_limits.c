/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine where it may not, has no room, or the target cannot hold everything. */
#include "test_av_vault_util.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

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

/* In a mount namespace of its own. 0 done, 1 not, 2 no mounts. */
static int check_where_nothing_can_be_made(struct fixture *f)
{
    char folder[PATH_MAX];
    struct tc_av_vault vault = {.dirfd = -1};
    int r;

    mkdir(in(folder, f->dir, "state"), 0755);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", folder, "tmpfs", 0, "size=1m"))
        return 2;
    r = tc_av_vault_open(&vault, folder);
    if (!r)
        r = tc_av_vault_check(&vault, f->why);
    if (r || mount("none", folder, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) ||
        tc_av_vault_check(&vault, f->why) != -EROFS)
        return 1;
    tc_av_vault_close(&vault);
    return strstr(f->why, "no file can be made") == NULL;
}

static void vault_says_that_it_would_take_nothing(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child;

    assert_int_equal(tc_av_vault_check(&f->vault, f->why), 0);
    assert_int_equal(entries(f), 0);
    child = fork();
    if (!child)
        _exit(check_where_nothing_can_be_made(f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
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

/* In a mount namespace of its own: the vault on a file system of 2 MiB. */
static int take_without_room(struct fixture *f)
{
    struct fixture small = {.dir = f->dir};
    char path[PATH_MAX], state[PATH_MAX], *data = calloc(1, 2 << 20);
    int r;

    mkdir(in(state, f->dir, "state"), 0755);
    if (!data || unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", state, "tmpfs", 0, "size=2m"))
        return 2;
    memset(data, 'x', 2 << 20);
    if (tc_av_vault_open(&small.vault, state))
        return 3;
    put_bytes(in(path, f->dir, "file"), data, 2 << 20);
    r = take(&small, path, NULL);
    if (r != -ENOSPC || !strstr(small.why, "no room") || access(path, F_OK))
        return 4;
    put_bytes(path, data, 1 << 20);
    r = take(&small, path, NULL);
    free(data);
    return r || !access(path, F_OK) ? 5 : 0;
}

static void vault_leaves_what_it_has_no_room_for(void **state)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child)
        _exit(take_without_room(*state));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        test_skip("cannot mount here");
    }
    assert_int_equal(WEXITSTATUS(status), 0);
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

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(vault_leaves_an_immutable_file_and_says_so),
        TEST(vault_leaves_a_file_in_an_immutable_folder_and_says_so),
        TEST(vault_takes_an_immutable_file_when_it_may_and_gives_it_back_so),
        TEST(vault_leaves_a_file_on_a_read_only_file_system),
        TEST(vault_says_that_it_would_take_nothing),
        TEST(regress_vault_keeps_holes),
        TEST(regress_vault_counts_bytes_and_not_holes),
        TEST(regress_vault_gives_back_what_the_target_can_hold),
        TEST(vault_gives_no_set_id_to_a_file_of_its_own),
        TEST(vault_leaves_what_it_has_no_room_for),
        TEST(regress_vault_one_user_does_not_fill_it_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
