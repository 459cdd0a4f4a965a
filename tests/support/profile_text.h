/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: profiles as text, put together of payloads, for tests of what reads them. */
#ifndef TESTS_SUPPORT_PROFILE_TEXT_H
#define TESTS_SUPPORT_PROFILE_TEXT_H

#define PROFILE(name, payloads)                                                          \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                       \
    "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "                            \
    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"                              \
    "<plist version=\"1\"><dict><key>PayloadType</key><string>Configuration</string>"    \
    "<key>PayloadDisplayName</key><string>" name "</string>"                             \
    "<key>PayloadIdentifier</key><string>test." name "</string>"                         \
    "<key>PayloadContent</key><array>\n" payloads "</array></dict></plist>\n"

#define PAYLOAD(type, keys)                                                              \
    "<dict><key>PayloadType</key><string>" type "</string>" keys "</dict>\n"

#define STRING(key, value) "<key>" key "</key><string>" value "</string>"
#define TEAM(team, strings) "<key>" team "</key><array>" strings "</array>"
#define ITEM(value) "<string>" value "</string>"

#define EXTENSIONS(keys) PAYLOAD("com.apple.system-extension-policy", keys)
#define KERNEL(keys) PAYLOAD("com.apple.syspolicy.kernel-extension-policy", keys)
#define FILTER(keys) PAYLOAD("com.apple.webcontent-filter", keys)
#define CHANNEL(name) PAYLOAD("com.microsoft.autoupdate2", STRING("ChannelName", name))
#define ALL_FILES(entries)                                                               \
    PAYLOAD("com.apple.TCC.configuration-profile-policy",                                \
            "<key>Services</key><dict><key>SystemPolicyAllFiles</key><array>" entries    \
            "</array></dict>")
#define ACCESS(identifier, keys)                                                         \
    "<dict>" STRING("Identifier", identifier) STRING("IdentifierType", "bundleID") keys  \
        "</dict>"

#define LISTS_ES                                                                         \
    "<key>AllowedSystemExtensions</key><dict>" TEAM("TOCSIN",                            \
                                                    ITEM("org.tocsin.es")) "</dict>"
#define CLOSED "<key>AllowUserOverrides</key><false/>"

#endif
