/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: HTTP: libmicrohttpd on the libuv loop, and what every request has to pass before
 * a route sees it: its form, its Host, where it comes from, who sends it, and whether a
 * change brings its token. Must not: know what a route answers. The loop's thread.
 *
 * The library leaves the policy to its user: it takes a request without a Host or with
 * two, hands over "..", and cuts a path at an encoded NUL. So a path is only ever
 * compared whole with the table of routes.
 */
#ifndef TC_PORTAL_WEB_H
#define TC_PORTAL_WEB_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct tc_request;
struct tc_session;
struct tc_sessions;
struct tc_stream;
struct tc_web;

#define TC_WEB_CONNECTIONS_MAX 1280  /* or as many as the limit of open files lets be */
#define TC_WEB_POOL_BYTES (8 * 1024) /* of a connection: its headers and its answer's */
#define TC_WEB_IDLE_S 30             /* a connection that says nothing */
#define TC_WEB_BODY_MAX (8 * 1024)   /* of a POST */
#define TC_WEB_PARAMS_MAX 8          /* fields of a POST */

enum tc_access {
    TC_ACCESS_PUBLIC, /* the pages, which say nothing, and what monitoring reads */
    TC_ACCESS_VIEWER, /* whoever is logged in */
    TC_ACCESS_OPERATOR,
};

struct tc_route {
    const char *method; /* "GET", which HEAD asks for, too; "POST", which changes */
    const char *path;   /* whole */
    enum tc_access access;
    /* Replies, now or later. */
    void (*run)(void *arg, struct tc_request *request);
    const void *data; /* for run; see tc_request_data */
};

struct tc_web_options {
    struct sockaddr_in address; /* to listen on; port 0: any, see tc_web_port */
    const char *name;           /* one more Host that it answers to, or NULL */
    const struct tc_route *routes;
    size_t route_count;
    struct tc_sessions *sessions;
    void *arg; /* of run */
};

/* Listens. `options` is copied, its routes are not. On failure the reason is in `why`. */
int tc_web_start(uv_loop_t *loop, const struct tc_web_options *options,
                 struct tc_web **ret_web, char why[256]);

/* Ends streams, answers what waits with 503, closes. Takes NULL. */
void tc_web_stop(struct tc_web *web);

/* The port that it listens on. */
unsigned tc_web_port(const struct tc_web *web);

/* Whether it is a POST. */
bool tc_request_is_change(const struct tc_request *request);

/* The data of the route that was asked for. */
const void *tc_request_data(const struct tc_request *request);

/* Who asks; NULL on a public route without a session. */
struct tc_session *tc_request_session(const struct tc_request *request);

/* A field of the query, or of the form in the body; NULL: none. Lives as long as the
 * request. */
const char *tc_request_param(const struct tc_request *request, const char *name);

/*
 * Replies; once, now or later, on the loop's thread. `data` is copied unless `constant`.
 * `cookie` is a Set-Cookie line, or NULL.
 */
void tc_request_reply(struct tc_request *request, unsigned status, const char *type,
                      const void *data, size_t len, bool constant, const char *cookie);

/* Replies with {"error": sentence, "code": code}. */
void tc_request_fail(struct tc_request *request, unsigned status, const char *code,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Replies with the stream, which belongs to the connection now (portal/stream.h). */
void tc_request_stream(struct tc_request *request, struct tc_stream *stream);

/* The name of the session's cookie: it has the port in it, as cookies know none. */
const char *tc_web_cookie(const struct tc_request *request);

/* Called by a stream that has something to say now, or ends. */
struct MHD_Connection;
void tc_web_resume(struct tc_web *web, struct MHD_Connection *connection);

#endif
