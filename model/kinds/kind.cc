#include "model/kinds/kind.h"

#include <cmath>
#include <stdexcept>

namespace lacuna::model {

double fan_in(std::int64_t inputs) { return 1.0 / std::sqrt(static_cast<double>(std::max<std::int64_t>(inputs, 1))); }

torch::Tensor tail_cost(const torch::Tensor& z) {
  const torch::Tensor far = z.abs(), near = far.clamp_max(kTailFrom);
  return near * (far - 0.5 * near);
}

std::unique_ptr<PayloadKind> make_kind(ModalityKind kind, const PayloadSpec& spec, std::int64_t code, std::int64_t state) {
  switch (kind) {
    case ModalityKind::image: return make_image_kind(spec, code, state);
    case ModalityKind::text: return make_text_kind(spec, code, state);
    case ModalityKind::signal: return make_signal_kind(spec, code, state);
    case ModalityKind::embedding: return make_embedding_kind(spec, code, state);
    case ModalityKind::tabular: break;
  }
  throw std::logic_error("a tabular modality has features, no payload");
}

}  // namespace lacuna::model
