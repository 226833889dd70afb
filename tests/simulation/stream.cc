#include "tests/simulation/stream.h"

#include <stdexcept>
#include <utility>

#include "state/records/records.h"

namespace lacuna::simulation {

namespace {

constexpr std::size_t kEventsMax = kRecentIdsMax - 8;
/// An event that is out of order and not late.
constexpr std::chrono::seconds kBackMax = std::chrono::floor<std::chrono::seconds>(kLateMax) / 2;

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().to_string());
  return std::move(*result);
}

}  // namespace

Schema small_schema() {
  const auto feature = [](std::string name, Likelihood likelihood, double low, double high) {
    Feature f;
    f.name = std::move(name);
    f.likelihood = likelihood;
    f.low = low;
    f.high = high;
    return f;
  };
  Schema::ModalitySpec vitals, labs;
  vitals.modality.name = "vitals";
  vitals.modality.stale_after = std::chrono::hours(2);
  vitals.features = {feature("hr", Likelihood::normal, 20, 250), feature("temp", Likelihood::normal, 28, 44)};
  labs.modality.name = "labs";
  labs.features = {feature("lactate", Likelihood::log_normal, 0, 30)};
  return must(Schema::make({vitals, labs}, {}));
}

Stream::Stream(std::mt19937_64& random, streaming::LogFactory& log, std::vector<std::string> topics, std::int32_t partitions,
               std::string group)
    : random_(random), appender_(must(log.appender())), observer_(must(log.open(group, "observer"))) {
  const Time start = *parse_rfc3339("2026-01-10T00:00:00Z");
  for (std::size_t t = 0; t < topics.size(); ++t) {
    for (std::size_t i = 2 + below(4); i > 0; --i) {
      const std::string id = std::string(1, static_cast<char>('p' + t)) + std::to_string(i);
      patients_.push_back({id, {topics[t], streaming::partition_for(id, partitions)}, start + std::chrono::minutes(below(300)), {}});
    }
  }
}

std::int64_t Stream::append(const Patient& patient, std::optional<std::string> text) {
  const Status s = appender_->append({patient.partition.topic, patient.partition.partition, patient.id, std::move(text), {}});
  if (!s.ok()) throw std::runtime_error(s.to_string());
  return ends_[patient.partition]++;  // nothing else writes there
}

std::string Stream::event(const std::string& id, const Patient& patient, Time time, bool partial) {
  const auto number = [this](double low, double high) {
    return std::to_string(low + (high - low) * static_cast<double>(below(10'000)) / 10'000);
  };
  std::string values;
  const bool vitals = partial || below(3) > 0;
  if (vitals) {
    values = "\"hr\":" + number(40, 180);
    if (partial) values += ",\"temp\":99";
    else if (below(2) == 0) values += ",\"temp\":" + number(35, 41);
  } else {
    values = "\"lactate\":" + number(0.5, 12);
  }
  return R"({"schema_version":1,"event_id":")" + id + R"(","patient_id":")" + patient.id + R"(","modality":")" +
         (vitals ? "vitals" : "labs") + R"(","time":")" + format_rfc3339(time) + R"(","values":{)" + values + "}}";
}

Time Stream::later(const Patient& patient) {
  // Steps of whole seconds forward, and an odd millisecond for those that are sent out of order: never the same time twice.
  return patient.newest + std::chrono::seconds(1 + below(1800));
}

void Stream::send_event(Patient& patient, Time time) {
  const std::string id = "e" + std::to_string(++number_);
  const std::string text = event(id, patient, time, below(12) == 0);
  patient.accepted.push_back({time, text, append(patient, text)});
  patient.newest = std::max(patient.newest, time);
}

void Stream::send_late(Patient& patient) {
  const auto committed = observer_->committed(patient.partition, Millis(0));
  if (!committed.ok()) return;
  std::optional<Time> newest;
  for (const Sent& sent : patient.accepted) {
    if (sent.offset < committed->next_offset) newest = std::max(newest.value_or(sent.time), sent.time);
  }
  if (!newest) return;
  append(patient, event("e" + std::to_string(++number_), patient, *newest - kLateMax - std::chrono::hours(1 + below(50)), false));
}

void Stream::send_refused(Patient& patient) {
  const std::string good = event("e" + std::to_string(++number_), patient, later(patient), false);
  switch (below(8)) {
    case 0: append({"", patient.partition, {}, {}}, std::nullopt); break;  // a tombstone of nobody
    case 1: append(patient, good.substr(0, good.size() - 1 - below(20))); break;
    case 2: append(patient, R"({"not":"an event"})"); break;
    case 3: append(patient, R"({"imputed":true,)" + good.substr(1)); break;
    case 4: append(patient, "[\"" + std::string(kDeadLetterBytesMax, 'x') + "\"]"); break;
    default: {
      constexpr std::array kStages{"decoded", "scored", "imputed"};
      const std::string id = std::string(kPoison) + kStages[below(kStages.size())] + "-" + std::to_string(number_);
      append(patient, event(id, patient, later(patient), false));
    }
  }
}

/// As a tombstone, or as an event. Who has the id afterwards begins anew.
void Stream::send_forgetting(Patient& patient) {
  const std::string id = "e" + std::to_string(++number_);
  const std::string text = R"({"schema_version":1,"event_id":")" + id + R"(","patient_id":")" + patient.id + R"(","time":")" +
                           format_rfc3339(patient.newest) + R"(","patient":{"forget":true}})";
  append(patient, below(2) == 0 ? std::nullopt : std::optional(text));
  patient.accepted.clear();
}

void Stream::send(int records) {
  for (int i = 0; i < records; ++i) {
    Patient& patient = patients_[below(patients_.size())];
    const bool known = !patient.accepted.empty();
    const std::size_t kind = below(100);
    if (kind < 8) {
      send_refused(patient);
    } else if (kind < 13 && known) {
      append(patient, patient.accepted[below(patient.accepted.size())].text);
    } else if (kind < 17 && known) {
      send_late(patient);
    } else if (kind < 19) {
      send_forgetting(patient);
    } else if (patient.accepted.size() < kEventsMax) {
      const auto back = std::chrono::seconds(below(kBackMax.count())) + Millis(1 + number_ % 999);
      send_event(patient, known && kind < 29 ? patient.newest - back : later(patient));
    }
  }
}

void Stream::close() {
  for (Patient& patient : patients_) {
    if (patient.accepted.empty()) continue;
    if (below(6) == 0) send_forgetting(patient);
    else send_event(patient, later(patient));
  }
}

}  // namespace lacuna::simulation
