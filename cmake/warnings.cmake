# Warnings are errors, for our own targets only.
add_library(hps_warnings INTERFACE)
target_compile_options(
  hps_warnings
  INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            -Wconversion
            -Wno-sign-conversion
            -Werror>
            $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings
            -Xcompiler=-Wall,-Wextra,-Werror>)
# GCC 12 sees overlapping copies in "text" + std::string() (its bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(hps_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
