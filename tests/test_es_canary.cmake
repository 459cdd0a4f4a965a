# SPDX-License-Identifier: Apache-2.0
target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/es/es_canary.c
    ${PROJECT_SOURCE_DIR}/plugins/es/es_gate.c ${PROJECT_SOURCE_DIR}/plugins/es/es_ring.c
    ${PROJECT_SOURCE_DIR}/plugins/es/es_source.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/es)
target_link_libraries(${test} PRIVATE tocsin_sensor)
