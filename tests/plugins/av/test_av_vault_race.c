/* SPDX-License-Identifier: Apache-2.0 */
/* The quarantine while somebody saves another file over the name, at any moment. */
#include "test_av_vault_util.h"

#include "tests/support/fault.h"

/* What an editor does: the new file is written beside the old one and renamed over it. */
static void save_over(void *arg)
{
    struct fixture *f = arg;
    char path[PATH_MAX], fresh[PATH_MAX];

    put_text(in(fresh, f->dir, "fresh"), "innocent");
    assert_int_equal(rename(fresh, in(path, f->dir, "file")), 0);
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

/* Before each call of a restore in turn, another file is saved at its place: that one
 * stays, and what was not given back is in the vault still, and said to be. */
static void regress_vault_restore_that_is_replaced_at_once_is_none(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], id[TC_AV_ID_TEXT];
    unsigned refused = 0;
    bool hit = true;

    for (unsigned n = 1; hit; n++) {
        int r;

        put_text(in(path, f->dir, "file"), "bad");
        assert_int_equal(take(f, path, id), 0);
        tc_fault_interrupt(TC_FAULT_FILES, n, save_over, f);
        r = restore(f, id, NULL, false);
        hit = tc_fault_disarm();
        assert_text(path, hit ? "innocent" : "bad");
        assert_true(!r || r == -EEXIST || r == -ESTALE);
        assert_int_equal(tc_av_vault_remove(&f->vault, id), r ? 0 : -ENOENT);
        refused += r == -ESTALE;
        assert_nothing_left_beside(f);
        unlink(path);
    }
    assert_true(refused > 0);
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

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(regress_vault_never_removes_a_file_saved_over_the_name),
        TEST(regress_vault_never_removes_a_file_saved_over_a_link),
        TEST(regress_vault_restore_that_is_replaced_at_once_is_none),
        TEST(vault_refuses_a_file_changed_since_its_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
