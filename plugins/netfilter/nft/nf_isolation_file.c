/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the file that makes isolation outlive the agent. Lines of a word and a value; the
 * last is "end", so that one that was cut short is not taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nft/nf_isolation.h"

#define NAME "isolation"
#define NEW_NAME "isolation.new"
#define FIRST_LINE "tocsin isolation 1"
#define BYTES_MAX 16384 /* more than the longest, with all of the allow list */

static int explain(int err, const char *folder, const char *what, char why[TC_NF_WHY_MAX])
{
    (void)snprintf(why, TC_NF_WHY_MAX, "%s %.150s/" NAME ": %s", what, folder,
                   strerrordesc_np(-err));
    return err;
}

/* A value is one line, whatever it has been given. */
static void put_line(FILE *f, const char *word, const char *value)
{
    fprintf(f, "%s ", word);
    for (; *value; value++)
        fputc((unsigned char)*value < ' ' || *value == 0x7f ? ' ' : *value, f);
    fputc('\n', f);
}

static void put(FILE *f, const struct tc_nf_isolation *isolation)
{
    fprintf(f, FIRST_LINE "\nsince %" PRId64 "\nuntil %" PRId64 "\n", isolation->since,
            isolation->until);
    put_line(f, "who", isolation->who);
    put_line(f, "reason", isolation->reason);
    for (size_t i = 0; i < isolation->allow_count; i++) {
        char text[TC_NF_ALLOW_TEXT_MAX];

        tc_nf_allow_text(&isolation->allow[i], text);
        put_line(f, "allow", text);
    }
    fputs("end\n", f);
}

/* Writes the new file beside the old one, whole and on the disk. */
static int write_new(int dir, const struct tc_nf_isolation *isolation)
{
    int fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    FILE *f;
    int err = 0;

    if (fd < 0)
        return -errno;
    f = fdopen(fd, "w");
    if (!f) {
        err = -errno;
        close(fd);
        return err;
    }
    put(f, isolation);
    if (fflush(f) || fsync(fd))
        err = -errno;
    if (fclose(f) && !err)
        err = -errno;
    return err;
}

int tc_nf_isolation_save(const char *folder, const struct tc_nf_isolation *isolation,
                         char why[TC_NF_WHY_MAX])
{
    int dir, err = 0;

    if (mkdir(folder, 0700) && errno != EEXIST)
        return explain(-errno, folder, "cannot make the folder of", why);
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return explain(-errno, folder, "cannot open the folder of", why);
    if (isolation->on) {
        err = write_new(dir, isolation);
        if (!err && renameat(dir, NEW_NAME, dir, NAME))
            err = -errno;
        if (err)
            (void)unlinkat(dir, NEW_NAME, 0);
    } else if (unlinkat(dir, NAME, 0) && errno != ENOENT) {
        err = -errno;
    }
    if (!err && fsync(dir))
        err = -errno;
    close(dir);
    return err ? explain(err, folder, "cannot write", why) : 0;
}

/* A number of seconds, and nothing behind it. */
static bool take_seconds(const char *value, int64_t *ret_seconds)
{
    char *end;
    long long seconds;

    errno = 0;
    seconds = strtoll(value, &end, 10);
    if (end == value || *end || errno || seconds < 0)
        return false;
    *ret_seconds = seconds;
    return true;
}

static bool take_text(const char *value, char *ret_text, size_t size)
{
    return (size_t)snprintf(ret_text, size, "%s", value) < size;
}

static bool take_line(struct tc_nf_isolation *isolation, const char *word,
                      const char *value)
{
    char ignored[TC_NF_WHY_MAX];

    if (!strcmp(word, "since"))
        return take_seconds(value, &isolation->since);
    if (!strcmp(word, "until"))
        return take_seconds(value, &isolation->until);
    if (!strcmp(word, "who"))
        return take_text(value, isolation->who, sizeof isolation->who);
    if (!strcmp(word, "reason"))
        return take_text(value, isolation->reason, sizeof isolation->reason);
    return !strcmp(word, "allow") && isolation->allow_count < TC_NF_ISOLATION_ALLOW_MAX &&
           !tc_nf_allow_parse(value, &isolation->allow[isolation->allow_count++],
                              ignored);
}

/* 0, or the number of the line that cannot be; the text is taken apart. */
static unsigned take(char *text, struct tc_nf_isolation *isolation)
{
    unsigned n = 1;
    char *line, *next = text;

    for (; (line = next); n++) {
        char *value;

        next = strchr(line, '\n');
        if (!next)
            return n;
        *next++ = '\0';
        if (n > 1 && !strcmp(line, "end"))
            return *next ? n + 1 : 0;
        value = strchr(line, ' ');
        if (n == 1 ? strcmp(line, FIRST_LINE) != 0 : !value)
            return n;
        if (n == 1)
            continue;
        *value++ = '\0';
        if (!take_line(isolation, line, value))
            return n;
    }
    return n;
}

int tc_nf_isolation_load(const char *folder, struct tc_nf_isolation *ret_isolation,
                         char why[TC_NF_WHY_MAX])
{
    struct tc_nf_isolation isolation = {.on = true};
    char path[4096], text[BYTES_MAX + 1];
    ssize_t got = 0, len = 0;
    unsigned line;
    int fd;

    memset(ret_isolation, 0, sizeof *ret_isolation);
    (void)snprintf(path, sizeof path, "%s/" NAME, folder);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : explain(-errno, folder, "cannot open", why);
    while (len < BYTES_MAX && (got = read(fd, text + len, (size_t)(BYTES_MAX - len))) > 0)
        len += got;
    if (got < 0) {
        int err = -errno;

        close(fd);
        return explain(err, folder, "cannot read", why);
    }
    close(fd);
    text[len] = '\0';
    line = strlen(text) == (size_t)len ? take(text, &isolation) : 1;
    if (line) {
        (void)snprintf(why, TC_NF_WHY_MAX,
                       "%.150s/" NAME " is damaged at line %u: the host is not isolated",
                       folder, line);
        return -EBADMSG;
    }
    *ret_isolation = isolation;
    return 0;
}
