/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million indicators of each kind and format: how long they take to load, beside a bare
 * read of the same file; how much memory one takes, the kernel's slots included; and how
 * long a lookup takes with ten and with all of them, beside an array's.
 *
 *     {"bench":"indicators_load","list":"..","entries":..,"file_mb":..,"ms":..,
 *      "goal_ms":5000,"floor_ms":..,"fill_ms":..,"slots":..,"farthest":..,
 *      "bytes_an_entry":..,"goal_bytes":100,"peak_mb":..}
 *     {"bench":"indicators_lookup","list":"..","entries":..,"present_ns":..,
 *      "absent_ns":..,"floor_ns":..}
 *
 * The kernel's part of a lookup, the slots, is here what user space finds in them.
 * peak_mb is what the process had at most by then, lists of the same run before it
 * included.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "indicators/nf_index.h"

#define MANY 1000000u
#define FEW 10u
#define LOOKUPS 1000000u
#define ROUNDS 3
#define NOW_S 1800000000u

struct bench {
    char dir[32], path[64];
    uint64_t file_bytes;
};

/* One of the lists: writes the entry that is number `n`, the same for each run. */
struct kind {
    const char *name, *file, *head, *tail;
    void (*put)(FILE *out, uint32_t n);
};

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_indicators: %s\n", what);
    exit(1);
}

/* ---- What stands in the lists ---- */

/* All numbers once, in no order (the finaliser of MurmurHash3). */
static uint32_t scatter(uint32_t n)
{
    n ^= n >> 16;
    n *= 0x85ebca6bu;
    n ^= n >> 13;
    n *= 0xc2b2ae35u;
    return n ^ n >> 16;
}

static void address_of(uint32_t n, bool v6, uint8_t ret_address[16])
{
    uint32_t low = scatter(n), high = scatter(~n);

    memset(ret_address, 0, 16);
    memset(ret_address + 10, 0xff, 2);
    memcpy(ret_address + 12, &low, 4);
    if (!v6)
        return;
    memcpy(ret_address, "\x20\x01\x0d\xb8", 4);
    memcpy(ret_address + 4, &high, 4);
    memcpy(ret_address + 8, &high, 4);
}

/* 21 bytes on average, as in public lists. */
static void name_of(uint32_t n, char ret_name[64])
{
    static const char *const words[] = {"cdn",    "login",  "track", "secure",
                                        "update", "static", "ads",   "metrics"};
    static const char *const ends[] = {"example", "com.example", "net.example", "test"};
    uint32_t h = scatter(n);

    snprintf(ret_name, 64, "%s-%x.%s", words[h % 8], h, ends[h / 8 % 4]);
}

static void put_v4(FILE *out, uint32_t n)
{
    uint32_t h = scatter(n);
    const uint8_t *b = (const uint8_t *)&h;

    fprintf(out, "%u.%u.%u.%u\n", b[0], b[1], b[2], b[3]);
}

static void put_v6(FILE *out, uint32_t n)
{
    struct tc_nf_value value = {.kind = TC_NF_ADDRESS, .length = 128};
    char text[TC_NF_NAME_MAX];

    address_of(n, true, value.address);
    tc_nf_value_text(&value, text);
    fprintf(out, "%s\n", text);
}

static void put_name(FILE *out, uint32_t n)
{
    char name[64];

    name_of(n, name);
    fprintf(out, "%s\n", name);
}

static void put_mixed(FILE *out, uint32_t n)
{
    char name[64];
    uint32_t h = scatter(n);
    const uint8_t *b = (const uint8_t *)&h;

    name_of(n, name);
    if (n % 4 == 0)
        fprintf(out, "%s,domain,", name);
    else if (n % 4 == 1)
        fprintf(out, "https://%s/login?id=%u,url,", name, n);
    else if (n % 4 == 2)
        fprintf(out, "%u.%u.%u.0/24,network,", b[0], b[1], b[2]);
    else
        fprintf(out, "%u.%u.%u.%u,ip,", b[0], b[1], b[2], b[3]);
    fprintf(out, "%s,\"Campaign %u, as seen\",high\n",
            n % 2 ? "2035-12-31T23:59:59Z" : "", n % 500);
}

static void put_stix(FILE *out, uint32_t n)
{
    char name[64];
    uint32_t h = scatter(n);
    const uint8_t *b = (const uint8_t *)&h;

    name_of(n, name);
    fprintf(out,
            "%s{\"type\":\"indicator\",\"spec_version\":\"2.1\",\"id\":\"indicator--"
            "%08x-0000-4000-8000-%012x\",\"created\":\"2026-01-02T03:04:05.678Z\","
            "\"modified\":\"2026-01-02T03:04:05.678Z\",\"name\":\"Campaign %u\","
            "\"indicator_types\":[\"malicious-activity\"],\"pattern\":\"",
            n ? ",\n" : "", h, n, n % 500);
    if (n % 2)
        fprintf(out, "[domain-name:value = '%s']", name);
    else
        fprintf(out, "[ipv4-addr:value = '%u.%u.%u.%u']", b[0], b[1], b[2], b[3]);
    fprintf(out, "\",\"pattern_type\":\"stix\",\"valid_from\":\"2026-01-02T03:04:05Z\"}");
}

static const struct kind kinds[] = {
    {"ipv4", "list.txt", "", "", put_v4},
    {"ipv6", "list.txt", "", "", put_v6},
    {"domains", "list.txt", "", "", put_name},
    {"mixed_csv", "list.csv", "value,type,expires,reason,severity\n", "", put_mixed},
    {"stix", "list.json", "{\"type\":\"bundle\",\"id\":\"bundle--1\",\"objects\":[\n",
     "]}\n", put_stix},
};

static void make(struct bench *bench, const struct kind *kind, uint32_t entries)
{
    FILE *out;

    snprintf(bench->path, sizeof(bench->path), "%s/%s", bench->dir, kind->file);
    out = fopen(bench->path, "we");
    if (!out)
        die("no file can be made");
    fputs(kind->head, out);
    for (uint32_t n = 0; n < entries; n++)
        kind->put(out, n);
    fputs(kind->tail, out);
    bench->file_bytes = (uint64_t)ftell(out);
    if (fclose(out))
        die("a file cannot be written");
}

/* ---- Loading ---- */

static struct tc_nf_indicators *load(const struct bench *bench, double *ret_s)
{
    struct tc_nf_indicators *indicators;
    struct tc_nf_report report;
    char why[TC_NF_WHY_MAX], text[80];
    const char *texts[] = {text};
    struct tc_nf_sources sources = {.texts = texts, .count = 1};
    double start = now_s();

    snprintf(text, sizeof(text), "block:%s", bench->path);
    if (tc_nf_indicators_load(&sources, NOW_S, &indicators, &report, why))
        die(why);
    if (report.refused)
        die(report.problem[0]);
    *ret_s = now_s() - start;
    return indicators;
}

static double read_bare(const struct bench *bench)
{
    static char buffer[256 * 1024];
    double start = now_s();
    int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        die("a file cannot be opened");
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        ;
    close(fd);
    return n ? 1e9 : now_s() - start;
}

static uint32_t farthest(const struct tc_nf_slot *slots,
                         const struct tc_nf_addresses *addresses)
{
    uint32_t max = 0;

    for (uint32_t i = 0; i <= addresses->mask; i++) {
        uint32_t home =
            tc_nf_network_hash(slots[i].address, slots[i].length, addresses->seed);

        if (slots[i].action != TC_NF_NONE && ((i - home) & addresses->mask) > max)
            max = (i - home) & addresses->mask;
    }
    return max;
}

static double peak_mb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static struct tc_nf_indicators *measure_load(const struct bench *bench,
                                             const struct kind *kind, uint32_t entries)
{
    struct tc_nf_indicators *indicators = NULL;
    struct tc_nf_addresses addresses;
    struct tc_nf_counts counts;
    struct tc_nf_slot *slots;
    double best = 1e9, floor = 1e9, took, fill;
    uint32_t slots_count, count = 0;

    for (int round = 0; round < (entries == FEW ? 1 : ROUNDS); round++) {
        tc_nf_indicators_unref(indicators);
        took = read_bare(bench);
        floor = took < floor ? took : floor;
        indicators = load(bench, &took);
        best = took < best ? took : best;
    }
    slots_count = tc_nf_indicators_slots(indicators);
    slots = calloc(slots_count, sizeof(*slots));
    if (!slots)
        die("out of memory");
    fill = now_s();
    if (tc_nf_indicators_fill(indicators, slots, &addresses))
        die("the slots cannot be filled");
    fill = now_s() - fill;
    tc_nf_indicators_counts(indicators, &counts);
    for (int i = 0; i < TC_NF_KINDS; i++)
        count += counts.kinds[i];
    if (entries != FEW)
        printf("{\"bench\":\"indicators_load\",\"list\":\"%s\",\"entries\":%u,"
               "\"file_mb\":%.1f,\"ms\":%.0f,\"goal_ms\":5000,\"floor_ms\":%.1f,"
               "\"fill_ms\":%.0f,\"slots\":%u,\"farthest\":%u,\"bytes_an_entry\":%.1f,"
               "\"goal_bytes\":100,\"peak_mb\":%.0f}\n",
               kind->name, count, (double)bench->file_bytes / 1e6, best * 1e3,
               floor * 1e3, fill * 1e3, slots_count, farthest(slots, &addresses),
               ((double)counts.bytes + (double)slots_count * sizeof(*slots)) / count,
               peak_mb());
    free(slots);
    return indicators;
}

/* ---- Looking up ---- */

/* What is asked for is made before the clock starts. */
struct questions {
    uint8_t (*addresses)[16];
    char (*names)[64];
};

static double look_up(const struct tc_nf_indicators *indicators, const struct kind *kind,
                      struct questions *questions, uint32_t entries, uint32_t from)
{
    bool names = kind->put == put_name || kind->put == put_stix;
    uint32_t found = 0;
    struct tc_nf_match match;
    double best = 1e9, start;

    for (uint32_t i = 0; i < LOOKUPS; i++) {
        uint32_t n = from + scatter(i) % entries;

        if (names)
            name_of(n | 1, questions->names[i]);
        else
            address_of(n - (kind->put == put_mixed ? n % 4 == 3 ? 0 : n % 4 + 1 : 0),
                       kind->put == put_v6, questions->addresses[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        start = now_s();
        for (uint32_t i = 0; i < LOOKUPS; i++)
            found +=
                names ? tc_nf_indicators_name(indicators, questions->names[i],
                                              strlen(questions->names[i]), NOW_S, &match)
                      : tc_nf_indicators_address(indicators, questions->addresses[i],
                                                 NOW_S, &match);
        start = now_s() - start;
        best = start < best ? start : best;
    }
    if (!from && entries != FEW && found < LOOKUPS)
        die("what is listed was not found");
    return best / LOOKUPS * 1e9;
}

/* As many words as there are entries, one of them at a time, by the same numbers. */
static double look_up_array(uint32_t entries)
{
    uint32_t *array = calloc(entries, sizeof(*array)), sum = 0;
    volatile uint32_t kept;
    double best = 1e9, start;

    if (!array)
        die("out of memory");
    for (uint32_t i = 0; i < entries; i++)
        array[i] = i;
    for (int round = 0; round < ROUNDS; round++) {
        start = now_s();
        for (uint32_t i = 0; i < LOOKUPS; i++)
            sum += array[scatter(i + sum % 2) % entries];
        start = now_s() - start;
        best = start < best ? start : best;
    }
    kept = sum;
    (void)kept;
    free(array);
    return best / LOOKUPS * 1e9;
}

static void measure(struct bench *bench, const struct kind *kind, uint32_t entries,
                    struct questions *questions)
{
    struct tc_nf_indicators *indicators;
    double present, absent;

    make(bench, kind, entries);
    indicators = measure_load(bench, kind, entries);
    present = look_up(indicators, kind, questions, entries, 0);
    absent = look_up(indicators, kind, questions, MANY, 2 * MANY);
    printf("{\"bench\":\"indicators_lookup\",\"list\":\"%s\",\"entries\":%u,"
           "\"present_ns\":%.0f,\"absent_ns\":%.0f,\"floor_ns\":%.1f}\n",
           kind->name, entries, present, absent, look_up_array(entries));
    fflush(stdout);
    tc_nf_indicators_unref(indicators);
    unlink(bench->path);
}

int main(void)
{
    struct bench bench = {.dir = "/tmp/tocsin-bench-XXXXXX"};
    struct questions questions = {.addresses =
                                      calloc(LOOKUPS, sizeof(*questions.addresses)),
                                  .names = calloc(LOOKUPS, sizeof(*questions.names))};

    if (!questions.addresses || !questions.names || !mkdtemp(bench.dir))
        die("out of memory, or /tmp cannot be written");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        measure(&bench, &kinds[i], FEW, &questions);
        measure(&bench, &kinds[i], MANY, &questions);
    }
    free(questions.addresses);
    free(questions.names);
    rmdir(bench.dir);
    return 0;
}
