#include "model/torch_device.h"

#include <dlfcn.h>
#include <malloc.h>

#include <mutex>

#include "model/blas_kernels.h"

namespace lacuna::model {

Result<torch::Device> choose_device(Device device) {
  const bool there = torch::cuda::is_available();
  if (device == Device::cuda && !there) return {Code::unavailable, "no CUDA device, or a LibTorch without CUDA"};
  if (device == Device::cpu || !there) return torch::Device(torch::kCPU);
  return torch::Device(torch::kCUDA, 0);
}

void prepare_thread() {
  static std::once_flag once;
  std::call_once(once, [] {
    choose_blas_kernels();
    constexpr int kMebibyte = 1 << 20;
    mallopt(M_MMAP_THRESHOLD, 32 * kMebibyte);  // the most there can be; larger blocks still go back at once
    mallopt(M_TRIM_THRESHOLD, 512 * kMebibyte);
    mallopt(M_TOP_PAD, 64 * kMebibyte);
  });
  thread_local bool done = false;
  if (done) return;
  at::set_num_threads(1);
  // Debian's OpenBLAS has its own threads, which LibTorch does not reach; the symbol is there when OpenBLAS
  // is.
  if (void* set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) reinterpret_cast<void (*)(int)>(set)(1);
  done = true;
}

}  // namespace lacuna::model
