#pragma once

#include <torch/torch.h>

#include "model/options.h"
#include "state/records/status.h"

// The device as LibTorch names it.

namespace lacuna::model {

/// CPU or CUDA as asked; `automatic` takes CUDA when there is one. `unavailable` when it was asked for and is
/// not there.
Result<torch::Device> choose_device(Device device);

/// One thread for this thread's products, in LibTorch and in OpenBLAS: small models lose time to more. And, once for the process, before
/// its first product: the instructions that the processor has (choose_blas_kernels()); and memory that was freed stays with it, up to half
/// a gigabyte, since a step asks for the same sizes again (to get them from the kernel each time took a quarter of a small model's step).
/// Cheap to repeat.
void prepare_thread();

}  // namespace lacuna::model
