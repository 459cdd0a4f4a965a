# SPDX-License-Identifier: Apache-2.0
target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av/base/av_lists.c
    ${PROJECT_SOURCE_DIR}/plugins/av/base/av_file.c)
target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/av)
target_link_libraries(${target} PRIVATE PkgConfig::CRYPTO)
set(runs 2500) # each waits for the disk
