/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quarantine when any one allocation or system call of it fails, or is the last:
 * after each, and after what the next start sets right, the file is in exactly one place,
 * whole.
 */
#include "test_av_util.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tests/support/fault.h"
#include "vault/av_vault.h"

#define CONTENT "what is in the file"

struct fixture {
    char *dir, path[PATH_MAX];
    bool linked, locked, unlock; /* has a second name, is immutable */
    struct tc_av_vault vault;
    int own;
};

static void make(struct fixture *f)
{
    char list[PATH_MAX];

    f->dir = scratch_new();
    assert_int_equal(tc_av_vault_open(&f->vault, f->dir), 0);
    f->own = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->own >= 0);
    put_text(in(list, f->dir, "allowed"), "");
    put_text(in(f->path, f->dir, "sample"), CONTENT);
    (void)setxattr(f->path, "user.one", "value-1", 7, 0);
}

static void lock(const struct fixture *f, bool on)
{
    int fd = open_ro(f->path);

    assert_int_equal(tc_av_locks_set(fd, FS_IMMUTABLE_FL, on), 0);
    close(fd);
}

static void discard(struct fixture *f)
{
    if (f->locked)
        lock(f, false);
    tc_av_vault_close(&f->vault);
    close(f->own);
    scratch_free(f->dir);
}

/* ---- The operations, each on a fixture; 0 or a negative errno ---- */

static void describe(struct tc_av_record *record, int fd)
{
    struct tc_av_key key;
    struct stat st;

    memset(record, 0, sizeof(*record));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(tc_av_hash_fd(fd, 0, (uint64_t)st.st_size, record->hash), 0);
    key = tc_av_key_of(&st);
    assert_int_equal(tc_av_id_of(&key, record->hash, record->id), 0);
    (void)snprintf(record->rule, sizeof(record->rule), "rule");
    (void)snprintf(record->name, sizeof(record->name), "Test.Name");
    (void)snprintf(record->severity, sizeof(record->severity), "high");
}

/* One fault may be set in `nth`; it counts within the vault's own call only. */
struct armed {
    unsigned calls, nth;
    int err;
    bool hit;
};

static int take(struct fixture *f, struct armed *armed)
{
    char why[TC_AV_WHY] = "";
    struct tc_av_record record;
    int fd = open_ro(f->path), r;
    uint64_t links = 0;

    describe(&record, fd);
    tc_fault_arm(armed->calls, armed->nth, armed->err);
    r = tc_av_vault_take(&f->vault, fd, &record, f->unlock, &links, why);
    armed->hit = tc_fault_disarm();
    assert_true(!r || why[0]);
    tc_av_record_done(&record);
    close(fd);
    return r;
}

/* The id of the only file in the vault. */
static bool only_id(const struct fixture *f, char ret[TC_AV_ID_TEXT])
{
    struct tc_av_record *list;
    size_t count, bad;

    assert_int_equal(tc_av_vault_list(&f->vault, &list, &count, &bad), 0);
    assert_int_equal(bad, 0);
    assert_true(count <= 1);
    if (count)
        (void)snprintf(ret, TC_AV_ID_TEXT, "%s", list[0].id);
    tc_av_vault_list_free(list, count);
    return count;
}

static int restore(struct fixture *f, struct armed *armed)
{
    char id[TC_AV_ID_TEXT], why[TC_AV_WHY] = "", left[TC_AV_LEFT];
    struct tc_av_restore how = {.id = id, .own_dirfd = f->own, .own = "allowed"};
    struct tc_av_record record = {.id = ""};
    int r;

    assert_true(only_id(f, id));
    tc_fault_arm(armed->calls, armed->nth, armed->err);
    r = tc_av_vault_restore(&f->vault, &how, &record, left, why);
    armed->hit = tc_fault_disarm();
    assert_true(!r || why[0]);
    tc_av_record_done(&record);
    return r;
}

static int recover(struct fixture *f, struct armed *armed)
{
    struct tc_av_recovery recovery = {.taken = NULL};
    int r;

    tc_fault_arm(armed->calls, armed->nth, armed->err);
    r = tc_av_vault_recover(&f->vault, &recovery);
    armed->hit = tc_fault_disarm();
    tc_av_recovery_done(&recovery);
    return r;
}

/* ---- What must be true after each ---- */

static bool stands(const struct fixture *f)
{
    char buf[64] = "";
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    assert_int_equal(read(fd, buf, sizeof(buf)), strlen(CONTENT));
    close(fd);
    assert_string_equal(buf, CONTENT);
    return true;
}

/* Nothing is left of any step but what is to be there. */
static void check_nothing_beside(const struct fixture *f)
{
    static const char *const known[] = {".",          "..",     "allowed",
                                        "quarantine", "sample", "second"};
    struct dirent **list;
    int n = scandir(f->dir, &list, NULL, alphasort);

    assert_in_range(n, 5, 5 + f->linked);
    for (int i = 0; i < n; i++) {
        assert_string_equal(list[i]->d_name, known[i]);
        free(list[i]);
    }
    free(list);
}

/* The file is at its path or in the vault, never both; what is in the vault can be given
 * back. */
static void check_one_place(struct fixture *f)
{
    struct armed none = {0};
    char id[TC_AV_ID_TEXT];

    assert_int_equal(recover(f, &none), 0);
    assert_int_not_equal(stands(f), only_id(f, id));
    if (!stands(f))
        assert_int_equal(restore(f, &none), 0);
    assert_true(stands(f));
    assert_false(only_id(f, id));
    check_nothing_beside(f);
}

/* And it is as it was, with its second name and attributes, when nothing has failed. */
static void check_whole(const struct fixture *f)
{
    struct stat a, b;
    char second[PATH_MAX];
    int fd = open_ro(f->path);

    if (f->linked) {
        assert_int_equal(fstat(fd, &a), 0);
        assert_int_equal(stat(in(second, f->dir, "second"), &b), 0);
        assert_int_equal(a.st_ino, b.st_ino);
    }
    if (f->locked)
        assert_int_equal(tc_av_locks_of(fd), FS_IMMUTABLE_FL);
    close(fd);
}

typedef int (*operation_fn)(struct fixture *f, struct armed *armed);

/* What an operation begins with. */
static void nothing_yet(struct fixture *f)
{
    (void)f;
}

static void quarantined(struct fixture *f)
{
    struct armed none = {0};

    assert_int_equal(take(f, &none), 0);
}

static void two_names_quarantined(struct fixture *f)
{
    char second[PATH_MAX], id[TC_AV_ID_TEXT], why[TC_AV_WHY];
    struct stat st;

    f->linked = true;
    assert_int_equal(link(f->path, in(second, f->dir, "second")), 0);
    quarantined(f);
    assert_true(only_id(f, id));
    assert_int_equal(stat(second, &st), 0);
    assert_int_equal(
        tc_av_vault_take_link(&f->vault, id, second, st.st_dev, st.st_ino, why), 0);
}

static void immutable(struct fixture *f)
{
    f->locked = f->unlock = true;
    lock(f, true);
}

static void immutable_quarantined(struct fixture *f)
{
    immutable(f);
    quarantined(f);
}

/* As a crash right after the original's unlink leaves it: the copy alone is there. */
static void only_a_partial(struct fixture *f)
{
    char id[TC_AV_ID_TEXT], from[PATH_MAX], to[PATH_MAX], name[96];

    quarantined(f);
    assert_true(only_id(f, id));
    (void)snprintf(name, sizeof(name), "quarantine/%s.tq", id);
    in(from, f->dir, name);
    (void)snprintf(name, sizeof(name), "quarantine/%s.partial", id);
    assert_int_equal(rename(from, in(to, f->dir, name)), 0);
}

static const struct operation {
    void (*prepare)(struct fixture *f);
    operation_fn run;
} operations[] = {{nothing_yet, take},       {quarantined, restore},
                  {only_a_partial, recover}, {two_names_quarantined, restore},
                  {immutable, take},         {immutable_quarantined, restore}};

/* Without attributes of this kind the last two are left out. */
static size_t operations_n(void)
{
    size_t n = sizeof(operations) / sizeof(operations[0]);
    struct fixture f = {.dir = NULL};
    bool can;
    int fd;

    make(&f);
    fd = open_ro(f.path);
    can = !tc_av_locks_set(fd, FS_IMMUTABLE_FL, true);
    if (can)
        assert_int_equal(tc_av_locks_set(fd, FS_IMMUTABLE_FL, false), 0);
    else
        print_message("no immutable attribute here\n");
    close(fd);
    discard(&f);
    return can ? n : n - 2;
}

static void each_call_fails(unsigned calls, int err)
{
    size_t n = operations_n();

    for (size_t i = 0; i < n; i++) {
        struct armed armed = {.calls = calls, .err = err, .hit = true};

        for (armed.nth = 1; armed.hit; armed.nth++) {
            struct fixture f = {.dir = NULL};
            int r;

            make(&f);
            operations[i].prepare(&f);
            r = operations[i].run(&f, &armed);
            assert_true(armed.hit || !r);
            if (!r && operations[i].run == take)
                assert_false(stands(&f));
            if (!r && operations[i].run == restore)
                assert_true(stands(&f));
            check_one_place(&f);
            discard(&f);
        }
        assert_true(armed.nth > 2);
    }
}

static void vault_without_memory_keeps_the_file_in_one_place(void **state)
{
    (void)state;
    each_call_fails(TC_FAULT_MEMORY, 0);
}

static void vault_keeps_the_file_in_one_place_whichever_call_fails(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EMFILE, EBADMSG};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        each_call_fails(TC_FAULT_FILES, errors[i]);
}

/* Killed before any of its calls, which is every moment that the folder can tell apart.
 */
static void vault_killed_before_any_call_keeps_the_file_in_one_place(void **state)
{
    size_t n = operations_n();

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct armed armed = {.calls = TC_FAULT_FILES, .nth = 1, .err = TC_FAULT_KILL};
        int status = 1;

        for (; status; armed.nth++) {
            struct fixture f = {.dir = NULL};
            pid_t child;

            make(&f);
            operations[i].prepare(&f);
            child = fork();
            assert_true(child >= 0);
            if (!child)
                _exit(operations[i].run(&f, &armed) != 0);
            assert_int_equal(waitpid(child, &status, 0), child);
            if (status)
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            check_one_place(&f);
            check_whole(&f);
            discard(&f);
        }
        assert_true(armed.nth > 2);
    }
}

/* The name of a second link goes when the first is in the vault: killed before any call,
 * it is there still, or noted. */
static void take_second(const struct fixture *f, const char *second, unsigned nth)
{
    char id[TC_AV_ID_TEXT], why[TC_AV_WHY];
    struct stat st;

    assert_true(only_id(f, id));
    assert_int_equal(stat(second, &st), 0);
    tc_fault_arm(TC_FAULT_FILES, nth, TC_FAULT_KILL);
    _exit(tc_av_vault_take_link(&f->vault, id, second, st.st_dev, st.st_ino, why) != 0);
}

static void check_second(struct fixture *f, const char *second)
{
    struct tc_av_record record;
    struct armed none = {0};
    char id[TC_AV_ID_TEXT];
    bool there;

    assert_int_equal(recover(f, &none), 0);
    there = !access(second, F_OK);
    assert_true(only_id(f, id));
    assert_int_equal(tc_av_vault_find(&f->vault, id, &record), 0);
    assert_true(there || record.links_n == 1);
    tc_av_record_done(&record);
    if (there)
        assert_int_equal(unlink(second), 0);
    assert_int_equal(tc_av_vault_remove(&f->vault, id), 0);
    put_text(f->path, CONTENT);
    assert_int_not_equal(access(second, F_OK), 0);
    check_nothing_beside(f);
}

static void vault_killed_in_the_removal_of_a_link_keeps_or_notes_it(void **state)
{
    int status = 1;

    (void)state;
    for (unsigned nth = 1; status; nth++) {
        char second[PATH_MAX];
        struct armed none = {0};
        struct fixture f = {.dir = NULL};
        pid_t child;

        make(&f);
        assert_int_equal(link(f.path, in(second, f.dir, "second")), 0);
        assert_int_equal(take(&f, &none), 0);
        child = fork();
        assert_true(child >= 0);
        if (!child)
            take_second(&f, second, nth);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status)
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_second(&f, second);
        discard(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vault_without_memory_keeps_the_file_in_one_place),
        cmocka_unit_test(vault_keeps_the_file_in_one_place_whichever_call_fails),
        cmocka_unit_test(vault_killed_before_any_call_keeps_the_file_in_one_place),
        cmocka_unit_test(vault_killed_in_the_removal_of_a_link_keeps_or_notes_it),
    };

    return cmocka_run_group_tests_name("av_vault_faults", tests, NULL, NULL);
}
