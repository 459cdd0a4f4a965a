/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what has been found, so that each infected inode is one threat with one id,
 * whoever saw it and by however many names: reported once as an alert, moved into
 * quarantine once, its further names removed into the same record. Loop thread but for
 * move_run().
 *
 *   SEEN --quarantine--> MOVING --> HELD      (in the vault)
 *    ^ not to be touched    +-----> FAILED    (stays where it is, denied)
 *
 * A name that turns up while MOVING waits for the outcome. When the last name is gone the
 * inode is dead: its number may come again, for another file and another threat.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "av.h"
#include "av_events.h"

#define NAMES_WAITING_MAX 16 /* of one inode; more are met when next opened */

enum state {
    SEEN,
    MOVING,
    HELD,
    FAILED,
};

struct move;

struct tc_av_threat {
    struct tc_av_threat *next;
    char id[TC_AV_ID_TEXT];
    uint64_t dev, ino;
    uint8_t hash[TC_AV_HASH_BYTES];
    char *path; /* the latest known */
    enum state state;
    bool dead;
    struct move *waiting;
    size_t waiting_n;
};

/* One name of a threat that is being removed. */
struct move {
    struct move *next;
    struct tc_av *av;
    const struct tocsin_event *event; /* a reference, or NULL */
    int own_fd;
    struct tc_av_key key;       /* of the inode as it was seen */
    struct tc_av_record record; /* its id names the threat */
    struct tc_av_hit hit;
    bool link;      /* the inode is in the vault: only the name goes */
    bool served;    /* TOCSIN_FIELD_FILE_SERVED: it cannot be touched */
    bool requested; /* whoever asked reports the alert */
    void (*done)(void *arg, const char *status, const char *why);
    void *arg;
    int error;
    uint64_t links;
    char why[TC_AV_WHY];
};

static struct tc_av_threat *find(const struct tc_av *av, const char *id)
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

static void move_free(struct move *move)
{
    tc_av_record_done(&move->record);
    if (move->own_fd >= 0)
        close(move->own_fd);
    move->av->host->event_unref(move->av->host, move->event);
    free(move);
}

static void unlink_threat(struct tc_av *av, struct tc_av_threat *t)
{
    struct tc_av_threat **at = &av->threats;
    struct move *move;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    av->threats_n--;
    while ((move = t->waiting)) {
        t->waiting = move->next;
        move_free(move);
    }
    free(t->path);
    free(t);
}

/* Makes room by forgetting the oldest that nothing is being done about. */
static void make_room(struct tc_av *av)
{
    struct tc_av_threat *oldest = NULL;

    if (av->threats_n < TC_AV_THREATS_MAX)
        return;
    for (struct tc_av_threat *t = av->threats; t; t = t->next)
        if (t->state != MOVING)
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

/* ---- Moving ---- */

/* In the pool. */
static void move_run(void *arg)
{
    struct move *move = arg;
    int fd = move->own_fd >= 0 ? move->own_fd : move->event->fd;
    uint8_t hash[TC_AV_HASH_BYTES];

    if (!move->link) {
        move->error = tc_av_vault_take(&move->av->vault, fd, &move->record, &move->links,
                                       move->why);
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

static void move_start(struct tc_av_threat *t, struct move *move);

static void move_next(struct tc_av_threat *t)
{
    struct move *move = t->waiting;

    if (!move)
        return;
    t->waiting = move->next;
    t->waiting_n--;
    move_start(t, move);
}

static void move_end(struct move *move)
{
    struct tc_av *av = move->av;
    struct tc_av_threat *t = find(av, move->record.id);
    bool ok = !move->error;

    if (!ok)
        av->counters.failed++;
    else if (move->link)
        av->counters.links++;
    else
        av->counters.quarantined++;
    tc_av_events_remediated(av->host, &move->record, "quarantine",
                            ok ? "quarantined" : "failed", ok ? NULL : move->why);
    if (move->done)
        move->done(move->arg, ok ? "quarantined" : "failed", ok ? NULL : move->why);
    if (t) {
        /* A name that could not be removed leaves the content in the vault all the same;
         * unless somebody has taken it out: then the next sighting moves it in anew. */
        t->state = ok || (move->link && move->error != -ENOENT) ? HELD : FAILED;
        t->dead = ok && !move->links;
        move_next(t);
    }
    move_free(move);
}

static void move_done(void *arg, int status)
{
    struct move *move = arg;

    if (status) {
        move->error = status;
        snprintf(move->why, sizeof(move->why), "the agent was stopping");
    }
    move_end(move);
}

static void move_start(struct tc_av_threat *t, struct move *move)
{
    int r;

    move->record.time_ns = (int64_t)tc_detector_now_ns();
    move->link = t->state == HELD;
    t->state = MOVING;
    r = tc_detector_work_submit(&move->av->work, move_run, move_done, move);
    if (r) { /* else the move belongs to the pool now */
        move->error = r;
        snprintf(move->why, sizeof(move->why), "%s", strerror(-r));
        move_end(move);
    }
}

/* ---- Found ---- */

static struct move *move_new(struct tc_av *av, const struct tc_av_sighting *seen)
{
    const struct tc_av_result *result = seen->result;
    int fd = seen->own_fd >= 0 ? seen->own_fd : seen->event ? seen->event->fd : -1;
    struct move *move = calloc(1, sizeof(*move));
    char path[PATH_MAX];

    if (!move) {
        if (seen->own_fd >= 0)
            close(seen->own_fd);
        return NULL;
    }
    move->av = av;
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
    if ((!move->served && !tc_av_fd_path(fd, path, sizeof(path))) ||
        (seen->event &&
         tc_detector_text(seen->event, TOCSIN_FIELD_FILE_PATH, path, sizeof(path))))
        move->record.path = strdup(path);
    else
        move->record.path = strdup(seen->path ? seen->path : "");
    if (!move->record.path) {
        move_free(move);
        return NULL;
    }
    return move;
}

/* True when the inode behind the sighting has no name left. */
static bool is_gone(const struct move *move)
{
    int fd = move->own_fd >= 0 ? move->own_fd : move->event->fd;
    struct stat st;

    return !move->served && !fstat(fd, &st) && !st.st_nlink;
}

/* Ends a sighting that leads to no action. */
static void end_untouched(struct move *move, const char *status, const char *why)
{
    if (move->done)
        move->done(move->arg, status, why);
    move_free(move);
}

/* A further sighting of a known threat: true when there is nothing new in it. */
static bool adds_nothing(struct tc_av_threat *t, const struct move *move, bool touch)
{
    bool same = !strcmp(t->path, move->record.path);

    if (is_gone(move))
        return true;
    switch (t->state) {
    case SEEN:
    case FAILED:
        return same && !touch;
    case MOVING:
        return same || t->waiting_n >= NAMES_WAITING_MAX;
    case HELD:
        return false;
    }
    return false;
}

/* The threat that a sighting belongs to; a new one has no path yet. NULL: no memory. */
static struct tc_av_threat *threat_of(struct tc_av *av, const struct move *move)
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

static void report(struct tc_av_threat *t, const struct move *move, const char *action)
{
    struct tc_av_news news = {.host = move->av->host,
                              .record = &move->record,
                              .hit = &move->hit,
                              .event = move->event};
    bool fresh = !t->path;

    /* The same name again after a failure is one more try, not one more detection. */
    if (fresh || t->state == HELD || strcmp(t->path, move->record.path)) {
        free(t->path);
        t->path = strdup(move->record.path);
        tc_av_events_detected(&news, action);
    }
    if (fresh && !move->requested)
        tc_av_events_alert(&news);
}

/* Whoever touches it may have to wait for its server, without end. */
static void leave_served(struct tc_av_threat *t, struct move *move)
{
    static const char why[] = "its file system is a server's, which may not answer: it "
                              "stays there, and is refused when it is opened";

    move->av->counters.failed++;
    t->state = FAILED;
    tc_av_events_remediated(move->av->host, &move->record, "quarantine", "failed", why);
    end_untouched(move, "failed", why);
}

static void act(struct tc_av_threat *t, struct move *move, bool touch)
{
    if (touch && move->served) {
        leave_served(t, move);
    } else if (!touch) {
        end_untouched(move, "detected", NULL);
    } else if (t->state == MOVING) {
        move->next = t->waiting;
        t->waiting = move;
        t->waiting_n++;
    } else {
        move_start(t, move);
    }
}

void tc_av_threat_found(struct tc_av *av, const struct tc_av_sighting *sighting)
{
    struct move *move = move_new(av, sighting);
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
    touch =
        av->options.quarantine && !av->host->passive(av->host) && av->vault.dirfd >= 0;
    t = threat_of(av, move);
    if (!t) {
        end_untouched(move, "failed", strerror(ENOMEM));
        return;
    }
    if (t->path && adds_nothing(t, move, touch && !move->served)) {
        end_untouched(move,
                      t->state == HELD || t->state == MOVING ? "quarantined" : "detected",
                      NULL);
        return;
    }
    snprintf(move->record.id, sizeof(move->record.id), "%s", t->id);
    report(t, move, touch ? "quarantine" : "none");
    act(t, move, touch);
}

/* ---- What is in the vault ---- */

void tc_av_threat_known(struct tc_av *av, const struct tc_av_record *record)
{
    struct tc_av_threat *t =
        threat_new(av, record->id, record->dev, record->ino, record->hash);

    if (!t)
        return;
    t->state = HELD;
    t->path = strdup(record->path);
    if (!t->path)
        unlink_threat(av, t);
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
    struct tc_av_threat *t = find(av, id);

    if (t && t->state != MOVING)
        unlink_threat(av, t);
}

bool tc_av_threat_hash(const struct tc_av *av, const char *id,
                       uint8_t ret[TC_AV_HASH_BYTES])
{
    const struct tc_av_threat *t = find(av, id);

    if (t)
        memcpy(ret, t->hash, sizeof(t->hash));
    return t != NULL;
}

void tc_av_threat_free(struct tc_av *av)
{
    while (av->threats)
        unlink_threat(av, av->threats);
}
