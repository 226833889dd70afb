#include "model/kinds/kind.h"

#include "model/kinds/convolutions.h"

// Images of any size, grey or colour, until their shorter side is small.

namespace lacuna::model {

std::unique_ptr<PayloadKind> make_image_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  constexpr std::int64_t kSmallestSide = 4, kLevelsMax = 7, kKernel = 3;
  const std::int64_t levels = halvings(std::min(spec.height, spec.width), kSmallestSide, kLevelsMax);
  return make_convolutions({spec.channels, spec.height, spec.width, {kKernel, kKernel}, levels}, Density::laplace, code, state);
}

}  // namespace lacuna::model
