/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/stream.h"
#include "portal/web_priv.h"

/* ---- libmicrohttpd on the loop ---- */

static void turn(struct tc_web *web);

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void turn(struct tc_web *web)
{
    MHD_UNSIGNED_LONG_LONG ms;

    MHD_run(web->daemon);
    if (MHD_get_timeout(web->daemon, &ms) == MHD_YES)
        (void)uv_timer_start(&web->timer, on_timer, ms, 0);
    else
        (void)uv_timer_stop(&web->timer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

/* A connection that has been woken goes on in the next turn, which nothing else calls
 * for. */
void tc_web_resume(struct tc_web *web, struct MHD_Connection *connection)
{
    MHD_resume_connection(connection);
    (void)uv_timer_start(&web->timer, on_timer, 0, 0);
}

/* ---- replies ---- */

static void add_headers(struct MHD_Response *response, const char *type)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
         "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
         "'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        (void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
}

static void sleep_for_answer(struct tc_request *request)
{
    struct tc_web *web = request->web;

    request->asleep = true;
    request->next = web->waiting;
    if (web->waiting)
        web->waiting->prev = request;
    web->waiting = request;
    MHD_suspend_connection(request->connection);
}

static void wake(struct tc_request *request)
{
    struct tc_web *web = request->web;

    if (!request->asleep)
        return;
    request->asleep = false;
    if (request->prev)
        request->prev->next = request->next;
    else
        web->waiting = request->next;
    if (request->next)
        request->next->prev = request->prev;
    request->prev = request->next = NULL;
    tc_web_resume(web, request->connection);
}

static void set_response(struct tc_request *request, unsigned status,
                         struct MHD_Response *response)
{
    if (request->response) /* the first reply stands */
        MHD_destroy_response(response);
    else if (response) {
        request->response = response;
        request->status = status;
    }
    wake(request);
}

void tc_request_reply(struct tc_request *request, unsigned status, const char *type,
                      const void *data, size_t len, bool constant, const char *cookie)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, (void *)(uintptr_t)data,
        constant ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);

    if (response) {
        add_headers(response, type);
        if (cookie)
            (void)MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE, cookie);
    }
    set_response(request, status, response);
}

/* The sentence as JSON text: the agent's may quote anything. */
static size_t put_quoted(char *to, size_t cap, const char *s)
{
    size_t n = 0;

    for (; *s && n + 8 < cap; s++)
        n += (size_t)snprintf(to + n, cap - n,
                              (uint8_t)*s < 0x20        ? "\\u%04x"
                              : *s == '"' || *s == '\\' ? "\\%c"
                                                        : "%c",
                              *s);
    to[n] = '\0';
    return n;
}

void tc_request_fail(struct tc_request *request, unsigned status, const char *code,
                     const char *format, ...)
{
    char text[600], quoted[1300], json[1400];
    va_list ap;
    int n;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    put_quoted(quoted, sizeof(quoted), text);
    n = snprintf(json, sizeof(json), "{\"error\":\"%s\",\"code\":\"%s\"}\n", quoted,
                 code);
    tc_request_reply(request, status, "application/json", json, (size_t)n, false, NULL);
}

void tc_request_stream(struct tc_request *request, struct tc_stream *stream)
{
    struct MHD_Response *response = tc_stream_response(stream, request->connection);

    if (!response) {
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
        return;
    }
    add_headers(response, "text/event-stream");
    set_response(request, MHD_HTTP_OK, response);
}

/* ---- a request's way ---- */

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct tc_request *request = calloc(1, sizeof(*request));

    if (!request)
        return NULL;
    request->web = arg;
    request->connection = connection;
    request->odd_path = strstr(uri, "%00") != NULL;
    return request;
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key,
                                const char *file, const char *type, const char *encoding,
                                const char *data, uint64_t at, size_t len)
{
    struct tc_request *request = arg;
    struct tc_web_field *f;

    (void)kind;
    (void)file;
    (void)type;
    (void)encoding;
    if (!request->fields)
        request->fields = calloc(TC_WEB_PARAMS_MAX, sizeof(*request->fields));
    if (!request->fields)
        return MHD_NO;
    if (!at) {
        if (request->field_count == TC_WEB_PARAMS_MAX || strlen(key) >= sizeof(f->name))
            return MHD_NO;
        snprintf(request->fields[request->field_count++].name, sizeof(f->name), "%s",
                 key);
    }
    if (!request->field_count || at + len >= sizeof(f->value))
        return MHD_NO;
    f = &request->fields[request->field_count - 1];
    memcpy(f->value + at, data, len);
    return MHD_YES;
}

static void take_body(struct tc_request *request, const char *data, size_t len)
{
    request->body += len;
    if (request->response)
        return;
    if (!request->post)
        request->post =
            MHD_create_post_processor(request->connection, 512, on_field, request);
    if (request->body > TC_WEB_BODY_MAX || !request->post ||
        MHD_post_process(request->post, data, len) != MHD_YES)
        tc_request_fail(request, MHD_HTTP_BAD_REQUEST, "usage",
                        "a change is sent as a form of at most %d fields",
                        TC_WEB_PARAMS_MAX);
}

static enum MHD_Result send_response(struct tc_request *request)
{
    struct MHD_Response *response = request->response;
    enum MHD_Result r =
        MHD_queue_response(request->connection, request->status, response);

    MHD_destroy_response(response);
    request->response = NULL;
    return r;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
                                  const char *path, const char *method,
                                  const char *version, const char *data, size_t *len,
                                  void **state)
{
    struct tc_request *request = *state;
    struct tc_web *web = arg;

    (void)connection;
    (void)version;
    if (!request)
        return MHD_NO; /* no memory */
    if (!request->checked) {
        request->checked = true;
        tc_web_check(request, path, method);
        return request->response ? send_response(request) : MHD_YES;
    }
    if (*len) {
        take_body(request, data, *len);
        *len = 0;
        return MHD_YES;
    }
    if (!request->response && !request->run) {
        request->run = true;
        if (request->post) {
            MHD_destroy_post_processor(request->post); /* takes the last field */
            request->post = NULL;
        }
        request->route->run(web->options.arg, request);
        if (!request->response) {
            sleep_for_answer(request);
            return MHD_YES;
        }
    }
    return request->response ? send_response(request) : MHD_NO;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct tc_request *request = *state;

    (void)arg;
    (void)connection;
    (void)why;
    if (!request)
        return;
    if (request->post)
        MHD_destroy_post_processor(request->post);
    if (request->response)
        MHD_destroy_response(request->response);
    free(request->fields);
    free(request);
    *state = NULL;
}

bool tc_request_is_change(const struct tc_request *request)
{
    return !strcmp(request->route->method, "POST");
}

const void *tc_request_data(const struct tc_request *request)
{
    return request->route->data;
}

struct tc_session *tc_request_session(const struct tc_request *request)
{
    return request->session;
}

const char *tc_request_param(const struct tc_request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (!strcmp(request->fields[i].name, name))
            return request->fields[i].value;
    if (tc_request_is_change(request))
        return NULL;
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *tc_web_cookie(const struct tc_request *request)
{
    return request->web->cookie;
}

/* ---- start and stop ---- */

/* Each header that is too long would be a line in the journal. */
static void say_nothing(void *arg, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void say_nothing(void *arg, const char *format, va_list ap)
{
    (void)arg;
    (void)format;
    (void)ap;
}

static struct MHD_Daemon *start_daemon(struct tc_web *web)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, web, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&web->options.address,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, web, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)TC_WEB_POOL_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)TC_WEB_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TC_WEB_IDLE_S,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
}

static unsigned port_of(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info ? info->port : 0;
}

int tc_web_start(uv_loop_t *loop, const struct tc_web_options *options,
                 struct tc_web **ret_web, char why[256])
{
    struct tc_web *web = calloc(1, sizeof(*web));
    const union MHD_DaemonInfo *info;
    char address[INET_ADDRSTRLEN];

    if (!web) {
        snprintf(why, 256, "out of memory");
        return -ENOMEM;
    }
    web->loop = loop;
    web->options = *options;
    snprintf(web->name, sizeof(web->name), "%s", options->name ? options->name : "");
    errno = 0;
    web->daemon = start_daemon(web);
    if (!web->daemon) {
        int err = errno ? -errno : -EIO;

        inet_ntop(AF_INET, &options->address.sin_addr, address, sizeof(address));
        snprintf(why, 256, "cannot listen on %s:%u: %s", address,
                 ntohs(options->address.sin_port), strerror(-err));
        free(web);
        return err;
    }
    web->port = port_of(web->daemon);
    snprintf(web->cookie, sizeof(web->cookie), "tocsin_%u", web->port);
    info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    (void)uv_poll_init(loop, &web->poll, info->epoll_fd);
    (void)uv_timer_init(loop, &web->timer);
    web->poll.data = web->timer.data = web;
    (void)uv_poll_start(&web->poll, UV_READABLE, on_poll);
    *ret_web = web;
    return 0;
}

unsigned tc_web_port(const struct tc_web *web)
{
    return web->port;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void tc_web_stop(struct tc_web *web)
{
    if (!web)
        return;
    while (web->waiting)
        tc_request_fail(web->waiting, MHD_HTTP_SERVICE_UNAVAILABLE, "gone",
                        "the portal is being stopped");
    MHD_run(web->daemon); /* the library wants those that slept to end first */
    uv_close((uv_handle_t *)&web->poll, NULL);
    MHD_stop_daemon(web->daemon);
    uv_close((uv_handle_t *)&web->timer, on_timer_closed);
}
