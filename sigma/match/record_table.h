/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the shape of the tables that say which topic makes which records, and which of
 * our fields are which of Sigma's. Constant data. Must not: read events.
 */
#ifndef TC_SIGMA_RECORD_TABLE_H
#define TC_SIGMA_RECORD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Places: what our own events have, and rules ask for. ---- */

/* Those of one map stand together, in the order in which sensors write most of them. */
enum tc_place_id {
    TC_PLACE_ROOT, /* the event */

    TC_PLACE_EVENT,
    TC_PLACE_FILE,
    TC_PLACE_PROCESS,
    TC_PLACE_SOURCE,
    TC_PLACE_DESTINATION,
    TC_PLACE_NETWORK,
    TC_PLACE_DNS,

    TC_PLACE_PROCESS_PID,
    TC_PLACE_PROCESS_NAME,
    TC_PLACE_PROCESS_EXECUTABLE,
    TC_PLACE_PROCESS_USER,
    TC_PLACE_PROCESS_GROUP,
    TC_PLACE_PROCESS_SESSION,
    TC_PLACE_PROCESS_TTY,
    TC_PLACE_PROCESS_LOGINUID,
    TC_PLACE_PROCESS_EXEC_PATH,
    TC_PLACE_PROCESS_COMMAND_LINE,
    TC_PLACE_PROCESS_ARGS,
    TC_PLACE_PROCESS_ARGS_COUNT,
    TC_PLACE_PROCESS_WORKING_DIRECTORY,
    TC_PLACE_PROCESS_HASH,
    TC_PLACE_PROCESS_PARENT,

    TC_PLACE_USER_ID,
    TC_PLACE_USER_NAME,
    TC_PLACE_USER_EFFECTIVE,
    TC_PLACE_USER_SAVED,
    TC_PLACE_USER_EFFECTIVE_ID,
    TC_PLACE_USER_SAVED_ID,
    TC_PLACE_GROUP_ID,
    TC_PLACE_PROCESS_SHA256,

    TC_PLACE_PARENT_PID,
    TC_PLACE_PARENT_EXECUTABLE,
    TC_PLACE_PARENT_EXEC_PATH,
    TC_PLACE_PARENT_COMMAND_LINE,
    TC_PLACE_PARENT_USER,
    TC_PLACE_PARENT_USER_NAME,

    TC_PLACE_FILE_PATH,
    TC_PLACE_FILE_OLD_PATH,
    TC_PLACE_FILE_INODE,
    TC_PLACE_FILE_MODE,
    TC_PLACE_FILE_UID,

    TC_PLACE_NETWORK_TRANSPORT,
    TC_PLACE_NETWORK_DIRECTION,
    TC_PLACE_NETWORK_INITIATED,
    TC_PLACE_SOURCE_IP,
    TC_PLACE_SOURCE_PORT,
    TC_PLACE_SOURCE_DOMAIN,
    TC_PLACE_DESTINATION_IP,
    TC_PLACE_DESTINATION_PORT,
    TC_PLACE_DESTINATION_DOMAIN,

    TC_PLACE_DNS_QUESTION,
    TC_PLACE_DNS_RESPONSE_CODE,
    TC_PLACE_DNS_ANSWERS,
    TC_PLACE_DNS_QUESTION_NAME,
    TC_PLACE_DNS_QUESTION_TYPE,

    TC_PLACE_EVENT_ACTION,
    TC_PLACE_EVENT_OUTCOME,

    TC_PLACES
};

struct tc_place_info {
    const char *path, *key; /* dotted; its last part */
    uint8_t key_len;
    uint8_t parent;
    uint8_t first, last; /* those in it; 0: it is looked into by nobody */
};

extern const struct tc_place_info tc_places[TC_PLACES];

/* ---- Fields: Sigma's names. ---- */

enum tc_sigma_record_of {
    TC_OF_PROCESS = 1,
    TC_OF_FILE = 2,
    TC_OF_NETWORK = 4,
    TC_OF_DNS = 8,
    TC_OF_CATEGORIES = 15, /* those of Sysmon's names */
    TC_OF_EXECVE = 16,     /* auditd's */
    TC_OF_PATH = 32,
    TC_OF_SYSCALL = 64,
    TC_OF_AUDITD = 112,
    TC_OF_LOOKUPS = 128, /* the taxonomy's other names of a name's resolution */
};

enum tc_field_how {
    TC_HOW_PLACES,    /* the values at its places; without any, `otherwise` */
    TC_HOW_USER,      /* the same; without any, root's name is known */
    TC_HOW_INITIATED, /* the same; without any, by network.direction or the kind */
    TC_HOW_HASHES,    /* as Sysmon writes it */
    TC_HOW_OCTAL,     /* the number there */
    TC_HOW_COUNT,     /* the same, or the length of the list at the second place */
    TC_HOW_SUCCESS,   /* "yes" or "no", by event.outcome or the kind */
    TC_HOW_SYSCALL,   /* at its place, or the kind's */
    TC_HOW_TYPE,      /* the kind's */
    TC_HOW_NAMETYPE,
    TC_HOW_PATH,  /* at the kind's place */
    TC_HOW_ITEMS, /* of each map of the list at its place, what has the key `otherwise` */
    TC_HOW_ANSWER, /* the code of a DNS answer, as Sysmon writes it and as DNS does */
};

#define TC_FIELD_PLACES_MAX 2

struct tc_sigma_record_field {
    const char *name;
    uint8_t of; /* enum tc_sigma_record_of, or-ed */
    uint8_t how;
    uint8_t places[TC_FIELD_PLACES_MAX]; /* 0: none */
    const char *otherwise;
};

/* Ordered by name (strcmp). */
extern const struct tc_sigma_record_field tc_sigma_record_fields[];
extern const size_t tc_sigma_record_field_count;

/* ---- Kinds: what a topic's events become. ---- */

struct tc_sigma_record_kind {
    const char *topic;
    const char *category, *service; /* "": none */
    uint8_t of;
    bool fails;     /* it is of attempts that failed */
    bool initiated; /* of a connection: from here */
    uint8_t path;   /* of a PATH: the place of its name */
    const char *type, *nametype;
    /* What the kernel may have been called by; NULL-terminated. `says`: event.action says
     * by which; else, of each event, all. */
    const char *const *syscalls;
    bool says;
};

/* Those of one topic together, in the order in which they are reported. */
extern const struct tc_sigma_record_kind tc_sigma_record_kinds[];
extern const size_t tc_sigma_record_kind_count;

/* The product of this machine's events. */
#ifdef __APPLE__
#define TC_RECORD_PRODUCT "macos"
#else
#define TC_RECORD_PRODUCT "linux"
#endif

/* ---- Names ---- */

/* What a name is, as a number: so that it is looked up once a set, not once an event. */
enum tc_sigma_record_name {
    TC_NAME_OURS,               /* perhaps one of our own */
    TC_NAME_NOBODYS,            /* nothing in the tables */
    TC_NAME_FIELD,              /* and on: of tc_sigma_record_fields */
    TC_NAME_PLACE = 0x1000,     /* and on: of tc_places, which is one of our own */
    TC_NAME_ARGUMENT = 0x10000, /* and on: a0, a1, ... as EXECVE has them */
};

uint32_t tc_sigma_record_number(const char *name);

/* Whether a field of that number says the same of many records. */
bool tc_sigma_record_is_common(uint32_t number);

enum tc_sigma_record_has {
    TC_HAS_NOT,
    TC_HAS_OWN, /* perhaps: by a name of ours */
    TC_HAS,     /* by Sigma's; then *ret_how is set */
};

/* Whether records of the kind may have a field of that name. */
enum tc_sigma_record_has tc_sigma_record_has(const struct tc_sigma_record_kind *kind,
                                             const char *name,
                                             enum tc_field_how *ret_how);

#endif
