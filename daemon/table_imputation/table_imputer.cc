#include "daemon/table_imputation/table_imputer.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "model/predictive/recency.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kQueriesMax = 512;

}  // namespace

std::string_view to_string(CellReason reason) {
  switch (reason) {
    case CellReason::observed: return "observed";
    case CellReason::never_measured: return "never_measured";
    case CellReason::stale: return "stale";
    case CellReason::measured_before: return "measured_before";
    case CellReason::warming_up: return "warming_up";
  }
  return "";
}

/// A moment, and what is known of its patient then.
struct TableImputer::Asked {
  ImputedMoment* moment = nullptr;
  Snapshot now;
  std::shared_ptr<const Snapshot> after;
  std::vector<FeatureId> wanted;

  model::Query query() const {
    model::Query out{
        &now, moment->time, wanted, {}, hash64(now.patient_id, static_cast<std::uint64_t>(moment->time.time_since_epoch().count()))};
    out.after = after.get();
    return out;
  }
};

ImputedMoment TableImputer::look(std::size_t patient, const CourseMoment& moment) const {
  const Schema& schema = *config_.schema;
  ImputedMoment out{patient, moment.time, {}, {}};
  auto measured = moment.measured.begin();
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const model::Recency recency = model::recency_of(schema, f, moment.now.features[f], moment.time);
    const ModalityId modality = schema.features()[f].modality;
    if (recency == model::Recency::fresh && (out.based_on.empty() || out.based_on.back() != modality)) out.based_on.push_back(modality);
    ImputedCell cell;
    cell.feature = f;
    if (measured != moment.measured.end() && measured->feature == f) {
      cell.value = measured->value;
      cell.comparator = measured++->comparator;
    } else if (recency == model::Recency::fresh && !options_.fresh_too) {
      continue;
    } else if (version_.learned_from(f).observations < config_.observations_min) {
      cell.reason = CellReason::warming_up;
    } else {
      cell.reason = recency == model::Recency::never_measured ? CellReason::never_measured
                    : recency == model::Recency::stale        ? CellReason::stale
                                                              : CellReason::measured_before;
    }
    out.cells.push_back(std::move(cell));
  }
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    if (schema.modalities()[m].kind == ModalityKind::tabular) continue;
    if (model::payload_recency_of(schema, moment.now, m, moment.time) == model::Recency::fresh) out.based_on.push_back(m);
  }
  std::ranges::sort(out.based_on);
  return out;
}

Status TableImputer::predict(std::span<Asked> asked) const {
  std::vector<model::Query> queries;
  for (const Asked& a : asked) queries.push_back(a.query());
  auto said = version_.predict(queries);
  if (!said.ok()) return said.status();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::size_t k = 0;
    for (ImputedCell& cell : asked[i].moment->cells) {
      if (!cell.imputed()) continue;
      const model::Predictive& p = (*said)[i].predictive[k++];
      const Feature& feature = config_.schema->features()[cell.feature];
      const model::Recency recency =
          model::recency_of(*config_.schema, cell.feature, asked[i].now.features[cell.feature], asked[i].moment->time);
      const model::Interval interval = calibrator_.interval(cell.feature, recency, p);
      // A mixture's tail can pass what the schema calls plausible; what is told does not.
      cell.mean = std::clamp(p.mean(), feature.low, feature.high);
      cell.median = std::clamp(p.median(), feature.low, feature.high);
      cell.low = interval.low;
      cell.high = interval.high;
      cell.probabilities = p.class_probabilities;
    }
  }
  return {};
}

Status TableImputer::draw(std::span<Asked> asked) const {
  std::vector<model::SampleQuery> queries;
  for (const Asked& a : asked) {
    model::SampleQuery query{a.query(), options_.draws, {}};
    query.query.seed = mix64(query.query.seed ^ config_.model.seed);
    queries.push_back(std::move(query));
  }
  auto drawn = version_.sample(queries);
  if (!drawn.ok()) return drawn.status();
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::size_t k = 0;
    for (ImputedCell& cell : asked[i].moment->cells) {
      if (!cell.imputed()) continue;
      for (std::size_t n = 0; n < options_.draws; ++n) cell.draws.push_back((*drawn)[i].at(n, k));
      ++k;
    }
  }
  return {};
}

Result<std::vector<ImputedMoment>> TableImputer::impute(std::span<const MomentPlace> places) const {
  std::vector<ImputedMoment> out(places.size());
  std::map<std::size_t, std::multimap<std::size_t, std::size_t>> wanted;  // by patient: moment -> place in `out`
  for (std::size_t i = 0; i < places.size(); ++i) wanted[places[i].patient].emplace(places[i].moment, i);
  std::vector<Asked> asked;
  const auto flush = [&]() -> Status {
    LACUNA_RETURN_IF_ERROR(predict(asked));
    if (options_.draws > 0) LACUNA_RETURN_IF_ERROR(draw(asked));
    asked.clear();
    return {};
  };
  for (const auto& [patient, moments] : wanted) {
    follow_course(*config_.schema, table_.patients[patient], {}, options_.both_sides, [&](const CourseMoment& moment) {
      const auto [from, to] = moments.equal_range(moment.number);
      for (auto at = from; at != to; ++at) {
        out[at->second] = look(patient, moment);
        Asked of{&out[at->second], moment.now, moment.after, {}};
        for (const ImputedCell& cell : of.moment->cells) {
          if (cell.imputed()) of.wanted.push_back(cell.feature);
        }
        if (!of.wanted.empty()) asked.push_back(std::move(of));
      }
    });
    if (asked.size() >= kQueriesMax) LACUNA_RETURN_IF_ERROR(flush());
  }
  LACUNA_RETURN_IF_ERROR(flush());
  return out;
}

}  // namespace lacuna::daemon
