/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the files that pages are made of, embedded in the program. */
#ifndef TC_PORTAL_ASSETS_H
#define TC_PORTAL_ASSETS_H

/* A file of portal/assets, NULL-free bytes from `start` to `end`. */
struct tc_asset {
    const char *type; /* its media type */
    const char *start, *end;
};

extern const struct tc_asset tc_asset_page, tc_asset_login, tc_asset_style, tc_asset_icon;
extern const struct tc_asset tc_asset_app, tc_asset_login_script, tc_asset_dom,
    tc_asset_api, tc_asset_machine, tc_asset_history, tc_asset_sensors, tc_asset_tap,
    tc_asset_network, tc_asset_config, tc_asset_chart, tc_asset_techniques,
    tc_asset_alert, tc_asset_alerts, tc_asset_the_case, tc_asset_closing;

#endif
