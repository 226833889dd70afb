#pragma once

#include <array>
#include <vector>

#include "model/kinds/values.h"

// Payloads on a grid: convolutions that halve each side until it is small, and the way back. The mask is one more set of channels in,
// so that parts can be missing. A signal is a grid of one row.

namespace lacuna::model {

struct Grid {
  std::int64_t channels = 1, height = 1, width = 1;
  std::array<std::int64_t, 2> kernel{};  ///< odd, height and width
  std::int64_t levels = 0;               ///< how often it is halved
};

std::unique_ptr<PayloadKind> make_convolutions(const Grid& grid, Density density, std::int64_t code, std::int64_t state);

/// How often a side is halved, rounded up, until it is at most `smallest`; at most `most` times.
std::int64_t halvings(std::int64_t side, std::int64_t smallest, std::int64_t most);

}  // namespace lacuna::model
