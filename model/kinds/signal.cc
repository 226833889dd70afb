#include "model/kinds/values.h"

// Signals of several channels, with gaps: one-dimensional convolutions that halve the length until it is short, and the way back.
// Each channel's mask goes in beside it.

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr std::int64_t kShortest = 8;
constexpr std::size_t kLevelsMax = 10;
constexpr std::int64_t kFirstChannels = 16, kChannelsMax = 64;
constexpr std::int64_t kKernel = 5;

class SignalKind final : public ValuesKind {
 public:
  SignalKind(const PayloadSpec& spec, std::int64_t code, std::int64_t state)
      : ValuesKind(Density::laplace, static_cast<std::int64_t>(spec.value_count(ModalityKind::signal))),
        leads_(spec.channels),
        code_(code),
        state_(state) {
    lengths_.push_back(spec.length);
    channels_.push_back(kFirstChannels);
    while (lengths_.back() > kShortest && lengths_.size() <= kLevelsMax) {
      lengths_.push_back((lengths_.back() + 1) / 2);
      channels_.push_back(std::min(2 * channels_.back(), kChannelsMax));
    }
    levels_.resize(lengths_.size());
    smallest_ = channels_.back() * lengths_.back();
  }

  void visit(const VisitWeight& each) override {
    each(first_, {channels_[0], 2 * leads_, kKernel}, fan_in(leads_ * kKernel), 0);
    each(first_bias_, {channels_[0]}, 0, 0);
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      Level& l = levels_[i];
      each(l.down, {channels_[i], channels_[i - 1], kKernel}, fan_in(channels_[i - 1] * kKernel), 0);
      each(l.down_gain, {channels_[i]}, 0, 1);
      each(l.down_bias, {channels_[i]}, 0, 0);
      each(l.up, {channels_[i - 1], channels_[i], kKernel}, fan_in(channels_[i] * kKernel), 0);
      each(l.up_gain, {channels_[i - 1]}, 0, 1);
      each(l.up_bias, {channels_[i - 1]}, 0, 0);
    }
    each(code_out_, {smallest_, code_}, fan_in(smallest_), 0);
    each(state_in_, {state_, smallest_}, fan_in(state_), 0);
    each(state_in_bias_, {smallest_}, 0, 0);
    each(last_, {2 * leads_, channels_[0], kKernel}, 0.5 * fan_in(channels_[0] * kKernel), 0);
    each(last_bias_, {2 * leads_, lengths_[0]}, 0, 0);
  }

  Tensor encode(const Tensor& rows) const override {
    Tensor x = rows.view({rows.size(0), 2 * leads_, lengths_[0]});
    x = torch::silu(torch::conv1d(x, first_, first_bias_, 1, kKernel / 2));
    for (std::size_t i = 1; i < levels_.size(); ++i) {
      const Level& l = levels_[i];
      x = torch::conv1d(x, l.down, {}, 2, kKernel / 2);
      x = torch::silu(torch::group_norm(x, 1, l.down_gain, l.down_bias));
    }
    return torch::mm(x.flatten(1), code_out_);
  }

  Tensor decode(const Tensor& state) const override {
    Tensor x = torch::matmul(state.flatten(0, 1), state_in_) + state_in_bias_;
    x = torch::silu(x).view({-1, channels_.back(), lengths_.back()});
    for (std::size_t i = levels_.size() - 1; i > 0; --i) {
      const Level& l = levels_[i];
      x = torch::upsample_nearest1d(x, {lengths_[i - 1]});
      x = torch::conv1d(x, l.up, {}, 1, kKernel / 2);
      x = torch::silu(torch::group_norm(x, 1, l.up_gain, l.up_bias));
    }
    x = torch::conv1d(x, last_, {}, 1, kKernel / 2) + last_bias_;
    return x.view({state.size(0), state.size(1), 2 * values()});
  }

 private:
  struct Level {
    Tensor down, down_gain, down_bias, up, up_gain, up_bias;
  };
  std::int64_t leads_, code_, state_, smallest_ = 0;
  std::vector<std::int64_t> lengths_, channels_;
  std::vector<Level> levels_;
  Tensor first_, first_bias_, code_out_, state_in_, state_in_bias_, last_, last_bias_;
};

}  // namespace

std::unique_ptr<PayloadKind> make_signal_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  return std::make_unique<SignalKind>(spec, code, state);
}

}  // namespace lacuna::model
