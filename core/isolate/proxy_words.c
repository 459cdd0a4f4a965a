/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process says is taken as what a plugin says, and checked as that, by the host's
 * own calls: it may publish what its descriptor lists, and nothing with a flag or a
 * descriptor. One that sends what is no frame is ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/host/plugin.h"
#include "core/isolate/proxy.h"

#define FRAMES_A_TURN 64 /* before the loop looks at anything else */
#define KEY_BYTES 64
#define TEXT_BYTES 1024

static const char *copy_text(const struct tc_wire_head *head, const void *data,
                             const char *field, char *buf, size_t cap)
{
    struct tocsin_str s = tocsin_find_str(data, head->len, field);

    if (!s.ptr)
        return NULL;
    (void)snprintf(buf, cap, "%.*s", (int)(s.len < cap ? s.len : cap), s.ptr);
    return buf;
}

static void reply(struct tc_proxy *proxy, int status, uint64_t id)
{
    proxy->reply = (struct tc_wire_head){
        .magic = TC_WIRE_MAGIC, .kind = TC_WIRE_REPLY, .status = status, .id = id};
    proxy->reply_due = true;
    tc_proxy_flush(proxy);
}

static void on_publish(struct tc_proxy *proxy, const struct tc_wire_head *head,
                       const void *data)
{
    const struct tocsin_host *host = proxy->host;
    const struct tocsin_event *made = NULL;
    struct tocsin_event draft;
    bool want = head->flags & TC_WIRE_WANT;
    int err = 0;

    tc_wire_get_event(head, data, &draft);
    draft.flags = 0;
    draft.source = NULL;
    draft.id = draft.deadline_ns = 0;
    /* One that comes too late is nobody's answer: what was asked has one. */
    if (strcmp(head->topic, TOCSIN_TOPIC_VERDICT) != 0 ||
        tc_proxy_take_answer(proxy, head->reply_to))
        err = host->publish(host, &draft, want ? &made : NULL);
    if (want)
        reply(proxy, err, made ? made->id : 0);
    host->event_unref(host, made);
}

static void on_report(struct tc_proxy *proxy, const struct tc_wire_head *head,
                      const void *data)
{
    char key[KEY_BYTES], text[TEXT_BYTES], fix[TEXT_BYTES];

    proxy->host->report(proxy->host, (uint32_t)head->status,
                        copy_text(head, data, "key", key, sizeof(key)),
                        copy_text(head, data, "text", text, sizeof(text)),
                        copy_text(head, data, "fix", fix, sizeof(fix)));
}

static void on_ask(struct tc_proxy *proxy, const struct tc_wire_head *head,
                   const void *data)
{
    char path[4096], executable[4096];
    int answer = proxy->host->excluded(
        proxy->host, copy_text(head, data, "path", path, sizeof(path)),
        copy_text(head, data, "executable", executable, sizeof(executable)));

    reply(proxy, answer, 0);
}

static void on_changed(struct tc_proxy *proxy, const struct tc_wire_head *head,
                       const void *data)
{
    if (head->status == TC_PLUGIN_RUNNING)
        tc_proxy_ready(proxy);
    else if (head->status == TC_PLUGIN_FAILED && !proxy->refusal[0])
        tc_why(proxy->refusal, "%.*s", (int)(head->len < 200 ? head->len : 200),
               (const char *)data);
}

static bool handle(struct tc_proxy *proxy, const struct tc_wire_head *head,
                   const void *data)
{
    switch (head->kind) {
    case TC_WIRE_HELLO:
        return true; /* it has said so when its file was opened */
    case TC_WIRE_PUBLISH:
        on_publish(proxy, head, data);
        return true;
    case TC_WIRE_REPORT:
        on_report(proxy, head, data);
        return true;
    case TC_WIRE_ASK:
        on_ask(proxy, head, data);
        return true;
    case TC_WIRE_CHANGED:
        on_changed(proxy, head, data);
        return true;
    default:
        return false;
    }
}

void tc_proxy_listen(struct tc_proxy *proxy, bool all)
{
    struct tc_wire_head head;
    const void *data;
    int err = 0;

    for (unsigned left = FRAMES_A_TURN; !err && (all || left); left--) {
        err = tc_wire_receive(proxy->child.socket, proxy->buf, &head, &data, NULL);
        if (!err && !handle(proxy, &head, data))
            err = -EPROTO;
    }
    if (err == -EPROTO)
        tc_proxy_kill(proxy, "sent what is no message of a plugin's");
    else if (err == -EPIPE)
        tc_proxy_hung_up(proxy);
}
