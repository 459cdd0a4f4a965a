/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see nearest.h. The distance is Levenshtein's: how many letters must be added,
 * removed or replaced.
 */
#include "ipc/nearest.h"

#include <stdint.h>
#include <string.h>

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[TC_NEAREST_BYTES_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1,
                              diagonal + (a[i - 1] != b[j - 1] ? 1 : 0));
            diagonal = above;
        }
    }
    return row[b_len];
}

void tc_nearest_init(struct tc_nearest *nearest, const char *wanted)
{
    nearest->wanted = wanted;
    nearest->best = NULL;
    nearest->distance = SIZE_MAX;
}

void tc_nearest_offer(struct tc_nearest *nearest, const char *candidate)
{
    size_t wanted_len = strlen(nearest->wanted);
    size_t len = strlen(candidate);
    size_t found;

    if (wanted_len > TC_NEAREST_BYTES_MAX || len > TC_NEAREST_BYTES_MAX)
        return;
    found = distance(nearest->wanted, wanted_len, candidate, len);
    /* With a third of its letters wrong, a word still reads as the same word. */
    if (found > (len + 2) / 3 || found >= len || found >= nearest->distance)
        return;
    nearest->distance = found;
    nearest->best = candidate;
}
