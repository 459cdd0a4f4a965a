/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/hub.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json.h"
#include "portal/link.h"
#include "portal/portal.h"
#include "portal/stream.h"
#include "portal/upstream.h"
#include "portal/web.h"

#define HOLD_MS 250   /* changes in this time are told together */
#define BEAT_MS 15000 /* a stream whose reader has gone is noticed */
#define HEALTH_MS 2000
#define STREAM_BYTES 4096

/* What a page shows, each by the families of events that change it. */
static const struct {
    const char *word;
    const char *families[4]; /* NULL ends them */
} kinds[] = {
    {"alerts", {"alert."}},
    {"threats", {"threat.", "quarantine."}},
    {"approvals", {"approval."}},
    {"sensors", {"sensor.", "plugin."}},
    {"network", {"network_filter.", "isolation."}},
    {"commands", {"agent.", "config."}},
    {"health", {"sensor.", "approval.", "plugin."}},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define HEALTH (KINDS - 1)

struct tc_hub {
    const struct tc_portal *portal;
    uv_timer_t hold, beat, health;
    unsigned changed; /* a bit for each kind, to be told when `hold` ends */
    bool holding, asking;
    uint64_t health_hash;
    struct tc_stream *streams[TC_STREAMS_MAX];
    size_t count;
    unsigned handles;
};

static void tell(struct tc_hub *hub)
{
    char data[256] = "[";
    size_t n = 1;

    for (size_t i = 0; i < KINDS; i++)
        if (hub->changed & (1u << i))
            n += (size_t)snprintf(data + n, sizeof(data) - n, "%s\"%s\"",
                                  n > 1 ? "," : "", kinds[i].word);
    n += (size_t)snprintf(data + n, sizeof(data) - n, "]");
    hub->changed = 0;
    /* One that is so far behind reads no more; its page begins anew. */
    for (size_t i = 0; i < hub->count; i++)
        if (!tc_stream_push(hub->streams[i], "changed", data, n))
            tc_stream_end(hub->streams[i]);
}

static void on_hold_over(uv_timer_t *timer)
{
    struct tc_hub *hub = timer->data;

    hub->holding = false;
    if (!hub->changed)
        return;
    tell(hub);
    hub->holding = true;
    (void)uv_timer_start(&hub->hold, on_hold_over, HOLD_MS, 0);
}

/* The first change is told at once, what follows it a moment later. */
static void change(struct tc_hub *hub, unsigned what)
{
    hub->changed |= what;
    if (!what || !hub->count || hub->holding)
        return;
    tell(hub);
    hub->holding = true;
    (void)uv_timer_start(&hub->hold, on_hold_over, HOLD_MS, 0);
}

void tc_hub_happened(struct tc_hub *hub, struct tocsin_str topic)
{
    unsigned what = 0;

    for (size_t i = 0; i < KINDS; i++)
        for (size_t f = 0; f < 4 && kinds[i].families[f]; f++) {
            size_t len = strlen(kinds[i].families[f]);

            if (topic.len > len && !memcmp(topic.ptr, kinds[i].families[f], len))
                what |= 1u << i;
        }
    change(hub, what);
}

/* ---- health ---- */

static void on_health(void *arg, const struct tc_link_answer *answer)
{
    struct tc_hub *hub = arg;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    char *text = NULL;

    hub->asking = false;
    if (!answer->result || tc_json_text(answer->result, &text))
        return;
    for (const char *s = text; *s; s++)
        hash = (hash ^ (uint8_t)*s) * 1099511628211u;
    free(text);
    if (hash == hub->health_hash)
        return;
    hub->health_hash = hash;
    change(hub, 1u << HEALTH);
}

static void on_health_due(uv_timer_t *timer)
{
    struct tc_hub *hub = timer->data;
    struct tc_link *link = tc_upstream_link(hub->portal->upstream);

    if (!hub->asking && link)
        hub->asking = !tc_link_call(link, "health", NULL, on_health, hub);
}

/* ---- streams ---- */

static void on_beat(uv_timer_t *timer)
{
    struct tc_hub *hub = timer->data;

    for (size_t i = 0; i < hub->count; i++)
        tc_stream_beat(hub->streams[i]);
}

static void on_gone(void *arg, struct tc_stream *stream)
{
    struct tc_hub *hub = arg;

    for (size_t i = 0; i < hub->count; i++)
        if (hub->streams[i] == stream)
            hub->streams[i--] = hub->streams[--hub->count];
    if (hub->count || !hub->handles)
        return;
    (void)uv_timer_stop(&hub->beat);
    (void)uv_timer_stop(&hub->health);
}

static void put_agent(const struct tc_hub *hub, struct tc_stream *stream)
{
    bool there = tc_upstream_link(hub->portal->upstream);
    const char *data = there ? "true" : "false";

    (void)tc_stream_push(stream, "agent", data, strlen(data));
}

void tc_hub_agent(struct tc_hub *hub)
{
    for (size_t i = 0; i < hub->count; i++)
        put_agent(hub, hub->streams[i]);
}

void tc_hub_stream(void *arg, struct tc_request *request)
{
    const struct tc_portal *portal = arg;
    struct tc_hub *hub = portal->hub;
    struct tc_stream *stream;

    if (hub->count == TC_STREAMS_MAX) {
        tc_request_fail(request, MHD_HTTP_TOO_MANY_REQUESTS, "refused",
                        "%d pages are being told of changes: close one", TC_STREAMS_MAX);
        return;
    }
    stream = tc_stream_new(portal->web, STREAM_BYTES, on_gone, hub);
    if (!stream) {
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
        return;
    }
    if (!hub->count++) {
        (void)uv_timer_start(&hub->beat, on_beat, BEAT_MS, BEAT_MS);
        (void)uv_timer_start(&hub->health, on_health_due, HEALTH_MS, HEALTH_MS);
    }
    hub->streams[hub->count - 1] = stream;
    put_agent(hub, stream);
    tc_request_stream(request, stream);
}

/* ---- start and stop ---- */

struct tc_hub *tc_hub_new(const struct tc_portal *portal)
{
    struct tc_hub *hub = calloc(1, sizeof(*hub));

    if (!hub)
        return NULL;
    hub->portal = portal;
    (void)uv_timer_init(portal->loop, &hub->hold);
    (void)uv_timer_init(portal->loop, &hub->beat);
    (void)uv_timer_init(portal->loop, &hub->health);
    hub->hold.data = hub->beat.data = hub->health.data = hub;
    hub->handles = 3;
    return hub;
}

static void on_closed(uv_handle_t *handle)
{
    struct tc_hub *hub = handle->data;

    if (!--hub->handles)
        free(hub);
}

void tc_hub_stop(struct tc_hub *hub)
{
    if (!hub)
        return;
    for (size_t i = 0; i < hub->count; i++)
        tc_stream_end(hub->streams[i]);
    uv_close((uv_handle_t *)&hub->hold, on_closed);
    uv_close((uv_handle_t *)&hub->beat, on_closed);
    uv_close((uv_handle_t *)&hub->health, on_closed);
}
