#include "model/kinds/kind.h"

#include <cmath>

#include "model/payload_statistics.h"
#include "state/records/counter_random.h"

// Texts as token numbers. The encoder looks at words and their neighbours. Two decoders: a bag says how likely each word is,
// wherever it stands; a sequence says what comes next, from the words before it.

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr std::int64_t kPadding = Vocabulary::kPadding, kEnd = Vocabulary::kEnd;
constexpr std::int64_t kWordWidth = 32;
constexpr std::int64_t kKernel = 3;
/// Words before the next one that the sequence decoder sees: two layers of this kernel.
constexpr std::int64_t kCausalKernel = 4, kReach = 2 * kCausalKernel - 1;
/// Texts that are drawn to count the words a sequence model expects, at most.
constexpr std::int64_t kDrawnTextsMax = 8;

class TextKind final : public PayloadKind {
 public:
  TextKind(const PayloadSpec& spec, std::int64_t code, std::int64_t state)
      : sequence_(spec.text_model == TextModel::sequence),
        words_(Vocabulary(spec).size()),
        length_(spec.length),
        code_(code),
        state_(state) {}

  void visit(const VisitWeight& each) override {
    const std::int64_t e = kWordWidth;
    each(embedding_, {words_, e}, 0.5, 0);
    each(near_, {2 * e, e, kKernel}, fan_in(e * kKernel), 0);
    each(near_bias_, {2 * e}, 0, 0);
    each(code_out_, {6 * e, code_}, fan_in(4 * e), 0);
    each(count_out_, {1, code_}, 0.1, 0);
    if (sequence_) {
      each(state_in_, {state_, e}, fan_in(state_), 0);
      for (Causal& c : causal_) {
        each(c.mix, {e, e, kCausalKernel}, fan_in(e * kCausalKernel), 0);
        each(c.state, {state_, e}, fan_in(state_), 0);
        each(c.bias, {e}, 0, 0);
      }
      each(out_, {2 * e, words_}, fan_in(2 * e), 0);
      each(state_out_, {state_, e}, fan_in(state_), 0);
    } else {
      each(hidden_, {state_, state_}, fan_in(state_), 0);
      each(hidden_bias_, {state_}, 0, 0);
      each(out_, {state_, words_ + 1}, 0.5 * fan_in(state_), 0);
    }
    each(out_bias_, {sequence_ ? words_ : words_ + 1}, 0, 0);
  }

  Tensor encode(const Tensor& rows) const override {
    const Tensor tokens = rows.to(torch::kLong);
    const Tensor there = (tokens != kPadding).to(torch::kFloat).unsqueeze(1);  // [B, 1, T]
    const Tensor count = there.sum(-1).clamp_min(1.0);
    const Tensor words = torch::embedding(embedding_, tokens).transpose(1, 2) * there;  // [B, e, T]
    const Tensor near = torch::silu(torch::conv1d(words, near_, near_bias_, 1, kKernel / 2)) * there;
    const Tensor sum = words.sum(-1) / count.sqrt(), mean = near.sum(-1) / count.sqrt(), most = near.amax(-1);
    return torch::mm(torch::cat({sum, torch::tanh(sum), mean, most}, -1), code_out_) + torch::mm(count.log(), count_out_);
  }

  Tensor decode(const Tensor& state) const override {
    if (sequence_) return state;
    return torch::matmul(torch::silu(torch::matmul(state, hidden_) + hidden_bias_) + state, out_) + out_bias_;
  }

  /// A sequence's end is said as a word is.
  Tensor size(const Tensor& rows) const override {
    const Tensor said = rows != kPadding;
    return (sequence_ ? said : said.logical_and(rows != kEnd)).to(torch::kFloat).sum(-1);
  }

  Tensor log_likelihood(const Tensor& decoded, const Tensor& rows) const override {
    const Tensor tokens = rows.to(torch::kLong);
    if (!sequence_) {
      // The last number is the logarithm of the length, as in a Poisson of how many words there are.
      const Tensor counts = count(tokens);
      const Tensor total = counts.sum(-1, true);
      const Tensor log_p = torch::log_softmax(bag_logits(decoded), -1);
      const Tensor log_rate = decoded.select(-1, words_).clamp(-8, 8);
      const Tensor said = torch::bmm(log_p, counts.unsqueeze(-1)).squeeze(-1);  // [B, K]
      const Tensor length = total * log_rate - log_rate.exp() - torch::lgamma(total + 1);
      return (said + length) / total.clamp_min(1.0);
    }
    const std::int64_t samples = decoded.size(1);
    const Tensor each = tokens.unsqueeze(1).expand({-1, samples, -1}).flatten(0, 1);  // [B K, T]
    const Tensor log_p = torch::log_softmax(next_logits(decoded.flatten(0, 1), before(each)), -1);
    const Tensor there = (each != kPadding).to(torch::kFloat);
    const Tensor said = log_p.gather(-1, each.unsqueeze(-1)).squeeze(-1) * there;
    return (said.sum(-1) / there.sum(-1).clamp_min(1.0)).view({-1, samples});
  }

  Tensor mean(const Tensor& decoded, const Tensor& weights) const override {
    if (!sequence_) {
      const Tensor expected = torch::softmax(bag_logits(decoded), -1) * decoded.select(-1, words_).clamp(-8, 8).exp().unsqueeze(-1);
      return (expected * weights.unsqueeze(-1)).sum(1);
    }
    // Counted in texts drawn from some of the states, which the weights are carried over to.
    const std::int64_t drawn = std::min(decoded.size(1), kDrawnTextsMax);
    std::vector<std::uint64_t> seeds;
    for (std::int64_t i = 0; i < decoded.size(0) * drawn; ++i) seeds.push_back(static_cast<std::uint64_t>(i % drawn) + 1);
    const Tensor texts = sample(decoded.narrow(1, 0, drawn).reshape({-1, 1, state_}), seeds).to(torch::kLong);
    const Tensor part = weights.narrow(1, 0, drawn) / weights.narrow(1, 0, drawn).sum(1, true).clamp_min(1e-12);
    return (count(texts).view({-1, drawn, words_}) * part.unsqueeze(-1)).sum(1);
  }
  Tensor sd(const Tensor&, const Tensor&) const override { return {}; }
  Tensor quantile(const Tensor&, const Tensor&, double) const override { return {}; }

  Tensor sample(const Tensor& decoded, const std::vector<std::uint64_t>& seeds) const override {
    const std::int64_t rows = decoded.size(0);
    std::vector<CounterRandom> random(seeds.begin(), seeds.end());
    Tensor tokens = torch::zeros({rows, length_}, torch::kLong);
    std::vector<std::int64_t> lengths(static_cast<std::size_t>(rows), length_);
    Tensor bag;
    if (!sequence_) {
      bag = torch::softmax(bag_logits(decoded).squeeze(1), -1).to(torch::kCPU).cumsum(-1).contiguous();
      const Tensor rate = decoded.squeeze(1).select(-1, words_).clamp(-8, 8).exp().to(torch::kCPU).contiguous();
      for (std::int64_t i = 0; i < rows; ++i) {
        lengths[static_cast<std::size_t>(i)] = std::min(random[static_cast<std::size_t>(i)].poisson(rate.data_ptr<float>()[i]), length_);
      }
    }
    std::vector<bool> done(static_cast<std::size_t>(rows), false);
    for (std::int64_t t = 0; t < length_; ++t) {
      Tensor cumulative = bag;
      if (sequence_) {
        // The words before, as far back as the decoder reaches.
        const std::int64_t from = std::max<std::int64_t>(t - kReach, 0);
        const Tensor window = before(tokens.narrow(1, from, t - from + 1), from > 0 ? tokens.select(1, from - 1) : Tensor());
        const Tensor logits = next_logits(decoded.squeeze(1), window.to(decoded.device())).select(1, t - from);
        cumulative = torch::softmax(logits, -1).to(torch::kCPU).cumsum(-1).contiguous();
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        const auto row = static_cast<std::size_t>(i);
        if (done[row] || t >= lengths[row]) continue;
        const float* const c = cumulative.data_ptr<float>() + i * words_;
        const double u = random[row].unit() * c[words_ - 1];
        const auto token = std::min<std::int64_t>(std::upper_bound(c, c + words_, static_cast<float>(u)) - c, words_ - 1);
        tokens.data_ptr<std::int64_t>()[i * length_ + t] = token;
        done[row] = token == kEnd;
      }
    }
    return tokens.to(torch::kFloat).to(decoded.device());
  }

 private:
  struct Causal {
    Tensor mix, state, bias;
  };

  static Tensor forbid_padding(const Tensor& logits) {
    Tensor mask = torch::zeros({logits.size(-1)}, logits.options());
    mask.narrow(0, kPadding, 1).fill_(-1e9);
    return logits + mask;
  }
  /// Neither padding nor the end is a word of a bag.
  Tensor bag_logits(const Tensor& decoded) const {
    Tensor mask = torch::zeros({words_}, decoded.options());
    mask.narrow(0, kPadding, 1).fill_(-1e9);
    mask.narrow(0, kEnd, 1).fill_(-1e9);
    return decoded.narrow(-1, 0, words_) + mask;
  }
  /// How often each word occurs, [B, words].
  Tensor count(const Tensor& tokens) const {
    Tensor counts = torch::zeros({tokens.size(0), words_}, torch::TensorOptions().device(tokens.device()));
    counts.scatter_add_(1, tokens, torch::ones_like(tokens, torch::kFloat));
    counts.narrow(1, kPadding, 1).zero_();
    counts.narrow(1, kEnd, 1).zero_();
    return counts;
  }
  /// Each token's predecessor; the first one's is `first`, or the end of what was before.
  static Tensor before(const Tensor& tokens, const Tensor& first = {}) {
    const Tensor start = first.defined() ? first.unsqueeze(1) : torch::full({tokens.size(0), 1}, kEnd, tokens.options());
    return torch::cat({start, tokens.narrow(1, 0, tokens.size(1) - 1)}, 1);
  }
  /// States [N, H] and previous tokens [N, T] to logits [N, T, words].
  Tensor next_logits(const Tensor& state, const Tensor& previous) const {
    Tensor x = torch::embedding(embedding_, previous).transpose(1, 2) + torch::mm(state, state_in_).unsqueeze(-1);
    for (const Causal& c : causal_) {
      const Tensor padded = torch::constant_pad_nd(x, {kCausalKernel - 1, 0});
      const Tensor said = torch::mm(state, c.state) + c.bias;
      x = x + torch::silu(torch::conv1d(padded, c.mix) + said.unsqueeze(-1));
    }
    const Tensor constant = torch::silu(torch::mm(state, state_out_)).unsqueeze(1).expand({-1, x.size(2), -1});
    return forbid_padding(torch::matmul(torch::cat({x.transpose(1, 2), constant}, -1), out_) + out_bias_);
  }
  bool sequence_;
  std::int64_t words_, length_, code_, state_;
  Tensor embedding_, near_, near_bias_, code_out_, count_out_;
  Tensor state_in_, state_out_, hidden_, hidden_bias_, out_, out_bias_;
  Causal causal_[2];
};

}  // namespace

std::unique_ptr<PayloadKind> make_text_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  return std::make_unique<TextKind>(spec, code, state);
}

}  // namespace lacuna::model
