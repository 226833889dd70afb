#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <torch/torch.h>

#include "model/encoding.h"
#include "state/records/payload.h"

// What the network needs of a kind of payload (image, text, signal, embedding). Each kind is one file that implements PayloadKind
// and a line in make_kind(); features of tabular modalities are read and written together, in network.h. B: examples, K: posterior
// samples, W: numbers of a row (PayloadRows::standardised), V: values of a payload, E: width of a code, H: width of the decoder's
// state, D: numbers that a decoder says of a payload.

namespace lacuna::model {

/// Names one weight: where its view goes, its shape, the spread of its first values and the value they spread around. Always in
/// the same order.
using VisitWeight = std::function<void(torch::Tensor&, const std::vector<std::int64_t>&, double, double)>;

/// 1 / sqrt(inputs), the spread of a layer's first weights.
double fan_in(std::int64_t inputs);

/// What a normal density costs z standard deviations from its mean, up to a constant: z^2 / 2, and from kTailFrom on a straight line
/// (Huber 1964). A value far out pulls no harder than one at kTailFrom; of a normal's own values 6 in 100,000 lie there.
torch::Tensor tail_cost(const torch::Tensor& z);
inline constexpr double kTailFrom = 4;

class PayloadKind {
 public:
  virtual ~PayloadKind() = default;
  virtual void visit(const VisitWeight& each) = 0;
  /// [B, W] to codes [B, E].
  virtual torch::Tensor encode(const torch::Tensor& rows) const = 0;
  /// States [B, K, H] to [B, K, D].
  virtual torch::Tensor decode(const torch::Tensor& state) const = 0;
  /// How many values of each payload were observed, or words it has: [B].
  virtual torch::Tensor size(const torch::Tensor& rows) const = 0;
  /// Log density of the payloads' observed values, or log probability of their words, divided by their size(): mean nats,
  /// [B, K].
  virtual torch::Tensor log_likelihood(const torch::Tensor& decoded, const torch::Tensor& rows) const = 0;
  /// Mean over the mixture with `weights` [B, K]: [B, V], standardised; text: expected count of each word by number.
  virtual torch::Tensor mean(const torch::Tensor& decoded, const torch::Tensor& weights) const = 0;
  /// Standard deviation over the mixture, [B, V]; undefined for text.
  virtual torch::Tensor sd(const torch::Tensor& decoded, const torch::Tensor& weights) const = 0;
  /// Of each value by itself, [B, V], p in (0, 1); undefined for text.
  virtual torch::Tensor quantile(const torch::Tensor& decoded, const torch::Tensor& weights, double p) const = 0;
  /// One payload a state, [B, 1, D] to values [B, V] or token numbers [B, W]. Row i draws from `seeds[i]`.
  virtual torch::Tensor sample(const torch::Tensor& decoded, const std::vector<std::uint64_t>& seeds) const = 0;
};

/// `code`: E, `state`: H.
std::unique_ptr<PayloadKind> make_kind(ModalityKind kind, const PayloadSpec& spec, std::int64_t code, std::int64_t state);

std::unique_ptr<PayloadKind> make_image_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state);
std::unique_ptr<PayloadKind> make_text_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state);
std::unique_ptr<PayloadKind> make_signal_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state);
std::unique_ptr<PayloadKind> make_embedding_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state);

}  // namespace lacuna::model
