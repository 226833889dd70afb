#pragma once

#include <string_view>

namespace lacuna::model {

/// The processor that OpenBLAS takes this one for, by its name for it; empty without OpenBLAS.
std::string_view blas_kernels();

/// An OpenBLAS that is older than the processor multiplies with the instructions of 2004. Where it does, and OPENBLAS_CORETYPE does not say
/// otherwise, it is told of the newest ones that both know (SkylakeX: AVX-512, Haswell: AVX2), as that variable would have at its start.
/// Once for a process, before its first product; does nothing where that is not possible. Returns the name that OPENBLAS_CORETYPE should
/// have and that could not be set; empty: there is nothing to do.
std::string_view choose_blas_kernels();

}  // namespace lacuna::model
