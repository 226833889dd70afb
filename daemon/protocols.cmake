# The quality protocols: they score any ModelVersion, and need no more of LibTorch than its interface hides.
add_library(lacuna_protocols STATIC protocols.cc)
add_library(lacuna::protocols ALIAS lacuna_protocols)
target_include_directories(lacuna_protocols PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(lacuna_protocols PUBLIC lacuna_records lacuna_model_core lacuna_state PRIVATE lacuna_surface lacuna_warnings)
