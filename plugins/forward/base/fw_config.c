/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fw_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(kind) (1u << (kind))
#define SYSLOG (BIT(TC_FW_SYSLOG_UDP) | BIT(TC_FW_SYSLOG_TCP) | BIT(TC_FW_SYSLOG_TLS))
#define HTTP                                                                             \
    (BIT(TC_FW_WEBHOOK) | BIT(TC_FW_ELASTICSEARCH) | BIT(TC_FW_SPLUNK) | BIT(TC_FW_OTLP))
#define ALL ((1u << TC_FW_KINDS) - 1)

#define DEFAULT_TOPICS "alert.*,threat.*"

enum target {
    TARGET_NONE,
    TARGET_PATH,
    TARGET_ADDRESS, /* //HOST:PORT */
    TARGET_URL,     /* http(s)://..., after the + */
};

static const struct {
    const char *name; /* before the colon, or, of a URL, before the + */
    enum target target;
    const char *max_size; /* unless set */
    const char *example;
} kinds[TC_FW_KINDS] = {
    [TC_FW_FILE] = {"file", TARGET_PATH, "100M", "file:/var/log/tocsin/alerts.jsonl"},
    [TC_FW_JOURNALD] = {"journald", TARGET_NONE, NULL, "journald:"},
    [TC_FW_SYSLOG_UDP] = {"syslog+udp", TARGET_ADDRESS, "1400",
                          "syslog+udp://siem.example:514"},
    [TC_FW_SYSLOG_TCP] = {"syslog+tcp", TARGET_ADDRESS, "8000",
                          "syslog+tcp://siem.example:601"},
    [TC_FW_SYSLOG_TLS] = {"syslog+tls", TARGET_ADDRESS, "8000",
                          "syslog+tls://siem.example:6514"},
    [TC_FW_WEBHOOK] = {"webhook", TARGET_URL, NULL, "webhook+https://siem.example/hook"},
    [TC_FW_ELASTICSEARCH] = {"elasticsearch", TARGET_URL, NULL,
                             "elasticsearch+https://es.example:9200"},
    [TC_FW_SPLUNK] = {"splunk", TARGET_URL, NULL, "splunk+https://splunk.example:8088"},
    [TC_FW_OTLP] = {"otlp", TARGET_URL, NULL, "otlp+https://collector.example:4318"},
};

static const struct {
    const char *name;
    unsigned kinds; /* that have it */
    bool path;
} settings[TC_FW_SETTINGS] = {
    [TC_FW_SET_NAME] = {"name", ALL, false},
    [TC_FW_SET_FORMAT] = {"format", ALL & ~BIT(TC_FW_JOURNALD), false},
    [TC_FW_SET_SEVERITY] = {"severity", ALL, false},
    [TC_FW_SET_TOPICS] = {"topics", ALL, false},
    [TC_FW_SET_MAX_SIZE] = {"max_size", BIT(TC_FW_FILE) | SYSLOG, false},
    [TC_FW_SET_KEEP] = {"keep", BIT(TC_FW_FILE), false},
    [TC_FW_SET_INDEX] = {"index", BIT(TC_FW_ELASTICSEARCH) | BIT(TC_FW_SPLUNK), false},
    [TC_FW_SET_TOKEN_FILE] = {"token_file", HTTP, true},
    [TC_FW_SET_SECRET_FILE] = {"secret_file", BIT(TC_FW_WEBHOOK), true},
    [TC_FW_SET_CA_FILE] = {"ca_file", HTTP | BIT(TC_FW_SYSLOG_TLS), true},
};

static const char *const formats[TC_FW_FORMATS] = {"ecs", "ocsf", "cef"};

static int refuse(char why[TC_FW_WHY_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char why[TC_FW_WHY_BYTES], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_FW_WHY_BYTES, format, args);
    va_end(args);
    return -EINVAL;
}

const char *tc_fw_kind_name(enum tc_fw_kind kind)
{
    return kinds[kind].name;
}

/* ---- Where to ---- */

static int find_kind(const char *word, struct tc_fw_config *config,
                     char why[TC_FW_WHY_BYTES])
{
    for (int i = 0; i < TC_FW_KINDS; i++) {
        size_t n = strlen(kinds[i].name);

        if (strncmp(word, kinds[i].name, n) != 0 ||
            word[n] != (kinds[i].target == TARGET_URL ? '+' : ':'))
            continue;
        config->kind = (enum tc_fw_kind)i;
        config->target = word + n + 1;
        return 0;
    }
    return refuse(why, "it begins with file:, journald:, syslog+udp:, syslog+tcp:, "
                       "syslog+tls:, or with webhook, elasticsearch, splunk or otlp and "
                       "+https:");
}

/* HOST:PORT, the host of IPv6 in brackets. */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;
    long port;

    if (!colon || colon == text || strpbrk(text, "/?#@"))
        return false;
    if (memchr(text, ':', (size_t)(colon - text)) && (*text != '[' || colon[-1] != ']'))
        return false;
    port = strtol(colon + 1, &end, 10);
    return isdigit((unsigned char)colon[1]) && !*end && port > 0 && port < 65536;
}

/* Where what is secret may go without TLS. */
static bool is_this_machine(const char *url)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strncmp(url, names[i], strlen(names[i])) &&
            strchr(":/", url[strlen(names[i])]))
            return true;
    return false;
}

static int check_url(const struct tc_fw_config *config, char why[TC_FW_WHY_BYTES])
{
    const char *url = config->target, *host;
    bool tls = !strncmp(url, "https://", 8);

    host = url + (tls ? 8 : 7);
    if ((!tls && strncmp(url, "http://", 7) != 0) || !*host || *host == '/' ||
        *host == ':')
        return refuse(why, "a URL is needed, as %s", kinds[config->kind].example);
    if (memchr(host, '@', strcspn(host, "/?#")))
        return refuse(why, "no password in a URL: put it into a file, token_file=PATH");
    if (!tls && config->set[TC_FW_SET_TOKEN_FILE] && !is_this_machine(host))
        return refuse(why, "token_file would go over the network as it is: use https");
    return 0;
}

static int check_target(struct tc_fw_config *config, char why[TC_FW_WHY_BYTES])
{
    const char *example = kinds[config->kind].example;

    switch (kinds[config->kind].target) {
    case TARGET_NONE:
        return *config->target ? refuse(why, "nothing follows %s", example) : 0;
    case TARGET_PATH:
        return *config->target == '/'
                   ? 0
                   : refuse(why, "an absolute path is needed, as %s", example);
    case TARGET_ADDRESS:
        if (strncmp(config->target, "//", 2) != 0 || !is_address(config->target + 2))
            return refuse(why, "a host and a port are needed, as %s", example);
        config->target += 2;
        return 0;
    default:
        return check_url(config, why);
    }
}

/* ---- Settings ---- */

static int put_setting(struct tc_fw_config *config, char *word, char why[TC_FW_WHY_BYTES])
{
    char *value = strchr(word, '=');
    size_t i = 0;

    if (!value)
        return refuse(why, "\"%s\" is no SETTING=VALUE", word);
    *value++ = '\0';
    while (i < TC_FW_SETTINGS && strcmp(settings[i].name, word) != 0)
        i++;
    if (i == TC_FW_SETTINGS)
        return refuse(why, "there is no setting \"%s\"", word);
    if (!(settings[i].kinds & BIT(config->kind)))
        return refuse(why, "%s has no setting %s", kinds[config->kind].name, word);
    if (!*value)
        return refuse(why, "%s is empty", word);
    if (settings[i].path && *value != '/')
        return refuse(why, "%s: an absolute path is needed", word);
    if (config->set[i])
        return refuse(why, "%s is set twice", word);
    config->set[i] = value;
    return 0;
}

static int read_number(const char *name, const char *text, uint64_t min, uint64_t max,
                       uint64_t *ret, char why[TC_FW_WHY_BYTES])
{
    static const char units[] = "kMG";
    const char *unit;
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    unit = *end ? strchr(units, *end) : NULL;
    for (const char *u = units; unit && u <= unit; u++)
        n *= 1024;
    if (!isdigit((unsigned char)*text) || strlen(text) > 12 || (*end && !unit) ||
        (unit && end[1]) || n < min || n > max)
        return refuse(why, "%s=%s: a number from %llu to %llu is needed, as 64k or 100M",
                      name, text, (unsigned long long)min, (unsigned long long)max);
    *ret = n;
    return 0;
}

static int read_format(struct tc_fw_config *config, char why[TC_FW_WHY_BYTES])
{
    const char *text = config->set[TC_FW_SET_FORMAT];
    int i = 0;

    if (!text)
        return 0;
    while (i < TC_FW_FORMATS && strcmp(formats[i], text) != 0)
        i++;
    if (i == TC_FW_FORMATS)
        return refuse(why, "format=%s: ecs, ocsf or cef", text);
    if (i == TC_FW_CEF && (config->kind == TC_FW_ELASTICSEARCH))
        return refuse(why, "elasticsearch takes documents: format=ecs or ocsf");
    config->format = (enum tc_fw_format)i;
    return 0;
}

static int read_name(struct tc_fw_config *config, char why[TC_FW_WHY_BYTES])
{
    const char *name = config->set[TC_FW_SET_NAME];

    snprintf(config->name, sizeof(config->name), "%s",
             name ? name : kinds[config->kind].name);
    for (char *c = config->name; !name && *c; c++)
        if (*c == '+')
            *c = '_';
    if (name && (strlen(name) >= TC_FW_NAME_BYTES ||
                 strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name)))
        return refuse(why, "name=%s: up to %d of a-z, 0-9 and _", name,
                      TC_FW_NAME_BYTES - 1);
    return 0;
}

static int read_settings(struct tc_fw_config *config, char why[TC_FW_WHY_BYTES])
{
    const char *severity = config->set[TC_FW_SET_SEVERITY];
    const char *size = config->set[TC_FW_SET_MAX_SIZE],
               *keep = config->set[TC_FW_SET_KEEP];
    bool file = config->kind == TC_FW_FILE;
    int err = read_name(config, why);

    if (!err)
        err = read_format(config, why);
    if (!err && severity) {
        config->severity = tc_fw_severity(severity, strlen(severity));
        if (config->severity == TC_FW_SEVERITIES)
            err = refuse(why, "severity=%s: informational, low, medium, high or critical",
                         severity);
    }
    if (!size)
        size = kinds[config->kind].max_size;
    if (!err && size)
        err = read_number("max_size", size, file ? 65536 : 480,
                          file ? UINT64_C(1) << 40 : 1 << 20, &config->max_size, why);
    if (!err && file)
        err = read_number("keep", keep ? keep : "5", 0, 1000, &config->keep, why);
    if (!config->set[TC_FW_SET_TOPICS])
        config->set[TC_FW_SET_TOPICS] = DEFAULT_TOPICS;
    if (!err && config->kind == TC_FW_SPLUNK && !config->set[TC_FW_SET_TOKEN_FILE])
        err = refuse(why, "splunk needs token_file=PATH");
    return err;
}

int tc_fw_config_read(const char *line, struct tc_fw_config *ret,
                      char why[TC_FW_WHY_BYTES])
{
    struct tc_fw_config config = {.text = strdup(line), .target = ""};
    char *at = NULL, *word;
    int err = 0;

    if (!config.text)
        return -ENOMEM;
    word = strtok_r(config.text, " \t", &at);
    err = word ? find_kind(word, &config, why) : refuse(why, "it is empty");
    while (!err && (word = strtok_r(NULL, " \t", &at)))
        err = put_setting(&config, word, why);
    if (!err)
        err = check_target(&config, why);
    if (!err)
        err = read_settings(&config, why);
    if (err)
        tc_fw_config_done(&config);
    else
        *ret = config;
    return err;
}

void tc_fw_config_done(struct tc_fw_config *config)
{
    free(config->text);
    *config = (struct tc_fw_config){.text = NULL};
}

/* ---- What it wants ---- */

static bool matches(const char *pattern, size_t len, const char *topic)
{
    if (len && pattern[len - 1] == '*')
        return !strncmp(pattern, topic, len - 1);
    return strlen(topic) == len && !memcmp(pattern, topic, len);
}

bool tc_fw_config_wants(const struct tc_fw_config *config, const char *topic,
                        enum tc_fw_severity severity)
{
    const char *p = config->set[TC_FW_SET_TOPICS];

    if (severity < config->severity)
        return false;
    for (size_t n; *p; p += n + (p[n] == ',')) {
        n = strcspn(p, ",");
        if (matches(p, n, topic))
            return true;
    }
    return false;
}
