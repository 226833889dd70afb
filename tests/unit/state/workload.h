#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "state/patient.h"
#include "state/store.h"
#include "tests/support/scratch_folder.h"

// What the tests of this folder share: a schema, random records, a deterministic stream of batches, a scratch folder.

namespace lacuna::state::testing {

inline Schema test_schema(int features_per_modality = 3, int modalities = 3) {
  std::vector<Schema::ModalitySpec> specs;
  constexpr Likelihood kKinds[] = {Likelihood::normal, Likelihood::log_normal, Likelihood::negative_binomial};
  for (int m = 0; m < modalities; ++m) {
    Schema::ModalitySpec spec;
    spec.modality.name.append("m").append(std::to_string(m));
    for (int f = 0; f < features_per_modality; ++f) {
      Feature feature;
      feature.name.append("f").append(std::to_string(f));
      feature.likelihood = kKinds[f % 3];
      spec.features.push_back(feature);
    }
    specs.push_back(std::move(spec));
  }
  Attribute age, sex;
  age.name = "age";
  sex.name = "sex";
  sex.categories = {"female", "male"};
  Result<Schema> made = Schema::make(std::move(specs), {age, sex});
  if (!made.ok()) throw std::logic_error(made.status().to_string());
  return std::move(made).value();
}

/// One modality of every kind beside a tabular one.
inline Schema payload_schema() {
  std::vector<Schema::ModalitySpec> specs(5);
  constexpr const char* kNames[] = {"vitals", "film", "report", "ecg", "codes"};
  constexpr ModalityKind kKinds[] = {ModalityKind::tabular, ModalityKind::image, ModalityKind::text, ModalityKind::signal,
                                     ModalityKind::embedding};
  for (std::size_t m = 0; m < specs.size(); ++m) {
    Modality& modality = specs[m].modality;
    modality.name = kNames[m];
    modality.kind = kKinds[m];
    modality.payload.channels = modality.kind == ModalityKind::tabular ? 1 : 2;
    modality.payload.height = 2;
    modality.payload.width = 3;
    modality.payload.length = 4;
  }
  specs[0].features.resize(2);
  specs[0].features[0].name = "f0";
  specs[0].features[1].name = "f1";
  Result<Schema> made = Schema::make(std::move(specs), {});
  if (!made.ok()) throw std::logic_error(made.status().to_string());
  return std::move(made).value();
}

inline Time at_minutes(std::int64_t minutes) { return Time(Millis(1'767'225'600'000 + minutes * 60'000)); }

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  double real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
  bool chance(double p) { return real(0, 1) < p; }

 private:
  std::mt19937_64 engine_;
};

/// Of one value in ten.
inline Comparator random_comparator(Random& random) {
  return random.chance(0.1) ? static_cast<Comparator>(1 + random.below(4)) : Comparator::equal;
}

inline PayloadRef random_payload(const Modality& modality, Random& random) {
  Payload payload;
  if (modality.kind == ModalityKind::text) {
    constexpr const char* kTexts[] = {"no acute disease", "Pleuraerguss links", "\xe8\x82\xba\xe7\x82\x8e"};
    payload.text = kTexts[random.below(3)] + std::to_string(random.below(1000));
    return PayloadRef(std::move(payload));
  }
  for (std::size_t i = modality.payload.value_count(modality.kind); i > 0; --i) {
    payload.values.push_back(static_cast<float>(random.real(-1e6, 1e6)));
  }
  if (random.chance(0.5)) {
    payload.observed.assign(payload.values.size(), 1);
    for (std::size_t i = 1; i < payload.values.size(); ++i) {
      if (!random.chance(0.3)) continue;
      payload.observed[i] = 0;
      payload.values[i] = 0;
    }
  }
  return PayloadRef(std::move(payload));
}

inline Event random_event(const Schema& schema, Random& random, std::string patient, Time time) {
  Event event;
  event.event_id = patient + "-" + std::to_string(random.below(1'000'000'000'000));
  event.patient_id = std::move(patient);
  event.site = random.chance(0.3) ? "" : "icu-" + std::to_string(random.below(4));
  event.time = time;
  if (random.chance(0.1) && !schema.attributes().empty()) {
    event.attributes.push_back({static_cast<std::uint32_t>(random.below(schema.attributes().size())), random.real(0, 90)});
    return event;
  }
  event.modality = static_cast<ModalityId>(random.below(schema.modality_count()));
  const Modality& modality = schema.modalities()[event.modality];
  if (modality.kind != ModalityKind::tabular) event.payload = random_payload(modality, random);
  for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
    if (random.chance(0.6)) event.values.push_back({f, random.real(0, 200), random_comparator(random)});
  }
  return event;
}

inline Snapshot random_snapshot(const Schema& schema, Random& random, int events) {
  Snapshot snapshot = new_snapshot(schema, "p" + std::to_string(random.below(1'000'000)));
  for (int i = 0; i < events; ++i) {
    const Time time = at_minutes(static_cast<std::int64_t>(random.below(5000)));
    const Event event = random_event(schema, random, snapshot.patient_id, time);
    apply(schema, snapshot, event, {"lacuna.events", 3, i}, Millis::max());
  }
  return snapshot;
}

/// A stream of batches that depends on its seed alone: patients of several sites come, change and are learned from.
class Workload {
 public:
  Workload(const Schema& schema, std::uint64_t seed, int patients, int events_per_batch)
      : schema_(schema), random_(seed), patients_(patients), events_per_batch_(events_per_batch) {}

  StateChange next() {
    StateChange change;
    std::map<std::string, Snapshot> changed;
    for (int i = 0; i < events_per_batch_; ++i, ++offset_) {
      // Patients come one after the other, so that new strata and new patients turn up all along.
      const auto reach = static_cast<std::uint64_t>(std::min<std::int64_t>(patients_, 2 + offset_ / 3));
      const std::string patient = "patient-" + std::to_string(random_.below(reach));
      Snapshot& now = known_.try_emplace(patient, new_snapshot(schema_, patient)).first->second;
      const Event event = random_event(schema_, random_, patient, at_minutes(offset_));
      Example example{now, event.time, event.values};
      if (event.payload) example.arrived_payloads.push_back({event.modality, event.payload});
      example.before.recent_ids.clear();
      example.before.source = {};
      if (!event.values.empty() || event.payload) change.examples.push_back(std::move(example));
      apply(schema_, now, event, {"lacuna.events", 0, offset_}, Millis::max());
      changed[patient] = now;
    }
    for (auto& [id, snapshot] : changed) change.snapshots.push_back(std::move(snapshot));
    ++batches_;
    change.positions[{"lacuna.events", 0}] = {offset_, 2 * offset_};
    change.positions[{"lacuna.events", static_cast<std::int32_t>(1 + batches_ % 3)}] = {batches_, 0};
    change.meta["scores"] = "scores after batch " + std::to_string(batches_);
    return change;
  }
  std::int64_t batches() const { return batches_; }

 private:
  const Schema& schema_;
  Random random_;
  int patients_;
  int events_per_batch_;
  std::int64_t offset_ = 0;
  std::int64_t batches_ = 0;
  std::map<std::string, Snapshot> known_;
};

/// A small store in the folder, whose replay buffer is soon full.
inline StoreOptions store_options(const std::string& path) {
  StoreOptions out;
  out.path = path;
  out.memory_bytes_max = 16u << 20;
  out.replay_capacity = 120;
  out.replay_strata_max = 10;
  out.seed = 5;
  return out;
}

/// Throws when it cannot be opened.
inline std::unique_ptr<Store> open_store(const Schema& schema, const StoreOptions& options) {
  Result<std::unique_ptr<Store>> opened = Store::open(schema, options);
  if (!opened.ok()) throw std::runtime_error(opened.status().to_string());
  return std::move(opened).value();
}

/// Everything a store would answer, as comparable values.
struct Contents {
  std::map<std::string, Snapshot> snapshots;
  std::map<std::pair<std::string, std::int32_t>, StoredPosition> positions;
  std::string scores;
  std::vector<Example> drawn;
  std::size_t replay_size = 0;
  std::uint64_t patients = 0;
  friend bool operator==(const Contents&, const Contents&) = default;
};

/// Throws when the store cannot be read.
inline Contents contents(const Store& store) {
  const auto need = [](const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.to_string());
  };
  Contents out;
  need(store.for_each_snapshot([&out](Snapshot s) { out.snapshots[s.patient_id] = std::move(s); }));
  auto positions = store.positions();
  need(positions.status());
  out.positions = *positions;
  const Result<StoredMeta> scores = store.meta("scores");
  if (scores.code() != Code::not_found) need(scores.status());
  if (scores.ok()) out.scores = scores->content;
  auto drawn = store.draw(400, 99);
  need(drawn.status());
  out.drawn = std::move(drawn).value();
  out.replay_size = store.replay_size();
  out.patients = store.patient_count_estimate();
  return out;
}

inline void copy_afresh(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

/// The same of a folder that a store has open: as it was at one moment, though tables are written and dropped in the background.
inline void copy_at_once(const std::string& from, const std::string& to) {
  const auto listing = [&] {
    std::map<std::string, std::uintmax_t> sizes;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(from))
      sizes[entry.path()] = entry.is_regular_file() ? entry.file_size() : 0;
    return sizes;
  };
  for (;;) {
    try {
      const auto before = listing();
      copy_afresh(from, to);
      if (listing() == before) return;
    } catch (const std::filesystem::filesystem_error&) {  // a file went meanwhile
    }
  }
}

}  // namespace lacuna::state::testing
