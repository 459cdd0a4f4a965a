# SPDX-License-Identifier: Apache-2.0
target_sources(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/trace/trace_user_names.c)
target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/plugins/trace)
