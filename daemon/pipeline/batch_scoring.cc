#include <algorithm>
#include <cmath>
#include <deque>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/imputation.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

/// Randomness that depends on the input position and the configured seed alone: the same input gives the same output.
std::uint64_t position_seed(std::uint64_t seed, const SourcePosition& position) {
  return hash64(position.topic,
                mix64(seed ^ mix64(static_cast<std::uint64_t>(position.offset) ^ (static_cast<std::uint64_t>(position.partition) << 48))));
}

/// The scale that errors are told in: that of the version which predicted.
StandardScale scale_of(const Schema& schema, const model::ModelVersion& version, FeatureId feature) {
  const auto [mean, sd] = version.moments(feature);
  return {schema.features()[feature].likelihood, mean, sd};
}

std::optional<double> last_of(const FeatureState& known) { return known.count > 0 ? std::optional(known.last) : std::nullopt; }

/// Of a feature that is among them.
const FeatureValue& value_of(const std::vector<FeatureValue>& values, FeatureId feature) {
  return *std::find_if(values.begin(), values.end(), [feature](const FeatureValue& v) { return v.feature == feature; });
}

/// Apart from every other use of a position's seed.
constexpr std::uint64_t kHiddenSalt = 0x68696464656eULL, kEarlierSalt = 0x6561726c696572ULL;
/// A version from before what is alarmed is asked of every so many-th moment.
constexpr std::uint64_t kEarlierShare = 8;

}  // namespace

std::vector<std::optional<model::Prediction>> Batch::predict(const model::ModelVersion& version, std::span<const model::Query> queries) {
  std::vector<std::optional<model::Prediction>> out;
  out.reserve(queries.size());
  if (queries.empty()) return out;
  Result<std::vector<model::Prediction>> all = version.predict(queries);
  if (all.ok()) {
    for (model::Prediction& p : *all) out.emplace_back(std::move(p));
  } else if (queries.size() == 1) {
    out.emplace_back(std::nullopt);
  } else {
    out = predict(version, queries.first(queries.size() / 2));
    for (auto& p : predict(version, queries.subspan(queries.size() / 2))) out.push_back(std::move(p));
  }
  return out;
}

void Batch::score(const model::ModelVersion& version, StreamState& state, const model::ModelVersion* earlier) {
  state.newest = std::max(state.newest, newest_);
  const Schema& schema = *config_.schema;
  std::vector<model::Query> queries;
  std::vector<const Moment*> asked;
  for (const Moment& m : moments_) {
    if (m.before.event_count == 0) continue;  // nothing was known: that is how it is learned, and nothing that one imputation is like
    if (to_unit(hash64(m.before.patient_id, config_.model.seed)) >= config_.score_share) continue;
    model::Query query;
    query.snapshot = &m.before;
    query.time = m.time;
    // Of what the version is not informed nothing is published: a score would say how well nothing was said, intervals would be calibrated
    // for it, and detectors take it for what is usual. Payloads are learned from; what is scored are values.
    for (const FeatureValue& v : m.values) {
      if (informed(config_, version.learned_from(v.feature))) query.wanted.push_back(v.feature);
    }
    if (query.wanted.empty()) continue;
    query.seed = position_seed(config_.model.seed, records_[m.record].position);
    queries.push_back(std::move(query));
    asked.push_back(&m);
  }
  const std::vector<std::optional<model::Prediction>> predictions = predict(version, queries);
  const auto then = earlier != nullptr ? ask_earlier(*earlier, asked, queries, state) : std::vector<Earlier>(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Moment& m = *asked[i];
    if (!predictions[i]) {
      refuse(m.record, streaming::Refusal::poison, "score", "the model could not predict from this patient's state", false);
      continue;
    }
    for (std::size_t k = 0; k < queries[i].wanted.size(); ++k) {
      const FeatureId feature = queries[i].wanted[k];
      const FeatureValue& v = value_of(m.values, feature);
      const FeatureState& known = m.before.features[feature];
      const double u = to_unit(mix64(queries[i].seed + feature));
      const model::Score s =
          model::score_arrival(state.calibrator, scale_of(schema, version, feature), model::recency_of(schema, feature, known, m.time),
                               predictions[i]->predictive[k], {feature, v.value, last_of(known), u, v.comparator});
      state.scores.add(s);
      state.subgroups.add(m.before.patient_id, m.before.attributes, m.time, s);
      if (!is_discrete(schema.features()[feature].likelihood)) {
        // Against the model's own interval: the calibrated one adapts within tens of values, and would hide the shift that it
        // adapts to.
        const auto by_earlier = then[i].find(feature);
        state.monitor.observe(drift::Scored{m.before.patient_id, feature, m.time, s.z, !s.central, s.error_model, m.before.attributes,
                                            s.censored ? std::nullopt : std::optional(v.value),
                                            by_earlier != then[i].end() ? std::optional(by_earlier->second) : std::nullopt});
      }
    }
  }
  score_hidden(version, asked, state);
  // What is known of a patient by the end of the batch, and an outcome that came alone, hold for what was scored before as well.
  for (const auto& [patient, record] : changed_) {
    if (const Snapshot& s = snapshots_[patient]; s.event_count > 0) state.subgroups.place(patient, s.attributes);
  }
  for (const std::string& patient : forgetting_.patients()) state.subgroups.forget(patient);
  std::vector<const Snapshot*> due;
  for (const Moment& m : moments_) {
    if (m.before.event_count > 0 && state.monitor.code_due(m.before.patient_id, m.time)) due.push_back(&m.before);
  }
  state.reference.observe(version, state.monitor, due);
  examples_.reserve(moments_.size());
  for (Moment& m : moments_) {
    m.before.recent_ids.clear();
    examples_.push_back({std::move(m.before), m.time, std::move(m.values), std::move(m.payloads)});
  }
  moments_.clear();
  state::correct_examples(schema, ledger_.corrections(), examples_);  // what was learned from in this batch, and is corrected in it
}

std::vector<Batch::Earlier> Batch::ask_earlier(const model::ModelVersion& earlier, std::span<const Moment* const> asked,
                                               std::span<const model::Query> queries, const StreamState& state) {
  std::vector<Earlier> out(asked.size());
  std::vector<model::Query> some;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (mix64(queries[i].seed ^ kEarlierSalt) % kEarlierShare != 0) continue;
    model::Query query = queries[i];
    std::erase_if(query.wanted, [&](FeatureId f) {
      return !state.monitor.asks_earlier(f) || is_censored(value_of(asked[i]->values, f).comparator) ||
             !informed(config_, earlier.learned_from(f));
    });
    if (query.wanted.empty()) continue;
    some.push_back(std::move(query));
    of.push_back(i);
  }
  const std::vector<std::optional<model::Prediction>> predictions = predict(earlier, some);
  const double central = model::normal_quantile((1 + state.calibrator.level()) / 2);
  for (std::size_t q = 0; q < some.size(); ++q) {
    if (!predictions[q]) continue;
    for (std::size_t k = 0; k < some[q].wanted.size(); ++k) {
      const FeatureId feature = some[q].wanted[k];
      const double value = value_of(asked[of[q]]->values, feature).value;
      const model::Predictive& predictive = predictions[q]->predictive[k];
      const double z = predictive.normal_score(value, to_unit(mix64(some[q].seed + feature)));
      const double error = scale_of(*config_.schema, earlier, feature).distance(predictive.median(), value);
      out[of[q]][feature] = {z, error, std::abs(z) > central};
    }
  }
  return out;
}

// What was measured together is hidden together: it is together that they are missing in patients in whom nobody measures them. The
// first values of a stay are feedback too, but they come early in it, before the rest is known.
void Batch::score_hidden(const model::ModelVersion& version, std::span<const Moment* const> asked, StreamState& state) {
  const Schema& schema = *config_.schema;
  std::vector<model::Query> queries;
  std::vector<const Moment*> hidden;
  std::deque<Snapshot> masked;
  for (const Moment* m : asked) {
    const std::uint64_t seed = mix64(position_seed(config_.model.seed, records_[m->record].position) ^ kHiddenSalt);
    if (to_unit(seed) >= config_.hidden_share) continue;
    model::Query query;
    for (const FeatureValue& v : m->values) {
      if (m->before.features[v.feature].count > 0 && informed(config_, version.learned_from(v.feature))) query.wanted.push_back(v.feature);
    }
    if (query.wanted.empty()) continue;
    Snapshot& snapshot = masked.emplace_back(m->before);
    for (const FeatureId f : query.wanted) snapshot.features[f] = {};
    query.snapshot = &snapshot;
    query.time = m->time;
    query.seed = mix64(seed);
    queries.push_back(std::move(query));
    hidden.push_back(m);
  }
  const std::vector<std::optional<model::Prediction>> predictions = predict(version, queries);
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    if (!predictions[i]) continue;
    for (std::size_t k = 0; k < queries[i].wanted.size(); ++k) {
      const FeatureId feature = queries[i].wanted[k];
      const FeatureValue& v = value_of(hidden[i]->values, feature);
      const double u = to_unit(mix64(queries[i].seed + feature));
      state.scores.add_hidden(model::score_arrival(state.calibrator, scale_of(schema, version, feature), model::Recency::never_measured,
                                                   predictions[i]->predictive[k], {feature, v.value, {}, u, v.comparator}));
    }
  }
}

void Batch::impute(const model::ModelVersion& version, const model::Calibrator& calibrator) {
  std::vector<model::Query> queries;
  std::vector<std::pair<const Snapshot*, std::size_t>> known;
  for (const auto& [patient, record] : changed_) {
    const Snapshot& s = snapshots_[patient];
    if (s.event_count > 0) known.emplace_back(&s, record);  // of a person who was merged into another nothing is known
  }
  for (const auto& [snapshot, record] : known) {
    const Snapshot& s = *snapshot;
    queries.push_back({&s,
                       s.last_time,
                       features_to_impute(config_, s, s.last_time, version),
                       {},
                       position_seed(config_.model.seed, s.source),
                       payloads_to_impute(config_, s, s.last_time, version),
                       config_.imputation_explain});
    queries.back().latent = config_.imputation_latent;
  }
  const std::vector<std::optional<model::Prediction>> predictions = predict(version, queries);
  std::size_t i = 0;
  for (const auto& [snapshot, record] : known) {
    const Snapshot& s = *snapshot;
    if (predictions[i]) {
      imputations_.push_back(make_imputation(config_, s, s.last_time, *predictions[i], calibrator, version));
      counts_.imputed_values += imputations_.back().values.size();
    } else {
      refuse(record, streaming::Refusal::poison, "impute", "the model could not impute this patient's state", false);
    }
    ++i;
  }
  counts_.imputations = imputations_.size();
}

}  // namespace lacuna::daemon
