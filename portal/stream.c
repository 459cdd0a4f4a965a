/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "portal/web.h"

#define BLOCK_BYTES 4096
#define SEND_BUFFER_BYTES                                                                \
    (64 * 1024) /* else the kernel keeps megabytes for a slow one                        \
                 */

struct tc_stream {
    struct tc_web *web;
    struct MHD_Connection *connection; /* NULL until it was replied with */
    tc_stream_gone_fn gone;
    void *arg;
    bool asleep, ended;
    size_t cap, at, len; /* data[at .. len) waits */
    char data[];
};

struct tc_stream *tc_stream_new(struct tc_web *web, size_t cap, tc_stream_gone_fn gone,
                                void *arg)
{
    struct tc_stream *stream = calloc(1, sizeof(*stream) + cap);

    if (!stream)
        return NULL;
    stream->web = web;
    stream->cap = cap;
    stream->gone = gone;
    stream->arg = arg;
    return stream;
}

static void wake(struct tc_stream *stream)
{
    if (!stream->asleep)
        return;
    stream->asleep = false;
    tc_web_resume(stream->web, stream->connection);
}

static bool append(struct tc_stream *stream, const char *data, size_t len)
{
    if (stream->at) {
        memmove(stream->data, stream->data + stream->at, stream->len - stream->at);
        stream->len -= stream->at;
        stream->at = 0;
    }
    if (len > stream->cap - stream->len)
        return false;
    memcpy(stream->data + stream->len, data, len);
    stream->len += len;
    return true;
}

bool tc_stream_push(struct tc_stream *stream, const char *name, const char *data,
                    size_t len)
{
    static const char event[] = "event: ", of[] = "\ndata: ", end[] = "\n\n";
    size_t need = strlen(event) + strlen(name) + strlen(of) + len + strlen(end);

    if (stream->ended || need > stream->cap - (stream->len - stream->at))
        return false;
    append(stream, event, strlen(event));
    append(stream, name, strlen(name));
    append(stream, of, strlen(of));
    append(stream, data, len);
    append(stream, end, strlen(end));
    wake(stream);
    return true;
}

void tc_stream_beat(struct tc_stream *stream)
{
    static const char beat[] = ":\n\n";

    (void)append(stream, beat, strlen(beat)); /* no room: it is being written to */
    wake(stream);
}

void tc_stream_end(struct tc_stream *stream)
{
    stream->ended = true;
    wake(stream);
}

static ssize_t on_read(void *arg, uint64_t position, char *to, size_t max)
{
    struct tc_stream *stream = arg;
    size_t n = stream->len - stream->at < max ? stream->len - stream->at : max;

    (void)position;
    if (n) {
        memcpy(to, stream->data + stream->at, n);
        stream->at += n;
        return (ssize_t)n;
    }
    if (stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->asleep = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

static void on_free(void *arg)
{
    struct tc_stream *stream = arg;

    stream->gone(stream->arg, stream);
    free(stream);
}

struct MHD_Response *tc_stream_response(struct tc_stream *stream,
                                        struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct MHD_Response *response;
    int bytes = SEND_BUFFER_BYTES;

    if (info)
        (void)setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    stream->connection = connection;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read,
                                                 stream, on_free);
    if (!response)
        on_free(stream);
    return response;
}
