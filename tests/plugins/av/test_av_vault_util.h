/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the tests of the vault share: one in a scratch folder, and files for it. */
#ifndef TEST_AV_VAULT_UTIL_H
#define TEST_AV_VAULT_UTIL_H

#include "test_av_util.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>

#include "tests/support/skip.h"
#include "vault/av_payload.h"
#include "vault/av_vault.h"

struct fixture {
    char *dir;
    struct tc_av_vault vault;
    int own;
    bool unlock;
    char why[TC_AV_WHY], left[TC_AV_LEFT];
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = scratch_new();
    assert_int_equal(tc_av_vault_open(&f->vault, f->dir), 0);
    f->own = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    tc_av_vault_close(&f->vault);
    close(f->own);
    scratch_free(f->dir);
    free(f);
    return 0;
}

static inline void fill(struct tc_av_record *record, int fd)
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

static inline int take(struct fixture *f, const char *path, char ret_id[TC_AV_ID_TEXT])
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

static inline int restore(struct fixture *f, const char *id, const char *to,
                          bool overwrite)
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

static inline size_t entries(const struct fixture *f)
{
    char path[PATH_MAX];
    struct dirent **list;
    int n = scandir(in(path, f->dir, "quarantine"), &list, NULL, alphasort);

    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return (size_t)n - 2;
}

static inline void assert_text(const char *path, const char *text)
{
    char buf[64] = "";
    int fd = open_ro(path);

    assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
    close(fd);
    assert_string_equal(buf, text);
}

/* False, and skipped, where there is no such attribute. */
static inline bool lock(const char *path, uint32_t locks, bool on)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r;

    assert_true(fd >= 0);
    r = tc_av_locks_set(fd, locks, on);
    close(fd);
    return !r;
}

#endif
