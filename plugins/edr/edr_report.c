/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: from a match to alert.raised: which alert it is one of, whether that is reported
 * now, and the timer that reports the rest. The wording is edr_write's.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/random.h>

#include "alerts/edr_write.h"
#include "edr.h"

#define NS_PER_MS 1000000u

/* A random UUID (RFC 9562, version 4). The kernel has random bytes by the time when an
 * agent runs; without, an alert's id is still unlike the last one's. */
static void new_id(void *arg, char ret[TC_EDR_ALERT_ID_BYTES])
{
    struct tc_edr *edr = arg;
    uint8_t bytes[16];
    uint64_t now;
    size_t n = 0;

    if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes)) {
        now = edr->host->now_ns(edr->host);
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, &now, sizeof(now));
        memcpy(bytes + 8, &edr->counters.matches, sizeof(edr->counters.matches));
    }
    bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    for (size_t i = 0; i < sizeof(bytes); i++)
        n += (size_t)snprintf(ret + n, TC_EDR_ALERT_ID_BYTES - n,
                              i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                              bytes[i]);
}

int tc_edr_report_start(struct tc_edr *edr)
{
    int r = tc_edr_alerts_new(&edr->options.alerts, new_id, edr, &edr->alerts);

    return r ? r : tc_edr_processes_new(edr->host, &edr->processes);
}

/* ---- Reporting ---- */

static uint64_t now_ms(const struct tc_edr *edr)
{
    return edr->host->now_ns(edr->host) / NS_PER_MS;
}

static void publish(struct tc_edr *edr, struct tc_edr_news *news)
{
    struct tocsin_writer w;
    int r;

    news->now_ns = tc_detector_now_ns();
    news->machine = &edr->machine;
    tocsin_writer_init_growing(&w);
    tc_edr_write_alert(&w, news);
    r = tocsin_publish(edr->host, TOCSIN_TOPIC_ALERT_RAISED,
                       news->event ? news->event->id : 0, &w);
    tocsin_writer_done(&w);
    if (!r) {
        edr->counters.reported++;
        return;
    }
    edr->counters.publish_errors++;
    edr->host->log(edr->host, TOCSIN_LOG_ERROR, "an alert could not be published: %s",
                   strerror(-r));
}

/* Reports all that is due at `now`. */
static void report_due(struct tc_edr *edr, uint64_t now)
{
    struct tc_edr_alert alert;
    struct tc_edr_news news = {.alert = &alert};

    while (tc_edr_alerts_due(edr->alerts, now, &alert))
        publish(edr, &news);
}

static void arm(struct tc_edr *edr);

static void on_due(void *arg)
{
    struct tc_edr *edr = arg;

    edr->host->timer_stop(edr->host, edr->due);
    edr->due = NULL;
    report_due(edr, now_ms(edr));
    arm(edr);
}

/* One timer; one that fires too early is armed again. */
static void arm(struct tc_edr *edr)
{
    uint64_t next = tc_edr_alerts_next(edr->alerts), now = now_ms(edr);

    if (next == UINT64_MAX || (edr->due && edr->due_ms <= next))
        return;
    edr->host->timer_stop(edr->host, edr->due);
    edr->due = NULL;
    edr->due_ms = next;
    if (edr->host->timer_start(edr->host, next > now ? next - now : 0, 0, on_due, edr,
                               &edr->due))
        edr->due = NULL; /* the next match tries again */
}

void tc_edr_report_options(struct tc_edr *edr)
{
    if (!edr->alerts)
        return;
    tc_edr_alerts_set(edr->alerts, &edr->options.alerts);
    arm(edr);
}

void tc_edr_report_stop(struct tc_edr *edr)
{
    edr->host->timer_stop(edr->host, edr->due);
    edr->due = NULL;
    if (edr->alerts)
        report_due(edr, UINT64_MAX);
    tc_edr_alerts_free(edr->alerts);
    tc_edr_processes_free(edr->processes);
    edr->alerts = NULL;
    edr->processes = NULL;
}

/* ---- Matches ---- */

static void put_str(struct tocsin_writer *w, struct tocsin_str s)
{
    tocsin_put_bin(w, NULL, s.ptr ? s.ptr : "", s.len);
}

/* A hash of the rule, and of who did it: the executables of the chain, and the user. */
static int make_key(const struct tc_sigma_rule *rule, const struct tc_edr_link *chain,
                    size_t chain_len, uint8_t ret_key[TC_EDR_KEY_BYTES])
{
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_array(&w, NULL);
    tocsin_put_str(&w, NULL, rule->id);
    if (!rule->id) {
        tocsin_put_str(&w, NULL, rule->title);
        tocsin_put_str(&w, NULL, rule->file);
    }
    for (size_t i = 0; i < chain_len; i++)
        put_str(&w, chain[i].executable.ptr ? chain[i].executable : chain[i].name);
    tocsin_put_int(&w, NULL, chain_len ? chain[0].user : -1);
    tocsin_end(&w);
    r = w.error;
    if (!r && !EVP_Digest(w.buf, w.len, ret_key, NULL, EVP_sha256(), NULL))
        r = -ENOMEM;
    tocsin_writer_done(&w);
    return r;
}

/* When it happened, as the sensor says it. */
static uint64_t time_of(const struct tocsin_event *event)
{
    return (uint64_t)tocsin_event_int(event, TOCSIN_FIELD_TIMESTAMP,
                                      (int64_t)event->time_ns);
}

/* The other end of a connection, "address:port"; who accepted one has it as source. */
static struct tocsin_str address_of(const struct tocsin_event *event, char buf[80])
{
    const char *end =
        !strcmp(event->topic, "network.accepted") ? "source" : "destination";
    char path[32];
    struct tocsin_str ip;
    int64_t port;
    int n;

    (void)snprintf(path, sizeof(path), "%s.ip", end);
    ip = tocsin_event_str(event, path);
    if (!ip.len || ip.len > 64)
        return (struct tocsin_str){NULL, 0};
    (void)snprintf(path, sizeof(path), "%s.port", end);
    port = tocsin_event_int(event, path, 0);
    n = snprintf(buf, 80, memchr(ip.ptr, ':', ip.len) ? "[%.*s]:%d" : "%.*s:%d",
                 (int)ip.len, ip.ptr, (int)port);
    return (struct tocsin_str){buf, (size_t)n};
}

/* What this match may differ in from others of its alert. */
static void note(struct tc_edr *edr, const uint8_t key[TC_EDR_KEY_BYTES],
                 const struct tc_edr_news *news)
{
    struct tocsin_str texts[TC_EDR_DISTINCT_KINDS];
    char buf[80];

    texts[TC_EDR_COMMAND_LINES] =
        tocsin_event_str(news->event, TOCSIN_FIELD_PROCESS_COMMAND_LINE);
    if (!texts[TC_EDR_COMMAND_LINES].ptr && news->chain_len)
        texts[TC_EDR_COMMAND_LINES] = news->chain[0].command_line;
    texts[TC_EDR_PATHS] = tocsin_event_str(news->event, TOCSIN_FIELD_FILE_PATH);
    texts[TC_EDR_ADDRESSES] = address_of(news->event, buf);
    tc_edr_alerts_note(edr->alerts, key, texts);
}

void tc_edr_report_match(struct tc_edr *edr, const struct tocsin_event *event,
                         const struct tc_sigma_match *match)
{
    const struct tc_sigma_rule *rule = tc_sigma_rule(edr->rules->set, match->rule);
    struct tc_edr_link chain[1 + TC_EDR_CHAIN_MAX];
    uint8_t key[TC_EDR_KEY_BYTES] = {0};
    struct tc_edr_alert alert;
    bool due;
    struct tc_edr_news news = {
        .alert = &alert, .rule = rule, .match = match, .event = event, .chain = chain};

    news.chain_len = tc_edr_processes_chain(edr->processes, event, chain);
    /* Without memory for a key it is like no other. */
    if (make_key(rule, chain, news.chain_len, key))
        memcpy(key, &edr->counters.matches, sizeof(edr->counters.matches));
    due =
        tc_edr_alerts_match(edr->alerts, key, rule, now_ms(edr), time_of(event), &alert);
    note(edr, key, &news);
    if (due)
        publish(edr, &news);
    tc_edr_respond(edr->responder, alert.id, rule, event, edr->processes);
    arm(edr);
}
