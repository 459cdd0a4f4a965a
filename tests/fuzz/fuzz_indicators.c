/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a list of indicators, the first one for the format: it fails with a
 * sentence, or what it holds is found under its value, in the kernel's slots too, and
 * expires.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "indicators/nf_index.h"
#include "indicators/nf_list.h"

#define NOW_S 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static bool is_name(enum tc_nf_kind kind)
{
    return kind == TC_NF_DOMAIN || kind == TC_NF_HOST;
}

static void check(const struct tc_nf_indicators *indicators, uint32_t id)
{
    char why[TC_NF_WHY_MAX];
    struct tc_nf_match match;
    struct tc_nf_value value;
    struct tc_nf_view view;
    struct tc_nf_text text;

    require(tc_nf_indicators_view(indicators, id, &view));
    text = (struct tc_nf_text){view.value, strlen(view.value)};
    require(tc_nf_value_read(text, &value, why) == 0);
    require(is_name(value.kind) == is_name(view.kind));
    if (is_name(value.kind))
        require(tc_nf_indicators_name(indicators, text.at, text.len, NOW_S, &match));
    else
        require(tc_nf_indicators_address(indicators, value.address, NOW_S, &match));
    require(match.action >= TC_NF_ALLOW && match.action <= TC_NF_BLOCK);
}

static void check_slots(struct tc_nf_indicators *indicators)
{
    uint32_t count = tc_nf_indicators_slots(indicators), used = 0;
    struct tc_nf_slot *slots = malloc(count * sizeof(*slots));
    struct tc_nf_addresses addresses;

    require(slots != NULL);
    require(tc_nf_indicators_fill(indicators, slots, &addresses) == 0);
    for (uint32_t i = 0; i < count; i++)
        used += slots[i].action != TC_NF_NONE;
    require(used == indicators->networks);
    require(tc_nf_indicators_expire(indicators, UINT64_MAX - 1, slots) ==
            indicators->expiring_count);
    require(tc_nf_indicators_next_expiry_s(indicators) == UINT64_MAX);
    free(slots);
}

static void load(int fd, const char *path)
{
    struct tc_nf_report report = {.taken = 0};
    char why[TC_NF_WHY_MAX] = "";
    struct tc_nf_list list = {.report = &report,
                              .path = path,
                              .action = TC_NF_BLOCK,
                              .now_s = NOW_S,
                              .why = why};

    require(tc_nf_index_new(&list.table) == 0);
    require(tc_nf_index_source(list.table, path, &list.source) == 0);
    if (tc_nf_list_read(&list, fd)) {
        require(why[0] != '\0');
    } else {
        require(tc_nf_index_finish(list.table) == 0);
        for (uint32_t id = 0; id < list.table->count; id++)
            check(list.table, id);
        check_slots(list.table);
    }
    require(!report.refused == !report.problems);
    tc_nf_indicators_unref(list.table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"list", "list.csv", "list.json"};
    int fd = memfd_create("list", MFD_CLOEXEC);

    if (size) {
        require(fd >= 0 && pwrite(fd, data + 1, size - 1, 0) == (ssize_t)size - 1);
        load(fd, paths[data[0] % 3]);
    }
    close(fd);
    return 0;
}
