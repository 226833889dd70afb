#include "model/training_batch.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <unordered_map>

#include "state/records/counter_random.h"
#include "state/records/feature_state.h"
#include "state/records/hash.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Share of the examples in which nothing is hidden: what is predicted next is predicted from all there is.
constexpr double kWholeShare = 0.25;
/// Share in which everything is hidden, in half of them the attributes too, so that the prior too is a patient of the population.
constexpr double kBlankShare = 0.03;
/// Share of the examples of which a part of what arrives is known already, as where an imputation is published of a moment: what is still
/// to come is predicted from what came with it, and from its own past.
constexpr double kPartlyShare = 0.5;
constexpr auto kNoWord = static_cast<float>(Vocabulary::kPadding);

/// `known` with each value or word hidden by the share of its example. One stays: to see nothing of a payload is what subsets are for.
PayloadRows masked_rows(const PayloadRows& known, ModalityKind kind, const std::vector<double>& share, std::uint64_t seed) {
  PayloadRows out = known;
  if (!known.index.defined()) return out;
  out.rows = known.rows.clone();
  const bool text = kind == ModalityKind::text;
  const auto values = static_cast<std::size_t>(text ? out.rows.size(1) : out.rows.size(1) / 2);
  for (std::int64_t n = 0; n < out.index.size(0); ++n) {
    const auto example = static_cast<std::size_t>(out.index.data_ptr<std::int64_t>()[n]);
    if (share[example] == 0) continue;
    CounterRandom random(mix64(seed + example));
    const auto row = row_of(out.rows, n);
    const auto there = [&](std::size_t v) { return text ? row[v] != kNoWord : row[values + v] != 0; };
    std::size_t left = 0;
    for (std::size_t v = 0; v < values; ++v) left += there(v) ? 1 : 0;
    // Four values share a hash of 64 bits.
    const auto limit = static_cast<std::uint64_t>(share[example] * 0x1p16);
    std::uint64_t bits = 0;
    for (std::size_t v = 0; v < values; ++v) {
      bits = v % 4 == 0 ? random.bits() : bits >> 16;
      if ((bits & 0xffff) >= limit || left <= 1 || !there(v)) continue;
      row[v] = text ? kNoWord : 0.0F;
      if (!text) row[values + v] = 0.0F;
      --left;
    }
  }
  return out;
}

/// Draws the subsets that an example's passes see, of the modalities that have something.
class Subsets {
 public:
  Subsets(const ModelOptions& options, const TrainOptions& train) : options_(options), train_(train) {}

  std::vector<std::vector<bool>> draw(const std::vector<bool>& measured, bool whole, CounterRandom& random) const {
    std::vector<std::size_t> present;
    for (std::size_t m = 0; m < measured.size(); ++m) {
      if (measured[m]) present.push_back(m);
    }
    const auto passes = static_cast<std::size_t>(train_.passes);
    if (train_.objective == Objective::mvtcae || options_.fusion == Fusion::poe || present.empty()) return {measured};
    std::vector<std::vector<bool>> out;
    if (options_.fusion == Fusion::moe) {  // one expert alone
      for (std::size_t s = 0; s < passes; ++s) out.push_back(without(measured, present, present.size() - 1, random));
      return out;
    }
    if (train_.objective == Objective::mopoe) {  // every subset as likely as any other
      for (std::size_t s = 0; s < passes; ++s) {
        std::vector<bool> kept(measured.size());
        bool any = false;
        while (!any) {
          for (std::size_t m : present) any |= (kept[m] = random.unit() < 0.5);
        }
        out.push_back(std::move(kept));
      }
      return out;
    }
    if (passes == 1) {
      if (whole || random.unit() >= train_.hide_modalities) return {measured};
      // Half of the rows lose one modality, which is what an outage looks like; the others any number, up to all.
      return {without(measured, present, random.unit() < 0.5 ? 1 : 1 + random.below(present.size()), random)};
    }
    out.push_back(measured);
    if (present.size() < 32 && (std::size_t{1} << present.size()) - 1 <= passes) {
      for (std::size_t bits = 1; bits + 1 < std::size_t{1} << present.size(); ++bits) {
        std::vector<bool> kept(measured.size());
        for (std::size_t i = 0; i < present.size(); ++i) kept[present[i]] = ((bits >> i) & 1) != 0;
        out.push_back(std::move(kept));
      }
      return out;
    }
    for (std::size_t s = 1; s < passes; ++s) {
      out.push_back(without(measured, present, random.unit() < 0.5 ? 1 : 1 + random.below(present.size()), random));
    }
    return out;
  }

 private:
  static std::vector<bool> without(const std::vector<bool>& measured, std::vector<std::size_t> present, std::size_t count,
                                   CounterRandom& random) {
    std::vector<bool> kept = measured;
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(present[i], present[i + random.below(present.size() - i)]);
      kept[present[i]] = false;
    }
    return kept;
  }

  const ModelOptions& options_;
  const TrainOptions& train_;
};

/// What was drawn for one example, by modality.
struct Drawn {
  const Snapshot* known = nullptr;        ///< what is encoded: from before the moment, or from within it
  std::vector<bool> shown, came;          ///< of the values and of the payloads that arrived: those known by then
  std::vector<bool> measured;             ///< has something
  std::vector<bool> left;                 ///< has something left when its values were masked: else it has nothing to say
  std::vector<std::vector<bool>> passes;  ///< which of the measured ones each pass is to see
  double share = 0;                       ///< of its values that are masked
};

/// Makes one batch, part by part.
class BatchMaker {
 public:
  BatchMaker(const RowEncoder& encoder, const Standardiser& standardiser, const ModelOptions& options, const TrainOptions& train,
             const std::vector<const Example*>& examples, const std::vector<std::uint64_t>& patients)
      : encoder_(encoder),
        standardiser_(standardiser),
        options_(options),
        train_(train),
        examples_(examples),
        layout_(encoder.layout()),
        rows_(static_cast<std::int64_t>(examples.size())),
        features_(static_cast<std::size_t>(layout_.features)),
        unmasked_(torch::zeros({rows_, layout_.features})),
        masked_(torch::zeros({rows_, layout_.features})),
        row_weight_(examples.size(), 1.0F),
        drawn_(examples.size()) {
    std::unordered_map<std::uint64_t, double> rows_of;
    for (const std::uint64_t patient : patients) rows_of[patient] += 1;
    const double most = std::max(kPatientShare * static_cast<double>(examples.size()), 1.0);
    for (std::size_t i = 0; i < patients.size(); ++i) {
      if (patients[i] != 0) row_weight_[i] = static_cast<float>(std::min(1.0, most / rows_of[patients[i]]));
    }
  }

  TrainingBatch make(std::uint64_t hide_seed, std::uint64_t noise_seed) {
    b_.past = torch::empty({rows_, layout_.features, layout_.past});
    b_.context = torch::empty({rows_, layout_.context});
    b_.observed = torch::empty({rows_, layout_.features});
    b_.last = torch::empty({rows_, layout_.features});
    b_.arrived = torch::zeros({rows_, layout_.features});
    b_.arrived_mask = torch::zeros({rows_, layout_.features});
    b_.last_side = torch::empty({rows_, layout_.features});
    for (std::int64_t i = 0; i < rows_; ++i) {
      CounterRandom random(hide_seed + static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ULL);
      draw_example(i, random);
    }
    if (!last_censored_) b_.last_side = Tensor();
    fill_passes();
    b_.noise = torch::empty({rows_, b_.subset.size(1), options_.latent_dim});
    CounterRandom(noise_seed).normals({b_.noise.data_ptr<float>(), static_cast<std::size_t>(b_.noise.numel())});
    add_payloads(hide_seed);
    b_.count_mean = torch::tensor(standardiser_.means());
    return std::move(b_);
  }

 private:
  const Example& example_at(std::int64_t i) const { return *examples_[static_cast<std::size_t>(i)]; }
  const Snapshot& known_at(std::int64_t i) const { return *drawn_[static_cast<std::size_t>(i)].known; }

  /// Draws how much of what arrives is known already. Of a first moment it is all: what is learned there is what it says of itself.
  void draw_arrivals(std::int64_t i, CounterRandom& random) {
    const Example& example = example_at(i);
    Drawn& drawn = drawn_[static_cast<std::size_t>(i)];
    drawn.known = &example.before;
    drawn.shown.assign(example.arrived.size(), false);
    drawn.came.assign(example.arrived_payloads.size(), false);
    const bool first = example.before.event_count == 0, partly = random.unit() < kPartlyShare;
    if (!first && !partly) return;
    const double share = first ? 1 : random.unit();
    Snapshot& known = partly_arrived_.emplace_back(example.before);
    if (first) known.first_time = example.time;
    known.last_time = example.time;
    ++known.event_count;
    for (std::size_t k = 0; k < drawn.shown.size(); ++k) {
      const FeatureValue& v = example.arrived[k];
      if (!(drawn.shown[k] = random.unit() < share)) continue;
      apply_value(layout_.likelihoods[v.feature], known.features.at(v.feature), v.value, example.time, v.comparator);
    }
    for (std::size_t k = 0; k < drawn.came.size(); ++k) {
      if (!(drawn.came[k] = random.unit() < share)) continue;
      ModalityState& state = known.modalities.at(example.arrived_payloads[k].modality);
      state.payload = example.arrived_payloads[k].payload;
      state.last_time = example.time;
      ++state.count;
    }
    drawn.known = &known;
  }

  /// Encodes an example, and draws what of it is masked and which modalities each pass sees.
  void draw_example(std::int64_t i, CounterRandom& random) {
    const Example& example = example_at(i);
    draw_arrivals(i, random);
    const auto past = row_of(b_.past, i);
    const RowSpans spans{past, row_of(b_.observed, i), row_of(b_.last, i), row_of(b_.context, i), row_of(b_.last_side, i)};
    last_censored_ |= encoder_.encode(standardiser_, known_at(i), example.after.get(), example.time, spans);
    const double kept_as_is = random.unit();
    const bool whole = kept_as_is < kWholeShare && options_.fusion != Fusion::moe;
    const bool blank = kept_as_is >= 1 - kBlankShare;
    if (blank && random.unit() < 0.5) std::fill(row_of(b_.context, i).begin(), row_of(b_.context, i).end(), 0.0F);
    Drawn& drawn = drawn_[static_cast<std::size_t>(i)];
    drawn.measured.resize(static_cast<std::size_t>(layout_.modalities));
    drawn.left.resize(static_cast<std::size_t>(layout_.modalities));
    for (std::size_t f = 0; f < features_; ++f) {
      if (layout_.known(past, f)) drawn.measured[layout_.modality_of[f]] = true;
    }
    for (const PayloadSlot& slot : layout_.payloads) {
      const auto& modalities = known_at(i).modalities;
      if (slot.modality < modalities.size() && modalities[slot.modality].payload) drawn.measured[slot.modality] = true;
    }
    const double share = train_.hide_values_min + random.unit() * (train_.hide_values_max - train_.hide_values_min);
    drawn.share = whole ? 0 : share;
    for (const PayloadSlot& slot : layout_.payloads) drawn.left[slot.modality] = drawn.measured[slot.modality] && !blank;
    const auto unmasked = row_of(unmasked_, i), masked = row_of(masked_, i);
    for (std::size_t f = 0; f < features_; ++f) {
      const bool hide = (random.unit() < share && !whole) || blank;
      masked[f] = hide ? 1.0F : 0.0F;
      if (layout_.known(past, f) && !hide) {
        unmasked[f] = 1.0F;
        drawn.left[layout_.modality_of[f]] = true;
      } else {
        std::fill_n(past.begin() + static_cast<std::ptrdiff_t>(f) * layout_.past, layout_.past, 0.0F);
      }
    }
    drawn.passes = Subsets(options_, train_).draw(drawn.measured, whole, random);
    const auto arrived = row_of(b_.arrived, i), mask = row_of(b_.arrived_mask, i);
    for (std::size_t k = 0; k < example.arrived.size(); ++k) {
      const FeatureValue& v = example.arrived[k];
      if (drawn.shown[k]) continue;
      arrived[v.feature] = encoder_.target(standardiser_, v.feature, v.value, v.comparator);
      mask[v.feature] = 1.0F;
      if (!is_censored(v.comparator)) continue;
      if (!b_.arrived_side.defined()) b_.arrived_side = torch::zeros({rows_, layout_.features});
      row_of(b_.arrived_side, i)[v.feature] = static_cast<float>(side_of(v.comparator));
    }
  }

  /// What each pass of each example sees, by modality and by feature. Examples with fewer passes than others have passes without weight.
  void fill_passes() {
    std::size_t most = 1;
    for (const Drawn& drawn : drawn_) most = std::max(most, drawn.passes.size());
    const auto s = static_cast<std::int64_t>(most);
    b_.subset = torch::zeros({rows_, s, layout_.modalities});
    b_.visible = torch::zeros({rows_, s, layout_.features});
    b_.masked = torch::zeros({rows_, s, layout_.features});
    b_.pass_weight = torch::zeros({rows_, s});
    for (std::int64_t i = 0; i < rows_; ++i) {
      const Drawn& drawn = drawn_[static_cast<std::size_t>(i)];
      const auto subset = row_of(b_.subset, i), visible = row_of(b_.visible, i), masked = row_of(b_.masked, i);
      const auto unmasked_here = row_of(unmasked_, i), masked_here = row_of(masked_, i);
      for (std::size_t p = 0; p < drawn.passes.size(); ++p) {
        const std::vector<bool>& kept = drawn.passes[p];
        row_of(b_.pass_weight, i)[p] = row_weight_[static_cast<std::size_t>(i)] / static_cast<float>(drawn.passes.size());
        for (std::size_t m = 0; m < kept.size(); ++m) subset[p * kept.size() + m] = kept[m] && drawn.left[m] ? 1.0F : 0.0F;
        for (std::size_t f = 0; f < features_; ++f) {
          const ModalityId m = layout_.modality_of[f];
          visible[p * features_ + f] = kept[m] ? unmasked_here[f] : 0.0F;
          masked[p * features_ + f] = drawn.measured[m] && !kept[m] ? 1.0F : masked_here[f];
        }
      }
    }
  }

  /// The payloads known before, what of them is shown, and those that came.
  void add_payloads(std::uint64_t hide_seed) {
    b_.shown_share = torch::empty({rows_});
    std::vector<double> shares;
    std::vector<const Snapshot*> snapshots;
    std::vector<Time> times;
    for (std::int64_t i = 0; i < rows_; ++i) {
      shares.push_back(drawn_[static_cast<std::size_t>(i)].share);
      row_of(b_.shown_share, i)[0] = static_cast<float>(1 - shares.back());
      snapshots.push_back(&known_at(i));
      times.push_back(example_at(i).time);
    }
    for (std::size_t slot = 0; slot < layout_.payloads.size(); ++slot) {
      const PayloadStatistics& statistics = standardiser_.payload(slot);
      const PayloadSlot& of = layout_.payloads[slot];
      b_.known.push_back(make_payload_rows(statistics, newest_payloads(of.modality, snapshots, times)));
      b_.shown.push_back(masked_rows(b_.known.back(), of.kind, shares, mix64(hide_seed + slot + 1)));
      std::vector<PayloadOf> came;
      for (std::int64_t i = 0; i < rows_; ++i) {
        const std::vector<PayloadValue>& arrived = example_at(i).arrived_payloads;
        for (std::size_t k = 0; k < arrived.size(); ++k) {
          const PayloadValue& v = arrived[k];
          if (v.modality == of.modality && !drawn_[static_cast<std::size_t>(i)].came[k]) came.push_back({i, &*v.payload, 0});
        }
      }
      b_.came.push_back(make_payload_rows(statistics, came));
    }
  }

  const RowEncoder& encoder_;
  const Standardiser& standardiser_;
  const ModelOptions& options_;
  const TrainOptions& train_;
  const std::vector<const Example*>& examples_;
  std::deque<Snapshot> partly_arrived_;
  const InputLayout& layout_;
  const std::int64_t rows_;
  const std::size_t features_;
  Tensor unmasked_, masked_;  ///< [rows, F]: known and left in; masked, known or not
  std::vector<float> row_weight_;
  std::vector<Drawn> drawn_;
  bool last_censored_ = false;
  TrainingBatch b_;
};

}  // namespace

TrainingBatch make_training_batch(const RowEncoder& encoder, const Standardiser& standardiser, const ModelOptions& options,
                                  const TrainOptions& train, const std::vector<const Example*>& examples, std::uint64_t hide_seed,
                                  std::uint64_t noise_seed, const std::vector<std::uint64_t>& patients) {
  return BatchMaker(encoder, standardiser, options, train, examples, patients).make(hide_seed, noise_seed);
}

TrainingBatch TrainingBatch::padded() const {
  TrainingBatch out = *this;
  if (known.empty()) return out;
  const std::int64_t rows = past.size(0);
  for (Tensor* t : {&out.past, &out.context, &out.observed, &out.last, &out.arrived, &out.arrived_mask, &out.subset, &out.visible,
                    &out.masked, &out.pass_weight, &out.noise, &out.shown_share, &out.last_side, &out.arrived_side}) {
    if (t->defined()) *t = with_rows(*t, rows + 1);
  }
  for (auto* payloads : {&out.known, &out.came, &out.shown}) {
    for (PayloadRows& p : *payloads) p = p.padded(rows);
  }
  return out;
}

}  // namespace lacuna::model
