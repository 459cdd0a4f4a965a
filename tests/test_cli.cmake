# SPDX-License-Identifier: Apache-2.0
add_dependencies(${test} tocsin)
target_compile_definitions(${test} PRIVATE TEST_TOCSIN="$<TARGET_FILE:tocsin>")
