/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_catch_up.h"

#include <string.h>

#define NS_PER_S 1000000000ull

static void step_begin(void *arg);

void tc_sensor_catch_up_init(struct tc_sensor_catch_up *catch_up,
                             const struct tc_sensor_catch_up_config *config)
{
    memset(catch_up, 0, sizeof(*catch_up));
    catch_up->config = *config;
}

static void reply(struct tc_sensor_catch_up *catch_up, const struct tocsin_event *request,
                  int64_t from_ns)
{
    struct tocsin_writer w;
    uint8_t buf[32];

    if (from_ns <= 0) {
        (void)tocsin_refuse(catch_up->config.host, request, "failed",
                            "from: must be a time in nanoseconds since 1970");
        return;
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, "from", from_ns);
    tocsin_end(&w);
    (void)tocsin_reply(catch_up->config.host, request, &w);
}

bool tc_sensor_catch_up_event(struct tc_sensor_catch_up *catch_up,
                              const struct tocsin_event *event, const char *method)
{
    int64_t from_ns = tocsin_event_int(event, "from", 0);

    if (!strcmp(event->topic, method))
        reply(catch_up, event, from_ns);
    else if (strcmp(event->topic, TOCSIN_TOPIC_SENSOR_GAP) != 0)
        return false;
    else if (strcmp(event->source, "core") != 0 || tocsin_event_int(event, "to", 0) <= 0)
        return true; /* a sensor's own, or one that has not ended */
    if (from_ns > 0 && (!catch_up->wanted_ns || (uint64_t)from_ns < catch_up->wanted_ns))
        catch_up->wanted_ns = (uint64_t)from_ns;
    return true;
}

static void end(struct tc_sensor_catch_up *catch_up)
{
    tc_sensor_walk_free(catch_up->walk);
    catch_up->walk = NULL;
    catch_up->walks++;
    catch_up->config.ended(catch_up->config.arg);
}

static void step_run(void *arg)
{
    struct tc_sensor_catch_up *catch_up = arg;

    catch_up->more = tc_sensor_walk_step(catch_up->walk, &catch_up->step);
}

static void publish_step(struct tc_sensor_catch_up *catch_up)
{
    struct tc_sensor_step *step = &catch_up->step;

    for (size_t i = 0; i < step->count; i++) {
        if (catch_up->config.publish(catch_up->config.arg, &step->found[i]))
            catch_up->caught_up++;
        else
            catch_up->skipped++;
    }
    catch_up->skipped += step->skipped;
}

static void step_done(void *arg, int status)
{
    struct tc_sensor_catch_up *catch_up = arg;
    const struct tocsin_host *host = catch_up->config.host;

    catch_up->busy = false;
    if (!status && !catch_up->stopping)
        publish_step(catch_up);
    if (!status)
        tc_sensor_step_clear(&catch_up->step);
    if (status || catch_up->stopping || !catch_up->more ||
        host->timer_start(host, TC_SENSOR_CATCH_UP_PAUSE_MS, 0, step_begin, catch_up,
                          &catch_up->timer))
        end(catch_up);
}

static void step_begin(void *arg)
{
    struct tc_sensor_catch_up *catch_up = arg;
    const struct tocsin_host *host = catch_up->config.host;

    host->timer_stop(host, catch_up->timer);
    catch_up->timer = NULL;
    catch_up->busy = !host->work(host, step_run, step_done, catch_up);
    if (!catch_up->busy)
        end(catch_up);
}

void tc_sensor_catch_up_go(struct tc_sensor_catch_up *catch_up, const char *const *roots,
                           struct tc_sensor_scope *scope)
{
    const uint64_t earlier_ns = TC_SENSOR_CATCH_UP_EARLIER_S * NS_PER_S;
    uint64_t from_ns = catch_up->wanted_ns;

    if (!from_ns || catch_up->walk || catch_up->stopping)
        return;
    catch_up->wanted_ns = 0;
    if (!tc_sensor_walk_new(roots, scope, from_ns > earlier_ns ? from_ns - earlier_ns : 0,
                            &catch_up->walk))
        step_begin(catch_up);
}

void tc_sensor_catch_up_stop(struct tc_sensor_catch_up *catch_up)
{
    const struct tocsin_host *host = catch_up->config.host;

    catch_up->stopping = true;
    host->timer_stop(host, catch_up->timer);
    catch_up->timer = NULL;
    if (catch_up->busy)
        return;
    tc_sensor_walk_free(catch_up->walk);
    catch_up->walk = NULL;
}

bool tc_sensor_catch_up_busy(const struct tc_sensor_catch_up *catch_up)
{
    return catch_up->busy;
}

void tc_sensor_catch_up_put(const struct tc_sensor_catch_up *catch_up,
                            struct tocsin_writer *w)
{
    tocsin_put_uint(w, "caught_up", catch_up->caught_up);
    tocsin_put_uint(w, "catch_up_skipped", catch_up->skipped);
    tocsin_put_uint(w, "catch_up_walks", catch_up->walks);
}
