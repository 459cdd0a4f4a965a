# SPDX-License-Identifier: Apache-2.0
target_sources(${bench} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/empty_host.c)
