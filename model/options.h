#pragma once

#include <cstdint>
#include <string>

#include "state/records/time.h"

namespace lacuna::model {

enum class Fusion : std::uint8_t { mopoe, poe, moe, attention };
/// stratified: the whole set and smaller ones, each reconstructing everything. mopoe: all subsets alike (Sutter, Daunhawer and Vogt
/// 2021). mvtcae: the whole set alone, drawn towards each modality's own posterior (Hwang et al. 2021).
enum class Objective : std::uint8_t { stratified, mopoe, mvtcae };
enum class Device : std::uint8_t { automatic, cpu, cuda };

/// The shape of the network: fixed for the life of a checkpoint.
struct ModelOptions {
  int latent_dim = 32;
  int hidden_dim = 128;
  Fusion fusion = Fusion::mopoe;
  bool joint_expert = true;  ///< one more expert that reads a subset's modalities together; off: independent experts only
  bool mnar = false;         ///< model also which values are missing, for values whose being missing depends on what they are
  bool two_sided = false;    ///< read also what came after (retrospective imputation of recorded data)
  std::uint64_t seed = 1;
  Device device = Device::automatic;
};

/// How it learns; takes effect at the next start.
struct TrainOptions {
  int batch_size = 256;
  double learning_rate = 2e-3;
  double weight_decay = 0.1;
  double beta = 0.02;  ///< weight of the KL term after warm-up
  std::int64_t kl_warmup_steps = 500;
  double gradient_norm_max = 5.0;
  double hide_values_min = 0.1;  ///< share of observed cells hidden in a training example, drawn uniformly between
  double hide_values_max = 0.5;
  double hide_modalities = 0.5;  ///< probability that whole modalities are hidden as well
  Objective objective = Objective::stratified;
  int passes = 1;              ///< subsets of an example's modalities that a step encodes; all of them where they are not more
  double payload_values = 16;  ///< a payload counts for as many observed cells as it has values or words, and for no more than this
  double replay_ratio = 0.5;   ///< share of a batch that is replayed
  std::int64_t examples_per_step = 64;      ///< fresh examples that pay for one gradient step
  int young_pace = 8;                       ///< times that, at most, of the first examples that it ever learns from (docs/model.md)
  std::int64_t publish_every_steps = 50;    ///< a new immutable version after this many steps, at first after fewer
  std::size_t queue_examples_max = 20'000;  ///< fresh examples waiting for the trainer; more block the submitter
  int serve_after = 4;                      ///< batches from the one that a version was made from to the first that it serves
};

/// How it predicts; takes effect at the next start.
struct PredictOptions {
  int samples = 8;     ///< K posterior samples
  double level = 0.9;  ///< nominal coverage of intervals
};

}  // namespace lacuna::model
