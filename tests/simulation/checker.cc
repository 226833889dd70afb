#include "tests/simulation/checker.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tests/simulation/stream.h"

namespace lacuna::simulation {

namespace {

using nlohmann::json;
using streaming::Record;
using streaming::TopicPartition;

struct ExpectedFeature {
  double last = 0;
  Time time{};
  std::uint32_t count = 0;
};

struct ExpectedPatient {
  TopicPartition partition;
  std::uint64_t events = 0;
  Time newest{};
  std::int64_t source = -1;                         ///< offset of the newest applied record
  std::map<std::string, ExpectedFeature> features;  ///< "vitals.hr"
  std::set<std::string> ids;
  bool forgotten = false;  ///< once, and nothing is known but of what came after
};

struct Expected {
  std::map<std::string, ExpectedPatient> patients;
  std::map<TopicPartition, state::RecordCounts> counts;
  std::set<SourcePosition> letters;
};

/// One input record as a person reads docs/messages.md.
struct Message {
  bool refused = true;
  bool partial = false;
  std::string id, patient;
  Time time{};
  std::map<std::string, double> values;
};

Message read(const Schema& schema, const Record& record) {
  Message out;
  if (!record.value || record.value->find(kPoison) != std::string::npos) return out;
  const json text = json::parse(*record.value, nullptr, false);
  if (!text.is_object() || text.value("schema_version", 0) != 1 || text.value("imputed", false)) return out;
  out.id = text.value("event_id", "");
  out.patient = text.value("patient_id", "");
  const auto time = parse_rfc3339(text.value("time", ""));
  const std::string modality = text.value("modality", "");
  if (out.id.empty() || out.patient.empty() || !time || !text.contains("values")) return out;
  out.time = *time;
  for (const auto& [name, value] : text["values"].items()) {
    const auto feature = schema.find_feature(schema.find_modality(modality), name);
    const bool good = feature && value >= schema.features()[*feature].low && value <= schema.features()[*feature].high;
    if (good) out.values[modality + "." + name] = value;
    else out.partial = true;
  }
  out.refused = out.values.empty();
  return out;
}

/// The patient; empty: nobody.
std::string forgets(const Record& record) {
  if (!record.value) return record.key;
  const json text = json::parse(*record.value, nullptr, false);
  return text.is_object() && text.contains("patient") ? text.value("patient_id", "") : "";
}

Expected fold(const Schema& schema, const std::vector<Record>& input) {
  Expected out;
  for (const Record& record : input) {
    const TopicPartition at{record.position.topic, record.position.partition};
    state::RecordCounts& counts = out.counts[at];
    counts.consumed += 1;
    if (const std::string gone = forgets(record); !gone.empty()) {
      counts.applied += 1;
      out.patients[gone] = {};
      out.patients[gone].partition = at;
      out.patients[gone].forgotten = true;
      continue;
    }
    const Message message = read(schema, record);
    if (message.refused) {
      counts.refused += 1;
      out.letters.insert(record.position);
      continue;
    }
    if (message.partial) out.letters.insert(record.position);
    ExpectedPatient& patient = out.patients[message.patient];
    if (patient.ids.contains(message.id)) {
      counts.duplicate += 1;
      continue;
    }
    if (patient.events > 0 && patient.newest - message.time > kLateMax) {
      counts.late += 1;
      out.letters.insert(record.position);
      continue;
    }
    counts.applied += 1;
    if (message.partial) counts.partial += 1;
    patient.partition = at;
    patient.ids.insert(message.id);
    patient.newest = patient.events == 0 ? message.time : std::max(patient.newest, message.time);
    patient.events += 1;
    patient.source = record.position.offset;
    for (const auto& [name, value] : message.values) {
      ExpectedFeature& feature = patient.features[name];
      if (feature.count == 0 || message.time > feature.time) {
        feature.last = value;
        feature.time = message.time;
      }
      feature.count += 1;
    }
  }
  return out;
}

std::string name_of(const TopicPartition& p) { return p.topic + "/" + std::to_string(p.partition); }
std::string name_of(const SourcePosition& p) { return name_of(TopicPartition{p.topic, p.partition}) + "@" + std::to_string(p.offset); }

class Check {
 public:
  Check(const Schema& schema, const Outcome& outcome) : schema_(schema), outcome_(outcome), expected_(fold(schema, outcome.input)) {}

  std::vector<std::string> all() {
    check_positions();
    check_letters();
    check_imputations();
    check_changelog();
    check_stores();
    return std::move(problems_);
  }

 private:
  template <typename A, typename B>
  void equal(const A& found, const B& expected, const std::string& what) {
    if (found == expected) return;
    problems_.push_back(what + ": found " + json(found).dump() + ", expected " + json(expected).dump());
  }

  void check_positions() {
    for (const auto& [p, end] : outcome_.ends) {
      const auto committed = outcome_.committed.find(p);
      equal(committed == outcome_.committed.end() ? 0 : committed->second.next_offset, end, "committed position of " + name_of(p));
    }
  }

  void check_letters() {
    std::map<SourcePosition, int> found;
    for (const Record& letter : outcome_.dead_letters) {
      std::map<std::string, std::string> headers(letter.headers.begin(), letter.headers.end());
      SourcePosition at{headers["__connect.errors.topic"], 0, 0};
      at.partition = std::stoi(headers["__connect.errors.partition"]);
      at.offset = std::stoll(headers["__connect.errors.offset"]);
      found[at] += 1;
    }
    for (const SourcePosition& at : expected_.letters) equal(found[at], 1, "dead letters of " + name_of(at));
    for (const auto& [at, count] : found) {
      if (!expected_.letters.contains(at)) problems_.push_back("a dead letter of a good record, " + name_of(at));
    }
  }

  void check_imputations() {
    std::map<std::string, std::vector<std::int64_t>> sources;
    std::map<std::string, bool> gone;  // the newest record of the patient has no value
    for (const Record& record : outcome_.imputations) {
      gone[record.key] = !record.value;
      if (!record.value) continue;
      const json text = json::parse(*record.value);
      const auto patient = expected_.patients.find(text.at("patient_id"));
      if (patient == expected_.patients.end()) {
        problems_.push_back("an imputation of a patient that does not exist");
        continue;
      }
      const json& source = text.at("source");
      equal(name_of(TopicPartition{source.at("topic"), source.at("partition")}), name_of(patient->second.partition),
            "source of an imputation of " + patient->first);
      sources[patient->first].push_back(source.at("offset"));
    }
    for (const auto& [id, patient] : expected_.patients) {
      if (patient.forgotten && patient.events == 0 && !gone[id])
        problems_.push_back("an imputation is left of " + id + ", who is forgotten");
      const auto& offsets = sources[id];
      for (std::size_t i = 1; i < offsets.size(); ++i) {
        if (offsets[i] <= offsets[i - 1]) problems_.push_back("imputations of " + id + " twice, or out of order: " + json(offsets).dump());
      }
      if (patient.events == 0) continue;
      equal(offsets.empty() ? -1 : offsets.back(), patient.source, "source of the newest imputation of " + id);
    }
  }

  void check_patient(const std::string& id, const ExpectedPatient& expected, const Snapshot& found, const std::string& where) {
    const std::string what = where + ", " + id + ", ";
    equal(found.event_count, expected.events, what + "events");
    equal(found.last_time.time_since_epoch().count(), expected.newest.time_since_epoch().count(), what + "newest time");
    equal(name_of(found.source), name_of({expected.partition.topic, expected.partition.partition, expected.source}), what + "source");
    for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
      const std::string name = schema_.qualified_name(f);
      const auto at = expected.features.find(name);
      const ExpectedFeature feature = at == expected.features.end() ? ExpectedFeature{} : at->second;
      equal(found.features[f].count, feature.count, what + "values of " + name);
      if (feature.count == 0) continue;
      equal(found.features[f].last, feature.last, what + "last " + name);
      equal(found.features[f].time.time_since_epoch().count(), feature.time.time_since_epoch().count(), what + "time of " + name);
    }
  }

  void check_counts(const state::RecordCounts& found, const TopicPartition& p, const std::string& where) {
    const state::RecordCounts& expected = expected_.counts[p];
    const auto list = [](const state::RecordCounts& c) {
      return json{c.consumed, c.applied, c.duplicate, c.late, c.refused, c.partial, c.forwarded};
    };
    equal(list(found), list(expected), where + ", consumed applied duplicate late refused partial forwarded of " + name_of(p));
  }

  void check_changelog() {
    std::map<std::pair<std::int32_t, std::string>, const Record*> newest;
    for (const Record& record : outcome_.changelog) newest[{record.position.partition, record.key}] = &record;
    for (const auto& [id, patient] : expected_.patients) {
      if (patient.events == 0) {
        for (const auto& [key, record] : newest) {
          if (patient.forgotten && key.second.starts_with(id + "/") && record->value) {
            problems_.push_back("changelog, " + key.second + ": left of who is forgotten");
          }
        }
        continue;
      }
      const auto found = newest.find({patient.partition.partition, id + "/tabular"});
      const bool there = found != newest.end() && found->second->value;
      const auto snapshot = there ? state::decode_snapshot(schema_, *found->second->value) : Result<Snapshot>(Code::not_found, "none");
      if (!snapshot.ok()) problems_.push_back("changelog, " + id + ": " + snapshot.status().to_string());
      else check_patient(id, patient, *snapshot, "changelog");
    }
    for (const auto& [p, counts] : expected_.counts) {
      const auto found = newest.find({p.partition, p.topic + "#partition"});
      const auto position =
          found == newest.end() ? Result<state::PartitionPosition>(Code::not_found, "none") : state::decode_position(*found->second->value);
      if (!position.ok()) {
        problems_.push_back("changelog, " + name_of(p) + ": " + position.status().to_string());
        continue;
      }
      equal(position->position.input_next, outcome_.ends.at(p), "changelog, position of " + name_of(p));
      check_counts(position->position.counts, p, "changelog");
    }
  }

  void check_stores() {
    for (const auto& [p, counts] : expected_.counts) {
      const auto held = outcome_.held.find(p);
      if (held == outcome_.held.end()) {
        problems_.push_back("nobody holds " + name_of(p));
        continue;
      }
      equal(held->second.position.input_next, outcome_.ends.at(p), "store, position of " + name_of(p));
      check_counts(held->second.position.counts, p, "store");
      for (const auto& [id, patient] : expected_.patients) {
        if (patient.partition != p) continue;
        const auto found = held->second.patients.find(id);
        if (patient.forgotten && patient.events == 0 && found != held->second.patients.end()) {
          problems_.push_back("store, " + id + ": there, although forgotten");
        }
        if (patient.events == 0) continue;
        if (found == held->second.patients.end()) problems_.push_back("store, " + id + ": not there");
        else check_patient(id, patient, found->second, "store");
      }
    }
  }

  const Schema& schema_;
  const Outcome& outcome_;
  Expected expected_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check(const Schema& schema, const Outcome& outcome) { return Check(schema, outcome).all(); }

}  // namespace lacuna::simulation
