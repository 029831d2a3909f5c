# One room of the house is one static library; see docs/architecture.md.

add_library(ub_warnings INTERFACE)
target_compile_options(ub_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes -Wstrict-prototypes
  $<$<BOOL:${UB_WERROR}>:-Werror>)
# -ffp-contract=off: the same source gives the same bits whatever the compiler fuses.
# -fno-math-errno -fno-trapping-math change no bit (nobody reads errno of a root or the floating
# point flags) and let roots and selections go through vector lanes.
add_library(ub_flags INTERFACE)
target_compile_options(ub_flags INTERFACE -ffp-contract=off -fno-math-errno -fno-trapping-math $<$<CONFIG:Release,RelWithDebInfo>:-O3>)
# _GNU_SOURCE: POSIX 2008 and M_PI under -std=c17.
target_compile_definitions(ub_flags INTERFACE _GNU_SOURCE)
if(UB_SANITIZE)
  target_compile_options(ub_flags INTERFACE -fsanitize=${UB_SANITIZE} -fno-omit-frame-pointer
                                            -fno-sanitize-recover=all)
  target_link_options(ub_flags INTERFACE -fsanitize=${UB_SANITIZE})
  # As the sanitizers' manuals advise: several times faster, with the same checks.
  target_compile_options(ub_flags INTERFACE $<$<CONFIG:Debug>:-O1>)
endif()

set(UB_ROOMS core mpi io jobs)

# ub_add_module(NAME [DEPENDS rooms...] [FOREIGN targets...] [EXCLUDE files...])
# Every .c below NAME/ belongs to it, so that a new member of a family is one
# file and one line of its registry.  An upward DEPENDS stops the configuration.
function(ub_add_module name)
  cmake_parse_arguments(M "" "" "DEPENDS;FOREIGN;EXCLUDE" ${ARGN})
  list(FIND UB_ROOMS ${name} here)
  foreach(dep IN LISTS M_DEPENDS)
    list(FIND UB_ROOMS ${dep} there)
    if(there GREATER_EQUAL here OR there LESS 0)
      message(FATAL_ERROR "module '${name}' may not depend on '${dep}': the order is ${UB_ROOMS}")
    endif()
  endforeach()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${name}/*.c")
  foreach(file IN LISTS M_EXCLUDE)
    list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/${name}/${file}")
  endforeach()
  add_library(ub_${name} STATIC ${sources})
  add_library(ub::${name} ALIAS ub_${name})
  target_include_directories(ub_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  list(TRANSFORM M_DEPENDS PREPEND ub_)
  target_link_libraries(ub_${name} PUBLIC ub_flags ${M_DEPENDS} ${M_FOREIGN} m PRIVATE ub_warnings)
endfunction()

# ub_add_single(files...): compile these files of core a second time, for float (core/real.h).
function(ub_add_single)
  list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/")
  file(GLOB sources CONFIGURE_DEPENDS ${ARGN})
  add_library(ub_core_single OBJECT ${sources})
  target_compile_definitions(ub_core_single PRIVATE UB_SINGLE)
  target_include_directories(ub_core_single PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(ub_core_single PRIVATE ub_flags ub_warnings dep_lapack)
  target_sources(ub_core PRIVATE $<TARGET_OBJECTS:ub_core_single>)
endfunction()
