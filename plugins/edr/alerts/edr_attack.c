/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/edr_attack.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define PREFIX "attack."
#define FRAMEWORK "MITRE ATT&CK"
#define TECHNIQUE_BYTES 10 /* T1059.004 and its NUL */

/* attack.mitre.org, as of version 19, which made two of Defense Evasion: rules of before
 * name that. */
static const struct tactic {
    const char *tag, *id, *name;
} tactics[] = {
    {"reconnaissance", "TA0043", "Reconnaissance"},
    {"resource-development", "TA0042", "Resource Development"},
    {"initial-access", "TA0001", "Initial Access"},
    {"execution", "TA0002", "Execution"},
    {"persistence", "TA0003", "Persistence"},
    {"privilege-escalation", "TA0004", "Privilege Escalation"},
    {"stealth", "TA0005", "Stealth"},
    {"defense-evasion", "TA0005", "Defense Evasion"},
    {"defense-impairment", "TA0112", "Defense Impairment"},
    {"credential-access", "TA0006", "Credential Access"},
    {"discovery", "TA0007", "Discovery"},
    {"lateral-movement", "TA0008", "Lateral Movement"},
    {"collection", "TA0009", "Collection"},
    {"command-and-control", "TA0011", "Command and Control"},
    {"exfiltration", "TA0010", "Exfiltration"},
    {"impact", "TA0040", "Impact"},
};
#define TACTICS (sizeof(tactics) / sizeof(*tactics))

struct attack {
    char techniques[TC_EDR_TECHNIQUES_MAX][TECHNIQUE_BYTES];
    size_t techniques_n, tactics_n;
    bool has[TACTICS];
};

static bool is_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return true;
}

/* t1059 or t1059.004, ended by a NUL. */
static bool is_technique(const char *text)
{
    size_t n = strlen(text);

    return (n == 5 || n == 9) && (*text == 't' || *text == 'T') &&
           is_digits(text + 1, 4) &&
           (n == 5 || (text[5] == '.' && is_digits(text + 6, 3)));
}

static void add_technique(struct attack *attack, const char *text)
{
    char *technique = attack->techniques[attack->techniques_n];

    snprintf(technique, TECHNIQUE_BYTES, "T%s", text + 1);
    for (size_t i = 0; i < attack->techniques_n; i++)
        if (!strcmp(attack->techniques[i], technique))
            return;
    attack->techniques_n++;
}

/* Older rules write them with underscores. */
static bool is_tactic(const char *text, const char *tag)
{
    for (; *text && *tag; text++, tag++)
        if (tolower((unsigned char)*text) != *tag && !(*text == '_' && *tag == '-'))
            return false;
    return !*text && !*tag;
}

static void read_tag(struct attack *attack, const char *tag)
{
    const char *text = tag + sizeof(PREFIX) - 1;

    if (strncasecmp(tag, PREFIX, sizeof(PREFIX) - 1) != 0)
        return;
    if (is_technique(text)) {
        if (attack->techniques_n < TC_EDR_TECHNIQUES_MAX)
            add_technique(attack, text);
        return;
    }
    for (size_t i = 0; i < TACTICS; i++) {
        if (attack->has[i] || !is_tactic(text, tactics[i].tag))
            continue;
        attack->has[i] = true;
        attack->tactics_n++;
    }
}

static void put_tactics(struct tocsin_writer *w, const struct attack *attack)
{
    tocsin_begin_map(w, "tactic");
    tocsin_begin_array(w, "id");
    for (size_t i = 0; i < TACTICS; i++)
        if (attack->has[i])
            tocsin_put_str(w, NULL, tactics[i].id);
    tocsin_end(w);
    tocsin_begin_array(w, "name");
    for (size_t i = 0; i < TACTICS; i++)
        if (attack->has[i])
            tocsin_put_str(w, NULL, tactics[i].name);
    tocsin_end(w);
    tocsin_end(w);
}

void tc_edr_attack_put(struct tocsin_writer *w, const char *const *tags)
{
    struct attack attack = {.techniques_n = 0};

    for (; tags && *tags; tags++)
        read_tag(&attack, *tags);
    if (!attack.techniques_n && !attack.tactics_n)
        return;
    tocsin_begin_map(w, "threat");
    tocsin_put_str(w, "framework", FRAMEWORK);
    if (attack.techniques_n) {
        tocsin_begin_map(w, "technique");
        tocsin_begin_array(w, "id");
        for (size_t i = 0; i < attack.techniques_n; i++)
            tocsin_put_str(w, NULL, attack.techniques[i]);
        tocsin_end(w);
        tocsin_end(w);
    }
    if (attack.tactics_n)
        put_tactics(w, &attack);
    tocsin_end(w);
}
