#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include "model/encoding.h"
#include "model/kinds/kind.h"
#include "model/options.h"
#include "model/payload_rows.h"

// The weights of the network: which there are, of what shape, how they begin, and what of the schema their dimensions run over.

namespace lacuna::model {

/// Hidden units that each feature has for itself in the decoder.
inline constexpr std::int64_t kFeatureWidth = 16;
/// Of the attention.
inline constexpr std::int64_t kHeads = 4;
/// Columns of the decoder's output for continuous features; counts and classes reuse them.
enum OutColumn : std::int64_t { kFirst, kGateA, kDeltaA, kScaleA, kGateB, kDeltaB, kScaleB, kOutColumns };

/// What the positions along one dimension of a weight stand for. Of `past`, `output` and `cut` that depends on the feature which the
/// weight's first dimension leads to.
enum class Axis : std::uint8_t {
  fixed,     ///< the same under every schema
  modality,  ///< InputLayout::modalities
  feature,   ///< InputLayout::features
  place,     ///< modalities x widest: what each modality's encoder reads, padded
  past,      ///< what is known of a feature: PastColumn, then one a class; of two sides twice
  output,    ///< what is said of a feature: OutColumn, or one a class
  context,   ///< InputLayout::context
  payload,   ///< InputLayout::payloads
  ordinal,   ///< ordinal features
  cut,       ///< their cut points: the first, then how far each lies above the one before
};

struct Dimension {
  Dimension(std::int64_t positions, Axis of = Axis::fixed) : size(positions), axis(of) {}
  std::int64_t size;
  Axis axis;
};

/// One weight.
struct WeightShape {
  std::string name;                   ///< unique; of a payload's with its modality's name
  std::vector<Dimension> dimensions;  ///< slowest first: how its numbers lie one after the other
  std::vector<std::int64_t> shape;    ///< as the network reads them
  double spread = 0, centre = 0;      ///< of its first values: centre + spread * standard normal
};

/// Views of one flat tensor, and the sizes that the options give. M, F, ... as in network.h.
struct NetworkWeights {
  NetworkWeights(const InputLayout& layout, const ModelOptions& options);
  /// Every weight once, always in the same order.
  void visit(const std::function<void(torch::Tensor&, const WeightShape&)>& each);

  std::int64_t latent, width, embed;  ///< L, H, E
  bool joint_expert, attention, mnar;
  std::int64_t widest;  ///< features of the modality that has most
  std::int64_t ordinals;
  std::vector<std::unique_ptr<PayloadKind>> kinds;  ///< by payload slot

  torch::Tensor in, in_context, in_bias, norm, norm_bias, head, head_bias;  // one encoder a modality
  torch::Tensor payload_age;
  torch::Tensor joint, joint_context, joint_subset, joint_bias, joint_norm, joint_norm_bias;  // what modalities say together
  torch::Tensor joint2, joint2_bias, joint2_norm, joint2_norm_bias, joint_head, joint_head_bias;
  torch::Tensor query, key, value, mix, mix_norm, mix_norm_bias, pool, pool_bias, pool_value;        // attention
  torch::Tensor trunk, trunk_context, trunk_bias, trunk_norm, trunk_norm_bias, expand, expand_bias;  // decoder
  torch::Tensor past, skip, out, out_bias, cuts;
  torch::Tensor measured_base, measured_slope;  // missingness

 private:
  using Put = std::function<void(torch::Tensor&, const char*, std::vector<Dimension>, double, double, std::vector<std::int64_t>)>;
  void visit_encoders(const Put& put);
  void visit_attention(const Put& put);
  void visit_joint(const Put& put);
  void visit_decoder(const Put& put);

  std::int64_t features_, modalities_, past_, context_, categories_;
  std::vector<std::string> payload_names_;
};

}  // namespace lacuna::model
