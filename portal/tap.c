/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: live taps of the agent's bus for pages: each a connection to the agent of its
 * own, with the portal's rights, and a stream. What a page does not read in time is left
 * out, and counted.
 */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"
#include "portal/link.h"
#include "portal/portal.h"
#include "portal/stream.h"
#include "portal/upstream.h"
#include "portal/web.h"

#define STREAM_BYTES (512 * 1024)
#define TOPICS_MAX 16
#define BEAT_MS 5000 /* a browser that has gone is noticed at the second */
#define TAPS_MAX 8   /* half of the agent's: `tocsin tap` finds room whoever looks here */

struct tap {
    struct tc_portal *portal;
    struct tc_link *link;
    struct tc_stream *stream;
    uv_timer_t beat; /* its place is given back also where no event comes */
    uint64_t missed; /* and not said yet */
    char topics[512], filter[512];
};

static void push_text(struct tap *tap, const char *name, const char *text)
{
    char *data = NULL;
    size_t len;
    FILE *out = open_memstream(&data, &len);

    if (!out)
        return;
    tc_json_string(out, text, strlen(text));
    if (!fclose(out))
        (void)tc_stream_push(tap->stream, name, data, len);
    free(data);
}

/* [topic, source, id, map, time_ns, reply_to]; an older agent ends at the map. */
static void push_event(struct tap *tap, const msgpack_object *items, uint32_t count)
{
    struct tocsin_str topic = tc_unpack_text(&items[0]);
    struct tocsin_str source = tc_unpack_text(&items[1]);
    char *data = NULL;
    size_t len;
    FILE *out = open_memstream(&data, &len);
    int err;

    if (!out)
        return;
    fputs("{\"topic\":", out);
    tc_json_string(out, topic.ptr, topic.len);
    fputs(",\"source\":", out);
    tc_json_string(out, source.ptr, source.len);
    fputs(",\"id\":", out);
    err = tc_json_write(out, &items[2]);
    fputs(",\"event\":", out);
    if (!err)
        err = tc_json_write(out, &items[3]);
    if (!err && count > 5) {
        fputs(",\"time_ns\":", out);
        err = tc_json_write(out, &items[4]);
        fputs(",\"reply_to\":", out);
        err = err ? err : tc_json_write(out, &items[5]);
    }
    fprintf(out, ",\"missed\":%" PRIu64 "}", tap->missed);
    if (!fclose(out) && !err) {
        if (tc_stream_push(tap->stream, "event", data, len))
            tap->missed = 0;
        else
            tap->missed++;
    }
    free(data);
}

static void on_notified(void *arg, const char *method, const msgpack_object *params)
{
    struct tap *tap = arg;
    const msgpack_object *items = params->via.array.ptr;
    uint32_t count = params->via.array.size;

    if (!tap->stream)
        return;
    if (!strcmp(method, "tap.event") && count >= 4)
        push_event(tap, items, count);
    else if (!strcmp(method, "tap.missed") && count >= 2 &&
             items[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        tap->missed += items[1].via.u64;
}

static void on_tapped(void *arg, const struct tc_link_answer *answer)
{
    struct tap *tap = arg;

    if (!tap->stream)
        return;
    push_text(tap, answer->result ? "tapped" : "refused", answer->message);
    if (!answer->result)
        tc_stream_end(tap->stream);
}

static void on_up(void *arg)
{
    struct tap *tap = arg;
    const char *s = tap->topics;
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_begin_array(&p, "topics");
    for (unsigned i = 0; *s && i < TOPICS_MAX; i++) {
        size_t n = strcspn(s, " ,");

        if (n)
            tc_pack_strn(&p, NULL, s, n);
        s += n + strspn(s + n, " ,");
    }
    tc_pack_end(&p);
    if (tap->filter[0])
        tc_pack_str(&p, "filter", tap->filter);
    tc_pack_end(&p);
    if (tc_link_call(tap->link, "tap.open", &p, on_tapped, tap))
        tc_stream_end(tap->stream);
    tc_pack_done(&p);
}

/* The agent has gone, or could not be reached. */
static void on_link_gone(void *arg, int err)
{
    struct tap *tap = arg;

    (void)err;
    if (tap->stream)
        tc_stream_end(tap->stream);
}

static void on_beat(uv_timer_t *timer)
{
    const struct tap *tap = timer->data;

    if (tap->stream)
        tc_stream_beat(tap->stream);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The browser has gone. */
static void on_stream_gone(void *arg, struct tc_stream *stream)
{
    struct tap *tap = arg;

    (void)stream;
    tap->stream = NULL;
    tap->portal->taps--;
    tc_link_close(tap->link);
    uv_close((uv_handle_t *)&tap->beat, on_closed);
}

void tc_tap_stream(void *arg, struct tc_request *request)
{
    struct tc_portal *portal = arg;
    const char *topics = tc_request_param(request, "topics");
    const char *filter = tc_request_param(request, "filter");
    struct tap *tap;
    struct tc_link_handlers handlers = {on_up, on_link_gone, on_notified, NULL};

    if (portal->taps == TAPS_MAX) {
        tc_request_fail(request, MHD_HTTP_TOO_MANY_REQUESTS, "refused",
                        "%d pages show a tap already: close one", TAPS_MAX);
        return;
    }
    tap = calloc(1, sizeof(*tap));
    if (tap)
        tap->stream = tc_stream_new(portal->web, STREAM_BYTES, on_stream_gone, tap);
    if (!tap || !tap->stream) {
        free(tap);
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
        return;
    }
    handlers.arg = tap->beat.data = tap;
    tap->portal = portal;
    portal->taps++;
    (void)uv_timer_init(portal->loop, &tap->beat);
    (void)uv_timer_start(&tap->beat, on_beat, BEAT_MS, BEAT_MS);
    snprintf(tap->topics, sizeof(tap->topics), "%s", topics && *topics ? topics : "*");
    snprintf(tap->filter, sizeof(tap->filter), "%s", filter ? filter : "");
    if (tc_link_open(portal->loop, tc_upstream_path(portal->upstream), &handlers,
                     &tap->link))
        tc_stream_end(tap->stream);
    tc_request_stream(request, tap->stream);
}
