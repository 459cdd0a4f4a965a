/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/assets.h"

#include <microhttpd.h>

#include "portal/portal.h"
#include "portal/web.h"

/* The bytes of a file as they are, by the assembler; TC_PORTAL_ASSETS is their folder. */
#define ASSET(name, file, media)                                                         \
    __asm__(".section .rodata\n"                                                         \
            "tc_asset_" #name "_start: .incbin \"" TC_PORTAL_ASSETS "/" file "\"\n"      \
            "tc_asset_" #name "_end: .byte 0\n"                                          \
            ".previous\n");                                                              \
    extern const char tc_asset_##name##_start[], tc_asset_##name##_end[];                \
    const struct tc_asset tc_asset_##name = {media, tc_asset_##name##_start,             \
                                             tc_asset_##name##_end}

#define HTML "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

ASSET(page, "index.html", HTML);
ASSET(login, "login.html", HTML);
ASSET(style, "style.css", "text/css; charset=utf-8");
ASSET(icon, "icon.svg", "image/svg+xml");
ASSET(app, "app.js", SCRIPT);
ASSET(login_script, "login.js", SCRIPT);
ASSET(dom, "dom.js", SCRIPT);
ASSET(api, "api.js", SCRIPT);
ASSET(machine, "machine.js", SCRIPT);
ASSET(alert, "alert.js", SCRIPT);
ASSET(alerts, "alerts.js", SCRIPT);
ASSET(the_case, "case.js", SCRIPT);
ASSET(closing, "closing.js", SCRIPT);
ASSET(history, "history.js", SCRIPT);
ASSET(sensors, "sensors.js", SCRIPT);
ASSET(tap, "tap.js", SCRIPT);
ASSET(network, "network.js", SCRIPT);
ASSET(config, "config.js", SCRIPT);
ASSET(chart, "chart.js", SCRIPT);
ASSET(techniques, "techniques.js", SCRIPT);

void tc_assets_send(void *arg, struct tc_request *request)
{
    const struct tc_asset *asset = tc_request_data(request);

    (void)arg;
    tc_request_reply(request, MHD_HTTP_OK, asset->type, asset->start,
                     (size_t)(asset->end - asset->start), true, NULL);
}
