# SPDX-License-Identifier: Apache-2.0
target_sources(${bench} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/open_agent.c
    ${PROJECT_SOURCE_DIR}/tests/support/empty_host.c)
target_link_libraries(${bench} PRIVATE PkgConfig::YARA)
add_dependencies(${bench} tocsin_es)
if(TARGET tocsin_av)
    add_dependencies(${bench} tocsin_av)
endif()
