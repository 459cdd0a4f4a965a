/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one stream of server-sent events to one browser: what waits to be read, bounded,
 * and when its connection sleeps. The loop's thread.
 */
#ifndef TC_PORTAL_STREAM_H
#define TC_PORTAL_STREAM_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct tc_stream;
struct tc_web;

#define TC_STREAMS_MAX 32 /* at once; see tc_stream_new */

/* What a stream's owner is told: the browser has gone, or it was ended. Forget it. */
typedef void (*tc_stream_gone_fn)(void *arg, struct tc_stream *stream);

/* `cap` bytes may wait. NULL: no memory. To be replied with at once (tc_request_stream);
 * `gone` follows. */
struct tc_stream *tc_stream_new(struct tc_web *web, size_t cap, tc_stream_gone_fn gone,
                                void *arg);

/* Appends an event: `name` of one word, `data` of one line. False: there is no room. */
bool tc_stream_push(struct tc_stream *stream, const char *name, const char *data,
                    size_t len);

/* Appends a comment, so that a connection that has gone is noticed. */
void tc_stream_beat(struct tc_stream *stream);

/* Lets it end when all that waits has been read. */
void tc_stream_end(struct tc_stream *stream);

/* For web.c: the response of a connection, with which the stream goes. NULL: no memory,
 * and the stream has gone. */
struct MHD_Response *tc_stream_response(struct tc_stream *stream,
                                        struct MHD_Connection *connection);

#endif
