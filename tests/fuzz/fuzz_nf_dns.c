/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a DNS message, and, in segments as long as the first byte says, as
 * messages in a stream: what was read is text within its limits, and how the stream is
 * cut changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/nf_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_printable(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    require(len < size);
    for (size_t i = 0; i < len; i++)
        require(text[i] >= ' ' && text[i] < 0x7f);
}

static void read_message(const uint8_t *data, size_t len)
{
    struct tc_nf_dns dns;

    if (tc_nf_dns_parse(data, len, &dns))
        return;
    require_printable(dns.name, sizeof(dns.name));
    require(dns.answers_count <= TC_NF_DNS_ANSWERS_MAX);
    for (size_t i = 0; i < dns.answers_count; i++) {
        require(dns.answers[i].text < dns.texts_bytes);
        require_printable(tc_nf_dns_text(&dns, &dns.answers[i]),
                          dns.texts_bytes - dns.answers[i].text);
    }
}

/* Reads a stream in segments; a sum over all messages. */
static uint64_t read_stream(const uint8_t *data, size_t size, size_t segment)
{
    struct tc_nf_dns_tcp tcp;
    uint8_t buf[300];
    uint64_t sum = 0;
    size_t len;

    tc_nf_dns_tcp_init(&tcp, buf, sizeof(buf));
    while (size) {
        size_t part = size < segment ? size : segment;

        size -= part;
        while (tc_nf_dns_tcp_next(&tcp, &data, &part, &len)) {
            require(len <= sizeof(buf));
            read_message(buf, len);
            for (size_t i = 0; i < len; i++)
                sum = sum * 31 + buf[i];
            sum = sum * 31 + len;
        }
        require(!part);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    read_message(data + 1, size - 1);
    require(read_stream(data + 1, size - 1, (size_t)data[0] + 1) ==
            read_stream(data + 1, size - 1, size));
    return 0;
}
