/* SPDX-License-Identifier: Apache-2.0 */
#include "es_served.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "es.h"
#include "es_proxy.h"
#include "sensor_proc.h"
#include "sensor_scope.h"

enum state {
    STARTING,
    ASKING,
    LEFT,
};

struct question {
    const struct tocsin_event *event; /* NULL: free */
    uint64_t id;                      /* the proxy's */
};

struct tc_es_served_one {
    struct tc_es *es;
    struct tc_es_served_one *next;
    dev_t device;
    char *point, *type;
    enum state state;
    int err;              /* LEFT: why */
    bool wanted, refused; /* refused: it cannot be marked, as it is mounted */
    struct tc_es_proxy proxy;
    struct tocsin_watch *messages, *gate;
    struct question questions[TC_ES_PROXY_PENDING_MAX];
};

/* ---- Health. ---- */

static void report(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;
    const struct tc_es_served_one *left = NULL, *one;
    char text[640], more[48] = "";
    size_t count = es->served.beyond;

    for (one = es->served.first; one; one = one->next)
        if (one->state == LEFT && one->wanted) {
            left = one;
            count++;
        }
    if (!count) {
        host->report(host, TOCSIN_REPORT_CLEAR, "es_served", NULL, NULL);
        return;
    }
    if (count > 1)
        snprintf(more, sizeof(more), ", and %zu more", count - 1);
    if (left)
        snprintf(text, sizeof(text), "not protected: %.400s (%.40s): %s%s", left->point,
                 left->type,
                 left->err == -ETIMEDOUT ? "its server does not answer"
                                         : strerror(-left->err),
                 more);
    else
        snprintf(
            text, sizeof(text),
            "not protected: %zu file systems of more than %d that servers answer for",
            count, TC_ES_SERVED_MAX);
    host->report(host, TOCSIN_REPORT_ISSUE, "es_served", text,
                 "see to its server, or unmount it (umount -f); or add its type to "
                 "plugins.es.ignore_filesystems");
}

/* ---- Questions. ---- */

static struct question *free_question(struct tc_es_served_one *one)
{
    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
        if (!one->questions[i].event)
            return &one->questions[i];
    return NULL;
}

static void publish(struct tc_es_served_one *one, const struct tc_es_proxy_message *m,
                    int fd)
{
    struct tc_es *es = one->es;
    const struct tc_sensor_process *process =
        tc_sensor_processes_find(es->processes, m->pid);
    bool own = !m->cut && tc_sensor_scope_is_own(es->scope, &m->stx, m->path);
    struct tc_sensor_file file = {
        .path = m->path, .served = true, .cut = m->cut, .unverified = !own};
    const struct tocsin_event *event = NULL;
    bool asked = m->kind == TC_ES_PROXY_QUESTION;
    struct question *question = asked ? free_question(one) : NULL;
    const char *topic = !asked                         ? TOCSIN_TOPIC_FILE_WRITTEN
                        : m->mask & FAN_OPEN_EXEC_PERM ? TOCSIN_TOPIC_FILE_EXEC
                                                       : TOCSIN_TOPIC_FILE_OPEN;
    bool uses = process && process->verified && !(m->mask & FAN_OPEN_EXEC_PERM);
    bool unasked = (!m->cut && tc_sensor_scope_place(es->scope, &m->stx, m->path) ==
                                   TC_SENSOR_OUTSIDE) ||
                   es->host->excluded(es->host, own ? m->path : NULL,
                                      uses ? process->self.executable : NULL);
    int err = -ECANCELED;

    tc_sensor_file_set(&file, &m->stx);
    if (!unasked && (question || !asked))
        err = tc_es_publish(es, topic, asked ? TOCSIN_EVENT_AUTH : 0, &file, process,
                            m->pid, fd, asked ? &event : NULL);
    if (err && fd >= 0)
        close(fd);
    if (!asked) {
        es->counters.written += !err;
    } else if (err) {
        tc_es_proxy_answer(&one->proxy, m->id, unasked || es->on_timeout_allow);
    } else {
        *question = (struct question){.event = event, .id = m->id};
        es->served.asked++;
        es->served.uncopied += fd < 0;
    }
}

static void handle(struct tc_es_served_one *one, struct tc_es_proxy_message *m, int fd)
{
    struct tc_es *es = one->es;

    if (m->kind == TC_ES_PROXY_MARKED) {
        if (!m->err)
            one->state = ASKING;
        else
            one->err = m->err;
        one->refused = m->err != 0;
        report(es);
        return;
    }
    if (es->host->is_agent(es->host, m->pid)) {
        if (m->kind == TC_ES_PROXY_QUESTION)
            tc_es_proxy_answer(&one->proxy, m->id, true);
        if (fd >= 0)
            close(fd);
        return;
    }
    if (!m->stx.stx_nlink)
        tc_sensor_proc_strip_deleted(m->path);
    tc_sensor_processes_turn(es->processes);
    publish(one, m, fd);
}

bool tc_es_served_answer(struct tc_es *es, uint64_t event_id, bool allow)
{
    bool passive = es->host->passive(es->host);

    for (struct tc_es_served_one *one = es->served.first; one; one = one->next)
        for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++) {
            const struct tocsin_event *event = one->questions[i].event;

            if (!event || event->id != event_id)
                continue;
            one->questions[i].event = NULL;
            tc_es_proxy_answer(&one->proxy, one->questions[i].id, allow || passive);
            es->counters.allowed += allow || passive;
            es->counters.denied += !allow && !passive;
            es->host->event_unref(es->host, event);
            return true;
        }
    return false;
}

/* ---- Proxies. ---- */

static void start_retry(struct tc_es *es);

/* Lets it go: it is answered for nobody any more. */
static void leave(struct tc_es_served_one *one, int err)
{
    struct tc_es *es = one->es;
    const struct tocsin_host *host = es->host;

    host->watch_stop(host, one->messages);
    host->watch_stop(host, one->gate);
    one->messages = one->gate = NULL;
    tc_es_proxy_end(&one->proxy);
    for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++) {
        host->event_unref(host, one->questions[i].event);
        one->questions[i].event = NULL;
    }
    one->state = LEFT;
    if (!one->err)
        one->err = err;
    start_retry(es);
}

static void messages_readable(void *arg, int status, uint32_t events)
{
    struct tc_es_served_one *one = arg;
    struct tc_es_proxy_message message;
    int fd, err = 0;

    (void)status;
    (void)events;
    for (int left = TC_ES_PROXY_PENDING_MAX; left && !err; left--) {
        err = tc_es_proxy_receive(&one->proxy, &message, &fd);
        if (!err)
            handle(one, &message, fd);
    }
    if (err && err != -EAGAIN) {
        leave(one, -EIO);
        report(one->es);
    }
}

static void gate_readable(void *arg, int status, uint32_t events)
{
    struct tc_es_served_one *one = arg;
    struct tc_es *es = one->es;
    bool given_up = tc_es_proxy_given_up(&one->proxy);

    (void)status;
    (void)events;
    es->served.given_up += given_up;
    if (given_up)
        es->host->log(es->host, TOCSIN_LOG_WARNING,
                      "%s (%s): its server does not answer: opens there are not asked "
                      "about until it does",
                      one->point, one->type);
    leave(one, given_up ? -ETIMEDOUT : -EIO);
    report(es);
}

static void start(struct tc_es_served_one *one)
{
    struct tc_es *es = one->es;
    const struct tocsin_host *host = es->host;
    struct tc_es_proxy_config config = {.point = one->point,
                                        .on_timeout_allow = es->on_timeout_allow,
                                        .deadline_ns = es->deadline_ns};
    int err = tc_es_proxy_start(&one->proxy, &config);

    one->err = err;
    one->state = err ? LEFT : STARTING;
    if (err) {
        start_retry(es);
        return;
    }
    err = host->watch_fd(host, one->proxy.socket, TOCSIN_READABLE, messages_readable, one,
                         &one->messages);
    if (!err)
        err = host->watch_fd(host, one->proxy.gate, TOCSIN_READABLE, gate_readable, one,
                             &one->gate);
    if (err)
        leave(one, err);
}

static void remove_one(struct tc_es *es, struct tc_es_served_one **at)
{
    struct tc_es_served_one *one = *at;

    *at = one->next;
    es->served.count--;
    tc_es_proxy_done(&one->proxy);
    free(one->point);
    free(one->type);
    free(one);
}

/* Those that were left and have ended begin anew, or are forgotten. One that cannot be
 * marked stays: it would be told, taken back and told again, each time. */
static void retry(void *arg)
{
    struct tc_es *es = arg;
    struct tc_es_served_one **at = &es->served.first, *one;
    bool left = false;

    while ((one = *at) != NULL) {
        if (one->state == LEFT && tc_es_proxy_ended(&one->proxy)) {
            if (!one->wanted) {
                remove_one(es, at);
                continue;
            }
            if (!one->refused) {
                tc_es_proxy_done(&one->proxy);
                start(one);
            }
        }
        left = left || one->state == LEFT;
        at = &one->next;
    }
    if (left)
        return;
    es->host->timer_stop(es->host, es->served.retry);
    es->served.retry = NULL;
}

static void start_retry(struct tc_es *es)
{
    if (!es->served.retry &&
        es->host->timer_start(es->host, TC_ES_SERVED_RETRY_MS, TC_ES_SERVED_RETRY_MS,
                              retry, es, &es->served.retry))
        es->served.retry = NULL; /* then with the next change of mounts */
}

static struct tc_es_served_one *find(const struct tc_es *es, dev_t device)
{
    struct tc_es_served_one *one = es->served.first;

    while (one && one->device != device)
        one = one->next;
    return one;
}

static void add(struct tc_es *es, const struct tc_sensor_mount *mount)
{
    struct tc_es_served_one *one =
        es->served.count < TC_ES_SERVED_MAX ? calloc(1, sizeof(*one)) : NULL;

    if (one) {
        one->point = strdup(mount->point);
        one->type = strdup(mount->type);
    }
    if (!one || !one->point || !one->type) {
        if (one) {
            free(one->point);
            free(one->type);
        }
        free(one);
        es->served.beyond++;
        return;
    }
    one->es = es;
    one->device = mount->device;
    one->wanted = true;
    one->next = es->served.first;
    es->served.first = one;
    es->served.count++;
    start(one);
}

void tc_es_served_update(struct tc_es *es)
{
    const struct tc_sensor_mount *mount;
    struct tc_es_served_one *one;

    es->served.beyond = 0;
    for (one = es->served.first; one; one = one->next)
        one->wanted = false;
    for (size_t i = 0; (mount = tc_sensor_scope_file_system(es->scope, i)) != NULL; i++) {
        one = find(es, mount->device);
        if (!mount->served || es->served.pass)
            continue;
        if (one) /* else it is another that has the number by now */
            one->wanted = !strcmp(one->point, mount->point);
        else
            add(es, mount);
    }
    for (one = es->served.first; one; one = one->next)
        if (one->state == LEFT)
            start_retry(es);
        else if (!one->wanted)
            leave(one, -ECANCELED);
    report(es);
}

void tc_es_served_unmark(struct tc_es *es)
{
    for (struct tc_es_served_one *one = es->served.first; one; one = one->next)
        if (one->state != LEFT)
            tc_es_proxy_unmark(&one->proxy);
}

bool tc_es_served_waiting(const struct tc_es *es)
{
    for (const struct tc_es_served_one *one = es->served.first; one; one = one->next)
        for (size_t i = 0; i < TC_ES_PROXY_PENDING_MAX; i++)
            if (one->questions[i].event)
                return true;
    return false;
}

void tc_es_served_put(const struct tc_es *es, struct tocsin_writer *w)
{
    uint64_t asking = 0, left = 0;

    for (const struct tc_es_served_one *one = es->served.first; one; one = one->next) {
        asking += one->state == ASKING;
        left += one->state == LEFT && one->wanted;
    }
    tocsin_begin_map(w, "served");
    tocsin_put_uint(w, "asking", asking);
    tocsin_put_uint(w, "left", left);
    tocsin_put_uint(w, "asked", es->served.asked);
    tocsin_put_uint(w, "uncopied", es->served.uncopied);
    tocsin_put_uint(w, "given_up", es->served.given_up);
    tocsin_end(w);
}

void tc_es_served_close(struct tc_es *es)
{
    for (struct tc_es_served_one *one = es->served.first; one; one = one->next)
        if (one->state != LEFT)
            leave(one, -ECANCELED);
    es->host->timer_stop(es->host, es->served.retry);
    es->served.retry = NULL;
    while (es->served.first) {
        tc_es_proxy_ended(&es->served.first->proxy);
        remove_one(es, &es->served.first);
    }
}
