#include "daemon/generation/latent_states.h"

#include <fmt/ostream.h>

#include <string>
#include <utility>

#include "daemon/generation/output.h"

namespace lacuna::daemon {

namespace {

/// Asked at once; bounds what is held.
constexpr std::size_t kPatientsMax = 256;

void write_header(std::ostream& out, std::size_t dimensions) {
  out << "patient_id,time,model_version";
  for (const char* const name : {"mean", "sd"}) {
    for (std::size_t i = 0; i < dimensions; ++i) fmt::print(out, ",{}_{}", name, i);
  }
  out << '\n';
}

}  // namespace

Status LatentRows::add(Snapshot patient) {
  if (patient.event_count == 0) return {};
  held_.push_back(std::move(patient));
  return held_.size() < kPatientsMax ? Status() : write();
}

Status LatentRows::finish() { return write(); }

Status LatentRows::write() {
  std::vector<model::Query> queries;
  for (const Snapshot& s : held_) {
    queries.push_back({&s, s.last_time, {}, {}, 0});
    queries.back().latent = true;
  }
  if (queries.empty()) return {};
  const auto predictions = version_.predict(queries);
  if (!predictions.ok()) return predictions.status();
  for (std::size_t i = 0; i < held_.size(); ++i) {
    const LatentState& state = (*predictions)[i].latent.value();
    if (rows_++ == 0) write_header(out_, state.mean.size());
    fmt::print(out_, "{},{},{}", csv_field(held_[i].patient_id), format_rfc3339(held_[i].last_time), version_.id());
    for (const auto* numbers : {&state.mean, &state.sd}) {
      for (const float number : *numbers) fmt::print(out_, ",{:.6g}", number);
    }
    out_ << '\n';
  }
  held_.clear();
  return {};
}

}  // namespace lacuna::daemon
