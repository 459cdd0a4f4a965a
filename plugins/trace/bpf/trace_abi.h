/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what the programs in the kernel and the plugin say to each other: the records of
 * the ring, control, counters. Plain data of fixed layout; compiled for both sides, so it
 * includes nothing but the kernel's integer types.
 */
#ifndef TC_TRACE_ABI_H
#define TC_TRACE_ABI_H

#include <linux/types.h>

#define TC_TRACE_NAMES_MAX 16384 /* bytes of all texts of a record but the arguments */
#define TC_TRACE_ARGS_MAX 65536  /* bytes of arguments; what is longer is cut */
#define TC_TRACE_PATH_MAX 4096   /* PATH_MAX of the kernel */
#define TC_TRACE_XATTR_MAX 256   /* XATTR_NAME_MAX of the kernel, and a NUL */
#define TC_TRACE_MODULE_MAX 56   /* MODULE_NAME_LEN of the kernel */
#define TC_TRACE_NO_LOGIN 0xffffffffu /* loginuid of who has not logged in */

enum tc_trace_kind {
    TC_TRACE_FORK = 1,
    TC_TRACE_EXEC = 2,
    TC_TRACE_EXIT = 3,
    TC_TRACE_FLOW = 4, /* a struct tc_trace_flow_record */
    TC_TRACE_ACT = 5,  /* a struct tc_trace_act_record */
    TC_TRACE_KINDS,
};

enum tc_trace_flags {
    TC_TRACE_ARGS_CUT = 1,     /* there were more */
    TC_TRACE_ARGS_MISSING = 2, /* their memory was not at hand */
    TC_TRACE_PATH_CUT = 4,     /* one of the paths is not whole: too deep or too long */
    TC_TRACE_FILE_GONE = 8,    /* the executable has no name any more, or never had */
    TC_TRACE_NO_FOLLOW = 16,   /* of an act: on the symbolic link itself */
};

/* The texts of a record, in this order. */
enum tc_trace_text {
    TC_TRACE_EXECUTABLE, /* names upwards to the root, each NUL-terminated */
    TC_TRACE_EXEC_PATH,  /* as given to execve, NUL-terminated */
    TC_TRACE_FOLDER,     /* working directory: names upwards */
    TC_TRACE_CGROUP,     /* names upwards */
    TC_TRACE_ARGS,       /* each NUL-terminated */
    TC_TRACE_TEXTS,
};

/* One occurrence; a fork's is about the child. The texts follow it, of an exec only. */
struct tc_trace_record {
    __u16 kind, flags;
    __u32 pid, parent_pid, forker_pid; /* forker: who called fork, see CLONE_PARENT */
    __u64 time_ns;                     /* CLOCK_MONOTONIC */
    __u64 start_ns, parent_start_ns, forker_start_ns; /* since boot */
    __u32 session, unused;
    __u32 uid, euid, suid, gid, egid, sgid, login_uid;
    __s32 exit_status; /* as wait(2) gives it */
    __u64 cgroup_id;
    __u64 inode, size, ctime_s; /* of the executable */
    __u32 ctime_ns, device;     /* device: the kernel's, major << 20 | minor */
    char comm[16];
    char tty[32];
    __u32 end[TC_TRACE_TEXTS]; /* where each text ends, from the end of the record */
    __u32 cpu;
};

enum tc_trace_flow_what {
    TC_TRACE_CONNECTED = 1,
    TC_TRACE_CONNECT_FAILED = 2,
    TC_TRACE_LISTENING = 3, /* its source is what it listens on */
    TC_TRACE_ACCEPTED = 4,  /* its destination is who has connected */
    TC_TRACE_BOUND = 5,     /* its source is what it is bound to */
};

/* What has become of a socket; its source is this machine's end. Ports as numbers,
 * addresses as IPv6 has them, those of IPv4 mapped (RFC 4291). */
struct tc_trace_flow_record {
    __u16 kind, what;
    __u32 pid;
    __u64 time_ns;  /* CLOCK_MONOTONIC */
    __u64 start_ns; /* of the process, since boot */
    __u16 protocol, source_port, destination_port, unused;
    __u8 source[16], destination[16];
};

enum tc_trace_act_what {
    TC_TRACE_CREDENTIALS = 1,
    TC_TRACE_TRACED = 2,          /* value: the request of ptrace(2) */
    TC_TRACE_SIGNALLED = 3,       /* value: the signal */
    TC_TRACE_MODULE_LOADED = 4,   /* NAME, and the file's names in BASE */
    TC_TRACE_MODULE_UNLOADED = 5, /* NAME */
    TC_TRACE_BPF_LOADED = 6,      /* NAME; value: its type */
    TC_TRACE_MEMFD = 7,           /* NAME; value: the flags */
    TC_TRACE_MOUNTED = 8,   /* NAME: what; TYPE; BASE and PATH: where; value: flags */
    TC_TRACE_UNMOUNTED = 9, /* BASE and PATH; value: flags */
    /* BASE and PATH; NAME: of the extended one. value: the mode, or user | group << 32 */
    TC_TRACE_ATTRIBUTES = 10,
};

/* The texts of an act, in this order; NUL-terminated, or empty when there is none. */
enum tc_trace_act_text {
    TC_TRACE_ACT_NAME,
    TC_TRACE_ACT_TYPE,
    TC_TRACE_ACT_BASE, /* names upwards: where PATH begins unless it is absolute */
    TC_TRACE_ACT_PATH, /* as given to the call */
    TC_TRACE_ACT_TEXTS,
};

/* What a process has done. The texts follow it. The flags are those of other records. */
struct tc_trace_act_record {
    __u16 kind, what;
    __u32 pid;
    __u64 time_ns;  /* CLOCK_MONOTONIC */
    __u64 start_ns; /* of the process, since boot */
    __u64 value;
    __u32 call;   /* enum tc_trace_call */
    __s32 result; /* of the call: negative, an errno */
    __u32 uid, euid, suid, gid, egid, sgid;
    __u32 flags, target_pid;
    __u64 target_start_ns; /* 0: whoever has that pid */
    __u32 end[TC_TRACE_ACT_TEXTS];
};

/* The one entry of `control`, mapped. */
struct tc_trace_control {
    __u32 asleep;     /* the reader must be woken; cleared by who does it */
    __u32 wake_bytes; /* of backlog: wake whatever it is about */
};

/* Per-CPU counters: indices of `counters`. The lost by kind: TC_TRACE_LOST + kind. */
enum tc_trace_counter {
    TC_TRACE_REPORTED,
    TC_TRACE_WOKEN,
    TC_TRACE_BUSY, /* of the lost: the CPU's buffer was in use */
    TC_TRACE_LOST, /* no room in the ring */
    TC_TRACE_COUNTERS = TC_TRACE_LOST + TC_TRACE_KINDS,
};

#endif
