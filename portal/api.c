/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way of a request to a method of the agent, and of the answer back as JSON.
 * What only looks goes through the portal's own connection, what changes something
 * through the operator's.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/json.h"
#include "ipc/pack.h"
#include "portal/link.h"
#include "portal/portal.h"
#include "portal/session.h"
#include "portal/upstream.h"
#include "portal/web.h"

/* HTTP's word for a refusal of the agent (ipc/rpc.h). */
static unsigned status_of(const char *code)
{
    static const struct {
        const char *code;
        unsigned status;
    } all[] = {{"usage", MHD_HTTP_BAD_REQUEST},
               {"refused", MHD_HTTP_CONFLICT},
               {"not_found", MHD_HTTP_NOT_FOUND},
               {"unknown_method", MHD_HTTP_NOT_IMPLEMENTED},
               {"gone", MHD_HTTP_SERVICE_UNAVAILABLE}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!strcmp(all[i].code, code))
            return all[i].status;
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static void on_answer(void *arg, const struct tc_link_answer *answer)
{
    struct tc_request *request = arg;
    char *text = NULL;
    int err;

    if (!answer->result) {
        tc_request_fail(request, status_of(answer->code), answer->code, "%s",
                        answer->message[0] ? answer->message : answer->code);
        return;
    }
    err = tc_json_text(answer->result, &text);
    if (err)
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "%s",
                        strerror(-err));
    else
        tc_request_reply(request, MHD_HTTP_OK, "application/json", text, strlen(text),
                         false, NULL);
    free(text);
}

static bool pack_param(struct tc_pack *p, const char *name, bool number,
                       const char *value)
{
    char *end;

    if (!number) {
        tc_pack_str(p, name, value);
        return true;
    }
    errno = 0;
    tc_pack_int(p, name, strtoll(value, &end, 10));
    return !*end && !errno;
}

/* The parameters that the method takes, of those that were sent. */
static bool pack_params(struct tc_pack *p, const char *params,
                        const struct tc_request *request)
{
    bool good = true;

    tc_pack_begin_map(p, NULL);
    for (size_t n; *params; params += n + strspn(params + n, " ")) {
        size_t len = strcspn(params, ": ");
        const char *value;
        char name[32];

        n = strcspn(params, " ");
        snprintf(name, sizeof(name), "%.*s", (int)len, params);
        value = tc_request_param(request, name);
        if (value && *value)
            good = pack_param(p, name, len < n, value) && good;
    }
    tc_pack_end(p);
    return good;
}

void tc_api_call(void *arg, struct tc_request *request)
{
    const struct tc_portal *portal = arg;
    const struct tc_api_method *method = tc_request_data(request);
    const struct tc_session *session = tc_request_session(request);
    struct tc_link *link = tc_upstream_link(portal->upstream);
    bool change = tc_request_is_change(request);
    struct tc_pack p;
    int err;

    if (!link) {
        tc_request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "gone", "%s",
                        tc_upstream_why(portal->upstream));
        return;
    }
    if (change && !session->link) {
        tc_request_fail(request, MHD_HTTP_FORBIDDEN, "login",
                        "the agent was restarted since you logged in: log in again by "
                        "`sudo tocsin portal login`");
        return;
    }
    tc_pack_init(&p);
    if (!pack_params(&p, method->params, request))
        tc_request_fail(request, MHD_HTTP_BAD_REQUEST, "usage",
                        "a number among the parameters is none");
    else if ((err = tc_link_call(change ? session->link : link, method->name, &p,
                                 on_answer, request)))
        tc_request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "gone", "%s",
                        strerror(-err));
    tc_pack_done(&p);
}
