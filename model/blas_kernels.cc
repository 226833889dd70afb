#include "model/blas_kernels.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace lacuna::model {
namespace {

constexpr const char* kVariable = "OPENBLAS_CORETYPE";

/// OpenBLAS's name for a processor of which it should use the instructions; empty where there is nothing to say.
const char* better_kernels() {
#ifdef __x86_64__
  constexpr std::string_view kOld[] = {"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Sandybridge"};
  if (std::find(std::begin(kOld), std::end(kOld), blas_kernels()) == std::end(kOld)) return "";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return "";
}

}  // namespace

std::string_view blas_kernels() {
  void* name = dlsym(RTLD_DEFAULT, "openblas_get_corename");
  return name != nullptr ? reinterpret_cast<const char* (*)()>(name)() : "";
}

std::string_view choose_blas_kernels() {
  const char* const better = better_kernels();
  if (*better == '\0' || std::getenv(kVariable) != nullptr) return better;
  // What OpenBLAS calls when it is loaded and unloaded; both are in its table of symbols since 0.2.
  void* const forget = dlsym(RTLD_DEFAULT, "gotoblas_dynamic_quit");
  void* const choose = dlsym(RTLD_DEFAULT, "gotoblas_dynamic_init");
  if (forget == nullptr || choose == nullptr) return better;
  setenv(kVariable, better, 1);
  reinterpret_cast<void (*)()>(forget)();
  reinterpret_cast<void (*)()>(choose)();
  unsetenv(kVariable);
  return better_kernels();
}

}  // namespace lacuna::model
