# SPDX-License-Identifier: MIT
# Copies of lockstep-canary that are slower, or must not be: canary/NAME. Only for the gate's self-test.
install(CODE "message(FATAL_ERROR \"a build with LOCKSTEP_GATE_SLOWDOWN cannot be installed\")")

function(ls_slow name)
  ls_canary(canary-${name} slow.c)
  target_compile_definitions(canary-${name} PRIVATE ${ARGN})
  target_link_options(canary-${name} PRIVATE -Wl,--wrap=lk_table_init,--wrap=ls_barrier_wait)
  set_target_properties(canary-${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/canary)
endfunction()

foreach(percent 3 5 10 20)
  foreach(kind KERNEL BARRIER PASS THREAD)
    string(TOLOWER ${kind} lower)
    ls_slow(${lower}-${percent} GATE_${kind}=${percent})
  endforeach()
endforeach()
ls_slow(avx2 GATE_AVX2)
ls_slow(environment GATE_ENVIRONMENT)

# Changes that change nothing: a comment, and every function of the kernels at another place.
ls_canary(canary-comment)
target_compile_options(canary-comment PRIVATE -include ${CMAKE_CURRENT_SOURCE_DIR}/slow_comment.h)
ls_canary(canary-reorder)
target_link_options(canary-reorder PRIVATE -Wl,--sort-section=name)
foreach(name comment reorder)
  set_target_properties(canary-${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/canary)
endforeach()
