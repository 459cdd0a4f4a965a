/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "indicators/nf_indicators.h" /* TC_NF_LINE_BYTES_MAX */

int tc_nf_input_init(struct tc_nf_input *input, int fd, uint64_t bytes_max)
{
    *input = (struct tc_nf_input){.fd = fd, .left = bytes_max, .line = 1, .next_line = 1};
    input->buffer = malloc(TC_NF_INPUT_BYTES);
    return input->buffer ? 0 : -ENOMEM;
}

void tc_nf_input_done(struct tc_nf_input *input)
{
    free(input->buffer);
    input->buffer = NULL;
}

/* Reads on behind what is in the buffer, which moves to its beginning. */
static void fill(struct tc_nf_input *input)
{
    size_t kept = input->filled - input->at;
    ssize_t n;

    memmove(input->buffer, input->buffer + input->at, kept);
    input->at = 0;
    input->filled = kept;
    do
        n = read(input->fd, input->buffer + kept, TC_NF_INPUT_BYTES - kept);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (uint64_t)n > input->left)
        input->error = n < 0 ? -errno : -EFBIG;
    if (n <= 0 || input->error) {
        input->ended = true;
        return;
    }
    input->filled += (size_t)n;
    input->left -= (uint64_t)n;
}

struct tc_nf_text tc_nf_input_ahead(struct tc_nf_input *input)
{
    if (input->at == input->filled && !input->ended)
        fill(input);
    return (struct tc_nf_text){input->buffer + input->at, input->filled - input->at};
}

static uint32_t count_char(const char *at, size_t len, char c)
{
    const char *end = at + len;
    uint32_t count = 0;

    for (; at < end && (at = memchr(at, c, (size_t)(end - at))); at++)
        count++;
    return count;
}

void tc_nf_input_skip(struct tc_nf_input *input, size_t len)
{
    input->next_line += count_char(input->buffer + input->at, len, '\n');
    input->line = input->next_line;
    input->at += len;
}

/* ---- Lines ---- */

/* How a line or record ends within what has been read so far. */
struct ending {
    size_t scanned;
    size_t first; /* the first line end, if there is any */
    bool any;
    bool open; /* within quotes */
};

/* True when it ends at `scanned`. */
static bool scan(const char *data, size_t len, bool quoted, struct ending *ending)
{
    while (ending->scanned < len) {
        const char *from = data + ending->scanned,
                   *end = memchr(from, '\n', len - ending->scanned);
        size_t part = end ? (size_t)(end - from) : len - ending->scanned;

        if (quoted && count_char(from, part, '"') % 2)
            ending->open = !ending->open;
        ending->scanned += part;
        if (!end)
            break;
        if (!ending->any)
            ending->first = ending->scanned;
        ending->any = true;
        if (!ending->open)
            return true;
        ending->scanned++;
    }
    return false;
}

/* Up to the next line's beginning. */
static void skip_line(struct tc_nf_input *input)
{
    struct tc_nf_text ahead;
    const char *end = NULL;

    while (!end && (ahead = tc_nf_input_ahead(input)).len) {
        end = memchr(ahead.at, '\n', ahead.len);
        input->at += end ? (size_t)(end + 1 - ahead.at) : ahead.len;
    }
}

bool tc_nf_input_line(struct tc_nf_input *input, bool quoted, struct tc_nf_text *ret_line,
                      bool *ret_long)
{
    struct ending ending = {.scanned = 0};
    size_t len, taken;
    bool found;

    *ret_long = false;
    if (input->unfinished)
        skip_line(input);
    input->unfinished = false;
    if (!tc_nf_input_ahead(input).len)
        return false;
    for (;;) {
        found =
            scan(input->buffer + input->at, input->filled - input->at, quoted, &ending);
        if (found || input->ended || ending.scanned > TC_NF_LINE_BYTES_MAX)
            break;
        fill(input);
    }
    if (input->error)
        return false;
    len = found ? ending.scanned : ending.any ? ending.first : input->filled - input->at;
    taken = found || ending.any ? len + 1 : len;
    input->line = input->next_line;
    *ret_line = (struct tc_nf_text){input->buffer + input->at, len};
    if (len > TC_NF_LINE_BYTES_MAX) {
        ret_line->len = TC_NF_QUOTE_MAX;
        *ret_long = true;
    }
    input->next_line += count_char(ret_line->at, len, '\n') + 1;
    input->at += taken;
    input->unfinished = taken == len;
    if (ret_line->len && ret_line->at[ret_line->len - 1] == '\r')
        ret_line->len--;
    return true;
}
