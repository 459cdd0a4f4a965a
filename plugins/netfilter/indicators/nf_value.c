/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LABEL_BYTES_MAX 63 /* RFC 1035, 2.3.4 */
#define MAPPED_BITS 96     /* of ::ffff:0:0/96 (RFC 4291, 2.5.5.2) */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

int tc_nf_refuse(char why[TC_NF_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_NF_WHY_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

const char *tc_nf_quote(struct tc_nf_text text, char ret_quote[TC_NF_QUOTE_MAX])
{
    size_t len = text.len < TC_NF_QUOTE_MAX - 1 ? text.len : TC_NF_QUOTE_MAX - 1;

    for (size_t i = 0; i < len; i++)
        ret_quote[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
    ret_quote[len] = '\0';
    return ret_quote;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct tc_nf_text tc_nf_trim(struct tc_nf_text text)
{
    while (text.len && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool tc_nf_is(struct tc_nf_text text, const char *word)
{
    return text.len == strlen(word) && !strncasecmp(text.at, word, text.len);
}

const char *tc_nf_kind_name(enum tc_nf_kind kind)
{
    static const char *const names[TC_NF_KINDS] = {"address", "network", "domain",
                                                   "host"};

    return names[kind];
}

/* ---- Addresses and networks ---- */

/* The family, or 0 when it is no address. */
static int read_address(struct tc_nf_text text, uint8_t ret_address[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (!text.len || text.len >= sizeof(copy))
        return 0;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (memchr(text.at, ':', text.len))
        return inet_pton(AF_INET6, copy, ret_address) == 1 ? AF_INET6 : 0;
    if (inet_pton(AF_INET, copy, ret_address + sizeof(mapped)) != 1)
        return 0;
    memcpy(ret_address, mapped, sizeof(mapped));
    return AF_INET;
}

/* The number, or `max` + 1 when it is none. */
static unsigned read_number(struct tc_nf_text text, unsigned max)
{
    unsigned n = 0;

    if (!text.len)
        return max + 1;
    for (size_t i = 0; i < text.len && n <= max; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return max + 1;
        n = 10 * n + (unsigned)(text.at[i] - '0');
    }
    return n <= max ? n : max + 1;
}

static int read_network(struct tc_nf_text text, size_t slash, struct tc_nf_value *value,
                        char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];
    int family = read_address((struct tc_nf_text){text.at, slash}, value->address);
    unsigned max = family == AF_INET ? 32 : 128, length;

    if (!family)
        return tc_nf_refuse(why,
                            "\"%s\" is no network; write one as 192.0.2.0/24, and a URL "
                            "with its scheme, as https://example.com/",
                            tc_nf_quote(text, quote));
    length =
        read_number((struct tc_nf_text){text.at + slash + 1, text.len - slash - 1}, max);
    if (length > max)
        return tc_nf_refuse(why, "\"%s\" is no network; the length is 0 to %u",
                            tc_nf_quote(text, quote), max);
    value->length = (uint8_t)(family == AF_INET ? MAPPED_BITS + length : length);
    value->kind = value->length == 128 ? TC_NF_ADDRESS : TC_NF_NETWORK;
    for (unsigned bit = value->length; bit < 128; bit++)
        value->address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return 0;
}

static bool is_mapped(const struct tc_nf_value *value)
{
    return value->length >= MAPPED_BITS &&
           !memcmp(value->address, mapped, sizeof(mapped));
}

/* ---- Names ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Whether labels are as long as they may be, and the last one is no number, as those of a
 * mistyped address are. */
static bool labels_ok(const char *name)
{
    size_t len;

    for (;; name += len + 1) {
        len = strcspn(name, ".");
        if (!len || len > LABEL_BYTES_MAX)
            return false;
        if (!name[len])
            return strspn(name, "0123456789") < len;
    }
}

static int read_name(struct tc_nf_text text, struct tc_nf_value *value,
                     char why[TC_NF_WHY_MAX])
{
    char quote[TC_NF_QUOTE_MAX];
    size_t len = text.len;

    if (len && text.at[len - 1] == '.')
        len--;
    if (!len || len >= TC_NF_NAME_MAX)
        return tc_nf_refuse(why, "\"%s\" is no name; one has 1 to %d bytes",
                            tc_nf_quote(text, quote), TC_NF_NAME_MAX - 1);
    for (size_t i = 0; i < len; i++) {
        char c = tc_nf_lower(text.at[i]);

        if ((unsigned char)c >= 0x80)
            return tc_nf_refuse(why,
                                "\"%s\" is not ASCII; write the name as DNS has it, with "
                                "xn-- in the labels that are not",
                                tc_nf_quote(text, quote));
        if (c != '.' && !is_name_char(c))
            return tc_nf_refuse(why,
                                "\"%s\" is no address, network, domain or URL; write one "
                                "value, with nothing around it",
                                tc_nf_quote(text, quote));
        value->name[i] = c;
    }
    value->name[len] = '\0';
    if (!labels_ok(value->name))
        return tc_nf_refuse(why,
                            "\"%s\" is neither an address nor a name; check its dots "
                            "and numbers",
                            tc_nf_quote(text, quote));
    return 0;
}

/* Behind the scheme: [user@]host[:port], up to what ends it (RFC 3986, 3.2; browsers take
 * a backslash for a slash). */
static struct tc_nf_text url_host(struct tc_nf_text url)
{
    struct tc_nf_text host = {url.at, 0};

    while (host.len < url.len && !tc_nf_is_one_of(host.at[host.len], "/\\?#"))
        host.len++;
    for (size_t i = host.len; i; i--)
        if (host.at[i - 1] == '@') {
            host.at += i;
            host.len -= i;
            break;
        }
    if (host.len && host.at[0] == '[') {
        const char *end = memchr(host.at, ']', host.len);

        host.at++;
        host.len = end ? (size_t)(end - host.at) : 0;
    } else if (host.len) {
        const char *colon = memchr(host.at, ':', host.len);

        host.len = colon ? (size_t)(colon - host.at) : host.len;
    }
    return host;
}

static int read_url(struct tc_nf_text text, size_t scheme, struct tc_nf_value *value,
                    char why[TC_NF_WHY_MAX])
{
    struct tc_nf_text host =
        url_host((struct tc_nf_text){text.at + scheme, text.len - scheme});
    char quote[TC_NF_QUOTE_MAX];

    if (!host.len)
        return tc_nf_refuse(why, "\"%s\" is a URL without a host",
                            tc_nf_quote(text, quote));
    value->kind = TC_NF_HOST;
    if (!read_address(host, value->address))
        return read_name(host, value, why);
    value->kind = TC_NF_ADDRESS;
    value->length = 128;
    return 0;
}

/* ---- The whole ---- */

int tc_nf_value_read(struct tc_nf_text text, struct tc_nf_value *ret_value,
                     char why[TC_NF_WHY_MAX])
{
    struct tc_nf_value value;
    char quote[TC_NF_QUOTE_MAX];
    const char *slash;
    int r = 0;

    text = tc_nf_trim(text);
    value.length = 128;
    slash = text.len ? memchr(text.at, '/', text.len) : NULL;
    if (!text.len) {
        r = tc_nf_refuse(why, "there is no value");
    } else if (slash && slash > text.at && slash[-1] == ':' &&
               slash + 1 < text.at + text.len && slash[1] == '/') {
        r = read_url(text, (size_t)(slash + 2 - text.at), &value, why);
    } else if (slash) {
        r = read_network(text, (size_t)(slash - text.at), &value, why);
    } else if (read_address(text, value.address)) {
        value.kind = TC_NF_ADDRESS;
    } else if (memchr(text.at, ':', text.len)) {
        r = tc_nf_refuse(why, "\"%s\" is no address; write one without port or zone",
                         tc_nf_quote(text, quote));
    } else {
        size_t star = text.len > 2 && !memcmp(text.at, "*.", 2) ? 2 : 0;

        value.kind = TC_NF_DOMAIN;
        r = read_name((struct tc_nf_text){text.at + star, text.len - star}, &value, why);
    }
    if (!r)
        *ret_value = value;
    return r;
}

void tc_nf_value_text(const struct tc_nf_value *value, char ret_text[TC_NF_NAME_MAX])
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = is_mapped(value);

    if (value->kind == TC_NF_DOMAIN || value->kind == TC_NF_HOST) {
        (void)snprintf(ret_text, TC_NF_NAME_MAX, "%s", value->name);
        return;
    }
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, value->address + (v4 ? sizeof(mapped) : 0),
                    text, sizeof(text));
    if (value->kind == TC_NF_ADDRESS)
        (void)snprintf(ret_text, TC_NF_NAME_MAX, "%s", text);
    else
        (void)snprintf(ret_text, TC_NF_NAME_MAX, "%s/%u", text,
                       value->length - (v4 ? MAPPED_BITS : 0u));
}
