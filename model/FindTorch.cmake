# LibTorch as the package of python's torch holds it, used where LACUNA_TORCH_WHEEL names that folder. The package's own configuration
# asks for CUDA's compiler and toolkit; nothing of ours is compiled by it, and headers and runtime come with torch from PyPI.
if(TARGET torch)
  return()
endif()
find_library(LACUNA_TORCH_CPU torch_cpu PATHS ${LACUNA_TORCH_WHEEL}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)
set(torch_lib ${LACUNA_TORCH_WHEEL}/lib)
set(torch_paths ${torch_lib})
set(torch_files ${torch_lib}/libtorch.so ${torch_lib}/libtorch_cpu.so ${torch_lib}/libc10.so)
set(torch_includes ${LACUNA_TORCH_WHEEL}/include ${LACUNA_TORCH_WHEEL}/include/torch/csrc/api/include)
if(EXISTS ${torch_lib}/libtorch_cuda.so)
  file(GLOB torch_runtimes ${LACUNA_TORCH_WHEEL}/../nvidia/*/lib/libcudart.so*)
  if(NOT torch_runtimes)
    file(GLOB torch_runtimes /usr/local/cuda/lib64/libcudart.so*)
  endif()
  # Since CUDA 13 the runtime's headers lack their folder crt, which triton has, and triton comes with torch.
  file(GLOB torch_runtime_headers ${LACUNA_TORCH_WHEEL}/../nvidia/*/include ${LACUNA_TORCH_WHEEL}/../triton/backends/nvidia/include
       /usr/local/cuda/include)
  if(torch_runtimes AND torch_runtime_headers)
    list(GET torch_runtimes 0 torch_runtime)
    get_filename_component(torch_runtime ${torch_runtime} REALPATH)
    get_filename_component(torch_runtime_folder ${torch_runtime} DIRECTORY)
    list(APPEND torch_paths ${torch_runtime_folder})
    list(APPEND torch_files ${torch_lib}/libtorch_cuda.so ${torch_lib}/libc10_cuda.so ${torch_runtime})
    list(APPEND torch_includes ${torch_runtime_headers})
    add_library(torch_cuda INTERFACE IMPORTED GLOBAL)
  endif()
endif()
# What is for CUDA registers itself when it is loaded, and is loaded only where the linker does not drop it for not being called. What
# these files need in turn they find by themselves, at run time.
list(JOIN torch_files "," torch_linked)
list(JOIN torch_paths ":" torch_run_path)
add_library(torch INTERFACE IMPORTED GLOBAL)
target_include_directories(torch INTERFACE ${torch_includes})
target_link_libraries(torch INTERFACE
  "-Wl,--no-as-needed,${torch_linked},--as-needed,--allow-shlib-undefined,-rpath,${torch_run_path}")
set(TORCH_LIBRARIES torch)
set(Torch_FOUND TRUE)
message(STATUS "LibTorch: ${torch_files}")
