/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see names.h. */
#include "sigma/names.h"

#include <string.h>
#include <tocsin/event.h>

#define PATHS_MAX 2

static const struct {
    const char *field;
    const char *paths[PATHS_MAX];
} fields[] = {
    {"CommandLine", {TOCSIN_FIELD_PROCESS_COMMAND_LINE}},
    {"CurrentDirectory", {"process.working_directory"}},
    {"DestinationHostname", {"destination.domain"}},
    {"DestinationIp", {"destination.ip"}},
    {"DestinationPort", {"destination.port"}},
    {"Image", {TOCSIN_FIELD_PROCESS_EXECUTABLE, "process.exec_path"}},
    {"Initiated", {"network.initiated"}},
    {"LogonId", {TOCSIN_FIELD_PROCESS_USER_ID}}, /* as Sysmon for Linux fills it */
    {"ParentCommandLine", {"process.parent.command_line"}},
    {"ParentImage", {TOCSIN_FIELD_PARENT_EXECUTABLE, "process.parent.exec_path"}},
    {"ParentProcessId", {TOCSIN_FIELD_PARENT_PID}},
    {"ParentUser", {"process.parent.user.name"}},
    {"ProcessId", {TOCSIN_FIELD_PROCESS_PID}},
    {"Protocol", {"network.transport"}},
    {"QueryName", {"dns.question.name"}},
    {"SourceFilename", {TOCSIN_FIELD_FILE_OLD_PATH}},
    {"SourceIp", {"source.ip"}},
    {"SourcePort", {"source.port"}},
    {"TargetFilename", {TOCSIN_FIELD_FILE_PATH}},
    {"User", {"process.user.name"}},
    {"sha256", {TOCSIN_FIELD_FILE_SHA256}},
};

static const struct {
    const char *topic, *category;
} topics[] = {
    {"process.started", "process_creation"},
    {TOCSIN_TOPIC_FILE_CREATED, "file_event"},
    {TOCSIN_TOPIC_FILE_WRITTEN, "file_event"},
    {TOCSIN_TOPIC_FILE_DELETED, "file_delete"},
    {TOCSIN_TOPIC_FILE_RENAMED, "file_rename"},
    {"network.connected", "network_connection"},
    {"network.accepted", "network_connection"},
    {"dns.query", "dns_query"},
};

const char *tc_sigma_path(const char *field, size_t index)
{
    for (size_t i = 0; index < PATHS_MAX && i < sizeof(fields) / sizeof(*fields); i++)
        if (!strcmp(fields[i].field, field))
            return fields[i].paths[index];
    return NULL;
}

const char *tc_sigma_category(const char *topic, size_t len)
{
    for (size_t i = 0; i < sizeof(topics) / sizeof(*topics); i++)
        if (strlen(topics[i].topic) == len && !memcmp(topics[i].topic, topic, len))
            return topics[i].category;
    return NULL;
}
