# SPDX-License-Identifier: Apache-2.0
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/vault/av_record.c
    ${PROJECT_SOURCE_DIR}/plugins/av/vault/av_payload.c
    ${PROJECT_SOURCE_DIR}/plugins/av/base/av_file.c)
target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${target} PRIVATE PkgConfig::CRYPTO)
