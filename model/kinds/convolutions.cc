#include "model/kinds/convolutions.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr std::int64_t kFirstChannels = 16, kChannelsMax = 64;

class Convolutions final : public ValuesKind {
 public:
  Convolutions(const Grid& grid, Density density, std::int64_t code, std::int64_t state)
      : ValuesKind(density, grid.channels * grid.height * grid.width), grid_(grid), code_(code), state_(state) {
    sizes_.push_back({grid.height, grid.width});
    channels_.push_back(kFirstChannels);
    for (std::int64_t i = 0; i < grid.levels; ++i) {
      sizes_.push_back({(sizes_.back()[0] + 1) / 2, (sizes_.back()[1] + 1) / 2});
      channels_.push_back(std::min(2 * channels_.back(), kChannelsMax));
    }
    levels_.resize(sizes_.size());
    smallest_ = channels_.back() * sizes_.back()[0] * sizes_.back()[1];
  }

  void visit(const VisitWeight& each) override {
    const auto [kh, kw] = grid_.kernel;
    const std::int64_t taps = kh * kw;
    each(first_, {channels_[0], 2 * grid_.channels, kh, kw}, fan_in(grid_.channels * taps), 0);
    each(first_bias_, {channels_[0]}, 0, 0);
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      Level& l = levels_[i];
      each(l.down, {channels_[i], channels_[i - 1], kh, kw}, fan_in(channels_[i - 1] * taps), 0);
      each(l.down_gain, {channels_[i]}, 0, 1);
      each(l.down_bias, {channels_[i]}, 0, 0);
      each(l.up, {channels_[i - 1], channels_[i], kh, kw}, fan_in(channels_[i] * taps), 0);
      each(l.up_gain, {channels_[i - 1]}, 0, 1);
      each(l.up_bias, {channels_[i - 1]}, 0, 0);
    }
    each(code_out_, {smallest_, code_}, fan_in(smallest_), 0);
    each(state_in_, {state_, smallest_}, fan_in(state_), 0);
    each(state_in_bias_, {smallest_}, 0, 0);
    each(last_, {2 * grid_.channels, channels_[0], kh, kw}, 0.5 * fan_in(channels_[0] * taps), 0);
    // A bias for each place: the mean payload, and how far each place strays from it.
    each(last_bias_, {2 * grid_.channels, sizes_[0][0], sizes_[0][1]}, 0, 0);
  }

  Tensor encode(const Tensor& rows) const override {
    Tensor x = rows.view({rows.size(0), 2 * grid_.channels, sizes_[0][0], sizes_[0][1]});
    x = torch::silu(torch::conv2d(x, first_, first_bias_, 1, padding()));
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      const Level& l = levels_[i];
      x = torch::silu(torch::group_norm(torch::conv2d(x, l.down, {}, 2, padding()), 1, l.down_gain, l.down_bias));
    }
    return torch::mm(x.flatten(1), code_out_);
  }

  Tensor decode(const Tensor& state) const override {
    Tensor x = torch::matmul(state.flatten(0, 1), state_in_) + state_in_bias_;
    x = torch::silu(x).view({-1, channels_.back(), sizes_.back()[0], sizes_.back()[1]});
    for (std::size_t i = levels_.size() - 1; i > 0; --i) {
      const Level& l = levels_[i];
      x = torch::upsample_nearest2d(x, {sizes_[i - 1][0], sizes_[i - 1][1]});
      x = torch::silu(torch::group_norm(torch::conv2d(x, l.up, {}, 1, padding()), 1, l.up_gain, l.up_bias));
    }
    x = torch::conv2d(x, last_, {}, 1, padding()) + last_bias_;
    return x.view({state.size(0), state.size(1), 2 * values()});
  }

 private:
  struct Level {
    Tensor down, down_gain, down_bias, up, up_gain, up_bias;
  };
  std::vector<std::int64_t> padding() const { return {grid_.kernel[0] / 2, grid_.kernel[1] / 2}; }

  Grid grid_;
  std::int64_t code_, state_, smallest_ = 0;
  std::vector<std::array<std::int64_t, 2>> sizes_;  ///< of each level, the payload's own first
  std::vector<std::int64_t> channels_;
  std::vector<Level> levels_;
  Tensor first_, first_bias_, code_out_, state_in_, state_in_bias_, last_, last_bias_;
};

}  // namespace

std::unique_ptr<PayloadKind> make_convolutions(const Grid& grid, Density density, std::int64_t code, std::int64_t state) {
  return std::make_unique<Convolutions>(grid, density, code, state);
}

std::int64_t halvings(std::int64_t side, std::int64_t smallest, std::int64_t most) {
  std::int64_t n = 0;
  for (; side > smallest && n < most; side = (side + 1) / 2) ++n;
  return n;
}

}  // namespace lacuna::model
