#include "model/kinds/kind.h"

#include "model/kinds/values.h"

// Vectors that a foundation model made elsewhere: two layers in, two layers out.

namespace lacuna::model {

using torch::Tensor;

namespace {

class EmbeddingKind final : public ValuesKind {
 public:
  EmbeddingKind(const PayloadSpec& spec, std::int64_t code, std::int64_t state)
      : ValuesKind(Density::normal, spec.length), code_(code), state_(state) {}

  void visit(const VisitWeight& each) override {
    each(in_, {2 * values(), state_}, fan_in(values()), 0);
    each(in_bias_, {state_}, 0, 0);
    each(code_out_, {state_, code_}, fan_in(state_), 0);
    each(hidden_, {state_, state_}, fan_in(state_), 0);
    each(hidden_bias_, {state_}, 0, 0);
    each(out_, {state_, 2 * values()}, 0.5 * fan_in(state_), 0);
    each(out_bias_, {2 * values()}, 0, 0);
  }
  Tensor encode(const Tensor& rows) const override { return torch::mm(torch::silu(torch::addmm(in_bias_, rows, in_)), code_out_); }
  Tensor decode(const Tensor& state) const override {
    return torch::matmul(torch::silu(torch::matmul(state, hidden_) + hidden_bias_), out_) + out_bias_;
  }

 private:
  std::int64_t code_, state_;
  Tensor in_, in_bias_, code_out_, hidden_, hidden_bias_, out_, out_bias_;
};

}  // namespace

std::unique_ptr<PayloadKind> make_embedding_kind(const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  return std::make_unique<EmbeddingKind>(spec, code, state);
}

}  // namespace lacuna::model
