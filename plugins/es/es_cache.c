/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the kernel remembers of verdicts: files that were allowed, whose opens then
 * pass without a question, until they change or verdicts may differ. Loop.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "es.h"
#include "sensor_remember.h"

static bool unchanged(const struct tc_es_question *question)
{
    struct tc_sensor_file file;
    struct statx stx;

    if (question->changed ||
        statx(question->event->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS, &stx))
        return false;
    tc_sensor_file_set(&file, &stx);
    return file.size == question->size && file.ctime_ns == question->ctime_ns;
}

/*
 * The answer may have been given: what the asker does to the file counts like anybody's.
 * The order keeps every stale allow out. First the mark: from here on a write clears it,
 * and the kernel has refused it if the file was open for writing. Then the check whether
 * anything changed before the mark was there. Whoever wrote through a mapping and has
 * closed by now has a CLOSE_WRITE on its way, which forgets the file; one that has come
 * already has set `changed`.
 */
void tc_es_cache_remember(struct tc_es *es, const struct tc_es_question *question,
                          unsigned facts)
{
    uint64_t asked =
        question->uses & TC_REMEMBER_EXEC ? FAN_OPEN_EXEC_PERM : FAN_OPEN_PERM;
    int fd = question->event->fd;

    if (question->changed)
        facts |= TC_REMEMBER_CHANGED;
    if (question->upper)
        facts |= TC_REMEMBER_UPPER;
    if (question->generation != es->generation)
        facts |= TC_REMEMBER_OUTDATED;
    if (!tc_remember_may(TC_REMEMBER_ES_ALLOW, facts) ||
        tc_es_source_remember(&es->source, fd, asked)) {
        es->counters.not_cached++;
        return;
    }
    if (unchanged(question)) {
        es->counters.cached++;
        return;
    }
    tc_es_source_forget(&es->source, fd);
    es->counters.not_cached++;
}

/* Overlays open the files below with fsnotify since some version after 6.1; 6.12 does. */
bool tc_es_cache_overlays_silent(void)
{
    unsigned major = 0, minor = 0;
    struct utsname names;

    if (!uname(&names))
        (void)sscanf(names.release, "%u.%u", &major, &minor);
    return major < 6 || (major == 6 && minor < 12);
}

void tc_es_cache_reset(struct tc_es *es)
{
    es->generation++;
    es->counters.resets++;
    if (es->level == TC_ES_LEVEL_PERMISSION && !es->draining && !es->jobs.closing)
        tc_es_cache_forget(es);
}

void tc_es_cache_forget(struct tc_es *es)
{
    tc_es_outside_forget(&es->outside);
    if (tc_es_source_forget_all(&es->source))
        return; /* the next check finds the canary unmarked, and says so */
}
