#pragma once

#include <string>

#include "model/options.h"

// Where the model computes, and how fast. No LibTorch type appears here (torch_device.h has those).

namespace lacuna::model {

struct ProductSpeed {
  double gflops = 0;   ///< of single-precision products: 512 x 512 x 512 with one thread, or 4096 cubed on CUDA
  std::string remedy;  ///< why that is slow and what to do; empty: it is as it should be
};
ProductSpeed measure_products(const ModelOptions& where);
/// "cpu (LibTorch 1.13.1)" or "cuda:0 NVIDIA H100 (LibTorch 2.x)".
std::string describe_device(const ModelOptions& options);

}  // namespace lacuna::model
