/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: logging in and out, and what a page is told of its own session. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/pack.h"
#include "portal/portal.h"
#include "portal/session.h"
#include "portal/upstream.h"
#include "portal/web.h"

static void reply_packed(struct tc_request *request, struct tc_pack *p,
                         const char *cookie)
{
    const msgpack_object *o = tc_pack_read(p);
    char *text = NULL;

    if (!o || tc_json_text(o, &text))
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
    else
        tc_request_reply(request, MHD_HTTP_OK, "application/json", text, strlen(text),
                         false, cookie);
    free(text);
    tc_pack_done(p);
}

static void reply_session(const struct tc_portal *portal, struct tc_request *request,
                          const struct tc_session *session, const char *cookie)
{
    const char *why = tc_upstream_why(portal->upstream);
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "user", session->user);
    tc_pack_str(&p, "role", session->role == TC_ROLE_OPERATOR ? "operator" : "viewer");
    tc_pack_bool(&p, "may_change", session->role == TC_ROLE_OPERATOR && session->link);
    tc_pack_str(&p, "token", session->csrf);
    tc_pack_bool(&p, "agent", !why[0]);
    tc_pack_str(&p, "agent_why", why);
    tc_pack_str(&p, "version", TOCSIN_VERSION);
    tc_pack_end(&p);
    reply_packed(request, &p, cookie);
}

void tc_api_session(void *arg, struct tc_request *request)
{
    reply_session(arg, request, tc_request_session(request), NULL);
}

void tc_api_login(void *arg, struct tc_request *request)
{
    const struct tc_portal *portal = arg;
    const char *token = tc_request_param(request, "token");
    const struct tc_session *session =
        token ? tc_sessions_open(portal->sessions, token) : NULL;
    char cookie[200];

    if (!session) {
        tc_request_fail(
            request, MHD_HTTP_FORBIDDEN, "login",
            "this login link has been used, or is older than two minutes: run "
            "`tocsin portal login` again");
        return;
    }
    snprintf(cookie, sizeof(cookie),
             "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d",
             tc_web_cookie(request), session->secret, TC_SESSION_LIFE_MS / 1000);
    reply_session(portal, request, session, cookie);
}

void tc_api_logout(void *arg, struct tc_request *request)
{
    static const char done[] = "{\"ok\":true}\n";
    const struct tc_portal *portal = arg;
    char cookie[100];

    tc_sessions_close(portal->sessions, tc_request_session(request));
    snprintf(cookie, sizeof(cookie), "%s=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
             tc_web_cookie(request));
    tc_request_reply(request, MHD_HTTP_OK, "application/json", done, strlen(done), true,
                     cookie);
}
