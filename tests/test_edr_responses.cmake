# SPDX-License-Identifier: Apache-2.0
target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/edr/edr_responses.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/edr)
