/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what has been found, so that each infected inode is one threat with one id,
 * whoever saw it and by however many names: reported once as an alert, moved into
 * quarantine once, its further names removed into the same record. Loop thread.
 *
 *   SEEN --quarantine--> MOVING --> HELD      (in the vault)
 *    ^ not to be touched    +-----> FAILED    (stays where it is, denied)
 *
 * A name that turns up while MOVING waits for the outcome. When the last name is gone the
 * inode is dead: its number may come again, for another file and another threat.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "av_events.h"
#include "av_threat_priv.h"
#include "base/av_name.h"

#define NAMES_WAITING_MAX 16 /* of one inode; more are met when next opened */

struct tc_av_threat *tc_av_threat_find(const struct tc_av *av, const char *id)
{
    struct tc_av_threat *t = av->threats;

    while (t && strcmp(t->id, id))
        t = t->next;
    return t;
}

static struct tc_av_threat *find_inode(const struct tc_av *av, uint64_t dev, uint64_t ino,
                                       const uint8_t hash[TC_AV_HASH_BYTES])
{
    struct tc_av_threat *t = av->threats;

    while (t &&
           (t->ino != ino || t->dev != dev || memcmp(t->hash, hash, TC_AV_HASH_BYTES)))
        t = t->next;
    return t;
}

static void unlink_threat(struct tc_av *av, struct tc_av_threat *t)
{
    struct tc_av_threat **at = &av->threats;
    struct tc_av_move *move;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    av->threats_n--;
    while ((move = t->waiting)) {
        t->waiting = move->next;
        tc_av_move_free(move);
    }
    free(t->path);
    free(t->why);
    free(t);
}

/* Makes room by forgetting the oldest that nothing is being done about. */
static void make_room(struct tc_av *av)
{
    struct tc_av_threat *oldest = NULL;

    if (av->threats_n < TC_AV_THREATS_MAX)
        return;
    for (struct tc_av_threat *t = av->threats; t; t = t->next)
        if (t->state != TC_AV_MOVING)
            oldest = t;
    if (oldest)
        unlink_threat(av, oldest);
}

static struct tc_av_threat *threat_new(struct tc_av *av, const char *id, uint64_t dev,
                                       uint64_t ino, const uint8_t *hash)
{
    struct tc_av_threat *t;

    make_room(av);
    t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    snprintf(t->id, sizeof(t->id), "%s", id);
    t->dev = dev;
    t->ino = ino;
    memcpy(t->hash, hash, sizeof(t->hash));
    t->next = av->threats;
    av->threats = t;
    av->threats_n++;
    return t;
}

/* ---- Found ---- */

/* The descriptor's path, where the agent itself finds the file there: whoever opened it
 * may have done so in another mount namespace. */
static bool path_now(const struct tc_av_move *move, int fd, char *ret, size_t cap)
{
    struct stat st;

    return !move->served && !fstat(fd, &st) && !tc_av_fd_path(fd, ret, cap) &&
           tc_av_name_is(AT_FDCWD, ret, st.st_dev, st.st_ino);
}

static struct tc_av_move *move_new(struct tc_av *av, const struct tc_av_sighting *seen)
{
    const struct tc_av_result *result = seen->result;
    int fd = seen->own_fd >= 0 ? seen->own_fd : seen->event ? seen->event->fd : -1;
    struct tc_av_move *move = calloc(1, sizeof(*move));
    char path[PATH_MAX];

    if (!move) {
        if (seen->own_fd >= 0)
            close(seen->own_fd);
        return NULL;
    }
    move->av = av;
    move->unlock = av->options.clear_immutable;
    move->own_fd = seen->own_fd;
    move->requested = seen->requested;
    move->done = seen->done;
    move->arg = seen->arg;
    move->hit = result->hit;
    if (seen->event) {
        av->host->event_ref(av->host, seen->event);
        move->event = seen->event;
        move->served = tocsin_find_bool(seen->event->data, seen->event->len,
                                        TOCSIN_FIELD_FILE_SERVED, false);
    }
    move->key = result->key;
    move->record.dev = result->key.dev;
    move->record.ino = result->key.ino;
    move->record.size = result->key.size;
    memcpy(move->record.hash, result->hash, sizeof(move->record.hash));
    snprintf(move->record.rule, sizeof(move->record.rule), "%s", result->hit.rule);
    snprintf(move->record.name, sizeof(move->record.name), "%s", result->hit.name);
    snprintf(move->record.severity, sizeof(move->record.severity), "%s",
             result->hit.severity);
    if (!path_now(move, fd, path, sizeof(path)) &&
        (!seen->event ||
         !tc_detector_text(seen->event, TOCSIN_FIELD_FILE_PATH, path, sizeof(path))))
        snprintf(path, sizeof(path), "%s", seen->path ? seen->path : "");
    move->record.path = strdup(path);
    if (!move->record.path) {
        tc_av_move_free(move);
        return NULL;
    }
    return move;
}

/* True when the inode behind the sighting has no name left. */
static bool is_gone(const struct tc_av_move *move)
{
    int fd = move->own_fd >= 0 ? move->own_fd : move->event->fd;
    struct stat st;

    return !move->served && !fstat(fd, &st) && !st.st_nlink;
}

/* Ends a sighting that leads to no action. */
static void end_untouched(struct tc_av_move *move, const char *status, const char *why)
{
    if (move->done)
        move->done(move->arg, status, why);
    tc_av_move_free(move);
}

/* A further sighting of a known threat: true when there is nothing new in it. */
static bool adds_nothing(struct tc_av_threat *t, const struct tc_av_move *move,
                         bool touch)
{
    bool same = !strcmp(t->path, move->record.path);

    if (is_gone(move))
        return true;
    switch (t->state) {
    case TC_AV_SEEN:
    case TC_AV_FAILED:
        return same && !touch;
    case TC_AV_MOVING:
        return same || t->waiting_n >= NAMES_WAITING_MAX;
    case TC_AV_HELD:
        return false;
    }
    return false;
}

/* The threat that a sighting belongs to; a new one has no path yet. NULL: no memory. */
static struct tc_av_threat *threat_of(struct tc_av *av, const struct tc_av_move *move)
{
    const struct tc_av_record *record = &move->record;
    struct tc_av_threat *t = find_inode(av, record->dev, record->ino, record->hash);
    char id[TC_AV_ID_TEXT];

    if (t && t->dead && !is_gone(move)) {
        unlink_threat(av, t);
        t = NULL;
    }
    if (!t && !tc_av_id_of(&move->key, record->hash, id)) {
        t = threat_new(av, id, record->dev, record->ino, record->hash);
        av->counters.threats += t != NULL;
    }
    return t;
}

static void report(struct tc_av_threat *t, const struct tc_av_move *move,
                   const char *action)
{
    struct tc_av_news news = {.host = move->av->host,
                              .record = &move->record,
                              .hit = &move->hit,
                              .event = move->event};
    bool fresh = !t->path;

    /* The same name again after a failure is one more try, not one more detection. */
    if (fresh || (t->state == TC_AV_HELD && !move->again) ||
        strcmp(t->path, move->record.path)) {
        free(t->path);
        t->path = strdup(move->record.path);
        tc_av_events_detected(&news, action);
    }
    if (fresh && !move->requested)
        tc_av_events_alert(&news);
}

/* Whoever touches it may have to wait for its server, without end. */
static void leave_served(struct tc_av_threat *t, struct tc_av_move *move)
{
    static const char why[] = "its file system is a server's, which may not answer: it "
                              "stays there, and is refused when it is opened";

    move->av->counters.failed++;
    t->state = TC_AV_FAILED;
    tc_av_events_remediated(move->av->host, &move->record, "quarantine", "failed", why);
    end_untouched(move, "failed", why);
}

static void act(struct tc_av_threat *t, struct tc_av_move *move, bool touch)
{
    if (touch && move->served) {
        leave_served(t, move);
    } else if (!touch) {
        end_untouched(move, "detected", NULL);
    } else if (t->state == TC_AV_MOVING) {
        move->next = t->waiting;
        t->waiting = move;
        t->waiting_n++;
    } else {
        tc_av_move_start(t, move);
    }
}

static bool may_touch(const struct tc_av *av)
{
    return av->options.quarantine && !av->host->passive(av->host) && av->vault.dirfd >= 0;
}

void tc_av_threat_found(struct tc_av *av, const struct tc_av_sighting *sighting)
{
    struct tc_av_move *move = move_new(av, sighting);
    struct tc_av_threat *t;
    bool touch;

    if (!move) {
        if (sighting->done)
            sighting->done(sighting->arg, "failed", strerror(ENOMEM));
        return;
    }
    if (av->host->excluded(av->host, move->record.path, NULL)) {
        end_untouched(move, "excluded", NULL);
        return;
    }
    touch = may_touch(av);
    t = threat_of(av, move);
    if (!t) {
        end_untouched(move, "failed", strerror(ENOMEM));
        return;
    }
    if (t->path && adds_nothing(t, move, touch && !move->served)) {
        end_untouched(move,
                      t->state == TC_AV_HELD || t->state == TC_AV_MOVING ? "quarantined"
                                                                         : "detected",
                      NULL);
        return;
    }
    snprintf(move->record.id, sizeof(move->record.id), "%s", t->id);
    move->again = t->error && t->path && !strcmp(t->path, move->record.path);
    report(t, move, touch ? "quarantine" : "none");
    act(t, move, touch);
}

bool tc_av_threat_asked(struct tc_av *av, const struct tc_av_key *key,
                        const struct tocsin_event *event)
{
    struct tc_av_threat *t = av->threats;
    char path[PATH_MAX];

    while (t && (t->ino != key->ino || t->dev != key->dev || t->dead))
        t = t->next;
    if (!t || !t->path || !may_touch(av) || t->state == TC_AV_MOVING)
        return false;
    t->wait = 0;
    return tc_detector_text(event, TOCSIN_FIELD_FILE_PATH, path, sizeof(path)) &&
           strcmp(t->path, path) != 0;
}

/* ---- What is in the vault ---- */

void tc_av_threat_known(struct tc_av *av, const struct tc_av_record *record)
{
    struct tc_av_threat *t =
        threat_new(av, record->id, record->dev, record->ino, record->hash);

    if (!t)
        return;
    t->state = TC_AV_HELD;
    t->path = strdup(record->path);
    if (!t->path)
        unlink_threat(av, t);
}

void tc_av_threat_back(struct tc_av *av, const struct tc_av_record *record)
{
    (void)threat_new(av, record->id, record->dev, record->ino, record->hash);
}

void tc_av_threat_recovered(struct tc_av *av, const struct tc_av_record *record)
{
    struct tc_av_hit hit = {.description = ""};
    struct tc_av_news news = {.host = av->host, .record = record, .hit = &hit};

    snprintf(hit.rule, sizeof(hit.rule), "%s", record->rule);
    snprintf(hit.id, sizeof(hit.id), "%s", record->rule);
    tc_av_events_detected(&news, "quarantine");
    tc_av_events_remediated(av->host, record, "quarantine", "quarantined", NULL);
}

void tc_av_threat_forget(struct tc_av *av, const char *id)
{
    struct tc_av_threat *t = tc_av_threat_find(av, id);

    if (t && t->state != TC_AV_MOVING)
        unlink_threat(av, t);
    for (t = av->threats; t; t = t->next)
        t->wait = 0; /* there may be room now */
}

void tc_av_threat_allowed(struct tc_av *av, const uint8_t hash[TC_AV_HASH_BYTES])
{
    for (struct tc_av_threat *t = av->threats; t; t = t->next)
        if (t->error && !memcmp(t->hash, hash, TC_AV_HASH_BYTES))
            tc_av_care_note(av, t, 0, NULL);
}

bool tc_av_threat_hash(const struct tc_av *av, const char *id,
                       uint8_t ret[TC_AV_HASH_BYTES])
{
    const struct tc_av_threat *t = tc_av_threat_find(av, id);

    if (t)
        memcpy(ret, t->hash, sizeof(t->hash));
    return t != NULL;
}

void tc_av_threat_free(struct tc_av *av)
{
    while (av->threats)
        unlink_threat(av, av->threats);
}
