# SPDX-License-Identifier: Apache-2.0
add_dependencies(${test} tocsin)
target_compile_definitions(${test} PRIVATE TEST_VERSION="${PROJECT_VERSION}")
