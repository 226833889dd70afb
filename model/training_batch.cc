#include "model/training_batch.h"

#include <algorithm>
#include <cmath>

#include "state/records/counter_random.h"
#include "state/records/hash.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// Share of the examples in which nothing is hidden: what is predicted next is predicted from all there is.
constexpr double kWholeShare = 0.25;
/// Share in which everything is hidden, in half of them the attributes too, so that the prior too is a patient of the population.
constexpr double kBlankShare = 0.03;
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
  std::vector<bool> measured;              ///< has something
  std::vector<bool> left;                  ///< has something left when its values were masked: else it has nothing to say
  std::vector<std::vector<bool>> passes;   ///< which of the measured ones each pass is to see
};

}  // namespace

TrainingBatch make_training_batch(const RowEncoder& encoder, const Standardiser& standardiser, const ModelOptions& options,
                                  const TrainOptions& train, const std::vector<const Example*>& examples, std::uint64_t hide_seed,
                                  std::uint64_t noise_seed) {
  const InputLayout& l = encoder.layout();
  const auto rows = static_cast<std::int64_t>(examples.size());
  const auto features = static_cast<std::size_t>(l.features);
  TrainingBatch b;
  b.past = torch::empty({rows, l.features, l.past});
  b.context = torch::empty({rows, l.context});
  b.observed = torch::empty({rows, l.features});
  b.last = torch::empty({rows, l.features});
  b.arrived = torch::zeros({rows, l.features});
  b.arrived_mask = torch::zeros({rows, l.features});
  Tensor unmasked = torch::zeros({rows, l.features}), masked = torch::zeros({rows, l.features});
  std::vector<Drawn> drawn(examples.size());
  const Subsets subsets(options, train);
  std::vector<double> mask_share(examples.size());
  std::size_t passes = 1;
  for (std::int64_t i = 0; i < rows; ++i) {
    const Example& example = *examples[static_cast<std::size_t>(i)];
    CounterRandom random(hide_seed + static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ULL);
    const auto past = row_of(b.past, i), observed = row_of(b.observed, i), unmasked_here = row_of(unmasked, i), masked_here = row_of(masked, i);
    encoder.encode(standardiser, example.before, example.after.get(), example.time,
                   {past, observed, row_of(b.last, i), row_of(b.context, i)});
    const double kept_as_is = random.unit();
    const bool whole = kept_as_is < kWholeShare && options.fusion != Fusion::moe;
    const bool blank = kept_as_is >= 1 - kBlankShare;
    if (blank && random.unit() < 0.5) std::fill(row_of(b.context, i).begin(), row_of(b.context, i).end(), 0.0F);
    auto& [measured, left, passes_of] = drawn[static_cast<std::size_t>(i)];
    measured.resize(static_cast<std::size_t>(l.modalities));
    left.resize(static_cast<std::size_t>(l.modalities));
    for (std::size_t f = 0; f < features; ++f) {
      if (l.known(past, f)) measured[l.modality_of[f]] = true;
    }
    for (const PayloadSlot& slot : l.payloads) {
      const auto& modalities = example.before.modalities;
      if (slot.modality < modalities.size() && modalities[slot.modality].payload) measured[slot.modality] = true;
    }
    const double share = train.hide_values_min + random.unit() * (train.hide_values_max - train.hide_values_min);
    mask_share[static_cast<std::size_t>(i)] = whole ? 0 : share;
    for (const PayloadSlot& slot : l.payloads) left[slot.modality] = measured[slot.modality] && !blank;
    for (std::size_t f = 0; f < features; ++f) {
      const bool hide = (random.unit() < share && !whole) || blank;
      masked_here[f] = hide ? 1.0F : 0.0F;
      if (l.known(past, f) && !hide) {
        unmasked_here[f] = 1.0F;
        left[l.modality_of[f]] = true;
      } else {
        std::fill_n(past.begin() + static_cast<std::ptrdiff_t>(f) * l.past, l.past, 0.0F);
      }
    }
    passes_of = subsets.draw(measured, whole, random);
    passes = std::max(passes, passes_of.size());
    const auto arrived = row_of(b.arrived, i), mask = row_of(b.arrived_mask, i);
    for (const FeatureValue& v : example.arrived) {
      arrived[v.feature] = encoder.target(standardiser, v.feature, v.value);
      mask[v.feature] = 1.0F;
    }
  }

  const auto s = static_cast<std::int64_t>(passes);
  b.subset = torch::zeros({rows, s, l.modalities});
  b.visible = torch::zeros({rows, s, l.features});
  b.masked = torch::zeros({rows, s, l.features});
  b.pass_weight = torch::zeros({rows, s});
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto& [measured, left, passes_of] = drawn[static_cast<std::size_t>(i)];
    const auto subset = row_of(b.subset, i), visible = row_of(b.visible, i), unmasked_here = row_of(unmasked, i), masked_here = row_of(masked, i), masked_in = row_of(b.masked, i);
    for (std::size_t p = 0; p < passes_of.size(); ++p) {
      const std::vector<bool>& kept = passes_of[p];
      row_of(b.pass_weight, i)[p] = 1.0F / static_cast<float>(passes_of.size());
      for (std::size_t m = 0; m < kept.size(); ++m) subset[p * kept.size() + m] = kept[m] && left[m] ? 1.0F : 0.0F;
      for (std::size_t f = 0; f < features; ++f) {
        const ModalityId m = l.modality_of[f];
        visible[p * features + f] = kept[m] ? unmasked_here[f] : 0.0F;
        masked_in[p * features + f] = measured[m] && !kept[m] ? 1.0F : masked_here[f];
      }
    }
  }
  b.noise = torch::empty({rows, s, options.latent_dim});
  CounterRandom(noise_seed).normals({b.noise.data_ptr<float>(), static_cast<std::size_t>(b.noise.numel())});

  b.shown_share = torch::empty({rows});
  for (std::int64_t i = 0; i < rows; ++i) row_of(b.shown_share, i)[0] = static_cast<float>(1 - mask_share[static_cast<std::size_t>(i)]);
  std::vector<const Snapshot*> snapshots;
  std::vector<Time> times;
  for (const Example* example : examples) {
    snapshots.push_back(&example->before);
    times.push_back(example->time);
  }
  for (std::size_t slot = 0; slot < l.payloads.size(); ++slot) {
    const PayloadStatistics& statistics = standardiser.payload(slot);
    b.known.push_back(make_payload_rows(statistics, newest_payloads(l.payloads[slot].modality, snapshots, times)));
    b.shown.push_back(masked_rows(b.known.back(), l.payloads[slot].kind, mask_share, mix64(hide_seed + slot + 1)));
    std::vector<PayloadOf> came;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      for (const PayloadValue& v : examples[i]->arrived_payloads) {
        if (v.modality == l.payloads[slot].modality) came.push_back({static_cast<std::int64_t>(i), &*v.payload, 0});
      }
    }
    b.came.push_back(make_payload_rows(statistics, came));
  }
  b.count_mean = torch::tensor(standardiser.means());
  return b;
}

TrainingBatch TrainingBatch::padded() const {
  TrainingBatch out = *this;
  if (known.empty()) return out;
  const std::int64_t rows = past.size(0);
  for (Tensor* t : {&out.past, &out.context, &out.observed, &out.last, &out.arrived, &out.arrived_mask, &out.subset, &out.visible, &out.masked,
                    &out.pass_weight, &out.noise, &out.shown_share}) {
    *t = with_rows(*t, rows + 1);
  }
  for (auto* payloads : {&out.known, &out.came, &out.shown}) {
    for (PayloadRows& p : *payloads) p = p.padded(rows);
  }
  return out;
}

}  // namespace lacuna::model
