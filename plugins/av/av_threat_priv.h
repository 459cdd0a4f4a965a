/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what av_threat.c, av_move.c and av_care.c share: a threat, and the removal of one
 * of its names. Loop thread. */
#ifndef TC_AV_THREAT_PRIV_H
#define TC_AV_THREAT_PRIV_H

#include "av.h"

enum tc_av_threat_state {
    TC_AV_SEEN,
    TC_AV_MOVING,
    TC_AV_HELD,
    TC_AV_FAILED,
};

struct tc_av_move;

struct tc_av_threat {
    struct tc_av_threat *next;
    char id[TC_AV_ID_TEXT];
    uint64_t dev, ino;
    uint8_t hash[TC_AV_HASH_BYTES];
    char *path; /* the latest known */
    enum tc_av_threat_state state;
    bool dead;
    struct tc_av_move *waiting;
    size_t waiting_n;
    int error;         /* why a name of it stays; 0: none does */
    char *why;         /* the same in words, or NULL */
    unsigned wait;     /* looks until it is tried again */
    unsigned patience; /* as many the next time; doubles */
    unsigned missed;   /* tries since the file was last met */
};

/* One name of a threat that is being removed. */
struct tc_av_move {
    struct tc_av_move *next;
    struct tc_av *av;
    const struct tocsin_event *event; /* a reference, or NULL */
    int own_fd;
    struct tc_av_key key;       /* of the inode as it was seen */
    struct tc_av_record record; /* its id names the threat */
    struct tc_av_hit hit;
    bool link;      /* the inode is in the vault: only the name goes */
    bool served;    /* TOCSIN_FIELD_FILE_SERVED: it cannot be touched */
    bool requested; /* whoever asked reports the alert */
    bool unlock;    /* options.clear_immutable */
    bool again;     /* the same name as the last time, which failed */
    void (*done)(void *arg, const char *status, const char *why);
    void *arg;
    int error;
    uint64_t links;
    char why[TC_AV_WHY];
};

struct tc_av_threat *tc_av_threat_find(const struct tc_av *av, const char *id);

/* ---- av_move.c ---- */

/* Begins the move; it is the pool's, and ends by itself. */
void tc_av_move_start(struct tc_av_threat *threat, struct tc_av_move *move);
void tc_av_move_free(struct tc_av_move *move);

/* ---- av_care.c ---- */

/* Notes how a move has ended: what failed is tried again, and health says so. */
void tc_av_care_note(struct tc_av *av, struct tc_av_threat *threat, int error,
                     const char *why);

#endif
