/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the routes share: the parts of the portal, tied together in main.c. A route
 * gets it as its `arg`.
 */
#ifndef TC_PORTAL_PORTAL_H
#define TC_PORTAL_PORTAL_H

#include <stddef.h>
#include <uv.h>

struct tc_hub;
struct tc_request;
struct tc_route;
struct tc_sessions;
struct tc_upstream;
struct tc_web;

struct tc_portal {
    uv_loop_t *loop;
    struct tc_upstream *upstream;
    struct tc_sessions *sessions;
    struct tc_web *web;
    struct tc_hub *hub;
    unsigned taps; /* open now */
};

/* Every route there is (routes.c). */
const struct tc_route *tc_routes(size_t *ret_count);

/* The agent's answer to the route's method, as JSON (api.c). `data` of the route is a
 * struct tc_api_method. */
void tc_api_call(void *arg, struct tc_request *request);

struct tc_api_method {
    const char *name;   /* of the agent */
    const char *params; /* that it takes, separated by spaces: "topic limit:int" */
};

/* {role, user, csrf, agent, ...} of whoever asks (api_session.c). */
void tc_api_session(void *arg, struct tc_request *request);
void tc_api_login(void *arg, struct tc_request *request);
void tc_api_logout(void *arg, struct tc_request *request);

/* The stream of what changes (hub.c), and a tap of the agent's bus (tap.c). */
void tc_hub_stream(void *arg, struct tc_request *request);
void tc_tap_stream(void *arg, struct tc_request *request);

/* What monitoring reads (metrics.c). */
void tc_metrics(void *arg, struct tc_request *request);
void tc_metrics_alive(void *arg, struct tc_request *request);

/* A file that is part of the program (assets.c). `data` is a struct tc_asset. */
void tc_assets_send(void *arg, struct tc_request *request);

#endif
