/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "nf_bytes.h"

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */
#define NAME_MAX_TEXT 253

/* Lower case of what a name may consist of; 0: it may not. Not by ctype.h, which asks the
 * locale. */
static char lower(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c | 0x20);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
        return (char)c;
    return 0;
}

int tc_nf_host_name(const uint8_t *from, size_t len, char ret_name[TC_NF_HOST_BYTES])
{
    char name[TC_NF_HOST_BYTES];
    size_t label = 0;

    if (len && from[len - 1] == '.')
        len--;
    if (!len || len > NAME_MAX_TEXT)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (from[i] == '.' && label) {
            name[i] = '.';
            label = 0;
            continue;
        }
        name[i] = lower(from[i]);
        if (!name[i] || ++label > LABEL_MAX)
            return -EINVAL;
    }
    if (!label)
        return -EINVAL;
    memcpy(ret_name, name, len);
    ret_name[len] = '\0';
    return 0;
}
