/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes down every event of a file that it is shown, one record each, in a file that it
 * maps: what was published, counted by somebody else than the one who published.
 * Between them the beginnings and ends of handovers, so that ids tell what lies within.
 * Denies what is named like its option says, allows the rest, and lets nothing of it be
 * remembered, so that the next time is a question again. What is named slow... it thinks
 * about for a while.
 */
#include "plain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS_MAX (UINT64_C(1) << 21)

/* tests/e2e/swap.py reads these. */
struct record {
    uint64_t id, inode, device, epoch, sequence, time_ns;
    int32_t pid;
    char kind;   /* o(pen), e(xec), w(ritten), ... ; of a handover: b(egin), s(wapped) */
    char sensor; /* e(s), k(ext) */
    char denied; /* y, n */
    char unused;
};

struct records {
    uint64_t count, lost; /* lost: no room */
    struct record at[RECORDS_MAX];
};

struct witness {
    const struct tocsin_host *host;
    struct records *records;
    struct thought *thoughts;
};

/* A question that is answered later. */
struct thought {
    struct witness *witness;
    struct thought *next;
    const struct tocsin_event *event;
    struct tocsin_timer *timer;
};

static int witness_init(const struct tocsin_host *host, void **ret_state)
{
    struct witness *witness = calloc(1, sizeof(*witness));

    if (!witness)
        return -ENOMEM;
    witness->host = host;
    *ret_state = witness;
    return 0;
}

static int witness_start(void *state)
{
    struct witness *witness = state;
    char path[512];
    void *records;
    int fd, err = 0;

    (void)snprintf(path, sizeof(path), "%s/witness",
                   witness->host->state_dir(witness->host));
    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    (void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/records");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(struct records)))
        err = -errno;
    records =
        mmap(NULL, sizeof(struct records), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!err && records == MAP_FAILED)
        err = -errno;
    close(fd);
    if (!err)
        witness->records = records;
    return err;
}

static char first_of(const struct tocsin_event *event, const char *path)
{
    struct tocsin_str text = tocsin_event_str(event, path);

    return text.len ? text.ptr[0] : '?';
}

static uint64_t uint_of(const struct tocsin_event *event, const char *path)
{
    struct tocsin_value v;

    return tocsin_find(event->data, event->len, path, &v) && v.type == TOCSIN_UINT ? v.u
                                                                                   : 0;
}

static void write_down(struct records *records, const struct tocsin_event *event,
                       char kind, bool denied)
{
    if (records->count == RECORDS_MAX) {
        records->lost++;
        return;
    }
    records->at[records->count] = (struct record){
        .id = event->id,
        .inode = uint_of(event, TOCSIN_FIELD_FILE_INODE),
        .device = uint_of(event, TOCSIN_FIELD_FILE_DEVICE),
        .epoch = uint_of(event, TOCSIN_FIELD_EPOCH),
        .sequence = uint_of(event, TOCSIN_FIELD_SEQUENCE),
        .time_ns = event->time_ns,
        .pid = (int32_t)tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0),
        .kind = kind,
        .sensor = first_of(event, TOCSIN_FIELD_SENSOR),
        .denied = denied ? 'y' : 'n'};
    records->count++;
}

static bool is_named(const struct tocsin_event *event, const char *prefix)
{
    struct tocsin_str name = tocsin_event_str(event, "file.name");

    return name.len >= strlen(prefix) && !memcmp(name.ptr, prefix, strlen(prefix));
}

static bool is_denied(const struct witness *witness, const struct tocsin_event *event)
{
    return is_named(event, witness->host->option_text(witness->host, "deny"));
}

static void answer(const struct witness *witness, const struct tocsin_event *event)
{
    bool denied = is_denied(witness, event);

    (void)tocsin_vote(witness->host, event, !denied, denied,
                      denied ? "the witness says so" : NULL);
}

static void thought_end(struct thought *thought)
{
    const struct tocsin_host *host = thought->witness->host;
    struct thought **at = &thought->witness->thoughts;

    while (*at != thought)
        at = &(*at)->next;
    *at = thought->next;
    host->timer_stop(host, thought->timer);
    host->event_unref(host, thought->event);
    free(thought);
}

static void thought_over(void *arg)
{
    struct thought *thought = arg;

    answer(thought->witness, thought->event);
    thought_end(thought);
}

static void think(struct witness *witness, const struct tocsin_event *event)
{
    struct thought *thought = calloc(1, sizeof(*thought));
    const struct tocsin_host *host = witness->host;

    if (!thought)
        return;
    thought->witness = witness;
    thought->event = event;
    thought->next = witness->thoughts;
    witness->thoughts = thought;
    host->event_ref(host, event);
    if (host->timer_start(host, (uint64_t)host->option_int(host, "slow"), 0, thought_over,
                          thought, &thought->timer))
        thought_over(thought);
}

static void witness_event(void *state, const struct tocsin_event *event)
{
    struct witness *witness = state;
    bool denied = is_denied(witness, event);

    if (!strncmp(event->topic, "file.", 5))
        write_down(witness->records, event, event->topic[5], denied);
    else if (!strcmp(event->topic, "sensor.starting"))
        write_down(witness->records, event, 'b', false);
    else if (!strcmp(event->topic, "sensor.swapped"))
        write_down(witness->records, event, 's', false);
    if (!(event->flags & TOCSIN_EVENT_AUTH))
        return;
    if (is_named(event, "slow"))
        think(witness, event);
    else
        answer(witness, event);
}

static int witness_stop(void *state)
{
    struct witness *witness = state;

    while (witness->thoughts)
        thought_end(witness->thoughts);
    munmap(witness->records, sizeof(*witness->records));
    return 0;
}

static const char *const publishes[] = {TOCSIN_TOPIC_VERDICT, NULL};
static const char *const subscribes[] = {"file.*", "sensor.*", NULL};
static const struct tocsin_option options[] = {
    {.name = "deny",
     .type = TOCSIN_OPTION_TEXT,
     .fallback = "denied",
     .help = "How the names of files begin that are denied; empty: all are."},
    {.name = "slow",
     .type = TOCSIN_OPTION_DURATION,
     .fallback = "0s",
     .help = "How long it thinks about files whose names begin with slow."},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("witness"),
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = witness_init,
    .start = witness_start,
    .event = witness_event,
    .stop = witness_stop,
    .destroy = free,
};
