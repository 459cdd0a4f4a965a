/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what the programs in the kernel and the plugin say to each other: keys and values
 * of the maps, and the records of the ring. Plain data of fixed layout; compiled for both
 * sides, so it includes nothing but the kernel's integer types.
 */
#ifndef TC_KEXT_ABI_H
#define TC_KEXT_ABI_H

#include <linux/types.h>

#define TC_KEXT_OWN_MAX 4        /* processes that are never reported or refused */
#define TC_KEXT_DEPTH_MAX 48     /* folders between a file and its file system's root */
#define TC_KEXT_PATH_SHORT 512   /* bytes of names in a short record */
#define TC_KEXT_PATH_LONG 4096   /* in a long one */
#define TC_KEXT_NAME_MAX 255     /* NAME_MAX of the kernel */
#define TC_KEXT_ARGV_MAX 256     /* bytes kept of the name that was given to execve */
#define TC_KEXT_HELD_MAX 1024    /* processes stopped at once; beyond it none is */
#define TC_KEXT_FOLDERS_MAX 1024 /* watched folders */
#define TC_KEXT_DEVICES_MAX 256  /* file systems that matter */

/* A file in one state. `device` is the kernel's: major << 20 | minor. */
struct tc_kext_key {
    __u64 inode, ctime_s;
    __u32 device, ctime_ns;
};

/* Key of `folders`. */
struct tc_kext_folder {
    __u64 inode;
    __u64 device;
};

/* What a file in `bad` is refused for, and one in `good` passes for: a set. */
enum tc_kext_use {
    TC_KEXT_FOR_OPEN = 1,
    TC_KEXT_FOR_EXEC = 2,
    TC_KEXT_INHERITED = 4, /* in `bad`: by an agent that died, and not yet by this one */
};

/* Why a file system matters: values of `devices`. */
enum tc_kext_device {
    TC_KEXT_DEVICE_WATCHED = 1,
    TC_KEXT_DEVICE_BAD = 2, /* has had a file in `bad` */
};

/* A process that was stopped at its exec. Key of `held` is its pid. */
struct tc_kext_held {
    __u64 start_ns; /* since boot */
};

/* Written by the plugin, read by the programs: the one entry of `control`, mapped. */
struct tc_kext_control {
    __u64 refuse_until_ns; /* CLOCK_MONOTONIC: after it nothing is refused or killed */
    __u64 hold_until_ns;   /* the same: nothing is stopped, since nobody would answer */
    __u32 enforce;         /* 0: passive mode */
    __u32 hold;            /* stop an exec of an unknown file until its verdict */
    __u32 asleep;          /* the reader must be woken; cleared by who does it */
    __u32 wake_bytes;      /* of backlog: wake whatever it is about */
    __u32 own[TC_KEXT_OWN_MAX];
};

/* Numbers of the system calls that open files, on this machine; set before loading. */
enum {
    TC_KEXT_CALLS = 5, /* open, creat, openat, openat2, open_by_handle_at */
};
struct tc_kext_config {
    __s64 calls[TC_KEXT_CALLS]; /* -1: there is none */
};

/* One process of the snapshot. */
struct tc_kext_running {
    __u32 pid, parent_pid;
    __u64 start_ns; /* since boot */
};

/* Per-CPU counters, indices of `counters`. */
enum tc_kext_counter {
    TC_KEXT_REPORTED,
    TC_KEXT_LOST, /* no room in the ring */
    TC_KEXT_KILLED,
    TC_KEXT_REFUSED,
    TC_KEXT_KNOWN, /* found in `good` */
    TC_KEXT_OUTSIDE,
    TC_KEXT_WOKEN,
    TC_KEXT_STOPPED,
    TC_KEXT_STALE, /* would have been refused or killed, but nobody watches */
    TC_KEXT_COUNTERS,
};

enum tc_kext_kind {
    TC_KEXT_OPEN = 1,
    TC_KEXT_EXEC = 2,
    TC_KEXT_SCRIPT = 3, /* of an exec: `path` is the name given to execve, as given */
};

enum tc_kext_flags {
    TC_KEXT_WAS_REFUSED = 1,
    TC_KEXT_WAS_KILLED = 2,
    TC_KEXT_WAS_STOPPED = 4,
    TC_KEXT_CUT = 8,       /* the path is not whole: too deep or too long */
    TC_KEXT_UNNAMED = 16,  /* it has no name in any folder: deleted, or in memory only */
    TC_KEXT_WRITABLE = 32, /* somebody had it open for writing */
};

/*
 * One record of the ring. `path` holds the names from the file upwards to the root of its
 * file system, each NUL-terminated; path_len bytes of it count.
 */
struct tc_kext_record {
    __u16 kind, flags;
    __u32 path_len;
    struct tc_kext_key key;
    __u64 time_ns;        /* CLOCK_MONOTONIC */
    __u64 start_ns;       /* of the process, since boot */
    __u64 size, mtime_ns; /* mtime since the epoch */
    __u32 mode, file_uid;
    __u32 pid, tid, parent_pid;
    __u32 uid; /* effective, of the process */
    __s32 fd;  /* in the process, or -1: not known */
    __u32 mount_id;
    char comm[16];
    char path[];
};

#endif
