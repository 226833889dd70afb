#pragma once

#include <string>

namespace lacuna::model {

/// "LibTorch 1.13.1, OpenBLAS 0.3.21 for SkylakeX": LibTorch as it was built against, since it does not say itself; the BLAS as it is
/// loaded, where it is OpenBLAS, and the processor it takes this one for.
std::string numeric_libraries();

}  // namespace lacuna::model
