/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues more work than there are threads. Each piece takes one byte from the FIFO named
 * by `gate`, so the test decides when it ends. Reports how many ran and were canceled.
 */
#include "plain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECES 16

struct works {
    const struct tocsin_host *host;
    unsigned ran, canceled;
};

static int works_init(const struct tocsin_host *host, void **ret_state)
{
    struct works *works = calloc(1, sizeof(*works));

    if (!works)
        return -ENOMEM;
    works->host = host;
    *ret_state = works;
    return 0;
}

static void take_a_byte(void *arg)
{
    struct works *works = arg;
    const char *gate = works->host->option_text(works->host, "gate");
    int fd = open(gate, O_RDONLY | O_CLOEXEC);
    char byte;

    while (fd >= 0 && read(fd, &byte, 1) < 0 && errno == EINTR)
        ;
    close(fd);
}

static void done(void *arg, int status)
{
    struct works *works = arg;
    const struct tocsin_host *host = works->host;
    char text[32];

    if (status == -ECANCELED)
        works->canceled++;
    else
        works->ran++;
    (void)snprintf(text, sizeof(text), "%u of %u", works->canceled,
                   works->ran + works->canceled);
    host->report(host, TOCSIN_REPORT_FACT, "canceled", text, NULL);
    if (works->ran + works->canceled == PIECES)
        host->complete(host, 0);
}

static int works_start(void *state)
{
    struct works *works = state;
    int rc = 0;

    for (int i = 0; i < PIECES && !rc; i++)
        rc = works->host->work(works->host, take_a_byte, done, works);
    return rc;
}

static int works_stop(void *state)
{
    (void)state;
    return TOCSIN_PENDING;
}

static const struct tocsin_option options[] = {
    {.name = "gate", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "A FIFO."},
    {.name = NULL},
};

TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_DETECTOR),
    PLAIN_IDENTITY("works"),
    .options = options,
    .init = works_init,
    .start = works_start,
    .stop = works_stop,
    .destroy = free,
};
