/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the step from a profile's bytes to libplist's tree. Must not: know what any key
 * means.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/profile/profile_priv.h"

/* Whether it looks like CMS (RFC 5652) in DER: a SEQUENCE with the OID of signed data. */
static bool is_signed(const uint8_t *data, size_t len)
{
    static const uint8_t oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x07, 0x02};
    size_t head = len < 32 ? len : 32;

    if (len > 10 && !memcmp(data, "-----BEGIN", 10))
        return true;
    return head && data[0] == 0x30 && memmem(data, head, oid, sizeof(oid)) != NULL;
}

/* Of a file that begins neither as XML nor as a binary property list. */
static int refuse_format(const struct tc_profile_source *source, const uint8_t *data,
                         size_t len, char why[256])
{
    if (!len)
        return tc_profile_refuse(why, "%.100s: the file is empty", source->name);
    if (is_signed(data, len))
        return tc_profile_refuse(why,
                                 "%.60s: the profile is signed: take it out of its "
                                 "wrapper with openssl cms -verify -noverify -inform "
                                 "%s -in SIGNED -out PLAIN",
                                 source->name, data[0] == '-' ? "PEM" : "DER");
    if (data[0] == 0xfe || data[0] == 0xff)
        return tc_profile_refuse(why, "%.100s: the text is UTF-16: save it as UTF-8",
                                 source->name);
    return tc_profile_refuse(why, "%.100s: this is no XML or binary property list",
                             source->name);
}

/* XML, past what may stand before its first <. */
static int read_xml(struct tc_profile_source *source, const char *text, size_t len,
                    char why[256])
{
    int r = tc_profile_xml_check(source->name, text, len, &source->places, why);
    size_t blank = 0;

    if (r)
        return r;
    while (strchr(" \t\r\n", text[blank]))
        blank++;
    plist_from_xml(text + blank, (uint32_t)(len - blank), &source->root);
    /* Keys that are the same only once their entities are read are one in the tree. */
    if (source->root && source->places.count != tc_profile_count(source->root))
        source->places.count = 0;
    return 0;
}

static bool begins_as_xml(const uint8_t *bytes, size_t len)
{
    size_t blank = 0;

    while (blank < len && bytes[blank] && strchr(" \t\r\n", bytes[blank]))
        blank++;
    return blank < len && bytes[blank] == '<';
}

int tc_profile_source_read(struct tc_profile_source *source, const void *data, size_t len,
                           char why[256])
{
    const uint8_t *bytes = data;
    size_t mark = len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
    int r;

    if (len > TC_PROFILE_BYTES_MAX)
        return tc_profile_refuse(why, "%.100s: the profile is larger than 1 MiB",
                                 source->name);
    if (len >= 8 && !memcmp(bytes, "bplist00", 8)) {
        r = tc_profile_binary_check(source->name, bytes, len, why);
        if (!r)
            plist_from_bin(data, (uint32_t)len, &source->root);
    } else if (begins_as_xml(bytes + mark, len - mark)) {
        r = read_xml(source, (const char *)data + mark, len - mark, why);
    } else {
        r = refuse_format(source, bytes, len, why);
    }
    if (!r && !source->root)
        r = tc_profile_refuse(why, "%.100s: libplist cannot read this property list",
                              source->name);
    return r;
}

void tc_profile_source_done(struct tc_profile_source *source)
{
    plist_free(source->root);
    free(source->places.at);
    free(source->name);
    memset(source, 0, sizeof(*source));
}
