/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a profile: it is refused with one printable line that begins with the
 * file's name, or every gate and the ring can be asked of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/profile/profile.h"
#include "ipc/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tc_identity identity = {
    .team = "TOCSIN",
    .agent = "org.tocsin.agent",
    .es = "org.tocsin.es",
    .netfilter = "org.tocsin.netfilter",
    .kext = "org.tocsin.kext",
    .program = "/usr/sbin/tocsind",
};

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_line(const char *line)
{
    size_t len = strlen(line), n;
    uint32_t character;

    require(!strncmp(line, "fuzz:", 5));
    for (size_t i = 0; i < len; i += n) {
        n = tc_text_next(line + i, len - i, &character);
        require(n && tc_text_shows(character));
    }
}

static void use(const struct tc_profile *profile)
{
    unsigned state;

    require(tc_profile_name(profile) != NULL);
    if (tc_profile_identifier(profile))
        require(strlen(tc_profile_identifier(profile)) < TC_PROFILE_BYTES_MAX);
    if (tc_profile_warning(profile))
        require_line(tc_profile_warning(profile));
    for (int gate = 0; gate < TC_PROFILE_GATES; gate++) {
        state = tc_profile_state(profile, &identity, (enum tc_profile_gate)gate);
        require((tc_profile_conclude(state) == TC_PROFILE_NOTHING) ==
                !tc_profile_decisive(state));
    }
    require((tc_profile_ring(profile) == TC_PROFILE_RING_NONE) ==
            !tc_profile_ring_name(tc_profile_ring(profile)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tc_profile *profile = NULL;
    char why[256] = "";
    int r = tc_profile_parse("fuzz", data, size, &profile, why);

    require(r == 0 || r == -EINVAL);
    if (r)
        require_line(why);
    else
        use(profile);
    tc_profile_free(profile);
    return 0;
}
