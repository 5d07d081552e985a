# hps_layer(NAME LINKS ... PRIVATE_LINKS ...): a static library hps_NAME of plugin_src/NAME/*.cpp.
function(hps_layer name)
  cmake_parse_arguments(ARG "" "" "LINKS;PRIVATE_LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/plugin_src/${name}/*.cpp)
  add_library(hps_${name} STATIC ${sources})
  target_include_directories(hps_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/plugin_src)
  target_include_directories(hps_${name} SYSTEM PRIVATE ${XXHASH_INCLUDE})
  target_link_libraries(hps_${name} PUBLIC ${ARG_LINKS} PRIVATE hps_warnings ${ARG_PRIVATE_LINKS})
endfunction()
