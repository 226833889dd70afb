#include <array>

#include "model/kinds/values.h"

// Images of any size, grey or colour: convolutions that halve each side until it is small, and the way back. The mask is one more
// channel in, so that parts of an image can be missing.

namespace lacuna::model {

using torch::Tensor;

namespace {

/// The shorter side is halved down to this, but not more often than kLevelsMax times.
constexpr std::int64_t kSmallestSide = 4;
constexpr std::size_t kLevelsMax = 7;
constexpr std::int64_t kFirstChannels = 16, kChannelsMax = 64;
constexpr std::int64_t kKernel = 3;

class ImageKind final : public ValuesKind {
 public:
  ImageKind(const PayloadSpec& spec, std::int64_t code, std::int64_t state)
      : ValuesKind(Density::laplace, static_cast<std::int64_t>(spec.value_count(ModalityKind::image))),
        colours_(spec.channels),
        code_(code),
        state_(state) {
    sizes_.push_back({spec.height, spec.width});
    channels_.push_back(kFirstChannels);
    while (std::min(sizes_.back()[0], sizes_.back()[1]) > kSmallestSide && sizes_.size() <= kLevelsMax) {
      sizes_.push_back({(sizes_.back()[0] + 1) / 2, (sizes_.back()[1] + 1) / 2});
      channels_.push_back(std::min(2 * channels_.back(), kChannelsMax));
    }
    levels_.resize(sizes_.size());
    smallest_ = channels_.back() * sizes_.back()[0] * sizes_.back()[1];
  }

  void visit(const VisitWeight& each) override {
    const std::int64_t taps = kKernel * kKernel;
    each(first_, {channels_[0], 2 * colours_, kKernel, kKernel}, fan_in(colours_ * taps), 0);
    each(first_bias_, {channels_[0]}, 0, 0);
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      Level& l = levels_[i];
      each(l.down, {channels_[i], channels_[i - 1], kKernel, kKernel}, fan_in(channels_[i - 1] * taps), 0);
      each(l.down_gain, {channels_[i]}, 0, 1);
      each(l.down_bias, {channels_[i]}, 0, 0);
      each(l.up, {channels_[i - 1], channels_[i], kKernel, kKernel}, fan_in(channels_[i] * taps), 0);
      each(l.up_gain, {channels_[i - 1]}, 0, 1);
      each(l.up_bias, {channels_[i - 1]}, 0, 0);
    }
    each(code_out_, {smallest_, code_}, fan_in(smallest_), 0);
    each(state_in_, {state_, smallest_}, fan_in(state_), 0);
    each(state_in_bias_, {smallest_}, 0, 0);
    each(last_, {2 * colours_, channels_[0], kKernel, kKernel}, 0.5 * fan_in(channels_[0] * taps), 0);
    // A bias for each pixel: the mean image, and how far each pixel strays from it.
    each(last_bias_, {2 * colours_, sizes_[0][0], sizes_[0][1]}, 0, 0);
  }

  Tensor encode(const Tensor& rows) const override {
    Tensor x = rows.view({rows.size(0), 2 * colours_, sizes_[0][0], sizes_[0][1]});
    x = torch::silu(torch::conv2d(x, first_, first_bias_, 1, kKernel / 2));
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      const Level& l = levels_[i];
      x = torch::conv2d(x, l.down, {}, 2, kKernel / 2);
      x = torch::silu(torch::group_norm(x, 1, l.down_gain, l.down_bias));
    }
    return torch::mm(x.flatten(1), code_out_);
  }

  Tensor decode(const Tensor& state) const override {
    Tensor x = torch::matmul(state.flatten(0, 1), state_in_) + state_in_bias_;
    x = torch::silu(x).view({-1, channels_.back(), sizes_.back()[0], sizes_.back()[1]});
    for (std::size_t i = levels_.size() - 1; i > 0; --i) {
      const Level& l = levels_[i];
      x = torch::upsample_nearest2d(x, {sizes_[i - 1][0], sizes_[i - 1][1]});
      x = torch::conv2d(x, l.up, {}, 1, kKernel / 2);
      x = torch::silu(torch::group_norm(x, 1, l.up_gain, l.up_bias));
    }
    x = torch::conv2d(x, last_, {}, 1, kKernel / 2) + last_bias_;
    return x.view({state.size(0), state.size(1), 2 * values()});
  }

 private:
  struct Level {
    Tensor down, down_gain, down_bias, up, up_gain, up_bias;
  };
  std::int64_t colours_, code_, state_, smallest_ = 0;
  std::vector<std::array<std::int64_t, 2>> sizes_;  ///< of each level, the image's own first
  std::vector<std::int64_t> channels_;
  std::vector<Level> levels_;
  Tensor first_, first_bias_, code_out_, state_in_, state_in_bias_, last_, last_bias_;
};

}  // namespace

std::unique_ptr<PayloadKind> make_image_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  return std::make_unique<ImageKind>(spec, code, state);
}

}  // namespace lacuna::model
