#include "model/encoding.h"

#include <algorithm>
#include <cmath>

#include "model/predictive/truncated_normal.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::model {

namespace {

double clamp_input(double value) { return std::clamp(value, -kInputClamp, kInputClamp); }

/// A summary of a feature's past as a difference to its last value. One that lies further out than any value may was drawn there by one
/// that is none, and says nothing for as long as that is remembered.
float beside_last(float summary, float last) { return std::abs(summary) < static_cast<float>(kInputClamp) ? summary - last : 0.0F; }

/// Every class that stays has the number that it had.
bool same_numbers(const CarriedField& field) {
  for (std::uint32_t c = 0; c < field.classes.size(); ++c) {
    if (field.classes[c] && *field.classes[c] != c) return false;
  }
  return true;
}

Tails tails_of(Likelihood likelihood) {
  return is_discrete(likelihood) ? Tails::whole : likelihood == Likelihood::negative_binomial ? Tails::counts : Tails::reached;
}

}  // namespace

Standardiser::Standardiser(const Schema& schema) {
  for (const Feature& feature : schema.features()) {
    likelihoods_.push_back(feature.likelihood);
    features_.emplace_back(tails_of(feature.likelihood));
  }
  for (const Attribute& attribute : schema.attributes()) {
    attributes_.emplace_back(attribute.categories.empty() ? Tails::reached : Tails::whole);
  }
  for (const Modality& modality : schema.modalities()) {
    std::optional<std::size_t>& slot = slot_of_.emplace_back();
    if (modality.kind == ModalityKind::tabular) continue;
    slot = payloads_.size();
    payloads_.emplace_back(modality.kind, modality.payload);
  }
}

void Standardiser::forget(std::uint64_t patient) {
  for (auto* all : {&features_, &attributes_}) {
    for (RobustMoments& m : *all) m.forget(patient);
  }
  for (PayloadStatistics& p : payloads_) p.forget(patient);
}

void Standardiser::observe(const Example& example, std::uint64_t patient) {
  const Snapshot& before = example.before;
  for (const FeatureValue& v : example.arrived) {
    const FeatureState known = v.feature < before.features.size() ? before.features[v.feature] : FeatureState();
    RobustMoments& moments = features_[v.feature];
    double value = to_scale(likelihoods_[v.feature], v.value), within = 0;
    if (is_censored(v.comparator) && moments.seen()) {
      // As expectation maximisation has it: the mean and the variance of what lies there, by the moments so far.
      const double sd = moments.sd();
      const TruncatedNormal there = truncated_normal((value - moments.mean()) / sd, v.comparator);
      value = moments.mean() + sd * there.mean;
      within = sd * sd * there.variance;
    }
    moments.add(value, within, patient_weight(known.count, example.time - known.time), patient);
  }
  for (const PayloadValue& v : example.arrived_payloads) {
    const ModalityState known = v.modality < before.modalities.size() ? before.modalities[v.modality] : ModalityState();
    payloads_[slot_of_[v.modality].value()].observe(*v.payload, patient_weight(known.count, example.time - known.last_time), patient);
  }
  for (std::size_t a = 0; a < std::min(before.attributes.size(), attributes_.size()); ++a) {
    if (!before.attributes[a]) continue;
    attributes_[a].add(*before.attributes[a], 0, patient_weight(before.event_count, example.time - before.last_time), patient);
  }
}

std::vector<float> Standardiser::means() const {
  std::vector<float> out;
  for (const RobustMoments& m : features_) out.push_back(static_cast<float>(m.mean()));
  return out;
}

void Standardiser::save(ByteWriter& out) const {
  for (const auto* all : {&features_, &attributes_}) {
    out.put<std::uint32_t>(static_cast<std::uint32_t>(all->size()));
    for (const RobustMoments& m : *all) m.save(out);
  }
  for (const PayloadStatistics& p : payloads_) p.save(out);
}

bool Standardiser::load(ByteReader& in) {
  auto features = features_;
  auto attributes = attributes_;
  for (auto* all : {&features, &attributes}) {
    if (in.get<std::uint32_t>() != all->size()) return false;
    for (RobustMoments& m : *all) m.load(in);
  }
  auto payloads = payloads_;
  for (PayloadStatistics& p : payloads) {
    if (!p.load(in)) return false;
  }
  if (!in.ok()) return false;
  payloads_ = std::move(payloads);
  features_ = std::move(features);
  attributes_ = std::move(attributes);
  return true;
}

void Standardiser::save_start(ByteWriter& out) const {
  for (const auto* all : {&features_, &attributes_}) {
    for (const RobustMoments& m : *all) m.save_start(out);
  }
  for (const PayloadStatistics& p : payloads_) p.save_start(out);
}

void Standardiser::load_start(ByteReader& in) {
  for (auto* all : {&features_, &attributes_}) {
    for (RobustMoments& m : *all) m.load_start(in);
  }
  for (PayloadStatistics& p : payloads_) p.load_start(in);
}

void Standardiser::carry(const Standardiser& before, const SchemaMapping& mapping) {
  const auto take = [](std::vector<RobustMoments>& here, const std::vector<RobustMoments>& there,
                       const std::vector<std::optional<CarriedField>>& fields) {
    for (std::size_t i = 0; i < here.size(); ++i) {
      if (fields[i] && same_numbers(*fields[i])) here[i] = there[fields[i]->from];
    }
  };
  take(features_, before.features_, mapping.features());
  take(attributes_, before.attributes_, mapping.attributes());
  for (std::size_t m = 0; m < slot_of_.size(); ++m) {
    if (slot_of_[m] && mapping.modalities()[m])
      payloads_[*slot_of_[m]] = before.payloads_[before.slot_of_[*mapping.modalities()[m]].value()];
  }
}

InputLayout::InputLayout(const Schema& schema, bool two_sided, std::int64_t of_past)
    : features(static_cast<std::int64_t>(schema.feature_count())),
      modalities(static_cast<std::int64_t>(schema.modality_count())),
      columns(of_past) {
  for (const Feature& feature : schema.features()) {
    modality_of.push_back(feature.modality);
    likelihoods.push_back(feature.likelihood);
    const bool classes = has_categories(feature.likelihood);
    low.push_back(feature.low);
    high.push_back(feature.high);
    category_counts.push_back(classes ? static_cast<std::int64_t>(feature.categories.size()) : 0);
    categories = std::max(categories, category_counts.back());
  }
  side = columns + categories;
  past = two_sided ? 2 * side : side;
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    if (modality.kind != ModalityKind::tabular) payloads.push_back({m, modality.name, modality.kind, modality.payload});
  }
  context = 2;
  for (const Attribute& attribute : schema.attributes()) {
    context += attribute.categories.empty() ? 2 : static_cast<std::int64_t>(attribute.categories.size());
  }
}

bool InputLayout::known(std::span<const float> row_past, std::size_t feature) const {
  const std::size_t at = feature * static_cast<std::size_t>(past);
  return row_past[at + kMask] > 0 || (past > side && row_past[at + static_cast<std::size_t>(side) + kMask] > 0);
}

RowEncoder::RowEncoder(const Schema& schema, bool two_sided) : layout_(schema, two_sided) {
  for (const Attribute& attribute : schema.attributes()) {
    attribute_categories_.push_back(static_cast<std::int64_t>(attribute.categories.size()));
    outcomes_.push_back(attribute.outcome);
  }
}

float RowEncoder::input(const Standardiser& standardiser, FeatureId feature, double scale_value) const {
  const double mean = standardiser.mean(feature);
  if (layout_.likelihoods[feature] == Likelihood::negative_binomial) {
    // Counts act by ratio: the decoder multiplies the population's mean by the exponential of what it adds
    // up.
    const double ratio = (std::max(scale_value, 0.0) + 0.5) / (std::max(mean, 0.0) + 0.5);
    return static_cast<float>(clamp_input(std::log(ratio)));
  }
  return static_cast<float>(clamp_input((scale_value - mean) / standardiser.sd(feature)));
}

float RowEncoder::censored_input(const Standardiser& standardiser, FeatureId feature, double scale_value, Comparator comparator) const {
  if (layout_.likelihoods[feature] == Likelihood::negative_binomial) {
    return input(standardiser, feature, is_below(comparator) ? scale_value / 2 : scale_value);
  }
  const double z = (scale_value - standardiser.mean(feature)) / standardiser.sd(feature);
  return static_cast<float>(clamp_input(truncated_normal(clamp_input(z), comparator).mean));
}

float RowEncoder::target(const Standardiser& standardiser, FeatureId feature, double value, Comparator comparator) const {
  const Likelihood likelihood = layout_.likelihoods[feature];
  if (likelihood == Likelihood::normal || likelihood == Likelihood::log_normal || likelihood == Likelihood::student_t) {
    const double z = (to_scale(likelihood, value) - standardiser.mean(feature)) / standardiser.sd(feature);
    return static_cast<float>(std::clamp(z, -kTargetClamp, kTargetClamp));
  }
  if (likelihood == Likelihood::negative_binomial) {
    if (comparator == Comparator::less) value = std::max(value - 1, 0.0);
    if (comparator == Comparator::greater) value += 1;
    return static_cast<float>(std::min(value, (std::max(standardiser.mean(feature), 0.0) + 0.5) * std::exp(kCountClamp)));
  }
  return static_cast<float>(value);
}

/// `state` with a count of at least 1, before `time` or after it.
void RowEncoder::encode_side(const Standardiser& standardiser, const FeatureState& state, FeatureId f, Time time, float* side) const {
  const Likelihood likelihood = layout_.likelihoods[f];
  const double scale_last = to_scale(likelihood, state.last);
  const float last =
      is_censored(state.comparator) ? censored_input(standardiser, f, scale_last, state.comparator) : input(standardiser, f, scale_last);
  const double age = std::clamp(std::abs(hours_between(state.time, time)), 0.0, kAgeHoursMax);
  side[kMask] = 1.0F;
  side[kLast] = last;
  side[kAge] = static_cast<float>(std::log1p(age) * 0.5);
  side[kFreshness] = static_cast<float>(std::exp(-age));
  if (!state.unmeasured) {
    side[kMeanShort] = beside_last(input(standardiser, f, state.mean_short), last);
    side[kMeanLong] = beside_last(input(standardiser, f, state.mean_long), last);
    side[kPrevious] = beside_last(input(standardiser, f, state.previous), last);
  }
  const double slope = state.slope / standardiser.sd(f);
  side[kSlope] = std::abs(slope) < kInputClamp ? static_cast<float>(slope) : 0.0F;
  side[kCount] = static_cast<float>(std::log1p(static_cast<double>(state.count)) * 0.4);
  side[kFreshness3] = static_cast<float>(std::exp(-age / 3));
  side[kFreshness10] = static_cast<float>(std::exp(-age / 10));
  side[kFreshness30] = static_cast<float>(std::exp(-age / 30));
  if (layout_.category_counts[f] > 0) {
    const auto index = static_cast<std::int64_t>(state.last);
    if (index >= 0 && index < layout_.categories) side[kPastColumns + index] = 1.0F;
  }
}

bool RowEncoder::encode(const Standardiser& standardiser, const Snapshot& snapshot, const Snapshot* after, Time time,
                        const RowSpans& row) const {
  bool censored = false;
  std::fill(row.past.begin(), row.past.end(), 0.0F);
  std::fill(row.context.begin(), row.context.end(), 0.0F);
  const bool two_sided = layout_.past > layout_.side && after != nullptr;
  for (FeatureId f = 0; f < static_cast<FeatureId>(layout_.features); ++f) {
    const bool known = f < snapshot.features.size() && snapshot.features[f].count > 0;
    row.observed[f] = known ? 1.0F : 0.0F;
    const Comparator comparator = known ? snapshot.features[f].comparator : Comparator::equal;
    row.last[f] = known ? target(standardiser, f, snapshot.features[f].last, comparator) : 0.0F;
    if (!row.side.empty()) row.side[f] = static_cast<float>(side_of(comparator));
    censored = censored || is_censored(comparator);
    float* past = row.past.data() + static_cast<std::int64_t>(f) * layout_.past;
    if (known) encode_side(standardiser, snapshot.features[f], f, time, past);
    if (two_sided && f < after->features.size() && after->features[f].count > 0) {
      encode_side(standardiser, after->features[f], f, time, past + layout_.side);
    }
  }
  if (snapshot.event_count > 0) {
    const double stay = std::clamp(hours_between(snapshot.first_time, time), 0.0, kAgeHoursMax);
    row.context[0] = static_cast<float>(std::log1p(stay) * 0.4);
    row.context[1] = static_cast<float>(std::exp(-stay / 12.0));
  }
  std::size_t at = 2;
  for (std::size_t a = 0; a < attribute_categories_.size(); ++a) {
    const std::int64_t classes = attribute_categories_[a];
    const bool known = !outcomes_[a] && a < snapshot.attributes.size() && snapshot.attributes[a].has_value();
    if (classes > 0) {
      const auto index = known ? static_cast<std::int64_t>(*snapshot.attributes[a]) : -1;
      if (index >= 0 && index < classes) row.context[at + static_cast<std::size_t>(index)] = 1.0F;
      at += static_cast<std::size_t>(classes);
    } else {
      if (known) {
        const double z = (*snapshot.attributes[a] - standardiser.attribute_mean(a)) / standardiser.attribute_sd(a);
        row.context[at] = 1.0F;
        row.context[at + 1] = static_cast<float>(clamp_input(z));
      }
      at += 2;
    }
  }
  return censored;
}

}  // namespace lacuna::model
