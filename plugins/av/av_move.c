/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the removal of one name of a threat: its way into the vault, and what is told of
 * the outcome. Loop thread but for move_run().
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "av_events.h"
#include "av_threat_priv.h"

void tc_av_move_free(struct tc_av_move *move)
{
    tc_av_record_done(&move->record);
    if (move->own_fd >= 0)
        close(move->own_fd);
    move->av->host->event_unref(move->av->host, move->event);
    free(move);
}

/* In the pool. */
static void move_run(void *arg)
{
    struct tc_av_move *move = arg;
    int fd = move->own_fd >= 0 ? move->own_fd : move->event->fd;
    uint8_t hash[TC_AV_HASH_BYTES];

    if (!move->link) {
        move->error = tc_av_vault_take(&move->av->vault, fd, &move->record, move->unlock,
                                       &move->links, move->why);
        return;
    }
    /* The vault holds this content and no other: what differs must not be thrown away. */
    if (tc_av_hash_fd(fd, 0, move->record.size, hash) ||
        memcmp(hash, move->record.hash, sizeof(hash))) {
        move->error = -ESTALE;
        snprintf(move->why, sizeof(move->why),
                 "the file has changed since it was scanned");
        return;
    }
    move->error =
        tc_av_vault_take_link(&move->av->vault, move->record.id, move->record.path,
                              move->record.dev, move->record.ino, move->why);
    if (!move->error) {
        struct stat st;

        move->links = fstat(fd, &st) ? 1 : st.st_nlink;
    }
}

static void move_next(struct tc_av_threat *t)
{
    struct tc_av_move *move = t->waiting;

    if (!move)
        return;
    t->waiting = move->next;
    t->waiting_n--;
    tc_av_move_start(t, move);
}

static void move_end(struct tc_av_move *move)
{
    struct tc_av *av = move->av;
    struct tc_av_threat *t = tc_av_threat_find(av, move->record.id);
    bool ok = !move->error;

    if (!ok)
        av->counters.failed++;
    else if (move->link)
        av->counters.links++;
    else
        av->counters.quarantined++;
    if (ok || !move->again || !t || t->error != move->error)
        tc_av_events_remediated(av->host, &move->record, "quarantine",
                                ok ? "quarantined" : "failed", ok ? NULL : move->why);
    if (move->done)
        move->done(move->arg, ok ? "quarantined" : "failed", ok ? NULL : move->why);
    if (t) {
        /* A name that could not be removed leaves the content in the vault all the same;
         * unless somebody has taken it out: then the next sighting moves it in anew. */
        t->state =
            ok || (move->link && move->error != -ENOENT) ? TC_AV_HELD : TC_AV_FAILED;
        t->dead = ok && !move->links;
        tc_av_care_note(av, t, move->error, move->why);
        move_next(t);
    }
    tc_av_move_free(move);
}

static void move_done(void *arg, int status)
{
    struct tc_av_move *move = arg;

    if (status) {
        move->error = status;
        snprintf(move->why, sizeof(move->why), "the agent was stopping");
    }
    move_end(move);
}

void tc_av_move_start(struct tc_av_threat *t, struct tc_av_move *move)
{
    int r;

    move->record.time_ns = (int64_t)tc_detector_now_ns();
    move->link = t->state == TC_AV_HELD;
    t->state = TC_AV_MOVING;
    r = tc_detector_work_submit(&move->av->work, move_run, move_done, move);
    if (r) { /* else the move belongs to the pool now */
        move->error = r;
        snprintf(move->why, sizeof(move->why), "%s", strerror(-r));
        move_end(move);
    }
}
