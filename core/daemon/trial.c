/* SPDX-License-Identifier: Apache-2.0 */
#include "core/daemon/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/machine.h"
#include "core/base/why.h"

#define UNQUOTABLE "\"\\$`\n" /* in YAML's and the shell's double quotes */

static int make_dir(const struct tc_trial *trial, const char *name, char why[256])
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", trial->dir, name);
    return tc_machine_make_dir(path, 0755, why);
}

static int mount_protected(struct tc_trial *trial, char why[256])
{
    char path[4096];
    struct stat inside, outside;

    snprintf(path, sizeof(path), "%s/protected", trial->dir);
    if (geteuid() != 0)
        return 0;
    /* Left over from a run that was killed: it serves as well. */
    if (!stat(path, &inside) && !stat(trial->dir, &outside) &&
        inside.st_dev != outside.st_dev) {
        trial->mounted = true;
        return 0;
    }
    if (mount("tocsin-trial", path, "tmpfs", MS_NODEV | MS_NOSUID,
              "size=64m,mode=1777")) {
        tc_why(
            why,
            "cannot mount a scratch file system on %s: %s; as an ordinary user the agent "
            "runs detect-only without it",
            path, strerror(errno));
        return -errno;
    }
    trial->mounted = true;
    return 0;
}

int tc_trial_init(struct tc_trial *trial, const char *dir, const char *prefix,
                  char why[256])
{
    char *real, filter[4096] = "";
    int err;

    memset(trial, 0, sizeof(*trial));
    err = tc_machine_make_dir(dir, 0755, why);
    if (err)
        return err;
    real = realpath(dir, NULL);
    if (!real || strlen(real) >= sizeof(trial->dir) || strpbrk(real, UNQUOTABLE) ||
        strpbrk(prefix, UNQUOTABLE)) {
        free(real);
        tc_why(why,
               "%s: choose a folder without quotes, backslashes, $ and ` in its path",
               dir);
        return -EINVAL;
    }
    snprintf(trial->dir, sizeof(trial->dir), "%s", real);
    free(real);
    err = make_dir(trial, "runtime", why);
    if (!err)
        err = make_dir(trial, "protected", why);
    if (!err)
        err = mount_protected(trial, why);
    if (err)
        return err;
    /* Only root sees what processes do, and filters. */
    if (geteuid() == 0 && !tc_trial_network_start(&trial->network, trial->network_why))
        snprintf(filter, sizeof(filter),
                 "  netfilter: {namespace: /proc/%d/ns/net, loopback: true, "
                 "indicators: [\"block:%s/share/tocsin/indicators\"]}\n",
                 (int)trial->network.holder, prefix);
    snprintf(trial->config, sizeof(trial->config),
             "paths:\n"
             "  state: \"%s/state\"\n"
             "  runtime: \"%s/runtime\"\n"
             "  plugins: [\"%s/lib/tocsin/plugins\"]\n"
             "approval: {required: false}\n"
             "plugins:\n"
             "  es: {watch: [\"%s/protected\"]}\n"
             "  av: {rules: [\"%s/share/tocsin/rules/yara\"]}\n"
             "  edr: {rules: [\"%s/share/tocsin/rules/sigma\"]}\n"
             "%s%s",
             trial->dir, trial->dir, prefix, trial->dir, prefix, prefix,
             geteuid() == 0 ? "  trace: {}\n" : "", filter);
    return 0;
}

/* A shell function, as nothing but bash and util-linux is sure to be there. */
static void explain_network(const struct tc_trial *trial)
{
    if (*trial->network_why)
        printf("The network filter is left out: %s.\n\n", trial->network_why);
    if (!trial->network.holder)
        return;
    printf(
        "The network filter looks at nothing but a network that was made for it, with\n"
        "one server in it and no way out:\n\n"
        "  get() { nsenter --net=/proc/%d/ns/net bash -c 'exec 3<>/dev/tcp/$0/80 && \\\n"
        "    printf \"GET / HTTP/1.0\\r\\nHost: $1\\r\\n\\r\\n\" >&3 && cat <&3' "
        "\"$@\"; }\n\n"
        "  get 192.0.2.1                 # answered: it is on no list\n"
        "  get 192.0.2.66                # refused: its address is on a list\n"
        "  get 192.0.2.1 malware.example # cut off: the name is, at any address\n"
        "  tocsin network-filter status  # what it has seen and denied\n"
        "  tocsin indicator list         # what is denied, and why\n"
        "  tocsin tap network.flow       # each flow with its process, live\n\n",
        (int)trial->network.holder);
}

void tc_trial_explain(struct tc_trial *trial, const char *prefix)
{
    bool root = geteuid() == 0;
    char runtime[4096];

    /* In two pieces, so that neither this file nor the terminal's log is taken for
     * malware. */
    printf("Tocsin protects %s/protected until you press Ctrl-C.\n"
           "%s\n\n"
           "In another terminal, as the same user:\n\n"
           "  cd \"%s/protected\"\n"
           "  export TOCSIN_SOCKET=\"%s/runtime/tocsin.sock\" "
           "TOCSIN_PORTAL=\"%s/runtime/portal.sock\" PATH=\"%s/bin:$PATH\"\n\n"
           "  printf '%%s%%s' '%s' '%s' > test.com\n"
           "  cat test.com       # %s\n"
           "  tocsin threat list # what was found, where, and what was done about it\n"
           "  tocsin threat quarantine restore ID   # gives it back, and lets it pass\n"
           "%s"
           "  tocsin alert list  # what was found, in files and in what programs do\n"
           "  tocsin health      # what protects, what is wrong, and how to fix it\n"
           "  tocsin tap         # what the agent sees and says, live; Ctrl-C ends it\n\n"
           "What was restored is allowed in the next run, too; delete the folder %s to\n"
           "begin anew.\n\n",
           trial->dir,
           root ? "It runs as root: a bad file cannot be opened or executed, and is "
                  "quarantined."
                : "It does not run as root: it quarantines a bad file after it was "
                  "written,\nbut cannot stop anybody from opening it. Root can do both.",
           trial->dir, trial->dir, trial->dir, prefix,
           "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
           root ? "refused, or gone: it is in quarantine" : "gone: it is in quarantine",
           root ? "  tocsin edr selftest # imitates an attack; behaviour is judged "
                  "everywhere\n"
                : "",
           trial->dir);
    explain_network(trial);
    fflush(stdout);
    snprintf(runtime, sizeof(runtime), "%s/runtime", trial->dir);
    tc_trial_portal_start(&trial->portal, runtime, prefix);
}

void tc_trial_done(struct tc_trial *trial)
{
    char path[4096];

    tc_trial_portal_stop(&trial->portal);
    tc_trial_network_stop(&trial->network);
    if (!trial->mounted)
        return;
    snprintf(path, sizeof(path), "%s/protected", trial->dir);
    umount2(path, MNT_DETACH);
    trial->mounted = false;
}
