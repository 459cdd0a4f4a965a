/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what keeps the product's promises from being kept although nobody reports it: a
 * part that is switched off or not there, a mode or an exclusion that lets everything
 * pass, a detector that does not answer or has lost events. From facts to issues of
 * health, each with its cause and the one command that helps. Pure.
 */
#ifndef TC_CORE_PROMISES_H
#define TC_CORE_PROMISES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_health_numbers;

/* What a promise needs of the plugins. */
enum tc_part {
    TC_PART_SCANNER,   /* av */
    TC_PART_BEHAVIOUR, /* edr */
    TC_PART_PROCESSES, /* trace: what processes do, which edr judges */
    TC_PART_NETWORK,   /* netfilter */
    TC_PARTS,
};

/* The plugin that is that part. */
const char *tc_part_plugin(enum tc_part part);

enum tc_part_state {
    TC_PART_RUNS,
    TC_PART_REPORTED, /* it does not, and an issue of its own says why */
    TC_PART_COMING,   /* it is being loaded or started */
    TC_PART_OFF,      /* disabled by a command */
    TC_PART_OFF_BY_CONFIGURATION,
    TC_PART_NOT_NAMED, /* the configuration has no section for it */
};

enum tc_sensor_trouble {
    TC_SENSOR_WORKS,
    TC_SENSOR_SILENT,  /* one holds the slot, and its canary does not come through */
    TC_SENSOR_COMING,  /* nobody holds it yet: one is being started */
    TC_SENSOR_WAITS,   /* nobody holds it: an issue about approval says what helps */
    TC_SENSOR_FAILED,  /* nobody holds it: what was to hold it has failed */
    TC_SENSOR_MISSING, /* nobody holds it: what may is not installed */
    TC_SENSOR_OFF,     /* the sensors are disabled by a command */
    TC_SENSOR_OFF_BY_CONFIGURATION,
    TC_SENSOR_NOT_NAMED, /* the configuration has no section for the primary one */
};

#define TC_PROMISES_FOLDERS_MAX 16
#define TC_PROMISES_PLUGINS_MAX 16

/* A watched folder below which an exclusion lets everything pass. */
struct tc_excluded_folder {
    const char *folder;
    unsigned promises; /* that is not protected, not scanned, not judged */
    char entry[192];   /* the exclusion, as YAML on one line; "": several, or too long */
};

/* A folder that one sensor protects and the other would not. */
struct tc_uneven_folder {
    const char *folder;
    const char *by;       /* the sensor that watches it */
    const char *fallback; /* that watches what the primary does, unless told otherwise */
};

struct tc_lossy_plugin {
    char name[64];
    uint64_t lost; /* events, lately */
    char ring[32]; /* the next size of its ring, where it lost them; "": in its queue */
};

/* All texts are borrowed for the call. */
struct tc_promise_facts {
    enum tc_part_state parts[TC_PARTS];
    enum tc_sensor_trouble sensor;
    const char *sensor_name; /* that holds the slot, or is to */
    bool passive;
    uint64_t record_ms; /* how long what is recorded is kept; 0: while there is room */
    struct tc_excluded_folder excluded[TC_PROMISES_FOLDERS_MAX];
    size_t excluded_n;
    struct tc_uneven_folder uneven;           /* the first; .folder NULL: there is none */
    char silent[TC_PROMISES_PLUGINS_MAX][64]; /* voters that do not answer */
    size_t silent_n;
    struct tc_lossy_plugin lossy[TC_PROMISES_PLUGINS_MAX];
    size_t lossy_n;
};

/* Sets ret->promised, and adds an issue for each promise that the facts keep from being
 * kept. What there is no room for is left out. */
void tc_promises_derive(const struct tc_promise_facts *facts,
                        struct tc_health_numbers *ret);

#endif
