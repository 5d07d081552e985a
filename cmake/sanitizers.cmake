# One sanitizer build is one build folder: everything in it is instrumented.
if(HPS_TRT_SANITIZE STREQUAL "address")
  # No vptr check: TensorRT's objects, and those the tests put in their place, are built elsewhere
  # and carry no type information of ours.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(HPS_TRT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(HPS_TRT_SANITIZE)
  message(FATAL_ERROR "HPS_TRT_SANITIZE is '${HPS_TRT_SANITIZE}'; it may be empty, address or thread")
endif()
