#include "model/kinds/kind.h"

#include "model/kinds/convolutions.h"

// Signals of several channels, with gaps, until they are short.

namespace lacuna::model {

std::unique_ptr<PayloadKind> make_signal_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  constexpr std::int64_t kShortest = 8, kLevelsMax = 10, kKernel = 5;
  return make_convolutions({spec.channels, 1, spec.length, {1, kKernel}, halvings(spec.length, kShortest, kLevelsMax)}, Density::laplace,
                           code, state);
}

}  // namespace lacuna::model
