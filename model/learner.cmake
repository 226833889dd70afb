# What needs LibTorch: the network, its trainer, served versions and the learner's thread. Headers with LibTorch types
# (network.h, version.h) stay inside this folder.
find_package(Torch REQUIRED)
add_library(lacuna_model STATIC adam.cc checkpoint.cc device.cc device_graph.cc encoding.cc feature_reader.cc inference.cc learner.cc network.cc objective.cc payload_rows.cc payload_statistics.cc sampling.cc trainer.cc training_batch.cc
            version.cc kinds/convolutions.cc kinds/embedding.cc kinds/image.cc kinds/kind.cc kinds/signal.cc kinds/text.cc kinds/values.cc)
add_library(lacuna::model ALIAS lacuna_model)
target_include_directories(lacuna_model PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_model PUBLIC lacuna_model_core lacuna_records PRIVATE lacuna_warnings Threads::Threads ${CMAKE_DL_LIBS} ${TORCH_LIBRARIES})
if(TARGET torch_cuda)
  target_compile_definitions(lacuna_model PRIVATE LACUNA_CUDA)
endif()
target_precompile_headers(lacuna_model PRIVATE <torch/torch.h>)
# Its loop becomes vector instructions only where a root need not set errno.
set_source_files_properties(adam.cc PROPERTIES COMPILE_OPTIONS "-O3;-fno-math-errno" SKIP_PRECOMPILE_HEADERS ON)
# These need no LibTorch and compile faster without it.
set_source_files_properties(checkpoint.cc encoding.cc learner.cc payload_statistics.cc PROPERTIES SKIP_PRECOMPILE_HEADERS ON)

# How fast one core learns and predicts: `ninja model_bench && bench/model_bench`.
add_executable(model_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/model_bench.cc)
target_link_libraries(model_bench PRIVATE lacuna_model lacuna_warnings)
set_target_properties(model_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)

# Films and reports of real data: bench/views/run.
add_executable(views_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/views/films_and_reports.cc)
target_link_libraries(views_bench PRIVATE lacuna_model lacuna_warnings)
set_target_properties(views_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)

# How well it imputes beside other methods: bench/model_quality/run. Needs the state of patients, which model/ itself does not.
if(NOT LACUNA_MODEL_ONLY)
  add_executable(model_quality EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/model_quality/contestant.cc
    ${PROJECT_SOURCE_DIR}/bench/model_quality/grid.cc ${PROJECT_SOURCE_DIR}/bench/model_quality/mixed.cc)
  target_link_libraries(model_quality PRIVATE lacuna_model lacuna_state lacuna_warnings)
  set_target_properties(model_quality PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endif()
