# SPDX-License-Identifier: Apache-2.0
# Events are read as `tocsin rule test` reads them.
target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/cli/jsonevent.c
    ${PROJECT_SOURCE_DIR}/cli/jsonpack.c)
target_link_libraries(${test} PRIVATE tocsin_sigma PkgConfig::JSONC)
