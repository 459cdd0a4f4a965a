/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the system calls whose ends are reported, as lists for both sides. A line is
 * CALL(name of the call, name of its function in the kernel).
 */
#ifndef TC_TRACE_CALLS_H
#define TC_TRACE_CALLS_H

/* All of these end in one function, commit_creds. */
#define TC_TRACE_CREDENTIAL_CALLS(CALL)                                                  \
    CALL(setuid, setuid)                                                                 \
    CALL(setgid, setgid)                                                                 \
    CALL(setreuid, setreuid)                                                             \
    CALL(setregid, setregid)                                                             \
    CALL(setresuid, setresuid)                                                           \
    CALL(setresgid, setresgid)

/* Each is hooked by itself. */
#define TC_TRACE_HOOKED_CALLS(CALL)                                                      \
    CALL(ptrace, ptrace)                                                                 \
    CALL(process_vm_writev, process_vm_writev)                                           \
    CALL(init_module, init_module)                                                       \
    CALL(finit_module, finit_module)                                                     \
    CALL(delete_module, delete_module)                                                   \
    CALL(bpf, bpf)                                                                       \
    CALL(memfd_create, memfd_create)                                                     \
    CALL(mount, mount)                                                                   \
    CALL(umount2, umount)                                                                \
    CALL(move_mount, move_mount)                                                         \
    CALL(accept, accept) /* the first of sockets' */                                     \
    CALL(accept4, accept4)                                                               \
    CALL(bind, bind)                                                                     \
    CALL(connect, connect)                                                               \
    CALL(sendto, sendto)                                                                 \
    CALL(sendmsg, sendmsg)                                                               \
    CALL(sendmmsg, sendmmsg)                                                             \
    CALL(setxattr, setxattr) /* the first of attributes' */                              \
    CALL(fsetxattr, fsetxattr)                                                           \
    CALL(lsetxattr, lsetxattr)

/* All of these end in one function: chmod_common, and chown_common. */
#define TC_TRACE_MODE_CALLS(CALL)                                                        \
    CALL(chmod, chmod)                                                                   \
    CALL(fchmod, fchmod)                                                                 \
    CALL(fchmodat, fchmodat)                                                             \
    CALL(fchmodat2, fchmodat2)

#define TC_TRACE_OWNER_CALLS(CALL)                                                       \
    CALL(chown, chown)                                                                   \
    CALL(fchown, fchown)                                                                 \
    CALL(lchown, lchown)                                                                 \
    CALL(fchownat, fchownat)

/* Only named: they send signals, which are seen where they are sent. */
#define TC_TRACE_NAMED_CALLS(CALL)                                                       \
    CALL(kill, kill)                                                                     \
    CALL(tkill, tkill)                                                                   \
    CALL(tgkill, tgkill)                                                                 \
    CALL(rt_sigqueueinfo, rt_sigqueueinfo)                                               \
    CALL(rt_tgsigqueueinfo, rt_tgsigqueueinfo)                                           \
    CALL(pidfd_send_signal, pidfd_send_signal)

#define TC_TRACE_CALL_NUMBERS 512 /* of the calls of a kernel; the rest is not ours */

/* In the order of the lists, with marks: for those of commit_creds, and of all hooked. */
enum tc_trace_call {
    TC_TRACE_CALL_OTHER,
#define TC_TRACE_CALL_NAME(name, function) TC_TRACE_CALL_##name,
    TC_TRACE_CREDENTIAL_CALLS(TC_TRACE_CALL_NAME) TC_TRACE_CALLS_CREDENTIAL,
    TC_TRACE_HOOKED_CALLS(TC_TRACE_CALL_NAME) TC_TRACE_MODE_CALLS(TC_TRACE_CALL_NAME)
        TC_TRACE_OWNER_CALLS(TC_TRACE_CALL_NAME) TC_TRACE_CALLS_HOOKED,
    TC_TRACE_NAMED_CALLS(TC_TRACE_CALL_NAME)
#undef TC_TRACE_CALL_NAME
        TC_TRACE_CALLS,
};

#endif
