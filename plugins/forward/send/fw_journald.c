/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the sink `journald`: the native protocol of systemd-journald(8), one datagram an
 * event, on a socket that is never waited for. Nobody acknowledges; a journal that is not
 * there or takes nothing is noticed, and the event waits.
 * Protocol: systemd.io/JOURNAL_NATIVE_PROTOCOL.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "format/fw_format.h"
#include "send/fw_sink.h"

#define SOCKET "/run/systemd/journal/socket"
#define SEND_BYTES (8 * 1024 * 1024) /* as libsystemd asks for */

struct journald {
    int fd;
};

static void put_field(struct tc_fw_text *text, const char *name, const char *s, size_t n)
{
    uint8_t size[8];

    tc_fw_puts(text, name);
    if (!memchr(s, '\n', n)) {
        tc_fw_put(text, "=", 1);
    } else { /* the length, little-endian, then the bytes */
        for (size_t i = 0; i < sizeof(size); i++)
            size[i] = (uint8_t)((uint64_t)n >> 8 * i);
        tc_fw_put(text, "\n", 1);
        tc_fw_put(text, (const char *)size, sizeof(size));
    }
    tc_fw_put(text, s, n);
    tc_fw_put(text, "\n", 1);
}

static void format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                   struct tc_fw_text *text)
{
    static const char *const priorities[TC_FW_SEVERITIES] = {"6", "5", "4", "3", "2"};
    struct tocsin_str title = tc_fw_title(event);
    const char *severity = tc_fw_severity_names[event->severity];
    struct tc_fw_text document = {.p = NULL};

    put_field(text, "MESSAGE", title.ptr, title.len);
    put_field(text, "PRIORITY", priorities[event->severity], 1);
    put_field(text, "SYSLOG_IDENTIFIER", "tocsin", 6);
    put_field(text, "TOCSIN_ID", event->id, strlen(event->id));
    put_field(text, "TOCSIN_TOPIC", event->topic, strlen(event->topic));
    put_field(text, "TOCSIN_SEVERITY", severity, strlen(severity));
    tc_fw_sink_put(sink, event, &document);
    put_field(text, "TOCSIN_EVENT", document.p ? document.p : "", document.len);
    text->failed |= document.failed;
    tc_fw_text_done(&document);
}

static void forget(struct journald *journald)
{
    if (journald->fd >= 0)
        (void)close(journald->fd);
    journald->fd = -1;
}

static int open_socket(struct journald *journald)
{
    const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int bytes = SEND_BYTES;

    if (journald->fd >= 0)
        return 0;
    journald->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (journald->fd < 0)
        return -errno;
    if (setsockopt(journald->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
        (void)setsockopt(journald->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (connect(journald->fd, (const struct sockaddr *)&to, sizeof(to)))
        return -errno;
    return 0;
}

static void begin(struct tc_fw_sink *sink)
{
    struct tc_fw_batch *batch = &sink->batch;
    struct journald *journald = sink->own;
    int err;

    if (!journald) {
        journald = sink->own = calloc(1, sizeof(*journald));
        if (journald)
            journald->fd = -1;
    }
    err = journald ? open_socket(journald) : -ENOMEM;
    for (size_t i = 0; i < batch->count; i++) {
        struct tc_fw_item *item = &batch->items[i];

        if (!err && send(journald->fd, batch->text.p + item->at, item->len,
                         MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            err = -errno;
        item->outcome = err ? TC_FW_RETRY : TC_FW_SENT;
        if (err == -EMSGSIZE) { /* larger than the journal takes in one piece */
            item->outcome = TC_FW_REFUSED;
            err = 0;
        }
    }
    snprintf(batch->why, sizeof(batch->why), SOCKET ": %s",
             err ? strerror(-err) : "sent; the journal does not acknowledge");
    if (err && journald)
        forget(journald);
    tc_fw_sink_end_each(sink);
}

static void close_sink(struct tc_fw_sink *sink)
{
    if (sink->own)
        forget(sink->own);
    free(sink->own);
    sink->own = NULL;
}

const struct tc_fw_ops tc_fw_journald_ops = {
    .items_max = 200,
    .bytes_max = 4 * 1024 * 1024,
    .format = format,
    .begin = begin,
    .close = close_sink,
};
