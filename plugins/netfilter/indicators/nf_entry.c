/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_entry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Words ---- */

static const char *const actions[] = {
    [TC_NF_ALLOW] = "allow", [TC_NF_AUDIT] = "audit", [TC_NF_BLOCK] = "block"};

static const struct {
    const char *word;
    enum tc_nf_severity severity;
} severities[] = {
    {"", TC_NF_SEVERITY_NONE},
    {"informational", TC_NF_INFORMATIONAL},
    {"low", TC_NF_LOW},
    {"medium", TC_NF_MEDIUM},
    {"high", TC_NF_HIGH},
    {"critical", TC_NF_CRITICAL},
    {"info", TC_NF_INFORMATIONAL},
};

/* What a type says of the value; that of STIX (2.1, 6), MISP and OTX among them. */
static const struct {
    const char *word;
    unsigned kinds; /* of the value as it is read, a bit each */
    bool host;      /* of a domain: this name only */
} types[] = {
#define ADDRESSES (1u << TC_NF_ADDRESS | 1u << TC_NF_NETWORK)
#define NAMES (1u << TC_NF_DOMAIN | 1u << TC_NF_HOST)
    {"address", ADDRESSES, false},
    {"ip", ADDRESSES, false},
    {"ipv4", ADDRESSES, false},
    {"ipv6", ADDRESSES, false},
    {"ipv4-addr", ADDRESSES, false},
    {"ipv6-addr", ADDRESSES, false},
    {"ip-src", ADDRESSES, false},
    {"ip-dst", ADDRESSES, false},
    {"network", ADDRESSES, false},
    {"cidr", ADDRESSES, false},
    {"domain", NAMES, false},
    {"domain-name", NAMES, false},
    {"host", NAMES, true},
    {"hostname", NAMES, true},
    {"fqdn", NAMES, true},
    {"url", NAMES | ADDRESSES, true},
    {"uri", NAMES | ADDRESSES, true},
};

int tc_nf_action_read(struct tc_nf_text text, enum tc_nf_action *ret_action,
                      char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];

    for (size_t i = TC_NF_ALLOW; i < COUNT(actions); i++)
        if (tc_nf_is(text, actions[i])) {
            *ret_action = (enum tc_nf_action)i;
            return 0;
        }
    return tc_nf_refuse(why, "\"%s\" is no action; write allow, audit or block",
                        tc_nf_quote(text, quote));
}

const char *tc_nf_action_name(enum tc_nf_action action)
{
    return action < COUNT(actions) && actions[action] ? actions[action] : "none";
}

const char *tc_nf_severity_name(enum tc_nf_severity severity)
{
    return severities[severity].word;
}

static int read_severity(struct tc_nf_text text, enum tc_nf_severity *ret_severity,
                         char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];

    for (size_t i = 0; i < COUNT(severities); i++)
        if (tc_nf_is(text, severities[i].word)) {
            *ret_severity = severities[i].severity;
            return 0;
        }
    return tc_nf_refuse(why,
                        "\"%s\" is no severity; write informational, low, medium, high "
                        "or critical",
                        tc_nf_quote(text, quote));
}

/* ---- Time ---- */

static bool read_seconds(const char *text, uint64_t *ret_s)
{
    size_t len = strspn(text, "0123456789");
    uint64_t s = 0;

    if (!len || text[len])
        return false;
    for (size_t i = 0; i < len && s <= UINT32_MAX; i++)
        s = 10 * s + (uint64_t)(text[i] - '0');
    *ret_s = s;
    return true;
}

/* Z or +01:30, seconds east of UTC. */
static bool read_zone(const char *text, int *ret_s)
{
    struct tm tm = {.tm_hour = 0};
    const char *end;

    *ret_s = 0;
    if ((text[0] == 'Z' || text[0] == 'z') && !text[1])
        return true;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6)
        return false;
    end = strptime(text + 1, "%H:%M", &tm);
    if (!end || *end)
        return false;
    *ret_s = (tm.tm_hour * 60 + tm.tm_min) * 60 * (text[0] == '-' ? -1 : 1);
    return true;
}

static bool read_date(const char *text, uint64_t *ret_s)
{
    struct tm tm = {.tm_year = 0};
    const char *at = strptime(text, "%Y-%m-%d", &tm);
    int zone_s, month = tm.tm_mon;
    int64_t s;

    if (!at || at - text != 10 || !strchr("Tt ", *at) || !*at)
        return false;
    text = at + 1;
    at = strptime(text, "%H:%M:%S", &tm);
    if (!at || at - text != 8)
        return false;
    if (*at == '.')
        at += 1 + strspn(at + 1, "0123456789");
    if (!read_zone(at, &zone_s))
        return false;
    if (tm.tm_sec > 59) /* a leap second (RFC 3339, 5.6) */
        tm.tm_sec = 59;
    s = (int64_t)timegm(&tm) - zone_s;
    *ret_s = s > 0 ? (uint64_t)s : 0;
    return tm.tm_mon == month; /* timegm makes 1 May of 31 April */
}

int tc_nf_time_read(struct tc_nf_text text, uint32_t *ret_s, char why[TC_NF_WHY_MAX])
{
    char copy[40], quote[TC_NF_QUOTE_MAX];
    uint64_t s;

    if (text.len && text.len < sizeof(copy)) {
        memcpy(copy, text.at, text.len);
        copy[text.len] = '\0';
        if (read_seconds(copy, &s) || read_date(copy, &s)) {
            *ret_s = !s ? 1 : s < UINT32_MAX ? (uint32_t)s : UINT32_MAX; /* 0 is never */
            return 0;
        }
    }
    return tc_nf_refuse(why,
                        "\"%s\" is no time; write it as 2030-12-31T23:59:59Z, or as "
                        "seconds since 1970",
                        tc_nf_quote(text, quote));
}

/* ---- Reasons ---- */

/* Bytes of the character of UTF-8 that the text begins with; 0: it is none. */
static size_t utf8_len(struct tc_nf_text text)
{
    unsigned char c = (unsigned char)text.at[0];
    size_t len = c < 0x80   ? 1
                 : c < 0xc2 ? 0
                 : c < 0xe0 ? 2
                 : c < 0xf0 ? 3
                 : c < 0xf5 ? 4
                            : 0;

    if (!len || len > text.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)text.at[i] & 0xc0) != 0x80)
            return 0;
    if (len == 3 && ((c == 0xe0 && (unsigned char)text.at[1] < 0xa0) ||
                     (c == 0xed && (unsigned char)text.at[1] >= 0xa0)))
        return 0;
    if (len == 4 && ((c == 0xf0 && (unsigned char)text.at[1] < 0x90) ||
                     (c == 0xf4 && (unsigned char)text.at[1] >= 0x90)))
        return 0;
    return len;
}

void tc_nf_reason_copy(struct tc_nf_text text, char ret_reason[TC_NF_REASON_MAX])
{
    size_t len = 0, n;

    text = tc_nf_trim(text);
    while (text.len) {
        n = utf8_len(text);
        if (len + (n ? n : 1) >= TC_NF_REASON_MAX)
            break;
        if (!n || (unsigned char)text.at[0] < ' ' || text.at[0] == 0x7f) {
            ret_reason[len++] = n ? ' ' : '?';
            n = 1;
        } else {
            memcpy(ret_reason + len, text.at, n);
            len += n;
        }
        text.at += n;
        text.len -= n;
    }
    ret_reason[len] = '\0';
}

/* ---- The whole ---- */

/* Makes the value what the type says that it is. */
static int apply_type(struct tc_nf_text type, struct tc_nf_value *value,
                      char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];

    for (size_t i = 0; i < COUNT(types); i++) {
        if (!tc_nf_is(type, types[i].word))
            continue;
        if (!(types[i].kinds & 1u << value->kind))
            return tc_nf_refuse(why, "the value is of type %s, the line says %s",
                                tc_nf_kind_name(value->kind), types[i].word);
        if (value->kind == TC_NF_DOMAIN || value->kind == TC_NF_HOST)
            value->kind = types[i].host ? TC_NF_HOST : TC_NF_DOMAIN;
        return 0;
    }
    (void)tc_nf_refuse(why, "type \"%s\" is of no use to a network filter",
                       tc_nf_quote(type, quote));
    return -ENOTSUP;
}

/* Whether a value of this type is worth reading. */
static bool type_known(struct tc_nf_text type)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (tc_nf_is(type, types[i].word))
            return true;
    return !type.len;
}

int tc_nf_entry_read(const struct tc_nf_row *row, enum tc_nf_action action,
                     struct tc_nf_entry *ret_entry, char why[TC_NF_WHY_MAX])
{
    struct tc_nf_entry *entry = ret_entry;
    int r = 0;

    entry->action = action;
    entry->expires_s = 0;
    entry->severity = TC_NF_SEVERITY_NONE;
    if (type_known(row->type))
        r = tc_nf_value_read(row->value, &entry->value, why);
    if (!r && row->type.len)
        r = apply_type(row->type, &entry->value, why);
    if (!r && row->action.len)
        r = tc_nf_action_read(row->action, &entry->action, why);
    if (!r && row->expires.len)
        r = tc_nf_time_read(row->expires, &entry->expires_s, why);
    if (!r && row->severity.len)
        r = read_severity(row->severity, &entry->severity, why);
    if (!r)
        tc_nf_reason_copy(row->reason, entry->reason);
    return r;
}
