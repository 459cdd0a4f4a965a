/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is looked at again from time to time: infected files that could not be put
 * away, since a mount may become writable and a folder mutable; and the quarantine
 * folder, which somebody may have removed, or may have filled. Tells health of both. Loop
 * thread but for look_inside(). Must not: move anything; whoever meets the file again
 * does.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "av_threat_priv.h"

#define TRIES_MAX 16    /* at one look; the rest have their turn at the next */
#define PATIENCE_MAX 16 /* looks between two tries of one */
#define MISSED_MAX 3    /* tries that met no file: it is gone, or no threat any more */

/* What its next event settles, and no operator: it was changed, or is gone. */
static bool is_passing(int error)
{
    return error == -ESTALE || error == -ENOENT || error == -ECANCELED;
}

static const char *fix_for(int error)
{
    if (error == -EDQUOT)
        return "tocsin threat quarantine remove --user UID removes all of his for good";
    if (error == -ENOSPC)
        return "tocsin threat quarantine remove ID, for what is not needed any more";
    return "do what it says: it is tried again by itself";
}

void tc_av_care_report(struct tc_av *av)
{
    const struct tc_av_threat *last = NULL;
    char text[2 * TC_AV_WHY];
    size_t n = 0;

    for (const struct tc_av_threat *t = av->threats; t; t = t->next) {
        if (!t->error || is_passing(t->error))
            continue;
        last = last ? last : t;
        n++;
    }
    if (!last) {
        av->host->report(av->host, TOCSIN_REPORT_CLEAR, "not_quarantined", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text),
             "infected files that stay where they are, denied: %zu, as %.200s: %s", n,
             last->path ? last->path : "?", last->why ? last->why : "");
    av->host->report(av->host, TOCSIN_REPORT_ISSUE, "not_quarantined", text,
                     fix_for(last->error));
}

void tc_av_care_note(struct tc_av *av, struct tc_av_threat *t, int error, const char *why)
{
    bool had = t->error;

    free(t->why);
    t->why = error ? strdup(why) : NULL;
    t->error = error;
    t->missed = 0;
    if (!error)
        t->patience = 0;
    else if (t->patience < PATIENCE_MAX)
        t->patience = t->patience ? t->patience * 2 : 1;
    t->wait = t->patience ? t->patience - 1 : 0;
    if (had || error)
        tc_av_care_report(av);
}

/* ---- Files ---- */

static void try_again(struct tc_av *av)
{
    bool given_up = false;
    unsigned n = 0;

    for (struct tc_av_threat *t = av->threats; t && n < TRIES_MAX; t = t->next) {
        if (!t->error || t->state == TC_AV_MOVING)
            continue;
        if (t->wait) {
            t->wait--;
        } else if (t->missed == MISSED_MAX) {
            t->error = 0;
            given_up = true;
        } else {
            t->missed++;
            n++;
            tc_av_job_path(av, t->path);
        }
    }
    if (given_up)
        tc_av_care_report(av);
}

/* ---- The folder ---- */

struct folder {
    struct tc_av *av;
    bool lost;                /* to be opened, or made, again */
    struct tc_av_vault vault; /* av's, borrowed; a lost one: what was opened for it */
    int error, full;
    char why[TC_AV_WHY];
};

/* In the pool. */
static void look_inside(void *arg)
{
    struct folder *folder = arg;
    const struct tocsin_host *host = folder->av->host;

    if (folder->lost)
        folder->error = tc_av_vault_open(&folder->vault, host->state_dir(host));
    if (!folder->error)
        folder->full = tc_av_vault_check(&folder->vault, folder->why);
}

/* It was not there, or has been removed since. */
static void report_lost(struct tc_av *av, int error, bool before)
{
    const struct tocsin_host *host = av->host;
    char text[TC_AV_WHY];

    if (error) {
        snprintf(text, sizeof(text), "the quarantine folder %s: %s",
                 before ? "was removed and cannot be made again" : "cannot be opened",
                 strerror(-error));
        host->report(host, TOCSIN_REPORT_ISSUE, "quarantine", text,
                     "make the state folder writable: it is tried again");
    } else if (before) {
        host->report(
            host, TOCSIN_REPORT_ISSUE, "quarantine",
            "the quarantine folder was removed, with all that was in it, and has "
            "been made again: find out by whom",
            "tocsin plugin reload av");
    } else {
        host->report(host, TOCSIN_REPORT_CLEAR, "quarantine", NULL, NULL);
    }
}

static void report_full(struct tc_av *av, int error, const char *why)
{
    const struct tocsin_host *host = av->host;
    char text[2 * TC_AV_WHY];

    if (!error) {
        host->report(host, TOCSIN_REPORT_CLEAR, "quarantine_room", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text), "the quarantine takes no file: %s", why);
    host->report(host, TOCSIN_REPORT_ISSUE, "quarantine_room", text,
                 error == -ENOSPC
                     ? "tocsin threat quarantine remove ID, or free space for the state "
                       "folder"
                     : "make the state folder writable: it is tried again");
}

static void looked_inside(void *arg, int status)
{
    struct folder *folder = arg;
    struct tc_av *av = folder->av;
    bool before = av->vault.dirfd >= 0;

    av->looking = false;
    if (!status && folder->lost) {
        if (!folder->error)
            /* Moves that are under way know it by its descriptor. */
            folder->error = tc_av_vault_replace(&av->vault, &folder->vault);
        report_lost(av, folder->error, before);
    }
    if (!status && !folder->error)
        report_full(av, folder->full, folder->why);
    if (folder->lost)
        tc_av_vault_close(&folder->vault);
    free(folder);
}

static void look_at_folder(struct tc_av *av)
{
    struct folder *folder;
    struct stat st;

    if (av->looking)
        return;
    folder = calloc(1, sizeof(*folder));
    if (!folder)
        return;
    folder->av = av;
    folder->vault = av->vault;
    folder->lost = av->vault.dirfd < 0 || (!fstat(av->vault.dirfd, &st) && !st.st_nlink);
    if (folder->lost)
        folder->vault.dirfd = -1;
    av->looking = true;
    if (tc_detector_work_submit(&av->work, look_inside, looked_inside, folder))
        looked_inside(folder, -ECANCELED);
}

/* An infected file is refused, and stays where it is. */
static void report_choice(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;

    if (av->options.quarantine)
        host->report(host, TOCSIN_REPORT_CLEAR, "quarantine_off", NULL, NULL);
    else
        host->report(host, TOCSIN_REPORT_ISSUE, "quarantine_off",
                     "the quarantine is switched off: infected files stay where they are",
                     "tocsin config set plugins.av.quarantine true");
}

static void look(void *arg)
{
    struct tc_av *av = arg;

    look_at_folder(av);
    if (av->options.quarantine && !av->host->passive(av->host))
        try_again(av);
}

void tc_av_care_start(struct tc_av *av)
{
    const struct tocsin_host *host = av->host;
    int r;

    tc_av_care_stop(av);
    report_choice(av);
    r = host->timer_start(host, av->options.retry_ms, av->options.retry_ms, look, av,
                          &av->care);
    if (r)
        host->log(host, TOCSIN_LOG_ERROR,
                  "what could not be quarantined is not tried "
                  "again: %s",
                  strerror(-r));
}

void tc_av_care_stop(struct tc_av *av)
{
    av->host->timer_stop(av->host, av->care);
    av->care = NULL;
}
