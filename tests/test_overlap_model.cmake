# SPDX-License-Identifier: Apache-2.0
# Millions of calls: under the sanitizers, on a busy machine, that takes its time.
set_tests_properties(${test} PROPERTIES TIMEOUT 300)
