/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the step from a profile's bytes to libplist's tree, and the words for a place in
 * it. Must not: know what any key means.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/profile_priv.h"
#include "core/why.h"
#include "ipc/text.h"

#define NAME_SHOWN_MAX 100 /* of a file's name in a sentence; its end says more */
#define PATH_MAX_BYTES 200 /* "PayloadContent[12].Services..." */

/* What files hold may be any bytes; a sentence is one line that shows as it is. */
static void make_printable(char *why)
{
    size_t len = strlen(why), n;
    uint32_t character;

    for (size_t i = 0; i < len; i += n) {
        n = tc_text_next(why + i, len - i, &character);
        if (n && tc_text_shows(character))
            continue;
        n = n ? n : 1;
        memset(why + i, '?', n);
    }
}

int tc_profile_refuse(char why[256], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, TC_WHY_MAX, format, args);
    va_end(args);
    make_printable(why);
    return -EINVAL;
}

/* How many elements a walk meets before `wanted`, keys included. True when it has. */
static bool count_before(plist_t node, plist_t wanted, size_t *count)
{
    plist_array_iter items = NULL;
    plist_dict_iter pairs = NULL;
    plist_t child = NULL;
    bool found = node == wanted, dict = PLIST_IS_DICT(node);

    if (found)
        return true;
    ++*count;
    if (dict)
        plist_dict_new_iter(node, &pairs);
    else if (PLIST_IS_ARRAY(node))
        plist_array_new_iter(node, &items);
    while (!found && (pairs || items)) {
        if (dict)
            plist_dict_next_item(node, pairs, NULL, &child);
        else
            plist_array_next_item(node, items, &child);
        if (!child)
            break;
        *count += dict;
        found = count_before(child, wanted, count);
    }
    free(pairs);
    free(items);
    return found;
}

static size_t count_all(plist_t root)
{
    size_t count = 0;

    count_before(root, NULL, &count);
    return count;
}

/* "PayloadContent[0].Services" of a node; "the profile" of the root. */
static void print_path(plist_t node, char *buf, size_t cap)
{
    plist_t parent = plist_get_parent(node);
    char *key = NULL;
    size_t len;

    if (!parent) {
        buf[0] = '\0';
        return;
    }
    print_path(parent, buf, cap);
    len = strlen(buf);
    if (PLIST_IS_DICT(parent)) {
        plist_dict_get_item_key(node, &key);
        snprintf(buf + len, cap - len, "%s%s", len ? "." : "", key ? key : "?");
        free(key);
    } else {
        snprintf(buf + len, cap - len, "[%u]", plist_array_get_item_index(node));
    }
}

int tc_profile_refuse_at(const struct tc_profile_source *source, plist_t node,
                         char why[256], const char *format, ...)
{
    size_t len = strlen(source->name), index = 0, at;
    bool cut = len > NAME_SHOWN_MAX;
    char path[PATH_MAX_BYTES];
    va_list args;
    int n;

    n = snprintf(why, TC_WHY_MAX, "%s%s:", cut ? "..." : "",
                 source->name + (cut ? len - NAME_SHOWN_MAX : 0));
    at = (size_t)n;
    if (count_before(source->root, node, &index) && index < source->places.count) {
        n = snprintf(why + at, TC_WHY_MAX - at, "%u:%u: ", source->places.at[index].line,
                     source->places.at[index].column);
    } else {
        print_path(node, path, sizeof(path));
        n = snprintf(why + at, TC_WHY_MAX - at, " %.60s%s", path, path[0] ? ": " : "");
    }
    at += (size_t)n;
    va_start(args, format);
    (void)vsnprintf(why + at, TC_WHY_MAX - at, format, args);
    va_end(args);
    make_printable(why);
    return -EINVAL;
}

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
                                 "wrapper with openssl smime -verify -noverify -inform "
                                 "DER -in SIGNED -out PLAIN",
                                 source->name);
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
    if (source->root && source->places.count != count_all(source->root))
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
