/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is asked of the registry while it cannot do it: every operation waits here
 * for its turn. Those on one plugin come in their order, those on others wait for
 * nothing; a configuration concerns all plugins, so that it waits for all that was asked
 * before it, and all that is asked after it waits for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/host/registry_priv.h"

static bool stops(const struct tc_registry *registry)
{
    return registry->stopping || registry->stopped;
}

/* Whether two requests have to be carried out in their order. */
static bool ordered(const struct tc_registry_request *a,
                    const struct tc_registry_request *b)
{
    return a->config || b->config || !strcmp(a->name, b->name);
}

static bool before_it(const struct tc_registry *registry,
                      const struct tc_registry_request *request)
{
    for (const struct tc_registry_request *r = registry->requests; r && r != request;
         r = r->next)
        if (ordered(r, request))
            return true;
    return false;
}

static bool free_for(const struct tc_registry *registry,
                     const struct tc_registry_request *request)
{
    const struct tc_registry_entry *e;

    if (registry->booting || registry->plan || registry->store.entry)
        return false;
    if (!request->config) {
        e = tc_registry_entry_find(registry, request->name);
        return !e || (e->doing == TC_ENTRY_IDLE && !e->done);
    }
    for (e = registry->entries; e; e = e->next)
        if (e->doing != TC_ENTRY_IDLE || e->done)
            return false;
    return true;
}

/* The first request whose turn it is, taken out; or NULL. */
static struct tc_registry_request *take_next(struct tc_registry *registry)
{
    struct tc_registry_request **slot = &registry->requests, *r;

    for (; (r = *slot); slot = &r->next)
        if (!before_it(registry, r) && free_for(registry, r)) {
            *slot = r->next;
            return r;
        }
    return NULL;
}

void tc_registry_ask(struct tc_registry *registry,
                     const struct tc_registry_request *request)
{
    struct tc_registry_request *r, **end = &registry->requests;

    if (stops(registry)) {
        request->done(request->arg, -ECANCELED, "the agent is stopping");
        return;
    }
    /* Its turn is now: a plugin can be disabled without any memory. */
    if (!before_it(registry, request) && free_for(registry, request)) {
        request->run(registry, request);
        return;
    }
    r = malloc(sizeof(*r));
    if (!r) {
        request->done(request->arg, -ENOMEM, "out of memory");
        return;
    }
    *r = *request;
    r->next = NULL;
    while (*end)
        end = &(*end)->next;
    *end = r;
}

void tc_registry_serve(struct tc_registry *registry)
{
    struct tc_registry_request *r;

    /* Whoever hears of an end may ask for more: that comes by itself in here. */
    while (!stops(registry) && (r = take_next(registry))) {
        r->run(registry, r);
        free(r);
    }
}

void tc_registry_cancel(struct tc_registry *registry)
{
    struct tc_registry_request *r;

    while ((r = registry->requests)) {
        registry->requests = r->next;
        r->done(r->arg, -ECANCELED, "the agent is stopping");
        free(r);
    }
}
