/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the look at an XML property list before libplist gets it: libplist has no bound
 * on depth (it frees a tree by recursion) and gives no place for an error. What passes
 * here is XML in the one dialect of property lists: the elements of Apple's
 * PropertyList-1.0.dtd, no attributes but <plist>'s, no document type with contents.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/profile/profile_priv.h"

#define ENTITY_BYTES_MAX 10 /* "&#1114111;" */

enum form {
    CONTAINER, /* holds elements */
    LEAF,      /* holds text */
    EMPTY,
};

struct element {
    const char *name;
    enum form form;
};

static const struct element elements[] = {
    {"plist", CONTAINER}, {"dict", CONTAINER}, {"array", CONTAINER}, {"key", LEAF},
    {"string", LEAF},     {"data", LEAF},      {"date", LEAF},       {"real", LEAF},
    {"integer", LEAF},    {"true", EMPTY},     {"false", EMPTY},
};

#define PLIST (&elements[0])
#define DICT (&elements[1])
#define KEY (&elements[3])

/* A key that has been, as it is written, and the one before it in the same dict. */
struct key_text {
    const char *text;
    size_t len, before; /* index + 1; 0: none */
};

/* An element that is open, and what is in it so far. */
struct level {
    const struct element *element;
    size_t children;
    const char *text; /* where its contents begin */
    size_t last_key;  /* index + 1 into the keys; 0: none */
};

struct scan {
    const char *name;
    const char *at, *end;
    struct tc_profile_place place;                 /* of `at` */
    struct level levels[TC_PROFILE_DEPTH_MAX + 3]; /* plist and a leaf besides */
    size_t depth;
    bool closed; /* </plist> has been */
    struct key_text *keys;
    size_t key_count;
    struct tc_profile_places *places;
    char *why;
};

/* Refuses what stands at the place of the scan. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct scan *scan,
                                                        const char *format, ...)
{
    char what[TC_WHY_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return tc_profile_refuse(scan->why, "%.100s:%u:%u: %s", scan->name, scan->place.line,
                             scan->place.column, what);
}

static void advance(struct scan *scan, size_t n)
{
    for (const char *end = scan->at + n; scan->at < end; scan->at++) {
        if (*scan->at == '\n') {
            scan->place.line++;
            scan->place.column = 1;
        } else if (((unsigned char)*scan->at & 0xc0) != 0x80) {
            scan->place.column++;
        }
    }
}

static bool starts(const struct scan *scan, const char *text)
{
    size_t n = strlen(text);

    return (size_t)(scan->end - scan->at) >= n && !memcmp(scan->at, text, n);
}

/* Goes on behind the next `text` that is at least `from` bytes away. */
static int skip_past(struct scan *scan, size_t from, const char *text, const char *what)
{
    size_t left = (size_t)(scan->end - scan->at), n = strlen(text);
    const char *found = NULL;

    if (left > from)
        found = memmem(scan->at + from, left - from, text, n);
    if (!found)
        return refuse(scan, "this %s has no end (%s)", what, text);
    advance(scan, (size_t)(found - scan->at) + n);
    return 0;
}

static struct level *top(struct scan *scan)
{
    return scan->depth ? &scan->levels[scan->depth - 1] : NULL;
}

static bool in_leaf(struct scan *scan)
{
    return scan->depth && top(scan)->element->form == LEAF;
}

static int skip_doctype(struct scan *scan)
{
    const char *p = scan->at;

    while (p < scan->end && *p != '>' && *p != '[')
        p++;
    if (p < scan->end && *p == '[')
        return refuse(scan,
                      "the document type has contents of its own (entities): remove "
                      "all from [ to ]");
    return skip_past(scan, 0, ">", "document type");
}

/* <!...> and <?...?> */
static int skip_markup(struct scan *scan)
{
    if (starts(scan, "<!-->") || starts(scan, "<!--->"))
        return refuse(scan, "this is no comment");
    if (starts(scan, "<!--"))
        return skip_past(scan, 4, "-->", "comment");
    if (starts(scan, "<![CDATA[") && in_leaf(scan))
        return skip_past(scan, 9, "]]>", "CDATA section");
    if (starts(scan, "<!DOCTYPE") && !scan->depth && !scan->closed)
        return skip_doctype(scan);
    if (starts(scan, "<?") && !scan->depth)
        return skip_past(scan, 2, "?>", "processing instruction");
    return refuse(scan, "this does not belong here");
}

/* Takes down where an element begins. */
static int note_place(struct scan *scan)
{
    struct tc_profile_places *places = scan->places;
    struct tc_profile_place *grown;

    if (places->count == TC_PROFILE_NODES_MAX)
        return refuse(scan, "the profile has more than %d values", TC_PROFILE_NODES_MAX);
    if (!(places->count & (places->count - 1))) {
        grown = realloc(places->at,
                        (places->count ? 2 * places->count : 1) * sizeof(*places->at));
        if (!grown)
            return -ENOMEM;
        places->at = grown;
    }
    places->at[places->count++] = scan->place;
    return 0;
}

/* Whether an element may stand here. */
static int check_position(struct scan *scan, const struct element *element)
{
    const struct level *parent = top(scan);

    if (!parent) {
        if (element == PLIST && !scan->closed)
            return 0;
        return refuse(scan, "<%s> is %s", element->name,
                      scan->closed ? "behind </plist>" : "outside of <plist>");
    }
    if (parent->element->form == EMPTY)
        return refuse(scan, "<%s> holds something", parent->element->name);
    if (element == PLIST || (parent->element == PLIST && parent->children))
        return refuse(scan, "a second <%s> does not belong here", element->name);
    if (parent->element == DICT && parent->children % 2 == 0 && element != KEY)
        return refuse(scan, "<%s> is where a <key> must be", element->name);
    if (element == KEY && (parent->element != DICT || parent->children % 2 == 1))
        return refuse(scan, "<key> is where a value must be");
    return 0;
}

static int open_element(struct scan *scan, const struct element *element, bool empty,
                        size_t bytes)
{
    int r = check_position(scan, element);

    if (!r && element != PLIST)
        r = note_place(scan);
    if (r)
        return r;
    if (scan->depth)
        top(scan)->children++;
    /* One level more than dicts and arrays, for <plist>; a leaf goes in on top. */
    if (element->form == CONTAINER && scan->depth > TC_PROFILE_DEPTH_MAX)
        return refuse(scan, "values are nested deeper than %d", TC_PROFILE_DEPTH_MAX);
    if (!empty) {
        scan->levels[scan->depth++] =
            (struct level){.element = element, .text = scan->at + bytes};
    } else if (element == PLIST) {
        return refuse(scan, "the property list is empty");
    }
    advance(scan, bytes);
    return 0;
}

/* Takes down the key that ends here. Of one that stands twice libplist keeps the last. */
static int note_key(struct scan *scan, const struct level *level)
{
    struct level *dict = &scan->levels[scan->depth - 2];
    size_t len = (size_t)(scan->at - level->text);
    struct key_text *key, *grown;

    for (size_t i = dict->last_key; i; i = key->before) {
        key = &scan->keys[i - 1];
        if (key->len == len && !memcmp(key->text, level->text, len))
            return refuse(scan, "<key>%.*s</key> is there twice: remove one",
                          (int)(len < 40 ? len : 40), key->text);
    }
    if (!(scan->key_count & (scan->key_count - 1))) {
        grown = realloc(scan->keys, (scan->key_count ? 2 * scan->key_count : 1) *
                                        sizeof(*scan->keys));
        if (!grown)
            return -ENOMEM;
        scan->keys = grown;
    }
    scan->keys[scan->key_count++] = (struct key_text){level->text, len, dict->last_key};
    dict->last_key = scan->key_count;
    return 0;
}

static int close_element(struct scan *scan, const struct element *element, size_t bytes)
{
    const struct level *level = top(scan);

    int r;

    if (!level)
        return refuse(scan, "</%s> is where the end must be", element->name);
    if (level->element != element)
        return refuse(scan, "</%s> is where </%s> must be", element->name,
                      level->element->name);
    if (element == DICT && level->children % 2 == 1)
        return refuse(scan, "the last <key> has no value");
    if (element == PLIST && !level->children)
        return refuse(scan, "the property list is empty");
    r = element == KEY ? note_key(scan, level) : 0;
    if (r)
        return r;
    scan->depth--;
    scan->closed = !scan->depth;
    advance(scan, bytes);
    return 0;
}

static const struct element *find_element(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++)
        if (strlen(elements[i].name) == n && !memcmp(elements[i].name, name, n))
            return &elements[i];
    return NULL;
}

/* <name>, </name> or <name/>; `at` is at the <. */
static int scan_tag(struct scan *scan)
{
    bool closing = starts(scan, "</"), empty;
    const char *name = scan->at + 1 + closing, *end = name, *stop;
    const struct element *element;

    while (end < scan->end &&
           ((*end >= 'a' && *end <= 'z') || (*end >= 'A' && *end <= 'Z')))
        end++;
    stop = memchr(scan->at, '>', (size_t)(scan->end - scan->at));
    element = find_element(name, (size_t)(end - name));
    if (!stop)
        return refuse(scan, "this tag has no end (>)");
    if (!element)
        return refuse(scan, "<%.*s> is no element of a property list",
                      (int)(end - name < 32 ? end - name : 32), name);
    empty = !closing && stop[-1] == '/';
    if (element != PLIST || closing)
        for (const char *p = end; p < stop - empty; p++)
            if (!strchr(" \t\r\n", *p) || !*p)
                return refuse(scan, "<%s> takes no attributes", element->name);
    if (in_leaf(scan) && !closing)
        return refuse(scan, "<%s> is inside of <%s>", element->name,
                      top(scan)->element->name);
    if (closing)
        return close_element(scan, element, (size_t)(stop - scan->at) + 1);
    return open_element(scan, element, empty, (size_t)(stop - scan->at) + 1);
}

/* &amp; and its like; nothing that would have to be declared, and no NUL. */
static int scan_entity(struct scan *scan)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    char number[ENTITY_BYTES_MAX + 1] = "", *end;
    size_t n = (size_t)(scan->end - scan->at);
    unsigned long character;
    bool hex;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (starts(scan, known[i])) {
            advance(scan, strlen(known[i]));
            return 0;
        }
    }
    memcpy(number, scan->at, n < ENTITY_BYTES_MAX ? n : ENTITY_BYTES_MAX);
    if (number[1] != '#')
        return refuse(scan, "& begins no entity: write it as &amp;");
    hex = number[2] == 'x';
    /* strtoul would take blanks and signs too. */
    if (!strchr("0123456789abcdefABCDEF", number[2 + hex]) || !number[2 + hex])
        return refuse(scan, "this entity is no number");
    character = strtoul(number + 2 + hex, &end, hex ? 16 : 10);
    if (*end != ';' || !character || character > 0x10ffff)
        return refuse(scan, "this entity stands for no character");
    advance(scan, (size_t)(end - number) + 1);
    return 0;
}

static int scan_next(struct scan *scan)
{
    if (*scan->at == '<' && scan->end - scan->at > 1 &&
        (scan->at[1] == '!' || scan->at[1] == '?'))
        return skip_markup(scan);
    if (*scan->at == '<')
        return scan_tag(scan);
    if (*scan->at == '&' && in_leaf(scan))
        return scan_entity(scan);
    if (!*scan->at)
        return refuse(scan, "there is a NUL byte here");
    if (!in_leaf(scan) && !strchr(" \t\r\n", *scan->at))
        return refuse(scan, "text is outside of any value");
    advance(scan, 1);
    return 0;
}

int tc_profile_xml_check(const char *name, const char *text, size_t len,
                         struct tc_profile_places *places, char why[256])
{
    struct scan scan = {.name = name,
                        .at = text,
                        .end = text + len,
                        .place = {1, 1},
                        .places = places,
                        .why = why};
    int r = 0;

    while (!r && scan.at < scan.end)
        r = scan_next(&scan);
    free(scan.keys);
    if (r)
        return r;
    if (scan.depth)
        return refuse(&scan, "the file ends before </%s>", top(&scan)->element->name);
    if (!scan.closed)
        return refuse(&scan, "there is no <plist> in it");
    return 0;
}
