# The quality protocols: they score any ModelVersion, and need no more of LibTorch than its interface hides.
add_library(lacuna_protocols STATIC protocols.cc)
add_library(lacuna::protocols ALIAS lacuna_protocols)
target_include_directories(lacuna_protocols PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_protocols PUBLIC lacuna_records lacuna_model_core lacuna_state PRIVATE lacuna_surface lacuna_warnings)

# One option changed at a time, by one pass over real stays: bench/ablation.
add_executable(ablation_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/bench/ablation.cc)
target_link_libraries(ablation_bench PRIVATE lacuna_protocols lacuna_config lacuna_model lacuna_state lacuna_streaming lacuna_warnings)
set_target_properties(ablation_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
