/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the tables, see record_table.h; docs/sigma.md has them for people. Sources: the
 * taxonomy of the Sigma specification, Sysmon for Linux (its schema), and for the records
 * of auditd the audit-documentation project's list of fields.
 */
#include "sigma/match/record_table.h"

#include <string.h>
#include <tocsin/event.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* `before` with its dot. */
#define PLACE(in, before, name)                                                          \
    .path = before name, .key = (name), .key_len = sizeof(name) - 1, .parent = (in)
#define HAS(from, to) .first = (from), .last = (to)

const struct tc_place_info tc_places[TC_PLACES] = {
    [TC_PLACE_ROOT] = {HAS(TC_PLACE_EVENT, TC_PLACE_DNS)},

    [TC_PLACE_PROCESS] = {PLACE(TC_PLACE_ROOT, "", "process"),
                          HAS(TC_PLACE_PROCESS_PID, TC_PLACE_PROCESS_PARENT)},
    [TC_PLACE_FILE] = {PLACE(TC_PLACE_ROOT, "", "file"),
                       HAS(TC_PLACE_FILE_PATH, TC_PLACE_FILE_UID)},
    [TC_PLACE_NETWORK] = {PLACE(TC_PLACE_ROOT, "", "network"),
                          HAS(TC_PLACE_NETWORK_TRANSPORT, TC_PLACE_NETWORK_INITIATED)},
    [TC_PLACE_SOURCE] = {PLACE(TC_PLACE_ROOT, "", "source"),
                         HAS(TC_PLACE_SOURCE_IP, TC_PLACE_SOURCE_DOMAIN)},
    [TC_PLACE_DESTINATION] = {PLACE(TC_PLACE_ROOT, "", "destination"),
                              HAS(TC_PLACE_DESTINATION_IP, TC_PLACE_DESTINATION_DOMAIN)},
    [TC_PLACE_DNS] = {PLACE(TC_PLACE_ROOT, "", "dns"),
                      HAS(TC_PLACE_DNS_QUESTION, TC_PLACE_DNS_ANSWERS)},
    [TC_PLACE_EVENT] = {PLACE(TC_PLACE_ROOT, "", "event"),
                        HAS(TC_PLACE_EVENT_ACTION, TC_PLACE_EVENT_OUTCOME)},

#define IN_PROCESS(name)                                                                 \
    {                                                                                    \
        PLACE(TC_PLACE_PROCESS, "process.", name)                                        \
    }
    [TC_PLACE_PROCESS_PID] = IN_PROCESS("pid"),
    [TC_PLACE_PROCESS_NAME] = IN_PROCESS("name"),
    [TC_PLACE_PROCESS_EXECUTABLE] = IN_PROCESS("executable"),
    [TC_PLACE_PROCESS_EXEC_PATH] = IN_PROCESS("exec_path"),
    [TC_PLACE_PROCESS_COMMAND_LINE] = IN_PROCESS("command_line"),
    [TC_PLACE_PROCESS_ARGS] = IN_PROCESS("args"),
    [TC_PLACE_PROCESS_ARGS_COUNT] = IN_PROCESS("args_count"),
    [TC_PLACE_PROCESS_WORKING_DIRECTORY] = IN_PROCESS("working_directory"),
    [TC_PLACE_PROCESS_SESSION] = IN_PROCESS("session"),
    [TC_PLACE_PROCESS_TTY] = IN_PROCESS("tty"),
    [TC_PLACE_PROCESS_LOGINUID] = IN_PROCESS("loginuid"),
    [TC_PLACE_PROCESS_USER] = {PLACE(TC_PLACE_PROCESS, "process.", "user"),
                               HAS(TC_PLACE_USER_ID, TC_PLACE_USER_SAVED)},
    [TC_PLACE_PROCESS_GROUP] = {PLACE(TC_PLACE_PROCESS, "process.", "group"),
                                HAS(TC_PLACE_GROUP_ID, TC_PLACE_GROUP_ID)},
    [TC_PLACE_PROCESS_HASH] = {PLACE(TC_PLACE_PROCESS, "process.", "hash"),
                               HAS(TC_PLACE_PROCESS_SHA256, TC_PLACE_PROCESS_SHA256)},
    [TC_PLACE_PROCESS_PARENT] = {PLACE(TC_PLACE_PROCESS, "process.", "parent"),
                                 HAS(TC_PLACE_PARENT_PID, TC_PLACE_PARENT_USER)},

    [TC_PLACE_USER_ID] = {PLACE(TC_PLACE_PROCESS_USER, "process.user.", "id")},
    [TC_PLACE_USER_NAME] = {PLACE(TC_PLACE_PROCESS_USER, "process.user.", "name")},
    [TC_PLACE_USER_EFFECTIVE] = {PLACE(TC_PLACE_PROCESS_USER, "process.user.",
                                       "effective"),
                                 HAS(TC_PLACE_USER_EFFECTIVE_ID,
                                     TC_PLACE_USER_EFFECTIVE_ID)},
    [TC_PLACE_USER_SAVED] = {PLACE(TC_PLACE_PROCESS_USER, "process.user.", "saved"),
                             HAS(TC_PLACE_USER_SAVED_ID, TC_PLACE_USER_SAVED_ID)},
    [TC_PLACE_USER_EFFECTIVE_ID] = {PLACE(TC_PLACE_USER_EFFECTIVE,
                                          "process.user.effective.", "id")},
    [TC_PLACE_USER_SAVED_ID] = {PLACE(TC_PLACE_USER_SAVED, "process.user.saved.", "id")},
    [TC_PLACE_GROUP_ID] = {PLACE(TC_PLACE_PROCESS_GROUP, "process.group.", "id")},
    [TC_PLACE_PROCESS_SHA256] = {PLACE(TC_PLACE_PROCESS_HASH, "process.hash.", "sha256")},

#define IN_PARENT(name)                                                                  \
    {                                                                                    \
        PLACE(TC_PLACE_PROCESS_PARENT, "process.parent.", name)                          \
    }
    [TC_PLACE_PARENT_PID] = IN_PARENT("pid"),
    [TC_PLACE_PARENT_EXECUTABLE] = IN_PARENT("executable"),
    [TC_PLACE_PARENT_EXEC_PATH] = IN_PARENT("exec_path"),
    [TC_PLACE_PARENT_COMMAND_LINE] = IN_PARENT("command_line"),
    [TC_PLACE_PARENT_USER] = {PLACE(TC_PLACE_PROCESS_PARENT, "process.parent.", "user"),
                              HAS(TC_PLACE_PARENT_USER_NAME, TC_PLACE_PARENT_USER_NAME)},
    [TC_PLACE_PARENT_USER_NAME] = {PLACE(TC_PLACE_PARENT_USER, "process.parent.user.",
                                         "name")},

#define IN_FILE(name)                                                                    \
    {                                                                                    \
        PLACE(TC_PLACE_FILE, "file.", name)                                              \
    }
    [TC_PLACE_FILE_PATH] = IN_FILE("path"),
    [TC_PLACE_FILE_OLD_PATH] = IN_FILE("old_path"),
    [TC_PLACE_FILE_INODE] = IN_FILE("inode"),
    [TC_PLACE_FILE_MODE] = IN_FILE("mode"),
    [TC_PLACE_FILE_UID] = IN_FILE("uid"),

    [TC_PLACE_NETWORK_TRANSPORT] = {PLACE(TC_PLACE_NETWORK, "network.", "transport")},
    [TC_PLACE_NETWORK_DIRECTION] = {PLACE(TC_PLACE_NETWORK, "network.", "direction")},
    [TC_PLACE_NETWORK_INITIATED] = {PLACE(TC_PLACE_NETWORK, "network.", "initiated")},
    [TC_PLACE_SOURCE_IP] = {PLACE(TC_PLACE_SOURCE, "source.", "ip")},
    [TC_PLACE_SOURCE_PORT] = {PLACE(TC_PLACE_SOURCE, "source.", "port")},
    [TC_PLACE_SOURCE_DOMAIN] = {PLACE(TC_PLACE_SOURCE, "source.", "domain")},
    [TC_PLACE_DESTINATION_IP] = {PLACE(TC_PLACE_DESTINATION, "destination.", "ip")},
    [TC_PLACE_DESTINATION_PORT] = {PLACE(TC_PLACE_DESTINATION, "destination.", "port")},
    [TC_PLACE_DESTINATION_DOMAIN] = {PLACE(TC_PLACE_DESTINATION, "destination.",
                                           "domain")},

    [TC_PLACE_DNS_QUESTION] = {PLACE(TC_PLACE_DNS, "dns.", "question"),
                               HAS(TC_PLACE_DNS_QUESTION_NAME,
                                   TC_PLACE_DNS_QUESTION_TYPE)},
    [TC_PLACE_DNS_RESPONSE_CODE] = {PLACE(TC_PLACE_DNS, "dns.", "response_code")},
    [TC_PLACE_DNS_ANSWERS] = {PLACE(TC_PLACE_DNS, "dns.", "answers")},
    [TC_PLACE_DNS_QUESTION_NAME] = {PLACE(TC_PLACE_DNS_QUESTION, "dns.question.",
                                          "name")},
    [TC_PLACE_DNS_QUESTION_TYPE] = {PLACE(TC_PLACE_DNS_QUESTION, "dns.question.",
                                          "type")},

    [TC_PLACE_EVENT_ACTION] = {PLACE(TC_PLACE_EVENT, "event.", "action")},
    [TC_PLACE_EVENT_OUTCOME] = {PLACE(TC_PLACE_EVENT, "event.", "outcome")},
};

/* ---- Fields ---- */

#define OF_ALL TC_OF_CATEGORIES
#define OF_LOOKUP (TC_OF_DNS | TC_OF_LOOKUPS)

/* Upper case before lower case, as strcmp has it. */
const struct tc_sigma_record_field tc_sigma_record_fields[] = {
    {"CommandLine", OF_ALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_COMMAND_LINE}, NULL},
    {"CurrentDirectory",
     TC_OF_PROCESS,
     TC_HOW_PLACES,
     {TC_PLACE_PROCESS_WORKING_DIRECTORY},
     NULL},
    {"DestinationHostname",
     TC_OF_NETWORK,
     TC_HOW_PLACES,
     {TC_PLACE_DESTINATION_DOMAIN},
     NULL},
    {"DestinationIp", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_DESTINATION_IP}, NULL},
    {"DestinationPort", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_DESTINATION_PORT}, NULL},
    {"Hashes", TC_OF_PROCESS, TC_HOW_HASHES, {TC_PLACE_PROCESS_SHA256}, NULL},
    /* What the kernel has resolved, and what was asked for: rules name either. */
    {"Image",
     OF_ALL,
     TC_HOW_PLACES,
     {TC_PLACE_PROCESS_EXECUTABLE, TC_PLACE_PROCESS_EXEC_PATH},
     NULL},
    {"Initiated", TC_OF_NETWORK, TC_HOW_INITIATED, {TC_PLACE_NETWORK_INITIATED}, NULL},
    /* As Sysmon for Linux fills it. */
    {"LogonId", TC_OF_PROCESS, TC_HOW_PLACES, {TC_PLACE_USER_ID}, NULL},
    {"ParentCommandLine", OF_ALL, TC_HOW_PLACES, {TC_PLACE_PARENT_COMMAND_LINE}, NULL},
    {"ParentImage",
     OF_ALL,
     TC_HOW_PLACES,
     {TC_PLACE_PARENT_EXECUTABLE, TC_PLACE_PARENT_EXEC_PATH},
     NULL},
    {"ParentProcessId", OF_ALL, TC_HOW_PLACES, {TC_PLACE_PARENT_PID}, NULL},
    {"ParentUser", TC_OF_PROCESS, TC_HOW_PLACES, {TC_PLACE_PARENT_USER_NAME}, NULL},
    {"ProcessId", OF_ALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_PID}, NULL},
    {"Protocol", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_NETWORK_TRANSPORT}, NULL},
    {"QueryName", TC_OF_DNS, TC_HOW_PLACES, {TC_PLACE_DNS_QUESTION_NAME}, NULL},
    {"QueryResults", TC_OF_DNS, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "data"},
    {"QueryStatus", TC_OF_DNS, TC_HOW_ANSWER, {TC_PLACE_DNS_RESPONSE_CODE}, NULL},
    {"QueryType", TC_OF_DNS, TC_HOW_PLACES, {TC_PLACE_DNS_QUESTION_TYPE}, NULL},
    {"SYSCALL", TC_OF_SYSCALL, TC_HOW_SYSCALL, {TC_PLACE_EVENT_ACTION}, NULL},
    {"SourceFilename", TC_OF_FILE, TC_HOW_PLACES, {TC_PLACE_FILE_OLD_PATH}, NULL},
    {"SourceHostname", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_SOURCE_DOMAIN}, NULL},
    {"SourceIp", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_SOURCE_IP}, NULL},
    {"SourcePort", TC_OF_NETWORK, TC_HOW_PLACES, {TC_PLACE_SOURCE_PORT}, NULL},
    {"TargetFilename", TC_OF_FILE, TC_HOW_PLACES, {TC_PLACE_FILE_PATH}, NULL},
    {"TerminalSessionId", TC_OF_PROCESS, TC_HOW_PLACES, {TC_PLACE_PROCESS_SESSION}, NULL},
    {"User", OF_ALL, TC_HOW_USER, {TC_PLACE_USER_NAME}, NULL},
    {"answer", TC_OF_LOOKUPS, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "data"},
    {"argc",
     TC_OF_EXECVE,
     TC_HOW_COUNT,
     {TC_PLACE_PROCESS_ARGS_COUNT, TC_PLACE_PROCESS_ARGS},
     NULL},
    /* (uid_t)-1, as auditd writes of who has not logged in. */
    {"auid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_LOGINUID}, "4294967295"},
    {"comm", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_NAME}, NULL},
    {"dns.answers.data", OF_LOOKUP, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "data"},
    {"dns.answers.name", OF_LOOKUP, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "name"},
    {"dns.answers.ttl", OF_LOOKUP, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "ttl"},
    {"dns.answers.type", OF_LOOKUP, TC_HOW_ITEMS, {TC_PLACE_DNS_ANSWERS}, "type"},
    {"dns.response.code", OF_LOOKUP, TC_HOW_PLACES, {TC_PLACE_DNS_RESPONSE_CODE}, NULL},
    {"euid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_USER_EFFECTIVE_ID}, NULL},
    {"exe", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_EXECUTABLE}, NULL},
    {"gid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_GROUP_ID}, NULL},
    {"inode", TC_OF_PATH, TC_HOW_PLACES, {TC_PLACE_FILE_INODE}, NULL},
    {"mode", TC_OF_PATH, TC_HOW_OCTAL, {TC_PLACE_FILE_MODE}, NULL},
    {"name", TC_OF_PATH, TC_HOW_PATH, {0}, NULL},
    {"nametype", TC_OF_PATH, TC_HOW_NAMETYPE, {0}, NULL},
    {"ouid", TC_OF_PATH, TC_HOW_PLACES, {TC_PLACE_FILE_UID}, NULL},
    {"pid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_PID}, NULL},
    {"ppid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PARENT_PID}, NULL},
    {"query", TC_OF_LOOKUPS, TC_HOW_PLACES, {TC_PLACE_DNS_QUESTION_NAME}, NULL},
    {"record_type", OF_LOOKUP, TC_HOW_PLACES, {TC_PLACE_DNS_QUESTION_TYPE}, NULL},
    {"sha256", TC_OF_PROCESS, TC_HOW_PLACES, {TC_PLACE_PROCESS_SHA256}, NULL},
    {"success", TC_OF_SYSCALL, TC_HOW_SUCCESS, {TC_PLACE_EVENT_OUTCOME}, NULL},
    {"suid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_USER_SAVED_ID}, NULL},
    {"syscall", TC_OF_SYSCALL, TC_HOW_SYSCALL, {TC_PLACE_EVENT_ACTION}, NULL},
    {"tty", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_PROCESS_TTY}, "(none)"},
    {"type", TC_OF_AUDITD, TC_HOW_TYPE, {0}, NULL},
    {"uid", TC_OF_SYSCALL, TC_HOW_PLACES, {TC_PLACE_USER_ID}, NULL},
};
const size_t tc_sigma_record_field_count = COUNT(tc_sigma_record_fields);

/* ---- Kinds ---- */

#define PROCESS_CREATION                                                                 \
    .category = "process_creation", .service = "", .of = TC_OF_PROCESS
#define FILES(name) .category = (name), .service = "", .of = TC_OF_FILE
#define CONNECTION .category = "network_connection", .service = "", .of = TC_OF_NETWORK
#define EXECVE .category = "", .service = "auditd", .of = TC_OF_EXECVE, .type = "EXECVE"
#define SYSCALL                                                                          \
    .category = "", .service = "auditd", .of = TC_OF_SYSCALL, .type = "SYSCALL"
#define PATH(at, how)                                                                    \
    .category = "", .service = "auditd", .of = TC_OF_PATH, .type = "PATH", .path = (at), \
    .nametype = (how)
/* The generic ones of the taxonomy, whose fields have our own names. */
#define NETWORK(name) .category = "network", .service = (name)

#define NAMES(...)                                                                       \
    .syscalls = (const char *const[])                                                    \
    {                                                                                    \
        __VA_ARGS__, NULL                                                                \
    }
#define SAYS(...) NAMES(__VA_ARGS__), .says = true

const struct tc_sigma_record_kind tc_sigma_record_kinds[] = {
    {"process.started", PROCESS_CREATION},
    {"process.started", EXECVE},
    {"process.started", SYSCALL, NAMES("execve")},

    {TOCSIN_TOPIC_FILE_OPEN, PATH(TC_PLACE_FILE_PATH, "NORMAL")},
    {TOCSIN_TOPIC_FILE_CREATED, FILES("file_event")},
    {TOCSIN_TOPIC_FILE_CREATED, PATH(TC_PLACE_FILE_PATH, "CREATE")},
    {TOCSIN_TOPIC_FILE_WRITTEN, FILES("file_event")},
    {TOCSIN_TOPIC_FILE_WRITTEN, PATH(TC_PLACE_FILE_PATH, "NORMAL")},
    {TOCSIN_TOPIC_FILE_DELETED, FILES("file_delete")},
    {TOCSIN_TOPIC_FILE_DELETED, PATH(TC_PLACE_FILE_PATH, "DELETE")},
    {TOCSIN_TOPIC_FILE_DELETED, SYSCALL, NAMES("unlink", "unlinkat")},
    /* A rename creates a file at the new name, too: what is moved into cron's folder
     * runs just like what is written there. */
    {TOCSIN_TOPIC_FILE_RENAMED, FILES("file_rename")},
    {TOCSIN_TOPIC_FILE_RENAMED, FILES("file_event")},
    {TOCSIN_TOPIC_FILE_RENAMED, PATH(TC_PLACE_FILE_OLD_PATH, "DELETE")},
    {TOCSIN_TOPIC_FILE_RENAMED, PATH(TC_PLACE_FILE_PATH, "CREATE")},
    {TOCSIN_TOPIC_FILE_RENAMED, SYSCALL, NAMES("rename", "renameat", "renameat2")},
    {"file.attributes_changed", PATH(TC_PLACE_FILE_PATH, "NORMAL")},
    {"file.attributes_changed", SYSCALL,
     SAYS("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown",
          "fchownat", "setxattr", "fsetxattr", "lsetxattr", "removexattr", "fremovexattr",
          "lremovexattr")},

    {"network.connected", CONNECTION, .initiated = true},
    {"network.connected", NETWORK("connection")},
    {"network.connected", SYSCALL, NAMES("connect")},
    {"network.connect_failed", SYSCALL, .fails = true, NAMES("connect")},
    {"network.accepted", CONNECTION},
    {"network.accepted", NETWORK("connection")},
    {"network.accepted", SYSCALL, NAMES("accept", "accept4")},
    {"network.bound", SYSCALL, NAMES("bind")},
    {"network.listening", SYSCALL, NAMES("listen")},
    /* No record of network.flow, which asks before: of most flows network.connected
     * follows, which knows more of the process, and each would match twice. */
    {TOCSIN_TOPIC_DNS_ANSWERED, .category = "dns_query", .service = "", .of = TC_OF_DNS},
    {TOCSIN_TOPIC_DNS_ANSWERED, .category = "dns", .service = "", .of = TC_OF_LOOKUPS},
    {TOCSIN_TOPIC_DNS_ANSWERED, NETWORK("dns"), .of = TC_OF_LOOKUPS},

    {"process.credentials_changed", SYSCALL,
     SAYS("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid")},
    {"process.traced", SYSCALL, SAYS("ptrace", "process_vm_writev")},
    {"process.signalled", SYSCALL,
     SAYS("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
          "pidfd_send_signal")},
    {"process.memfd_created", SYSCALL, NAMES("memfd_create")},
    {"kernel.module_loaded", SYSCALL, SAYS("init_module", "finit_module")},
    {"kernel.module_unloaded", SYSCALL, NAMES("delete_module")},
    {"kernel.bpf_loaded", SYSCALL, NAMES("bpf")},
    {"filesystem.mounted", SYSCALL, SAYS("mount", "move_mount")},
    {"filesystem.unmounted", SYSCALL, NAMES("umount2")},
};
const size_t tc_sigma_record_kind_count = COUNT(tc_sigma_record_kinds);

/* ---- Names ---- */

#define ARGUMENTS_MAX 65536 /* as many as a list of ours can have */

/* Its index; tc_sigma_record_field_count: there is none. */
static size_t find_field(const char *name)
{
    size_t low = 0, high = tc_sigma_record_field_count, middle;
    int order;

    while (low < high) {
        middle = (low + high) / 2;
        order = strcmp(name, tc_sigma_record_fields[middle].name);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return tc_sigma_record_field_count;
}

/* N of aN; -1: it is no such name. */
static int argument(const char *name)
{
    int n = 0;

    if (*name++ != 'a' || !*name || (*name == '0' && name[1]))
        return -1;
    for (; *name; name++) {
        if (*name < '0' || *name > '9' || n >= ARGUMENTS_MAX)
            return -1;
        n = 10 * n + (*name - '0');
    }
    return n;
}

/* Names without dots that our own events may have. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {TOCSIN_FIELD_TIMESTAMP, TOCSIN_FIELD_SENSOR,
                                       TOCSIN_FIELD_EPOCH, TOCSIN_FIELD_DEDUPE_KEY};

    for (size_t i = 0; i < COUNT(ours); i++)
        if (!strcmp(ours[i], name))
            return true;
    return strchr(name, '.') != NULL;
}

uint32_t tc_sigma_record_number(const char *name)
{
    size_t field = find_field(name);
    int n = argument(name);

    if (field < tc_sigma_record_field_count)
        return TC_NAME_FIELD + (uint32_t)field;
    if (n >= 0)
        return TC_NAME_ARGUMENT + (uint32_t)n;
    for (size_t i = TC_PLACE_ROOT + 1; i < TC_PLACES; i++)
        if (!strcmp(tc_places[i].path, name))
            return TC_NAME_PLACE + (uint32_t)i;
    return is_ours(name) ? TC_NAME_OURS : TC_NAME_NOBODYS;
}

bool tc_sigma_record_is_common(uint32_t number)
{
    if (number < TC_NAME_FIELD || number >= TC_NAME_PLACE)
        return false;
    switch ((enum tc_field_how)tc_sigma_record_fields[number - TC_NAME_FIELD].how) {
    case TC_HOW_SUCCESS:
    case TC_HOW_SYSCALL:
    case TC_HOW_TYPE:
    case TC_HOW_NAMETYPE:
        return true;
    default:
        return false;
    }
}

enum tc_sigma_record_has tc_sigma_record_has(const struct tc_sigma_record_kind *kind,
                                             const char *name, enum tc_field_how *ret_how)
{
    uint32_t number = tc_sigma_record_number(name);
    const struct tc_sigma_record_field *field;

    if (number == TC_NAME_NOBODYS)
        return TC_HAS_NOT;
    if (number >= TC_NAME_ARGUMENT) {
        *ret_how = TC_HOW_PLACES;
        return kind->of & TC_OF_EXECVE ? TC_HAS : TC_HAS_NOT;
    }
    if (number == TC_NAME_OURS || number >= TC_NAME_PLACE)
        return TC_HAS_OWN;
    field = &tc_sigma_record_fields[number - TC_NAME_FIELD];
    *ret_how = (enum tc_field_how)field->how;
    return field->of & kind->of ? TC_HAS : TC_HAS_NOT;
}
