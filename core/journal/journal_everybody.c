/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal/journal_everybody.h"

#include <stddef.h>
#include <string.h>

#define PID_INIT 1
#define PID_KTHREADD 2

static const char *const folders[] = {
    "/usr/sbin/", "/usr/bin/", "/usr/lib/", "/usr/libexec/", "/sbin/", "/bin/", "/lib/"};

static const char *const programs[] = {
    /* services */
    "systemd", "systemd-executor", "init", "runit", "runsv", "runsvdir", "openrc-init",
    "supervise-daemon", "xinetd", "inetd", "dbus-daemon", "dbus-broker",
    "dbus-broker-launch", "tocsind",
    /* sessions */
    "sshd", "sshd-session", "sshd-auth", "dropbear", "login", "agetty", "getty", "gdm3",
    "gdm", "gdm-session-worker", "gdm-x-session", "gdm-wayland-session", "sddm",
    "sddm-helper", "lightdm", "xdm", "gnome-session-binary", "gnome-shell", "plasmashell",
    "ksmserver", "kwin_wayland", "xfce4-session", "cinnamon-session", "mate-session",
    /* jobs */
    "cron", "crond", "atd", "anacron", "fcron",
    /* containers and machines */
    "dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v1",
    "containerd-shim-runc-v2", "conmon", "crio", "kubelet", "lxc-start", "lxd", "incusd",
    "systemd-nspawn", "libvirtd", "virtqemud"};

/* Below a folder of folders, as /usr/lib/systemd/systemd is, too. */
static const char *name_in(const char *folder, struct tocsin_str path, size_t *ret_len)
{
    size_t n = strlen(folder);
    const char *slash;

    if (path.len <= n || memcmp(path.ptr, folder, n) != 0)
        return NULL;
    slash = memrchr(path.ptr, '/', path.len);
    *ret_len = path.len - (size_t)(slash + 1 - path.ptr);
    return slash + 1;
}

bool tc_journal_everybody(int64_t pid, struct tocsin_str executable)
{
    const char *name = NULL;
    size_t n = 0;

    if (pid == PID_INIT || pid == PID_KTHREADD)
        return true;
    if (!executable.ptr)
        return false;
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders) && !name; i++)
        name = name_in(folders[i], executable, &n);
    for (size_t i = 0; name && i < sizeof(programs) / sizeof(*programs); i++)
        if (n == strlen(programs[i]) && !memcmp(name, programs[i], n))
            return true;
    return false;
}
