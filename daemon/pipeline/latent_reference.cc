#include "daemon/pipeline/latent_reference.h"

#include <spdlog/spdlog.h>

#include <charconv>

#include "state/stored_records.h"

namespace lacuna::daemon {

namespace {

constexpr const char* kMeta = "latent_reference";
std::string piece(std::size_t index) { return std::string(kMeta) + "/" + std::to_string(index); }

std::vector<model::Query> queries_of(const std::vector<const Snapshot*>& snapshots) {
  std::vector<model::Query> queries;
  for (const Snapshot* s : snapshots) queries.push_back({s, s->last_time, {}, {}, 0});
  return queries;
}

}  // namespace

void LatentReference::observe(const model::ModelVersion& version, drift::Monitor& monitor, std::vector<const Snapshot*> due) {
  // Until something was learned codes mean nothing.
  if (due.empty() || version.steps() == 0) return;
  if (monitor.gathers_reference()) {
    if (snapshots_.size() >= drift::Monitor::kReference) {  // the operator accepted: it is gathered anew
      snapshots_.clear();
      saved_ = 0;
    }
    encoded_by_.clear();
    for (const Snapshot* s : due) {
      if (!monitor.gathers_reference() || snapshots_.size() >= drift::Monitor::kReference) break;
      Snapshot& kept = snapshots_.emplace_back(*s);
      kept.patient_id = "reference";
      kept.recent_ids.clear();
      monitor.observe_reference(kept.last_time);
      changed_ = true;
    }
    return;
  }
  if (snapshots_.size() < drift::Monitor::kReference) {  // lost with the disk: detectors came back from the log, these did not
    monitor.gather_reference();
    return;
  }
  if (encoded_by_ != version.id()) {
    std::vector<const Snapshot*> all;
    for (const Snapshot& s : snapshots_) all.push_back(&s);
    const auto codes = version.codes(queries_of(all));
    if (!codes.ok()) {
      spdlog::warn("the reference of the latent codes cannot be encoded: {}", codes.status().message());
      return;
    }
    monitor.set_reference(*codes);
    encoded_by_ = version.id();
  }
  const auto codes = version.codes(queries_of(due));
  if (!codes.ok()) return;  // scoring meets the same failure, and names the record
  for (std::size_t i = 0; i < due.size(); ++i) monitor.observe_code(due[i]->patient_id, (*codes)[i], due[i]->last_time);
}

std::map<std::string, std::string> LatentReference::save_new(const Schema& schema) {
  if (!std::exchange(changed_, false)) return {};
  std::map<std::string, std::string> out{{kMeta, std::to_string(snapshots_.size())}};
  for (; saved_ < snapshots_.size(); ++saved_) out[piece(saved_)] = state::encode_snapshot(schema, snapshots_[saved_]);
  return out;
}

Status LatentReference::load(const state::Store& store) {
  *this = {};
  const Result<state::StoredMeta> stored = store.meta(kMeta);
  if (stored.code() == Code::not_found) return {};
  if (!stored.ok()) return stored.status();
  const std::string& count = stored->content;
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), size);
  if (error != std::errc() || end != count.data() + count.size() || size > drift::Monitor::kReference) {
    return {Code::corrupt, "latent reference: not a number of patients"};
  }
  std::vector<Snapshot> read;
  for (std::size_t i = 0; i < size; ++i) {
    const Result<state::StoredMeta> bytes = store.meta(piece(i));
    if (bytes.code() == Code::not_found) return {Code::corrupt, "latent reference: a patient is not there"};
    if (!bytes.ok()) return bytes.status();
    Result<Snapshot> snapshot = state::decode_snapshot(store.schemas(), bytes->content);
    if (!snapshot.ok()) return {snapshot.code(), "latent reference: " + snapshot.status().message()};
    read.push_back(std::move(*snapshot));
  }
  snapshots_ = std::move(read);
  saved_ = snapshots_.size();
  return {};
}

void LatentReference::begin_afresh() {
  *this = {};
  changed_ = true;
}

}  // namespace lacuna::daemon
