#include "model/device.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include <torch/torch.h>
#include <torch/version.h>

#include "model/torch_device.h"

namespace lacuna::model {

namespace {

std::string libtorch() {
  return "(LibTorch " + std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
         std::to_string(TORCH_VERSION_PATCH) + ")";
}

/// The processor that OpenBLAS takes this one for; empty without OpenBLAS.
std::string_view openblas_kernel() {
  void* name = dlsym(RTLD_DEFAULT, "openblas_get_corename");
  return name != nullptr ? reinterpret_cast<const char* (*)()>(name)() : "";
}

/// OpenBLAS's name for a processor of which it should use the instructions; empty where there is nothing to say.
std::string_view better_kernel() {
#ifdef __x86_64__
  constexpr std::string_view kOld[] = {"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Sandybridge"};
  if (std::find(std::begin(kOld), std::end(kOld), openblas_kernel()) == std::end(kOld)) return "";
  if (__builtin_cpu_supports("avx512f")) return "SkylakeX";
  if (__builtin_cpu_supports("avx2")) return "Haswell";
#endif
  return "";
}

constexpr double kSlowGflops = 20;

}  // namespace

ProductSpeed measure_products(const ModelOptions& where) {
  const torch::NoGradGuard no_gradients;
  prepare_thread();
  const auto chosen = choose_device(where.device);
  const torch::Device device = chosen.ok() ? *chosen : torch::Device(torch::kCPU);
  const std::int64_t side = device.is_cpu() ? 512 : 4096;
  double best_seconds = 1e9;
  try {
    const torch::Tensor a = torch::ones({side, side}, torch::TensorOptions().device(device)), b = a.clone();
    for (int i = 0; i < 5; ++i) {  // the first one pays for start-up; the best one is the machine's
      const auto start = std::chrono::steady_clock::now();
      const torch::Tensor product = torch::mm(a, b);
      if (!device.is_cpu()) product[0][0].item<float>();
      best_seconds = std::min(best_seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  } catch (const std::exception&) {
    return {0, "a matrix product failed there; is its memory taken?"};
  }
  ProductSpeed speed{2.0 * std::pow(static_cast<double>(side), 3) / best_seconds * 1e-9, {}};
  if (!device.is_cpu()) return speed;
  if (const std::string_view better = better_kernel(); !better.empty()) {
    speed.remedy = "OpenBLAS does not know this processor and takes it for a " + std::string(openblas_kernel()) +
                   "; set OPENBLAS_CORETYPE=" + std::string(better) + " in the environment, or install a newer OpenBLAS";
  } else if (speed.gflops < kSlowGflops && openblas_kernel().empty()) {
    speed.remedy = "that is the reference BLAS; install OpenBLAS (Debian: libopenblas0-pthread)";
  }
  return speed;
}

std::string describe_device(const ModelOptions& options) {
  const auto device = choose_device(options.device);
  if (!device.ok()) return "none: " + device.status().message();
  if (device->is_cpu()) return "cpu " + libtorch();
  return "cuda:" + std::to_string(device->index()) + " " + libtorch();
}

}  // namespace lacuna::model
