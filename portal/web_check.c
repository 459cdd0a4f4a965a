/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a request has to pass before a route sees it. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "portal/session.h"
#include "portal/web_priv.h"

/* What the headers of one request say that matters here. */
struct headers {
    const char *host;
    unsigned hosts, lengths, encodings;
};

static enum MHD_Result look_at_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                      const char *value)
{
    struct headers *h = arg;

    (void)kind;
    if (!strcasecmp(key, "Host")) {
        h->hosts++;
        h->host = value;
    } else if (!strcasecmp(key, "Content-Length")) {
        h->lengths++;
    } else if (!strcasecmp(key, "Transfer-Encoding")) {
        h->encodings++;
    }
    return MHD_YES;
}

static const char *header(const struct tc_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static bool is_our_host(const struct tc_web *web, const char *host)
{
    const char *const names[] = {"127.0.0.1", "localhost", "[::1]", web->name};
    char full[300];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!names[i][0])
            continue;
        snprintf(full, sizeof(full), "%s:%u", names[i], web->port);
        if (!strcasecmp(host, full))
            return true;
    }
    return false;
}

/* A page that somebody else serves may be of the same site, on another port: only what
 * this portal served itself may ask, and whoever typed the address. */
static bool is_from_here(const struct tc_request *request, const char *host, bool change)
{
    const char *origin = header(request, "Origin");
    const char *site = header(request, "Sec-Fetch-Site");
    char ours[300];

    snprintf(ours, sizeof(ours), "http://%s", host);
    if (origin && strcasecmp(origin, ours) != 0)
        return false;
    if (!site || !strcmp(site, "same-origin"))
        return true;
    return !change && !strcmp(site, "none");
}

static const struct tc_route *find_route(const struct tc_web *web, const char *method,
                                         const char *path, bool *ret_path)
{
    if (!strcmp(method, "HEAD"))
        method = "GET";
    *ret_path = false;
    for (size_t i = 0; i < web->options.route_count; i++) {
        const struct tc_route *route = &web->options.routes[i];

        if (strcmp(route->path, path) != 0)
            continue;
        *ret_path = true;
        if (!strcmp(route->method, method))
            return route;
    }
    return NULL;
}

static bool check_form(struct tc_request *request, const struct headers *h)
{
    const char *length = header(request, "Content-Length");

    if (request->odd_path || h->hosts != 1 || h->lengths > 1 || h->encodings ||
        !is_our_host(request->web, h->host)) {
        tc_request_fail(request, MHD_HTTP_BAD_REQUEST, "usage",
                        "this portal answers to http://127.0.0.1:%u alone",
                        request->web->port);
        return false;
    }
    if (length && strtoull(length, NULL, 10) > TC_WEB_BODY_MAX) {
        tc_request_fail(request, MHD_HTTP_CONTENT_TOO_LARGE, "usage",
                        "that is more than the %d bytes that a request may have",
                        TC_WEB_BODY_MAX);
        return false;
    }
    return true;
}

static bool check_session(struct tc_request *request)
{
    const char *secret = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND,
                                                     request->web->cookie);
    enum tc_access access = request->route->access;

    request->session =
        secret ? tc_sessions_find(request->web->options.sessions, secret) : NULL;
    if (access == TC_ACCESS_PUBLIC)
        return true;
    if (!request->session) {
        tc_request_fail(request, MHD_HTTP_UNAUTHORIZED, "login",
                        "you are not logged in: run `tocsin portal login`");
        return false;
    }
    if (access == TC_ACCESS_OPERATOR && request->session->role != TC_ROLE_OPERATOR) {
        tc_request_fail(request, MHD_HTTP_FORBIDDEN, "refused",
                        "a viewer may look and change nothing: log in by `sudo tocsin "
                        "portal login`");
        return false;
    }
    return true;
}

/* A change has to bring what only a page of this session knows. */
static bool check_token(struct tc_request *request)
{
    const char *token = header(request, "X-Tocsin-Token");

    if (!request->session || !tc_request_is_change(request))
        return true;
    if (token && tc_session_secret_is(token, request->session->csrf))
        return true;
    tc_request_fail(request, MHD_HTTP_FORBIDDEN, "refused",
                    "this did not come from a page of your session: load it again");
    return false;
}

void tc_web_check(struct tc_request *request, const char *path, const char *method)
{
    struct headers h = {.host = ""};
    bool known_path;

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_header, &h);
    if (!check_form(request, &h))
        return;
    request->route = find_route(request->web, method, path, &known_path);
    if (!request->route) {
        tc_request_fail(request,
                        known_path ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
                        "not_found", "there is no such page");
        return;
    }
    if (!strncmp(path, "/api/", 5) &&
        !is_from_here(request, h.host, tc_request_is_change(request))) {
        tc_request_fail(request, MHD_HTTP_FORBIDDEN, "refused",
                        "another site may not ask this");
        return;
    }
    (void)(check_session(request) && check_token(request));
}
