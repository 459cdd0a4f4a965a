/* SPDX-License-Identifier: Apache-2.0 */
#include "send/fw_http.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format/fw_format.h"

#define CONNECT_MS 10000L
#define TOTAL_MS 30000L
#define SECRET_BYTES 4096
#define HEADER_BYTES (SECRET_BYTES + 128)
#define ANSWER_BYTES_MAX (4u * 1024 * 1024) /* read of an answer */
#define RETRY_AFTER_MAX_MS (10u * 60 * 1000)
#define SAID_BYTES 100 /* of an answer, in what operators are told */

struct http {
    CURL *easy;
    const struct tc_fw_http_kind *kind;
    struct curl_slist *headers;
    struct tc_fw_text url, body, answer;
    bool added; /* to the multi handle */
    char error[CURL_ERROR_SIZE];
};

enum tc_fw_outcome tc_fw_http_outcome(long status)
{
    if (status >= 200 && status < 300)
        return TC_FW_SENT;
    /* What is wrong with the event itself. All else may be set right at the receiver, or
     * in the configuration: a wrong token must not cost a single alert. */
    if (status == 400 || status == 413 || status == 415 || status == 422)
        return TC_FW_REFUSED;
    return TC_FW_RETRY;
}

static size_t on_answer(char *p, size_t size, size_t n, void *arg)
{
    struct http *http = arg;

    (void)size;
    if (http->answer.len + n <= ANSWER_BYTES_MAX)
        tc_fw_put(&http->answer, p, n);
    return n;
}

/* The text of a file of one secret, without the line feed at its end. */
static int read_secret(const char *path, char ret[SECRET_BYTES], size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, ret, SECRET_BYTES - 1);
    if (n < 0) {
        int err = -errno;

        (void)close(fd);
        return err;
    }
    (void)close(fd);
    while (n && strchr("\r\n \t", ret[n - 1]))
        n--;
    ret[n] = '\0';
    if (!n || strpbrk(ret, "\r\n"))
        return -EINVAL;
    *ret_len = (size_t)n;
    return 0;
}

static void add_header(struct http *http, const char *line)
{
    struct curl_slist *more = curl_slist_append(http->headers, line);

    if (more)
        http->headers = more;
}

static int put_token(struct tc_fw_sink *sink, char why[TC_FW_WHY_BYTES])
{
    const char *path = sink->config.set[TC_FW_SET_TOKEN_FILE];
    struct http *http = sink->own;
    char token[SECRET_BYTES], line[HEADER_BYTES];
    size_t len;
    int err;

    if (!path)
        return 0;
    err = read_secret(path, token, &len);
    if (err) {
        snprintf(why, TC_FW_WHY_BYTES, "token_file %s: %s", path,
                 err == -EINVAL ? "one line is needed" : strerror(-err));
        return err;
    }
    /* "Basic ..." and the like are said as they are. */
    snprintf(line, sizeof(line), "Authorization: %s%s%s",
             strchr(token, ' ') ? "" : http->kind->token, strchr(token, ' ') ? "" : " ",
             token);
    add_header(http, line);
    OPENSSL_cleanse(token, sizeof(token));
    OPENSSL_cleanse(line, sizeof(line));
    return 0;
}

/* X-Tocsin-Signature: HMAC-SHA256 of "<timestamp>.<body>", in hexadecimal. */
static int put_signature(struct tc_fw_sink *sink, char why[TC_FW_WHY_BYTES])
{
    const char *path = sink->config.set[TC_FW_SET_SECRET_FILE];
    struct http *http = sink->own;
    struct tc_fw_text signed_text = {.p = NULL};
    unsigned char mac[EVP_MAX_MD_SIZE];
    char secret[SECRET_BYTES], line[160];
    unsigned mac_len = 0;
    size_t len = 0, at;
    int err;

    if (!path)
        return 0;
    err = read_secret(path, secret, &len);
    if (err) {
        snprintf(why, TC_FW_WHY_BYTES, "secret_file %s: %s", path,
                 err == -EINVAL ? "one line is needed" : strerror(-err));
        return err;
    }
    tc_fw_putf(&signed_text, "%lld", (long long)time(NULL));
    snprintf(line, sizeof(line), "X-Tocsin-Timestamp: %s",
             signed_text.failed ? "" : signed_text.p);
    add_header(http, line);
    tc_fw_put(&signed_text, ".", 1);
    tc_fw_put(&signed_text, http->body.p, http->body.len);
    if (signed_text.failed ||
        !HMAC(EVP_sha256(), secret, (int)len, (const unsigned char *)signed_text.p,
              signed_text.len, mac, &mac_len))
        err = -ENOMEM;
    at = (size_t)snprintf(line, sizeof(line), "X-Tocsin-Signature: sha256=");
    for (unsigned i = 0; i < mac_len; i++)
        at += (size_t)snprintf(line + at, sizeof(line) - at, "%02x", mac[i]);
    add_header(http, line);
    tc_fw_text_done(&signed_text);
    OPENSSL_cleanse(secret, sizeof(secret));
    return err;
}

static void put_body(struct tc_fw_sink *sink)
{
    const struct tc_fw_batch *batch = &sink->batch;
    struct http *http = sink->own;

    tc_fw_text_cut(&http->body, 0);
    tc_fw_puts(&http->body, http->kind->open);
    for (size_t i = 0; i < batch->count; i++) {
        if (i)
            tc_fw_puts(&http->body, http->kind->between);
        tc_fw_put(&http->body, batch->text.p + batch->items[i].at, batch->items[i].len);
    }
    tc_fw_puts(&http->body, http->kind->close);
}

static int put_headers(struct tc_fw_sink *sink, char why[TC_FW_WHY_BYTES])
{
    const struct tc_fw_batch *batch = &sink->batch;
    struct http *http = sink->own;
    char line[160];
    int err;

    curl_slist_free_all(http->headers);
    http->headers = NULL;
    snprintf(line, sizeof(line), "Content-Type: %s", http->kind->type);
    add_header(http, line);
    /* libcurl sends a POST again by itself when a connection that it reused is closed
     * without an answer: the receiver can see that it is the same. */
    snprintf(line, sizeof(line), "Idempotency-Key: %s-%zu", batch->items[0].id,
             batch->count);
    add_header(http, line);
    add_header(http, "Expect:"); /* or libcurl waits a second for it, above 1 MiB */
    err = put_token(sink, why);
    return err ? err : put_signature(sink, why);
}

static void put_options(struct tc_fw_sink *sink)
{
    const char *ca = sink->config.set[TC_FW_SET_CA_FILE];
    struct http *http = sink->own;
    CURL *easy = http->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, sink);
    curl_easy_setopt(easy, CURLOPT_URL, http->url.p);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, http->body.p);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)http->body.len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TC_FW_PRODUCT_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
    if (ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
}

/* A URL without a path gets the kind's. */
static void put_url(struct tc_fw_sink *sink)
{
    const char *url = sink->config.target, *host = strstr(url, "//") + 2;
    struct http *http = sink->own;
    size_t n = strlen(url);
    bool bare = host[strcspn(host, "/?")] == '\0' || strchr(host, '/') == url + n - 1;

    tc_fw_text_cut(&http->url, 0);
    tc_fw_put(&http->url, url, bare && url[n - 1] == '/' ? n - 1 : n);
    if (bare)
        tc_fw_puts(&http->url, http->kind->path);
}

void tc_fw_http_begin(struct tc_fw_sink *sink, const struct tc_fw_http_kind *kind)
{
    struct http *http = sink->own;
    char why[TC_FW_WHY_BYTES] = "out of memory";

    if (!http)
        http = sink->own = calloc(1, sizeof(*http));
    if (http && !http->easy)
        http->easy = curl_easy_init();
    if (!http || !http->easy) {
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s", why);
        return;
    }
    http->kind = kind;
    http->error[0] = '\0';
    tc_fw_text_cut(&http->answer, 0);
    put_url(sink);
    put_body(sink);
    if (put_headers(sink, why) || http->body.failed || http->url.failed) {
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s", why);
        return;
    }
    put_options(sink);
    http->added = curl_multi_add_handle(sink->multi, http->easy) == CURLM_OK;
    if (!http->added)
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s", why);
}

/* The start of an answer, for people. */
static int said_len(const struct http *http)
{
    size_t n = http->answer.len < SAID_BYTES ? http->answer.len : SAID_BYTES;

    for (size_t i = 0; i < n; i++)
        if ((uint8_t)http->answer.p[i] < 0x20 || (uint8_t)http->answer.p[i] >= 0x7f)
            return (int)i;
    return (int)n;
}

void tc_fw_http_transferred(struct tc_fw_sink *sink, CURLcode result)
{
    struct http *http = sink->own;
    enum tc_fw_outcome outcome;
    curl_off_t after = 0;
    long status = 0;

    (void)curl_multi_remove_handle(sink->multi, http->easy);
    http->added = false;
    if (result != CURLE_OK) {
        tc_fw_sink_end(sink, TC_FW_RETRY, "%s",
                       http->error[0] ? http->error : curl_easy_strerror(result));
        return;
    }
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &after);
    sink->batch.retry_after_ms =
        after < RETRY_AFTER_MAX_MS / 1000 ? (uint64_t)after * 1000 : RETRY_AFTER_MAX_MS;
    outcome = tc_fw_http_outcome(status);
    if (outcome == TC_FW_SENT && http->kind->answer)
        http->kind->answer(sink, http->answer.len ? http->answer.p : "",
                           http->answer.len);
    else
        tc_fw_sink_end(sink, outcome, "the receiver answers %ld%s%.*s", status,
                       said_len(http) ? ": " : "", said_len(http),
                       http->answer.len ? http->answer.p : "");
}

void tc_fw_http_close(struct tc_fw_sink *sink)
{
    struct http *http = sink->own;

    if (!http)
        return;
    if (http->added)
        (void)curl_multi_remove_handle(sink->multi, http->easy);
    curl_easy_cleanup(http->easy);
    curl_slist_free_all(http->headers);
    tc_fw_text_done(&http->url);
    tc_fw_text_done(&http->body);
    tc_fw_text_done(&http->answer);
    free(http);
    sink->own = NULL;
}
