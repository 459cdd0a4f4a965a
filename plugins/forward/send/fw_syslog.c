/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event as a syslog message (RFC 5424), and the sink syslog+udp (RFC 5426), one
 * datagram each. Nobody acknowledges a datagram; that nobody listens is noticed when this
 * machine or the receiver's says so (ICMP).
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "format/fw_format.h"
#include "format/fw_shorten.h"
#include "send/fw_sink.h"

/* Facility 13, log audit; RFC 5424, 6.2.1. */
#define FACILITY 13
/* The number in an SD-ID is an enterprise's; this one is reserved for examples
 * (RFC 5612): the project has none. */
#define SD_ID "tocsin@32473"
#define UDP_SECONDS 2

static void put_header_text(struct tc_fw_text *text, struct tocsin_str s, size_t max)
{
    size_t n = s.len < max ? s.len : max;

    for (size_t i = 0; i < n; i++)
        tc_fw_put(text, s.ptr[i] > 0x20 && s.ptr[i] < 0x7f ? &s.ptr[i] : "_", 1);
    if (!n)
        tc_fw_put(text, "-", 1);
}

static void put_message(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                        struct tc_fw_text *text)
{
    /* informational, low, medium, high, critical: info, notice, warning, err, crit */
    static const int severities[TC_FW_SEVERITIES] = {6, 5, 4, 3, 2};
    struct tocsin_str topic = {event->topic, strlen(event->topic)};
    char when[40];
    time_t s = (time_t)(event->time_ns / 1000000000u);
    struct tm tm;

    gmtime_r(&s, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    tc_fw_putf(text, "<%d>1 %s.%06uZ ", FACILITY * 8 + severities[event->severity], when,
               (unsigned)(event->time_ns % 1000000000u / 1000u));
    put_header_text(text, tc_fw_host(event, sink->host), 255);
    tc_fw_puts(text, " tocsin - ");
    put_header_text(text, topic, 32);
    tc_fw_putf(text, " [" SD_ID " id=\"%s\" severity=\"%s\"] \xef\xbb\xbf", event->id,
               tc_fw_severity_names[event->severity]);
    tc_fw_sink_put(sink, event, text); /* one line: control characters are escaped */
}

void tc_fw_syslog_put(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                      struct tc_fw_text *text)
{
    size_t at = text->len, max = (size_t)sink->config.max_size;
    struct tc_fw_event less = *event;
    struct tocsin_writer w;

    put_message(sink, event, text);
    for (unsigned level = 0;
         text->len - at > max && level < TC_FW_SHORTEN_LEVELS && !text->failed; level++) {
        tocsin_writer_init_growing(&w);
        tc_fw_shorten(event->data, event->len, level, &w);
        if (!w.error) {
            less.data = w.buf;
            less.len = w.len;
            tc_fw_text_cut(text, at);
            put_message(sink, &less, text);
        }
        tocsin_writer_done(&w);
    }
    if (text->len - at > max)
        tc_fw_text_cut(text, at + max);
}

/* ---- UDP ---- */

struct udp {
    int fd;
};

static void forget(struct udp *udp)
{
    if (udp->fd >= 0)
        (void)close(udp->fd);
    udp->fd = -1;
}

/* Blocks for as long as the resolver takes; the thread is the forwarder's own. */
static int connect_udp(struct udp *udp, const char *target, char why[TC_FW_WHY_BYTES])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                                   .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    const struct timeval limit = {.tv_sec = UDP_SECONDS};
    struct addrinfo *found = NULL;
    const char *colon = strrchr(target, ':');
    char host[256];
    int r;

    snprintf(host, sizeof(host), "%.*s", (int)(colon - target), target);
    if (host[0] == '[') {
        host[strlen(host) - 1] = '\0';
        memmove(host, host + 1, strlen(host));
    }
    r = getaddrinfo(host, colon + 1, &hints, &found);
    if (r) {
        snprintf(why, TC_FW_WHY_BYTES, "%s: %s", target, gai_strerror(r));
        return -EHOSTUNREACH;
    }
    udp->fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (udp->fd >= 0)
        (void)setsockopt(udp->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (udp->fd < 0 || connect(udp->fd, found->ai_addr, found->ai_addrlen)) {
        r = -errno;
        snprintf(why, TC_FW_WHY_BYTES, "%s: %s", target, strerror(errno));
        forget(udp);
    }
    freeaddrinfo(found);
    return r;
}

static void udp_begin(struct tc_fw_sink *sink)
{
    struct tc_fw_batch *batch = &sink->batch;
    struct udp *udp = sink->own;
    char why[TC_FW_WHY_BYTES] = "out of memory";
    int err = 0;

    if (!udp) {
        udp = sink->own = calloc(1, sizeof(*udp));
        if (udp)
            udp->fd = -1;
    }
    if (!udp || (udp->fd < 0 && connect_udp(udp, sink->config.target, why))) {
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s", why);
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        const struct tc_fw_item *item = &batch->items[i];

        /* An error may be about an earlier one: this one goes again. */
        if (!err && send(udp->fd, batch->text.p + item->at, item->len, MSG_NOSIGNAL) < 0)
            err = errno;
        batch->items[i].outcome = err ? TC_FW_RETRY : TC_FW_SENT;
    }
    snprintf(batch->why, sizeof(batch->why), "%s: %s", sink->config.target,
             err ? strerror(err) : "sent; nobody acknowledges a datagram");
    if (err)
        forget(udp);
    tc_fw_sink_end_each(sink);
}

static void udp_close(struct tc_fw_sink *sink)
{
    if (sink->own)
        forget(sink->own);
    free(sink->own);
    sink->own = NULL;
}

const struct tc_fw_ops tc_fw_udp_ops = {
    .items_max = 100,
    .bytes_max = 1024 * 1024,
    .format = tc_fw_syslog_put,
    .begin = udp_begin,
    .close = udp_close,
};
