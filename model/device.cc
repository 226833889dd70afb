#include "model/device.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include <torch/torch.h>
#include <torch/version.h>

#include "model/blas_kernels.h"
#include "model/torch_device.h"

namespace lacuna::model {

namespace {

std::string libtorch() {
  return "(LibTorch " + std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
         std::to_string(TORCH_VERSION_PATCH) + ")";
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
  if (const std::string_view better = choose_blas_kernels(); !better.empty()) {
    speed.remedy = "OpenBLAS does not know this processor and takes it for a " + std::string(blas_kernels()) +
                   "; set OPENBLAS_CORETYPE=" + std::string(better) + " in the environment, or install a newer OpenBLAS";
  } else if (speed.gflops < kSlowGflops && blas_kernels().empty()) {
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
