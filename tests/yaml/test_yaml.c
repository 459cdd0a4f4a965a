/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of YAML: what a text becomes, with places; what is refused, where and why;
 * and that each bound holds. What the configuration and rules make of it is tested there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "yaml/yaml.h"

static const struct tc_yaml_limits roomy = {
    .text_bytes = 1 << 20,
    .arena_bytes = 1 << 20,
    .nodes = 1000,
    .documents = 4,
    .depth = 8,
    .blocks = true,
    .merge_keys = true,
    .too_large = "too large",
    .too_many_keys = "too many keys",
};

/* ---- A tree as text: {key: value}, [item], 'quoted', plain, ~ ---- */

static void write_node(FILE *out, const struct tc_yaml_node *node, bool places)
{
    const struct tc_yaml_node *at = node->first;

    if (places)
        fprintf(out, "%u:%u ", node->place.line, node->place.column);
    if (node->kind == TC_YAML_NULL)
        fputc('~', out);
    else if (node->kind == TC_YAML_TEXT)
        fprintf(out, node->quoted ? "'%s'" : "%s", node->text);
    else
        fputc(node->kind == TC_YAML_LIST ? '[' : '{', out);
    for (unsigned i = 0; i < node->count; i++, at = at->next) {
        fputs(i ? ", " : "", out);
        if (at->key && places)
            fprintf(out, "%u:%u ", at->key_place.line, at->key_place.column);
        if (at->key)
            fprintf(out, "%s: ", at->key);
        write_node(out, at, places);
    }
    assert_null(at);
    if (node->kind == TC_YAML_LIST || node->kind == TC_YAML_MAP)
        fputc(node->kind == TC_YAML_LIST ? ']' : '}', out);
}

static struct tc_yaml *read_good(const char *text, const struct tc_yaml_limits *limits)
{
    struct tc_yaml *yaml = NULL;
    struct tc_yaml_error error;

    if (tc_yaml_parse("t", text, strlen(text), limits, &yaml, &error) < 0)
        fail_msg("refused: %u:%u %s\n%s", error.place.line, error.place.column, error.why,
                 text);
    return yaml;
}

/* `text` must become `wanted`, documents with " | " between. */
static void check_read(const char *text, const char *wanted, bool places)
{
    struct tc_yaml *yaml = read_good(text, &roomy);
    char *got = NULL;
    size_t len;
    FILE *out = open_memstream(&got, &len);

    for (const struct tc_yaml_node *at = yaml->documents; at; at = at->next) {
        fputs(at == yaml->documents ? "" : " | ", out);
        write_node(out, at, places);
    }
    fclose(out);
    if (strcmp(got, wanted))
        fail_msg("of %s\n  got  %s\n  want %s", text, got, wanted);
    free(got);
    tc_yaml_free(yaml);
}

static void check_refused_by(const struct tc_yaml_limits *limits, const char *text,
                             const char *place, const char *why)
{
    struct tc_yaml *yaml = NULL;
    struct tc_yaml_error error;
    char got[TC_YAML_WHY_MAX + 32];
    int r = tc_yaml_parse("t", text, strlen(text), limits, &yaml, &error);

    if (r == 0)
        fail_msg("taken: %s", text);
    assert_int_equal(r, -EINVAL);
    assert_null(yaml);
    snprintf(got, sizeof(got), "%u:%u", error.place.line, error.place.column);
    if (strcmp(got, place) || !strstr(error.why, why) || strchr(error.why, '\n'))
        fail_msg("of %s\n  got  %s %s\n  want %s %s", text, got, error.why, place, why);
}

/* ---- What a text becomes ---- */

static void yaml_reads_maps_lists_texts_and_nothing(void **state)
{
    static const struct {
        const char *text, *tree;
    } rows[] = {
        {"", "~"},
        {"# nothing\n", "~"},
        {"a: 1\nb: 'true'\nc: \"x\\ty\"\n", "{a: 1, b: 'true', c: 'x\ty'}"},
        {"a: ~\nb: null\nc:\nd: ''\ne: Null\n", "{a: ~, b: ~, c: ~, d: '', e: Null}"},
        {"- [a, {b: c}]\n-\n- - d\n", "[[a, {b: c}], ~, [d]]"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: 'x\ny\n', b: 'x y'}"},
        {"a: &x [1, 2]\nb: *x\nc: {d: *x}\n", "{a: [1, 2], b: [1, 2], c: {d: [1, 2]}}"},
        {"a: 1\n---\n---\n- b\n", "{a: 1} | ~ | [b]"},
        {"\xef\xbb\xbf'a''''b': 'c''''d'\n", "{a''b: 'c''d'}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_read(rows[i].text, rows[i].tree, false);
}

/* Of libfyaml's own reading these would have a quote too many. */
static void yaml_reads_four_quotes_as_two(void **state)
{
    static const struct {
        const char *text, *tree;
    } rows[] = {
        {"''''", "'''"},
        {"'x''''y'", "'x''y'"},
        {"['''''''', '''a''']", "[''''', ''a'']"},
        {"'x''''\n  y  \n\n  z'", "'x'' y\nz'"},
        {"'x''''\r\n\r\n\r\n  z'", "'x''\n\nz'"},
        {"{'k''''l': \"m''''n\", o: p''''q}", "{k''l: 'm''''n', o: p''''q}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_read(rows[i].text, rows[i].tree, false);
}

static void yaml_knows_the_place_of_every_node(void **state)
{
    (void)state;
    check_read("a: 1\nbb:\n  - 'x'\n  - {c: \"y\", d: &e [z]}\nf: *e\n",
               "1:1 {1:1 a: 1:4 1, 2:1 bb: 3:3 [3:5 'x', 4:5 {4:6 c: 4:9 'y', "
               "4:14 d: 4:20 [4:21 z]}], 5:1 f: 5:4 [4:21 z]}",
               true);
    /* What is not there has the place of what it is missing from. */
    check_read("a:\nb: {c: , d: &e }\nf: [g, ~]\nh:\n  -\n  - &i\n",
               "1:1 {1:1 a: 1:1 ~, 2:1 b: 2:4 {2:5 c: 2:5 ~, 2:10 d: 2:10 ~}, "
               "3:1 f: 3:4 [3:5 g, 3:8 ~], 4:1 h: 5:3 [5:3 ~, 5:3 ~]}",
               true);
    check_read("--- a\n--- # none\n---\n  b\n", "1:5 a | 2:1 ~ | 4:3 b", true);
}

static void yaml_takes_null_in_capitals_where_it_may(void **state)
{
    struct tc_yaml_limits limits = roomy;
    struct tc_yaml *yaml;

    (void)state;
    limits.null_in_capitals = true;
    yaml = read_good("[Null, NULL, nULL]", &limits);
    assert_int_equal(yaml->documents->first->kind, TC_YAML_NULL);
    assert_int_equal(yaml->documents->first->next->kind, TC_YAML_NULL);
    assert_int_equal(yaml->documents->first->next->next->kind, TC_YAML_TEXT);
    tc_yaml_free(yaml);
}

static void yaml_shares_what_is_behind_an_alias(void **state)
{
    struct tc_yaml *yaml = read_good("a: &x {b: [1, 2]}\nc: [*x, *x]\n", &roomy);
    const struct tc_yaml_node *a = tc_yaml_get(yaml->documents, "a");
    const struct tc_yaml_node *c = tc_yaml_get(yaml->documents, "c");

    (void)state;
    assert_string_equal(yaml->name, "t");
    assert_ptr_equal(c->first->first, a->first);
    assert_int_equal(a->weight, 4);
    assert_int_equal(a->height, 2);
    assert_int_equal(c->weight, 9);
    assert_int_equal(yaml->documents->height, 4);
    assert_null(tc_yaml_get(a->first->first, "b"));
    tc_yaml_free(yaml);
}

/* findings/libfyaml_folded_nul.sh: a line feed is missing, and nothing is refused. */
static void yaml_takes_a_folded_text_with_a_list_in_it(void **state)
{
    (void)state;
    check_read("a: >\n  one\n\n   - x\nb: c\n", "{a: 'one\n - x\n', b: c}", false);
}

static void yaml_joins_lines_behind_an_escape(void **state)
{
    static const struct {
        const char *text, *tree;
    } rows[] = {
        {"a: \"C:\\\\Windows\\\\\\\n  System32\\\\calc.exe\"\nb: c\n",
         "{a: 'C:\\Windows\\System32\\calc.exe', b: c}"},
        {"a: \"x\\\\\\\n  \\  y\\\n  z \\\\\\\r\n  w \\n\\x41\n  v\"",
         "{a: 'x\\  yz \\w \nA v'}"},
        {"a: \"x\\\n  y\"", "{a: 'xy'}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_read(rows[i].text, rows[i].tree, false);
}

static void yaml_takes_merge_keys(void **state)
{
    static const struct {
        const char *text, *tree;
    } rows[] = {
        {"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "{a: {x: 1, y: 2}, b: {y: 3, x: 1}}"},
        {"a: &a {x: 1}\nb: {y: 3, <<: *a, x: 4}\n", "{a: {x: 1}, b: {y: 3, x: 4}}"},
        {"b: {<<: [{x: 1}, {x: 2, y: [3]}]}\n", "{b: {x: 1, y: [3]}}"},
        {"a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n",
         "{a: {x: 1}, b: {y: 2, x: 1}, c: {y: 2, x: 1}}"},
        {"{'<<': {x: 1}}", "{<<: {x: 1}}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_read(rows[i].text, rows[i].tree, false);
}

static void yaml_merges_maps(void **state)
{
    struct tc_yaml *yaml = read_good(
        "a: {x: 1, m: {p: 1, q: 2}, l: [1]}\nb: {m: {q: 3, r: 4}, l: [2], y: 5}\n",
        &roomy);
    const struct tc_yaml_node *merged = tc_yaml_merge(
        yaml, tc_yaml_get(yaml->documents, "a"), tc_yaml_get(yaml->documents, "b"));
    char *got = NULL;
    size_t len;
    FILE *out = open_memstream(&got, &len);

    (void)state;
    assert_non_null(merged);
    write_node(out, merged, false);
    fclose(out);
    assert_string_equal(got, "{x: 1, m: {p: 1, q: 3, r: 4}, l: [2], y: 5}");
    free(got);
    tc_yaml_free(yaml);
}

/* What is behind the text is not there: reading it would end the test. */
static void yaml_reads_no_byte_behind_the_text(void **state)
{
    static const char *const texts[] = {"a: b",  "a: |\n  b", "'a''''", "[a",  "\"a",
                                        "a: 'b", "&a",        "*a",     "- ",  "a:\r",
                                        "%YAML", "---",       "..",     "? a", "\xc3"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strlen(texts[i]);
        struct tc_yaml *yaml = NULL;
        struct tc_yaml_error error;

        memcpy(memory + page - len, texts[i], len);
        tc_yaml_parse("t", memory + page - len, len, &roomy, &yaml, &error);
        tc_yaml_free(yaml);
    }
    assert_int_equal(munmap(memory, 2 * page), 0);
}

/* ---- What is refused ---- */

static void yaml_refuses_what_would_be_read_in_more_than_one_way(void **state)
{
    static const struct {
        const char *text, *place, *why;
    } rows[] = {
        {"a: 1\na: 2\n", "2:1", "the key \"a\" is already at line 1: keep one"},
        {"{a: 1, \"a\": 2}", "1:8", "already at line 1"},
        {"a: !!str b\n", "1:10", "tags"},
        {"!!str a: b\n", "1:7", "tags"},
        {"a: !x {b: c}\n", "1:7", "tags"},
        {"? [a]\n: b\n", "1:3", "a key must be a plain text"},
        {": b\n", "1:1", "there is no key before the colon"},
        {"a: \"\\0\"\n", "1:4", "NUL"},
        {"a: \"x\\\\\\\n  y\\0\"\n", "1:4", "NUL"},
        {"a: *b\n", "1:4", "there is no anchor &b before this alias"},
        {"&a [*a]\n", "1:5", "there is no anchor &a"},
        {"a: &b 1\n---\nc: *b\n", "3:4", "there is no anchor &b"},
        {"a: {<<: b}\n", "1:9", "<< takes a map, or a list of maps"},
        {"a: {<<: [{b: c}, d]}\n", "1:18", "<< takes a map, or a list of maps"},
        {"a: {<<: {b: c}, <<: {d: e}}\n", "1:17", "the key \"<<\" is already at line 1"},
        {"a: \x01\n", "1:4", "the byte 0x01"},
        {"a: b\n# \xff\n", "2:1", "UTF-8"},
        {"a: [b\n", "2:1", "bracket"},
        {"a: \"\n", "1:5", "quote"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused_by(&roomy, rows[i].text, rows[i].place, rows[i].why);
}

static void yaml_refuses_a_block_whose_lines_are_not_indented(void **state)
{
    struct tc_yaml_limits limits = roomy;

    (void)state;
    check_refused_by(&roomy, "a:\n  b: >-\n  c: d\n", "3:1",
                     "this line is not indented below the block's key");
    limits.blocks = false;
    check_refused_by(&limits, "a: |\n  b\n", "2:1", "texts in blocks");
}

static void yaml_holds_each_bound(void **state)
{
    struct tc_yaml_limits limits = roomy;
    char text[20 * (TC_YAML_KEYS_MAX + 1)];
    size_t len = 0;

    (void)state;
    limits.depth = 2;
    check_read("[[a]]", "[[a]]", false);
    check_refused_by(&limits, "[[[a]]]", "1:3", "this is nested more than 2 deep");
    check_refused_by(&limits, "a: &x [b]\nc: {d: *x}\n", "2:8", "more than 2 deep");
    tc_yaml_free(read_good("a: &x [b]\nc: *x\n", &limits));

    limits = roomy;
    limits.nodes = 5;
    tc_yaml_free(read_good("[a, b, c, d, e]", &limits));
    check_refused_by(&limits, "[a, b, c, d, e, f]", "1:17", "too large");
    check_refused_by(&limits, "[&x [a, b], *x]", "1:13", "too large");

    limits = roomy;
    limits.arena_bytes = 300;
    check_refused_by(&limits, "[a, b, c, d, e]", "1:8", "too large");

    limits = roomy;
    limits.text_bytes = 1 << 20;
    limits.documents = 1;
    check_refused_by(&limits, "a: 1\n---\nb: 2\n", "2:1", "a second document begins");
    limits.documents = 2;
    check_refused_by(&limits, "a\n---\nb\n--- c\n", "4:1", "more than 2 documents");

    for (int i = 0; i <= TC_YAML_KEYS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "k%d:\n", i);
    limits.nodes = 2000;
    check_refused_by(&limits, text, "1025:1", "too many keys");
    len = (size_t)snprintf(text, sizeof(text), "- &a0 0\n");
    for (int i = 1; i <= TC_YAML_ANCHORS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "- &a%d 0\n", i);
    check_refused_by(&limits, text, "65:8", "more than 64 anchors");
}

static void yaml_says_that_a_text_is_too_long(void **state)
{
    struct tc_yaml *yaml = NULL;
    struct tc_yaml_error error;
    size_t len = roomy.text_bytes + 1;
    char *text = malloc(len);

    (void)state;
    assert_non_null(text);
    memset(text, '#', len);
    assert_int_equal(tc_yaml_parse("t", text, len, &roomy, &yaml, &error), -EINVAL);
    assert_string_equal(error.why, "the file is larger than 1 MiB");
    free(text);
}

static void yaml_sentences_are_one_line_of_utf8(void **state)
{
    static const char long_text[] =
        "1234567890123456789012345678901234567890123456789012345678901234567890";
    struct tc_yaml_error error;

    (void)state;
    assert_int_equal(
        tc_yaml_refuse(&error, (struct tc_yaml_place){3, 4}, "a\n%s\x7f", "b\t"),
        -EINVAL);
    assert_string_equal(error.why, "a?b??");
    assert_int_equal(error.place.line, 3);
    assert_int_equal(error.place.column, 4);
    tc_yaml_refuse(&error, error.place, "%s%s%s%s%.39s\xc3\xa4", long_text, long_text,
                   long_text, long_text, long_text);
    assert_int_equal(strlen(error.why), 319);
    tc_yaml_refuse(&error, error.place, "%s%s%s%s%.38s\xc3\xa4 b", long_text, long_text,
                   long_text, long_text, long_text);
    assert_int_equal(strlen(error.why), 318);
}

/* ---- Its memory ---- */

static void arena_says_when_it_is_full(void **state)
{
    struct tc_arena arena = {.limit = 100};
    const char *text = tc_arena_text(&arena, "abc", 2);

    (void)state;
    assert_string_equal(text, "ab");
    assert_non_null(tc_arena_take(&arena, 84));
    assert_false(arena.full);
    assert_null(tc_arena_take(&arena, 1));
    assert_true(arena.full);
    tc_arena_reset(&arena);
    assert_false(arena.full);
    assert_non_null(tc_arena_take(&arena, 100));
    assert_null(tc_arena_take(&arena, SIZE_MAX));
    tc_arena_done(&arena);
    tc_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_reads_maps_lists_texts_and_nothing),
        cmocka_unit_test(yaml_reads_four_quotes_as_two),
        cmocka_unit_test(yaml_knows_the_place_of_every_node),
        cmocka_unit_test(yaml_takes_null_in_capitals_where_it_may),
        cmocka_unit_test(yaml_shares_what_is_behind_an_alias),
        cmocka_unit_test(yaml_takes_a_folded_text_with_a_list_in_it),
        cmocka_unit_test(yaml_joins_lines_behind_an_escape),
        cmocka_unit_test(yaml_takes_merge_keys),
        cmocka_unit_test(yaml_merges_maps),
        cmocka_unit_test(yaml_reads_no_byte_behind_the_text),
        cmocka_unit_test(yaml_refuses_what_would_be_read_in_more_than_one_way),
        cmocka_unit_test(yaml_refuses_a_block_whose_lines_are_not_indented),
        cmocka_unit_test(yaml_holds_each_bound),
        cmocka_unit_test(yaml_says_that_a_text_is_too_long),
        cmocka_unit_test(yaml_sentences_are_one_line_of_utf8),
        cmocka_unit_test(arena_says_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
