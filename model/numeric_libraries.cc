#include "model/numeric_libraries.h"

#include <dlfcn.h>

#include <string_view>

#include <torch/version.h>

namespace lacuna::model {

namespace {

/// What a function of OpenBLAS says that takes nothing; empty without OpenBLAS.
std::string_view said_by_openblas(const char* function) {
  void* const name = dlsym(RTLD_DEFAULT, function);
  return name != nullptr ? reinterpret_cast<const char* (*)()>(name)() : "";
}

}  // namespace

std::string numeric_libraries() {
  const std::string libtorch = "LibTorch " + std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
                               std::to_string(TORCH_VERSION_PATCH);
  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  const std::string_view config = said_by_openblas("openblas_get_config");
  const std::size_t version = config.find(' ');
  if (version == std::string_view::npos) return libtorch;
  return libtorch + ", " + std::string(config.substr(0, config.find(' ', version + 1))) + " for " +
         std::string(said_by_openblas("openblas_get_corename"));
}

}  // namespace lacuna::model
