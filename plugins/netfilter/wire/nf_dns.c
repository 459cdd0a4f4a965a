/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_dns.h"

#include <errno.h>
#include <stdio.h>

#include "nf_bytes.h"

#define HEADER_BYTES 12
#define NAME_WIRE_MAX 255 /* RFC 1035, 2.3.4, with the root's byte */
#define LABEL_MAX 63
#define POINTER 0xc0
#define POINTERS_MAX 16          /* from one to the next, without a label in between */
#define LABELS_COMPARED_MAX 8192 /* of one message, so that none takes long */
#define RECORD_BYTES 10          /* between the owner's name and the data */
#define CLASS_IN 1
#define CLASS_MASK 0x7fff /* the top bit is mDNS's own (RFC 6762, 10.2) */
#define RECORDS_MAX 1024  /* looked through for OPT */
#define SVCB_IPV4HINT 4
#define SVCB_IPV6HINT 6
#define TXT_BYTES_MAX 255 /* shown of one record, before escaping */

/* Flags of the header, RFC 1035, 4.1.1. */
#define FLAG_RESPONSE 0x8000
#define FLAG_TRUNCATED 0x0200

struct message {
    const uint8_t *data;
    size_t len;
    struct tc_nf_dns *dns;
    /* Where the owners of the answers and the targets of CNAMEs stand in the message. */
    uint16_t owners[TC_NF_DNS_ANSWERS_MAX], targets[TC_NF_DNS_ANSWERS_MAX];
    unsigned compared; /* labels, of LABELS_COMPARED_MAX */
};

/* One record, its data by where it stands in the message. */
struct record {
    size_t owner, data, len;
    uint16_t type, class;
    uint32_t ttl_s;
};

/* ---- Names ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Follows pointers from *at on to where a label is. They lead backwards only, to where
 * the names that they were written after are, and so end. `low` is where the name that is
 * read starts, and moves with it. */
static int follow(const struct message *m, size_t *at, size_t *low)
{
    size_t to;

    for (int i = 0; i <= POINTERS_MAX; i++) {
        if (*at >= m->len)
            return -EMSGSIZE;
        if (m->data[*at] <= LABEL_MAX)
            return 0;
        if ((m->data[*at] & POINTER) != POINTER)
            return -EPROTO;
        if (*at + 2 > m->len)
            return -EMSGSIZE;
        to = tc_nf_be16(m->data + *at) & 0x3fff;
        if (to < HEADER_BYTES || to >= *low)
            return -EPROTO;
        *at = *low = to;
    }
    return -EPROTO;
}

/* Goes past a name. -EMSGSIZE: the message ends in it; -EPROTO. */
static int skip_name(const struct message *m, size_t *at)
{
    size_t i = *at, wire = 1;

    for (; i < m->len && m->data[i]; i += 1 + m->data[i]) {
        if (m->data[i] > LABEL_MAX) {
            size_t label = i, low = *at;
            int r = follow(m, &label, &low);

            if (r)
                return r;
            *at = i + 2;
            return 0;
        }
        wire += 1 + m->data[i];
        if (wire > NAME_WIRE_MAX)
            return -EPROTO;
    }
    if (i >= m->len)
        return -EMSGSIZE;
    *at = i + 1;
    return 0;
}

/* Writes one byte of a label, at most 4. */
static size_t escape(uint8_t c, char *ret)
{
    if (c > ' ' && c < 0x7f && c != '.' && c != '\\') {
        *ret = (char)lower(c);
        return 1;
    }
    ret[0] = '\\';
    ret[1] = (char)('0' + c / 100);
    ret[2] = (char)('0' + c / 10 % 10);
    ret[3] = (char)('0' + c % 10);
    return 4;
}

/* Writes the name at `at` as text. */
static int expand_name(const struct message *m, size_t at,
                       char ret_name[TC_NF_DNS_NAME_BYTES])
{
    size_t low = at, wire = 1, n = 0;
    int r;

    for (;;) {
        size_t label;

        r = follow(m, &at, &low);
        if (r)
            return r;
        label = m->data[at++];
        if (!label)
            break;
        wire += 1 + label;
        if (wire > NAME_WIRE_MAX)
            return -EPROTO;
        if (m->len - at < label)
            return -EMSGSIZE;
        if (n)
            ret_name[n++] = '.';
        for (size_t end = at + label; at < end; at++)
            n += escape(m->data[at], ret_name + n);
    }
    if (!n)
        ret_name[n++] = '.';
    ret_name[n] = '\0';
    return 0;
}

/* Whether two names of the message are the same to a resolver. */
static bool same_name(struct message *m, size_t a, size_t b)
{
    size_t a_low = a, b_low = b;

    while (m->compared++ < LABELS_COMPARED_MAX) {
        size_t label;

        if (follow(m, &a, &a_low) || follow(m, &b, &b_low))
            return false;
        if (a == b)
            return true;
        label = m->data[a];
        if (label != m->data[b])
            return false;
        if (!label)
            return true;
        if (m->len - a <= label || m->len - b <= label)
            return false;
        for (size_t i = 1; i <= label; i++)
            if (lower(m->data[a + i]) != lower(m->data[b + i]))
                return false;
        a += 1 + label;
        b += 1 + label;
    }
    m->dns->cut = true;
    return false;
}

/* ---- What answers say ---- */

/* The answer whose record is `record`; NULL: there is no room for one more. */
static struct tc_nf_dns_answer *add_answer(struct message *m, const struct record *record)
{
    struct tc_nf_dns *dns = m->dns;
    struct tc_nf_dns_answer *answer;

    if (dns->answers_count == TC_NF_DNS_ANSWERS_MAX) {
        dns->cut = true;
        return NULL;
    }
    m->owners[dns->answers_count] = (uint16_t)record->owner;
    m->targets[dns->answers_count] = 0;
    answer = &dns->answers[dns->answers_count++];
    *answer = (struct tc_nf_dns_answer){.type = record->type, .ttl_s = record->ttl_s};
    return answer;
}

/* Keeps the text, if there is room. Text 0 is "". */
static void keep_text(struct tc_nf_dns *dns, struct tc_nf_dns_answer *answer,
                      const char *text)
{
    size_t bytes = strlen(text) + 1;

    if (bytes > sizeof(dns->texts) - dns->texts_bytes) {
        dns->cut = true;
        return;
    }
    memcpy(dns->texts + dns->texts_bytes, text, bytes);
    answer->text = dns->texts_bytes;
    dns->texts_bytes = (uint16_t)(dns->texts_bytes + bytes);
}

/* A name, with `numbers` numbers of two bytes in front of it. */
static int keep_name(struct message *m, const struct record *record, size_t numbers)
{
    char text[4 * sizeof("65535 ") + TC_NF_DNS_NAME_BYTES];
    struct tc_nf_dns_answer *answer = add_answer(m, record);
    size_t at = record->data, n = 0;
    int r;

    if (!answer)
        return 0;
    if (record->len < 2 * numbers + 1)
        return -EPROTO;
    for (; numbers; numbers--, at += 2)
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, "%u ", tc_nf_be16(m->data + at));
    r = expand_name(m, at, text + n);
    if (r)
        return r;
    m->targets[m->dns->answers_count - 1] = (uint16_t)at;
    keep_text(m->dns, answer, text);
    return 0;
}

static int keep_txt(struct message *m, const struct record *record)
{
    char text[4 * TXT_BYTES_MAX + 1];
    struct tc_nf_dns_answer *answer = add_answer(m, record);
    const uint8_t *at = m->data + record->data, *end = at + record->len;
    size_t n = 0, shown = 0;

    if (!answer)
        return 0;
    while (at < end) {
        const uint8_t *string_end = at + 1 + *at;

        if (string_end > end)
            return -EPROTO;
        for (at++; at < string_end && shown < TXT_BYTES_MAX; at++, shown++) {
            /* Strings are not names: their case and blanks stay. */
            if (*at >= ' ' && *at < 0x7f && *at != '\\')
                text[n++] = (char)*at;
            else
                n += escape(*at, text + n);
        }
        at = string_end;
    }
    text[n] = '\0';
    keep_text(m->dns, answer, text);
    return 0;
}

static int keep_addresses(struct message *m, const struct record *record, size_t at,
                          size_t len, size_t address_bytes)
{
    struct tc_nf_dns_answer *answer;

    if (!len || len % address_bytes)
        return -EPROTO;
    for (; len; len -= address_bytes, at += address_bytes) {
        answer = add_answer(m, record);
        if (!answer)
            return 0;
        answer->has_address = true;
        if (address_bytes == 4)
            tc_nf_address_map(m->data + at, answer->address);
        else
            memcpy(answer->address, m->data + at, 16);
    }
    return 0;
}

/* HTTPS and SVCB: its priority and target, then the addresses to be tried before those of
 * the target have come (RFC 9460, 2.2 and 7.3). */
static int keep_service(struct message *m, const struct record *record)
{
    size_t at = record->data + 2, end = record->data + record->len;
    int r = keep_name(m, record, 1);

    if (r == 0)
        r = skip_name(m, &at);
    while (r == 0 && at < end) {
        size_t key, len;

        if (end - at < 4)
            return -EPROTO;
        key = tc_nf_be16(m->data + at);
        len = tc_nf_be16(m->data + at + 2);
        at += 4;
        if (len > end - at)
            return -EPROTO;
        if (key == SVCB_IPV4HINT)
            r = keep_addresses(m, record, at, len, 4);
        else if (key == SVCB_IPV6HINT)
            r = keep_addresses(m, record, at, len, 16);
        at += len;
    }
    return r;
}

static int keep_answer(struct message *m, const struct record *record)
{
    /* TXT is read in any class: of CHAOS, it is what servers say about themselves. */
    switch (record->class == CLASS_IN || record->type == TC_NF_DNS_TXT ? record->type
                                                                       : 0) {
    case TC_NF_DNS_A:
        return record->len == 4 ? keep_addresses(m, record, record->data, 4, 4) : -EPROTO;
    case TC_NF_DNS_AAAA:
        return record->len == 16 ? keep_addresses(m, record, record->data, 16, 16)
                                 : -EPROTO;
    case TC_NF_DNS_NS:
    case TC_NF_DNS_CNAME:
    case TC_NF_DNS_DNAME:
    case TC_NF_DNS_PTR:
        return keep_name(m, record, 0);
    case TC_NF_DNS_MX:
        return keep_name(m, record, 1);
    case TC_NF_DNS_SRV:
        return keep_name(m, record, 3);
    case TC_NF_DNS_SVCB:
    case TC_NF_DNS_HTTPS:
        return keep_service(m, record);
    case TC_NF_DNS_TXT:
        return keep_txt(m, record);
    default:
        add_answer(m, record);
        return 0;
    }
}

/* Marks what belongs to the question: owners of its name, and of those that CNAMEs lead
 * to from there, in whatever order they stand. */
static void follow_aliases(struct message *m)
{
    struct tc_nf_dns *dns = m->dns;
    size_t name = HEADER_BYTES, next;

    for (int links = 0; name && links <= TC_NF_DNS_ALIASES_MAX; links++, name = next) {
        next = 0;
        for (size_t i = 0; i < dns->answers_count; i++) {
            struct tc_nf_dns_answer *answer = &dns->answers[i];

            if (answer->belongs || !same_name(m, m->owners[i], name))
                continue;
            answer->belongs = true;
            if (answer->type != TC_NF_DNS_CNAME || next)
                continue;
            next = m->targets[i];
            if (answer->ttl_s < dns->aliases_ttl_s)
                dns->aliases_ttl_s = answer->ttl_s;
        }
    }
}

/* ---- The message ---- */

static int take_record(const struct message *m, size_t *at, struct record *ret)
{
    struct record record = {.owner = *at};
    size_t i = *at;
    int r = skip_name(m, &i);

    if (r)
        return r;
    if (m->len - i < RECORD_BYTES)
        return -EMSGSIZE;
    record.type = tc_nf_be16(m->data + i);
    record.class = tc_nf_be16(m->data + i + 2);
    record.ttl_s = tc_nf_be32(m->data + i + 4);
    record.len = tc_nf_be16(m->data + i + 8);
    record.data = i + RECORD_BYTES;
    if (m->len - record.data < record.len)
        return -EMSGSIZE;
    if (record.type != TC_NF_DNS_OPT) {
        record.class &= CLASS_MASK;
        if (record.ttl_s & 0x80000000u)
            record.ttl_s = 0; /* RFC 2181, 8 */
    }
    *at = record.data + record.len;
    *ret = record;
    return 0;
}

static int read_questions(struct message *m, unsigned count, size_t *at)
{
    struct tc_nf_dns *dns = m->dns;
    int r;

    for (unsigned i = 0; i < count; i++) {
        r = i ? 0 : expand_name(m, *at, dns->name);
        if (r == 0)
            r = skip_name(m, at);
        if (r)
            return r;
        if (m->len - *at < 4)
            return -EMSGSIZE;
        if (!i) {
            dns->type = tc_nf_be16(m->data + *at);
            dns->class = tc_nf_be16(m->data + *at + 2) & CLASS_MASK;
        }
        *at += 4;
    }
    return 0;
}

static int read_answers(struct message *m, unsigned count, size_t *at)
{
    struct record record;
    int r = 0;

    for (; r == 0 && count; count--) {
        r = take_record(m, at, &record);
        if (r == 0)
            r = keep_answer(m, &record);
    }
    return r;
}

/* The sections behind the answers matter for the OPT that may be in them (RFC
 * 6891, 6.1.3); what is wrong or missing there is nothing that was asked for. */
static void read_rest(const struct message *m, unsigned count, size_t at)
{
    struct record record;

    for (unsigned i = 0; i < count && i < RECORDS_MAX; i++) {
        if (take_record(m, &at, &record))
            return;
        if (record.type == TC_NF_DNS_OPT)
            m->dns->rcode |= (uint16_t)(record.ttl_s >> 24 << 4);
    }
}

int tc_nf_dns_parse(const uint8_t *data, size_t len, struct tc_nf_dns *ret)
{
    struct message m = {.data = data, .dns = ret};
    size_t at = HEADER_BYTES;
    uint16_t flags, questions;
    int r;

    if (len < HEADER_BYTES)
        return -EMSGSIZE;
    m.len = len < TC_NF_DNS_MESSAGE_MAX ? len : TC_NF_DNS_MESSAGE_MAX;
    flags = tc_nf_be16(data + 2);
    questions = tc_nf_be16(data + 4);
    ret->id = tc_nf_be16(data);
    ret->response = flags & FLAG_RESPONSE;
    ret->truncated = flags & FLAG_TRUNCATED;
    ret->opcode = flags >> 11 & 0x0f;
    ret->rcode = flags & 0x0f;
    ret->cut = false;
    ret->type = ret->class = 0;
    ret->aliases_ttl_s = UINT32_MAX;
    ret->answers_count = 0;
    ret->name[0] = ret->texts[0] = '\0';
    ret->texts_bytes = 1;
    r = read_questions(&m, questions, &at);
    if (r || ret->opcode)
        return r;
    r = read_answers(&m, tc_nf_be16(data + 6), &at);
    if (r == -EMSGSIZE)
        ret->cut = true;
    else if (r == 0)
        read_rest(&m, tc_nf_be16(data + 8) + tc_nf_be16(data + 10), at);
    if (questions)
        follow_aliases(&m);
    return r == -EMSGSIZE ? 0 : r;
}

/* ---- TCP ---- */

void tc_nf_dns_tcp_init(struct tc_nf_dns_tcp *tcp, void *buf, size_t size)
{
    *tcp = (struct tc_nf_dns_tcp){.buf = buf, .size = size};
}

bool tc_nf_dns_tcp_next(struct tc_nf_dns_tcp *tcp, const uint8_t **data, size_t *len,
                        size_t *ret_len)
{
    while (*len) {
        size_t part = 1, at;

        if (tcp->have < 2) {
            tcp->want = tcp->want << 8 | **data;
        } else {
            at = tcp->have - 2;
            part = tcp->want - at < *len ? tcp->want - at : *len;
            if (at < tcp->size)
                memcpy(tcp->buf + at, *data,
                       part < tcp->size - at ? part : tcp->size - at);
        }
        tcp->have += part;
        *data += part;
        *len -= part;
        if (tcp->have < 2 || tcp->have - 2 < tcp->want)
            continue;
        *ret_len = tcp->want < tcp->size ? tcp->want : tcp->size;
        tcp->have = tcp->want = 0;
        return true;
    }
    return false;
}
