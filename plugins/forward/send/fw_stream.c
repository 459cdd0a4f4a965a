/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the sinks syslog+tcp (RFC 6587, octet counting) and syslog+tls (RFC 5425).
 * libcurl makes the connection, with TLS and the look at the certificate, and nothing
 * else.
 *
 * Syslog has no acknowledgement. A batch counts as sent when the receiver's kernel has
 * all of it (SIOCOUTQ) and the connection has then lived for another second: a receiver
 * that ends meanwhile gets the batch again.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "send/fw_sink.h"

#define CONNECT_MS 10000L
#define STALLED_MS 30000 /* no byte was taken for so long */
#define LOOK_MS 50       /* how often it is looked whether the kernel has sent all */
#define LIVED_MS 1000

enum state {
    CONNECTING,
    WRITING,
    DRAINING, /* written; the receiver's kernel has not all yet */
    HOLDING,  /* it has */
    RESTING,  /* connected, and nothing to send */
};

struct stream {
    CURL *easy;
    enum state state;
    size_t done; /* bytes of the batch that are written */
    uint64_t since_ms;
    struct tc_fw_text url;
    char error[CURL_ERROR_SIZE];
};

static void format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                   struct tc_fw_text *text)
{
    struct tc_fw_text message = {.p = NULL};

    tc_fw_syslog_put(sink, event, &message);
    tc_fw_putf(text, "%zu ", message.len);
    tc_fw_put(text, message.p ? message.p : "", message.len);
    text->failed |= message.failed;
    tc_fw_text_done(&message);
}

static void disconnect(struct tc_fw_sink *sink)
{
    struct stream *stream = sink->own;

    sink->fd = -1;
    if (stream && stream->easy) {
        (void)curl_multi_remove_handle(sink->multi, stream->easy);
        curl_easy_cleanup(stream->easy);
        stream->easy = NULL;
    }
}

static void failed(struct tc_fw_sink *sink, const char *why)
{
    disconnect(sink);
    tc_fw_sink_end(sink, TC_FW_RETRY, "%s: %s", sink->config.target, why);
}

static void write_on(struct tc_fw_sink *sink, uint64_t now_ms)
{
    struct stream *stream = sink->own;
    const struct tc_fw_text *text = &sink->batch.text;
    CURLcode r = CURLE_OK;
    size_t n;

    while (r == CURLE_OK && stream->done < text->len) {
        n = 0;
        r = curl_easy_send(stream->easy, text->p + stream->done, text->len - stream->done,
                           &n);
        stream->done += n;
        if (n)
            stream->since_ms = now_ms;
    }
    sink->events = POLLIN;
    if (r == CURLE_AGAIN && now_ms - stream->since_ms < STALLED_MS) {
        sink->events |= POLLOUT;
        sink->wake_ms = stream->since_ms + STALLED_MS;
        return;
    }
    if (r != CURLE_OK) {
        failed(sink, r == CURLE_AGAIN ? "it takes nothing more" : curl_easy_strerror(r));
        return;
    }
    stream->state = DRAINING;
    sink->wake_ms = now_ms + LOOK_MS;
}

/* What comes is of no interest, only that it ends. */
static bool is_closed(struct stream *stream)
{
    char buf[512];
    size_t n;
    CURLcode r;

    do {
        n = 0;
        r = curl_easy_recv(stream->easy, buf, sizeof(buf), &n);
    } while (r == CURLE_OK && n);
    return r != CURLE_AGAIN;
}

static void drain(struct tc_fw_sink *sink, uint64_t now_ms)
{
    struct stream *stream = sink->own;
    int left = 0;

    sink->wake_ms = now_ms + LOOK_MS;
    if (ioctl(sink->fd, SIOCOUTQ, &left))
        left = 0;
    if (left && now_ms - stream->since_ms > STALLED_MS) {
        failed(sink, "it takes nothing more");
    } else if (!left) {
        stream->state = HOLDING;
        stream->since_ms = now_ms;
        sink->wake_ms = now_ms + LIVED_MS;
    }
}

static void step(struct tc_fw_sink *sink, uint64_t now_ms)
{
    struct stream *stream = sink->own;

    if (!stream || !stream->easy || stream->state == CONNECTING)
        return;
    if (is_closed(stream)) {
        if (sink->sending)
            failed(sink, "the receiver has closed the connection");
        else
            disconnect(sink);
        return;
    }
    if (!sink->sending)
        return;
    if (stream->state == WRITING)
        write_on(sink, now_ms);
    else if (stream->state == DRAINING)
        drain(sink, now_ms);
    if (sink->sending && stream->state == HOLDING &&
        now_ms - stream->since_ms >= LIVED_MS) {
        stream->state = RESTING;
        tc_fw_sink_end(sink, TC_FW_SENT, "sent to %s; syslog does not acknowledge",
                       sink->config.target);
    }
}

static void start_writing(struct tc_fw_sink *sink)
{
    struct stream *stream = sink->own;

    stream->state = WRITING;
    stream->done = 0;
    stream->since_ms = tc_fw_now_ms();
    write_on(sink, stream->since_ms);
}

static bool connect_out(struct tc_fw_sink *sink)
{
    const char *ca = sink->config.set[TC_FW_SET_CA_FILE];
    bool tls = sink->config.kind == TC_FW_SYSLOG_TLS;
    struct stream *stream = sink->own;

    stream->easy = curl_easy_init();
    if (!stream->easy)
        return false;
    stream->error[0] = '\0';
    tc_fw_text_cut(&stream->url, 0);
    tc_fw_putf(&stream->url, "%s://%s", tls ? "https" : "http", sink->config.target);
    curl_easy_setopt(stream->easy, CURLOPT_PRIVATE, sink);
    curl_easy_setopt(stream->easy, CURLOPT_URL, stream->url.p);
    curl_easy_setopt(stream->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(stream->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(stream->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(stream->easy, CURLOPT_ERRORBUFFER, stream->error);
    if (ca)
        curl_easy_setopt(stream->easy, CURLOPT_CAINFO, ca);
    stream->state = CONNECTING;
    return curl_multi_add_handle(sink->multi, stream->easy) == CURLM_OK;
}

static void begin(struct tc_fw_sink *sink)
{
    struct stream *stream = sink->own;

    if (!stream)
        stream = sink->own = calloc(1, sizeof(*stream));
    if (stream && stream->easy && is_closed(stream))
        disconnect(sink);
    if (stream && stream->easy)
        start_writing(sink);
    else if (!stream || !connect_out(sink))
        failed(sink, "out of memory");
}

static void transferred(struct tc_fw_sink *sink, CURLcode result)
{
    struct stream *stream = sink->own;
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (stream->state != CONNECTING)
        return;
    if (result == CURLE_OK)
        result = curl_easy_getinfo(stream->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (result != CURLE_OK || fd == CURL_SOCKET_BAD) {
        char why[CURL_ERROR_SIZE];

        snprintf(why, sizeof(why), "%s",
                 stream->error[0] ? stream->error : curl_easy_strerror(result));
        failed(sink, why);
        return;
    }
    sink->fd = fd;
    start_writing(sink);
}

static void close_sink(struct tc_fw_sink *sink)
{
    struct stream *stream = sink->own;

    disconnect(sink);
    if (stream)
        tc_fw_text_done(&stream->url);
    free(stream);
    sink->own = NULL;
}

const struct tc_fw_ops tc_fw_stream_ops = {
    .items_max = TC_FW_BATCH_MAX,
    .bytes_max = 4 * 1024 * 1024,
    .format = format,
    .begin = begin,
    .step = step,
    .transferred = transferred,
    .close = close_sink,
};
