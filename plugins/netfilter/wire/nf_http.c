/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_http.h"

#include <errno.h>
#include <stdbool.h>

#define METHOD_MAX 32 /* bytes; the longest registered is UPDATEREDIRECTREF */

/* A piece of the request, by its two ends. */
struct piece {
    const uint8_t *at;
    size_t len;
};

static bool starts_with(struct piece piece, const char *text)
{
    size_t len = strlen(text);

    return piece.len >= len && !memcmp(piece.at, text, len);
}

/* Whether what is there can still become `text`. */
static bool begins(struct piece piece, const char *text)
{
    size_t len = strlen(text);

    return !memcmp(piece.at, text, piece.len < len ? piece.len : len);
}

/* tchar of RFC 9110, 5.6.2 */
static bool is_token(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static struct piece skip(struct piece piece, size_t n)
{
    piece.at += n;
    piece.len -= n;
    return piece;
}

/* How much of the piece is before c; all of it: there is none. */
static size_t until(struct piece piece, char c)
{
    const uint8_t *end = piece.len ? memchr(piece.at, c, piece.len) : NULL;

    return end ? (size_t)(end - piece.at) : piece.len;
}

static struct piece trim(struct piece piece)
{
    while (piece.len && (*piece.at == ' ' || *piece.at == '\t'))
        piece = skip(piece, 1);
    while (piece.len &&
           (piece.at[piece.len - 1] == ' ' || piece.at[piece.len - 1] == '\t'))
        piece.len--;
    return piece;
}

/* Takes one line off the front, without what ends it. False: it is not whole. */
static bool take_line(struct piece *rest, struct piece *ret)
{
    size_t len = until(*rest, '\n');

    if (len == rest->len)
        return false;
    *ret = (struct piece){.at = rest->at, .len = len};
    *rest = skip(*rest, len + 1);
    if (ret->len && ret->at[ret->len - 1] == '\r')
        ret->len--;
    return true;
}

/* The host of what RFC 3986, 3.2 calls an authority: [user@]host[:port]. */
static int read_authority(struct piece piece, char ret_name[TC_NF_HOST_BYTES])
{
    for (size_t at = until(piece, '@'); at < piece.len; at = until(piece, '@'))
        piece = skip(piece, at + 1);
    if (piece.len && *piece.at == '[')
        return -ENOENT; /* an address of IPv6 */
    piece.len = until(piece, ':');
    return tc_nf_host_name(piece.at, piece.len, ret_name) ? -ENOENT : 0;
}

/* Goes past empty lines, which a server has to (RFC 9112, 2.2), and the method. */
static int take_method(struct piece *rest, struct piece *ret)
{
    size_t len = 0;

    while (rest->len && (*rest->at == '\r' || *rest->at == '\n'))
        *rest = skip(*rest, 1);
    while (len < rest->len && is_token(rest->at[len]))
        len++;
    if (len > METHOD_MAX)
        return -EPROTO;
    if (len == rest->len)
        return -EAGAIN;
    if (!len || rest->at[len] != ' ')
        return -EPROTO;
    *ret = (struct piece){.at = rest->at, .len = len};
    *rest = skip(*rest, len + 1);
    return 0;
}

/* The request's target, and that it is HTTP/1.x. */
static int take_target(struct piece *rest, struct piece *ret)
{
    struct piece line;
    size_t len = 0;

    while (len < rest->len && rest->at[len] > ' ' && rest->at[len] != 0x7f)
        len++;
    if (len == rest->len)
        return -EAGAIN;
    if (!len || rest->at[len] != ' ')
        return -EPROTO;
    *ret = (struct piece){.at = rest->at, .len = len};
    *rest = skip(*rest, len + 1);
    if (!begins(*rest, "HTTP/1."))
        return -EPROTO;
    if (!take_line(rest, &line))
        return -EAGAIN;
    return starts_with(line, "HTTP/1.") ? 0 : -EPROTO;
}

/* The authority of an absolute URI; false: it is none. */
static bool authority_of(struct piece target, struct piece *ret)
{
    size_t scheme = until(target, ':');
    struct piece rest = skip(target, scheme);

    if (!scheme || *target.at == '/' || !starts_with(rest, "://"))
        return false;
    rest = skip(rest, 3);
    rest.len = until(rest, '/');
    rest.len = until(rest, '?');
    rest.len = until(rest, '#');
    *ret = rest;
    return true;
}

static bool is_host_line(struct piece line)
{
    static const char name[] = "host:";

    if (line.len < sizeof(name) - 1)
        return false;
    for (size_t i = 0; i < sizeof(name) - 2; i++)
        if ((line.at[i] | 0x20) != name[i])
            return false;
    return line.at[sizeof(name) - 2] == ':';
}

static int find_host_line(struct piece rest, char ret_name[TC_NF_HOST_BYTES])
{
    struct piece line;

    while (take_line(&rest, &line)) {
        if (!line.len)
            return -ENOENT;
        if (is_host_line(line))
            return read_authority(trim(skip(line, 5)), ret_name);
    }
    return -EAGAIN;
}

int tc_nf_http_host(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES])
{
    static const char http2[] = "PRI * HTTP/2.0\r\n"; /* RFC 9113, 3.4 */
    struct piece rest = {.at = data, .len = len}, method, target, authority;
    int r;

    if (starts_with(rest, http2))
        return -ENOENT;
    if (len && begins(rest, http2))
        return -EAGAIN;
    r = take_method(&rest, &method);
    if (r == 0)
        r = take_target(&rest, &target);
    if (r)
        return r;
    if (method.len == 7 && !memcmp(method.at, "CONNECT", 7))
        return read_authority(target, ret_name);
    if (authority_of(target, &authority))
        return read_authority(authority, ret_name);
    return find_host_line(rest, ret_name);
}
