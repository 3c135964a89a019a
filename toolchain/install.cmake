# SPDX-License-Identifier: MIT
# What is installed: library, header, programs, and how others find them: find_package(lockstep) and pkg-config.
include(CMakePackageConfigHelpers)
set(LOCKSTEP_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/lockstep)

# The program finds the library, and lockstep.pc its prefix, wherever the whole prefix is moved to.
file(RELATIVE_PATH from_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH LOCKSTEP_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set_target_properties(lockstep-cli PROPERTIES INSTALL_RPATH "$ORIGIN/${from_bin_to_lib}")

install(TARGETS lockstep-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(LOCKSTEP_BENCH)
  install(TARGETS lockstep-bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS lockstep EXPORT lockstep-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/runtime/lockstep.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT lockstep-targets NAMESPACE lockstep:: DESTINATION ${LOCKSTEP_CMAKE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/lockstep-config.cmake.in lockstep-config.cmake
  INSTALL_DESTINATION ${LOCKSTEP_CMAKE_DIR})
write_basic_package_version_file(lockstep-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lockstep-config.cmake ${PROJECT_BINARY_DIR}/lockstep-config-version.cmake
  DESTINATION ${LOCKSTEP_CMAKE_DIR})

# A static library hands its own dependencies on to every program that links it.
set(dependencies "zlib jansson libxxhash")
if(BUILD_SHARED_LIBS)
  set(LOCKSTEP_PC_PRIVATE "${dependencies}")
else()
  set(LOCKSTEP_PC_REQUIRES "${dependencies}")
  set(LOCKSTEP_PC_LIBS " ${OpenMP_C_FLAGS} -lm")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/lockstep.pc.in lockstep.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lockstep.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
