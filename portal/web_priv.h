/* SPDX-License-Identifier: Apache-2.0 */
/* What web.c (the library on the loop, a request's way) and web_check.c (what a request
 * has to pass) share. */
#ifndef TC_PORTAL_WEB_PRIV_H
#define TC_PORTAL_WEB_PRIV_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "portal/web.h"

#define TC_WEB_FIELD_MAX 1024 /* of one field of a form */

struct tc_web {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    struct tc_web_options options;
    char name[256], cookie[32];
    unsigned port;
    bool stopping;
    struct tc_request *waiting; /* those whose connection sleeps for an answer */
};

struct tc_web_field {
    char name[32];
    char value[TC_WEB_FIELD_MAX];
};

struct tc_request {
    struct tc_web *web;
    struct MHD_Connection *connection;
    const struct tc_route *route;
    struct tc_session *session;
    bool odd_path; /* an encoded NUL, which cuts the path that the library hands over */
    bool checked, run, asleep;
    struct MHD_PostProcessor *post;
    size_t body;
    struct tc_web_field *fields;
    size_t field_count;
    struct MHD_Response *response;
    unsigned status;
    struct tc_request *prev, *next; /* of `waiting` */
};

/* Finds route and session of a request whose headers are there; replies to one that is
 * refused. */
void tc_web_check(struct tc_request *request, const char *path, const char *method);

#endif
