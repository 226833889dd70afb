#include <dlfcn.h>

#include <chrono>

#include <torch/version.h>

#include "model/version.h"

namespace lacuna::model {

namespace {

std::string libtorch() {
  return "(LibTorch " + std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) +
         "." + std::to_string(TORCH_VERSION_PATCH) + ")";
}

}  // namespace

Result<torch::Device> choose_device(Device device) {
  const bool there = torch::cuda::is_available();
  if (device == Device::cuda && !there)
    return {Code::unavailable, "no CUDA device, or a LibTorch without CUDA"};
  if (device == Device::cpu || !there) return torch::Device(torch::kCPU);
  return torch::Device(torch::kCUDA, 0);
}

void use_one_thread() {
  thread_local bool done = false;
  if (done) return;
  at::set_num_threads(1);
  // Debian's OpenBLAS has its own threads, which LibTorch does not reach; the symbol is there when OpenBLAS
  // is.
  if (void* set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) reinterpret_cast<void (*)(int)>(set)(1);
  done = true;
}

double matrix_product_gflops() {
  const torch::NoGradGuard no_gradients;
  use_one_thread();
  constexpr std::int64_t kSide = 512;
  const torch::Tensor a = torch::ones({kSide, kSide}), b = torch::ones({kSide, kSide});
  double best_seconds = 1e9;
  for (int i = 0; i < 5; ++i) {  // the first one pays for start-up; the best one is the machine's
    const auto start = std::chrono::steady_clock::now();
    const torch::Tensor product = torch::mm(a, b);
    best_seconds = std::min(best_seconds,
                            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * kSide * kSide * kSide / best_seconds * 1e-9;
}

std::string describe_device(const ModelOptions& options) {
  const auto device = choose_device(options.device);
  if (!device.ok()) return "none: " + device.status().message();
  if (device->is_cpu()) return "cpu " + libtorch();
  return "cuda:" + std::to_string(device->index()) + " " + libtorch();
}

}  // namespace lacuna::model
