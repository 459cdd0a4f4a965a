/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the tests of plugin av share: scratch folders, and files to put in them. */
#ifndef TEST_AV_UTIL_H
#define TEST_AV_UTIL_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

/* The EICAR test file, in two halves so that this file is none. */
#define EICAR_HALF1 "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-"
#define EICAR_HALF2 "ANTIVIRUS-TEST-FILE!$H+H*"
#define EICAR_BYTES 68

static inline void eicar(char ret[EICAR_BYTES + 1])
{
    snprintf(ret, EICAR_BYTES + 1, "%s%s", EICAR_HALF1, EICAR_HALF2);
}

static inline char *scratch_new(void)
{
    char path[] = "/tmp/tocsin-av-XXXXXX";

    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static inline int scratch_remove_(const char *path, const struct stat *st, int type,
                                  struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void scratch_free(char *path)
{
    nftw(path, scratch_remove_, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline const char *in(char buf[PATH_MAX], const char *folder, const char *name)
{
    snprintf(buf, PATH_MAX, "%s/%s", folder, name);
    return buf;
}

static inline void put_bytes(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static inline void put_text(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

static inline int open_ro(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

#endif
