/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/why.h"

/* As mkdir(2), but with that mode whatever the umask; an existing one is left as it is.
 */
static int make_one(const char *path, mode_t mode)
{
    if (mkdir(path, mode))
        return errno == EEXIST ? 0 : -errno;
    return chmod(path, mode) ? -errno : 0;
}

uint64_t tc_wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

int tc_machine_read_all(int fd, size_t cap, char **ret_data, size_t *ret_len)
{
    char *data = malloc(cap);
    size_t len = 0;
    ssize_t n = 1;

    if (!data)
        return -ENOMEM;
    while (n > 0 && len < cap) {
        n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0) {
        n = -errno;
        free(data);
        return (int)n;
    }
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int tc_machine_make_dir(const char *path, mode_t mode, char why[256])
{
    char part[4096];
    struct stat st;

    if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part)) {
        tc_why(why, "the path is too long: %s", path);
        return -ENAMETOOLONG;
    }
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_one(part, 0755))
            goto failed;
        *slash = '/';
    }
    if (make_one(part, mode))
        goto failed;
    if (lstat(part, &st))
        goto failed;
    if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid())) {
        tc_why(why, "%s must be a folder that belongs to root or to the agent's user",
               path);
        return -EPERM;
    }
    return 0;
failed:
    tc_why(why, "cannot make the folder %s: %s", part, strerror(errno));
    return -errno;
}

#define NICE (-10)

/*
 * SYS_ADMIN: fanotify. DAC_*: read and quarantine any file. CHOWN, FOWNER, FSETID,
 * SETFCAP: restore a file with owner, mode and attributes. SYS_PTRACE:
 * /proc/<pid>/exe of others. LEASE: to see whether a file is open for writing.
 * LINUX_IMMUTABLE: plugins.av.clear_immutable, and the way back. BPF,
 * PERFMON, NET_ADMIN, KILL: further sensors. SETUID, SETGID: the process of an isolated
 * plugin becomes another user.
 */
static void drop_capabilities(void)
{
    static const cap_value_t needed[] = {
        CAP_SYS_ADMIN,       CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER,
        CAP_FSETID,          CAP_SETFCAP,         CAP_SYS_PTRACE,   CAP_LEASE, CAP_BPF,
        CAP_LINUX_IMMUTABLE, CAP_PERFMON,         CAP_NET_ADMIN,    CAP_KILL,  CAP_SETUID,
        CAP_SETGID,
    };
    cap_t have = cap_get_proc(), keep = cap_init();
    cap_flag_value_t permitted;

    if (!have || !keep)
        goto out;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (cap_get_flag(have, needed[i], CAP_PERMITTED, &permitted) ||
            permitted != CAP_SET)
            continue;
        cap_set_flag(keep, CAP_PERMITTED, 1, &needed[i], CAP_SET);
        cap_set_flag(keep, CAP_EFFECTIVE, 1, &needed[i], CAP_SET);
    }
    cap_set_proc(keep);
out:
    cap_free(have);
    cap_free(keep);
}

void tc_machine_prepare(void)
{
    struct rlimit files;

    umask(077);
    /* A client of the control socket that goes away is an error of write(2), not our end.
     */
    signal(SIGPIPE, SIG_IGN);
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    setpriority(PRIO_PROCESS, 0, NICE);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    drop_capabilities();
}

bool tc_machine_full_disk_access(void)
{
    cap_flag_value_t admin = CAP_CLEAR, read_all = CAP_CLEAR;
    cap_t have = cap_get_proc();

    if (!have)
        return false;
    cap_get_flag(have, CAP_SYS_ADMIN, CAP_EFFECTIVE, &admin);
    cap_get_flag(have, CAP_DAC_READ_SEARCH, CAP_EFFECTIVE, &read_all);
    cap_free(have);
    return admin == CAP_SET && read_all == CAP_SET;
}

int tc_machine_id(char ret_id[TC_MACHINE_ID_MAX])
{
    static const char salt[] = "org.tocsin.agent";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    char text[128];
    ssize_t n;
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    n = read(fd, text, 64);
    close(fd);
    if (n < 32)
        return -EINVAL;
    memcpy(text + n, salt, sizeof(salt));
    SHA256((const unsigned char *)text, (size_t)n + sizeof(salt), hash);
    for (size_t i = 0; i < 16; i++)
        snprintf(ret_id + 2 * i, 3, "%02x", hash[i]);
    return 0;
}
