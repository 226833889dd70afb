#include "tests/support/history/history_generator.h"

#include <algorithm>
#include <cmath>

namespace lacuna::history {

namespace {

Feature number(std::string name, std::string unit, double low, double high, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = std::move(name);
  f.unit = std::move(unit);
  f.low = low;
  f.high = high;
  f.likelihood = likelihood;
  return f;
}

Schema::ModalitySpec tabular(std::string name, std::vector<Feature> features) {
  Schema::ModalitySpec out;
  out.modality.name = std::move(name);
  out.features = std::move(features);
  return out;
}

constexpr std::size_t kKin = 5;

std::string text(Time time) { return format_rfc3339(time); }

}  // namespace

// --- schemas ---

Schemas::Schemas(std::mt19937_64& random) {
  Feature rhythm;
  rhythm.name = "rhythm";
  rhythm.likelihood = Likelihood::categorical;
  rhythm.categories = {"sinus", "afib", "paced"};
  modalities_ = {tabular("vitals", {number("hr", "/min", 20, 250), number("temp", "Cel", 28, 44), number("sbp", "mm[Hg]", 30, 280)}),
                 tabular("chemistry", {number("glucose", "mg/dL", 15, 1200, Likelihood::log_normal), number("na", "mmol/L", 90, 200)}),
                 tabular("ecg", {rhythm})};
  modalities_[0].modality.stale_after = std::chrono::hours(4);
  Schema::ModalitySpec report;
  report.modality.name = "report";
  report.modality.kind = ModalityKind::text;
  report.modality.payload.length = 4;
  report.modality.payload.vocabulary = {"clear", "effusion"};
  report.modality.payload.vocabulary_size = 2;
  modalities_.push_back(report);
  Attribute age, sex;
  age.name = "age";
  age.unit = "a";
  sex.name = "sex";
  sex.categories = {"female", "male"};
  attributes_ = {age, sex};
  edits_ = {0, 1, 2, 3, 4};
  std::shuffle(edits_.begin(), edits_.end(), random);
}

Schema Schemas::current() const { return Schema::make(modalities_, attributes_).value(); }

bool Schemas::grow() {
  if (edits_.empty()) return false;
  const int edit = edits_.back();
  edits_.pop_back();
  const auto vitals = std::find_if(modalities_.begin(), modalities_.end(), [](const auto& m) { return m.modality.name == "vitals"; });
  if (edit == 0) vitals->features.insert(vitals->features.begin(), number("spo2", "%", 50, 100));
  if (edit == 1) std::erase_if(vitals->features, [](const Feature& f) { return f.name == "sbp"; });
  if (edit == 2) std::reverse(modalities_.begin(), modalities_.end());
  if (edit == 3) modalities_.insert(modalities_.begin(), tabular("blood_gas", {number("ph", "", 6.5, 8)}));
  if (edit == 4) {
    Attribute weight;
    weight.name = "weight";
    attributes_.insert(attributes_.begin(), weight);
  }
  return true;
}

// --- what is sent ---

bool Schemas::has(const std::string& modality, const std::string& feature) const {
  for (const Schema::ModalitySpec& m : modalities_) {
    if (m.modality.name == modality)
      return feature.empty() || std::ranges::any_of(m.features, [&](const Feature& f) { return f.name == feature; });
  }
  return false;
}

bool Schemas::has_attribute(const std::string& name) const {
  return std::ranges::any_of(attributes_, [&name](const Attribute& a) { return a.name == name; });
}

Generator::Generator(std::mt19937_64& random, int patients, const Schemas& schemas) : random_(random), schemas_(schemas) {
  const Time start = *parse_rfc3339("2026-01-10T00:00:00Z");
  for (int i = 0; i < patients; ++i) {
    patients_.push_back({(i % 17 == 3 ? "w|" : "p") + std::to_string(i), start + std::chrono::minutes(below(6000)), {}, {}, {}, kNobody});
  }
}

/// Mostly later than all before; at times the same as before, earlier, or so early that it is late.
Time Generator::clinical_time(Patient& patient) {
  const std::size_t kind = below(100);
  if (kind < 5) return patient.now;
  if (kind < 15) return patient.now - std::chrono::minutes(below(60 * 60));
  if (kind < 18) return patient.now - std::chrono::hours(70 + below(200));
  patient.now += std::chrono::seconds(1 + below(chance(0.05) ? 200'000 : 6'000));
  return patient.now;
}

Generator::Json Generator::value_of(const std::string& feature) {
  const auto between = [this](double low, double high) {
    return std::round((low + (high - low) * static_cast<double>(below(1000)) / 1000) * 100) / 100;
  };
  if (feature == "hr") return between(40, 180);
  if (feature == "temp") return between(35, 41);
  if (feature == "sbp") return between(80, 200);
  if (feature == "spo2") return between(80, 100);
  if (feature == "glucose") return {{"value", between(60, 500)}, {"unit", "mg/dL"}};
  if (feature == "na") return between(120, 160);
  if (feature == "ph") return between(7, 7.6);
  return std::vector<std::string>{"sinus", "afib", "paced"}[below(3)];
}

/// Now and then one that the schema has not yet, or not any more.
std::vector<std::string> Generator::features_of(const std::string& modality) {
  if (modality == "ecg") return {"rhythm"};
  if (modality == "blood_gas") return {"ph"};
  if (modality == "chemistry") return {"glucose", "na"};
  std::vector<std::string> out{"hr", "temp"};
  for (const char* coming_or_going : {"sbp", "spo2"}) {
    if (schemas_.has(modality, coming_or_going) || chance(0.005)) out.emplace_back(coming_or_going);
  }
  return out;
}

Generator::Json Generator::values_of(const std::string& modality) {
  Json out = Json::object();
  const std::vector<std::string> features = features_of(modality);
  for (const std::string& f : features) {
    if (chance(0.6)) out[f] = value_of(f);
  }
  if (out.empty()) out[features.front()] = value_of(features.front());
  return out;
}

/// Values or a text for its modality.
void Generator::fill(Json& event) {
  if (event["modality"] == "report") event["text"] = (chance(0.5) ? "clear no " : "effusion no ") + std::to_string(++number_);
  else event["values"] = values_of(event["modality"]);
}

Generator::Json Generator::envelope(const Patient& patient, const std::string& id, Time time) const {
  return {{"schema_version", 1}, {"event_id", id}, {"patient_id", patient.id}, {"time", text(time)}};
}

Generator::Json Generator::revision(const Result& result, int number) const {
  Json out{{"id", result.id}};
  if (number < 0) return out;
  if (result.by_time) out["revision"] = text(*parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::seconds(number));
  else out["revision"] = number;
  return out;
}

Generator::Json Generator::fresh(Patient& patient) {
  Json event = envelope(patient, new_id("e"), clinical_time(patient));
  const std::size_t kind = below(100);
  event["modality"] = kind < 45                                                   ? "vitals"
                      : kind < 75                                                 ? "chemistry"
                      : kind < 85                                                 ? "ecg"
                      : kind < 92 || !(schemas_.has("blood_gas") || chance(0.03)) ? "report"
                                                                                  : "blood_gas";
  fill(event);
  if (chance(0.2)) event["site"] = "ward-" + std::to_string(below(3));
  if (chance(0.5)) {
    Result result{new_id("r"), chance(0.3), static_cast<int>(below(3)) + 1, {}};
    event["result"] = revision(result, chance(0.15) ? -1 : result.highest);
    if (chance(0.2)) event["status"] = "preliminary";
    result.event = event;
    patient.results.push_back(std::move(result));
  } else if (chance(0.15)) {
    event["attributes"] = {{"age", 40 + below(20)}, {"sex", chance(0.5) ? "male" : "female"}};
    if (chance(schemas_.has_attribute("weight") ? 0.3 : 0.02)) event["attributes"]["weight"] = 60 + below(40);
  }
  return event;
}

Generator::Json Generator::attributes_alone(Patient& patient) {
  Json event = envelope(patient, new_id("a"), clinical_time(patient));
  event["attributes"] = {{"age", 40 + below(20)}};
  if (chance(0.5)) event["attributes"]["sex"] = chance(0.5) ? "male" : "female";
  return event;
}

/// Another value, or another time, under an id that was used.
Generator::Json Generator::conflict(Patient& patient) {
  if (patient.sent.empty()) return fresh(patient);
  Json event = any(patient.sent);
  if (event.value("status", "final") == "entered_in_error") return event;
  if (event.contains("modality") && chance(0.7)) {
    const Json before = event;
    fill(event);
    if (before.contains("values") && event.contains("values") && chance(0.5)) {
      Json kept = before["values"];
      const std::string name = std::next(kept.begin(), static_cast<std::ptrdiff_t>(below(kept.size()))).key();
      kept[name] = value_of(name);
      event["values"] = kept;
    }
  } else {
    event["time"] = text(*parse_rfc3339(event["time"].get<std::string>()) + std::chrono::minutes(1 + below(90)));
  }
  return event;
}

/// Another report of a result: its revision higher, equal, lower or absent, and now and then of the other kind.
Generator::Json Generator::correction(Patient& patient) {
  if (patient.results.empty()) return fresh(patient);
  Result& result = chance(0.6) ? patient.results[patient.results.size() - 1 - below(std::min<std::size_t>(patient.results.size(), 8))]
                               : any(patient.results);
  Json event = result.event;
  if (!chance(0.2)) event["event_id"] = new_id("c");
  const std::size_t kind = below(100);
  int number = -1;
  if (kind < 60) number = result.highest += 1 + static_cast<int>(below(3));
  else if (kind < 70) number = result.highest;
  else if (kind < 90) number = static_cast<int>(below(static_cast<std::size_t>(result.highest) + 1));
  Result told = result;
  if (chance(0.02)) told.by_time = !told.by_time;
  event["result"] = revision(told, number);
  event["status"] = std::vector<std::string>{"corrected", "final", "preliminary"}[below(3)];
  if (chance(0.2))
    event["time"] = text(*parse_rfc3339(event["time"].get<std::string>()) + std::chrono::minutes(below(400)) - std::chrono::minutes(200));
  if (chance(0.9)) fill(event);
  if (chance(0.7)) result.event = event;
  return event;
}

Generator::Json Generator::withdrawal(Patient& patient) {
  const bool of_result = !patient.results.empty() && (chance(0.7) || patient.sent.empty());
  if (!of_result && patient.sent.empty()) return fresh(patient);
  Result* result = of_result ? &any(patient.results) : nullptr;
  const Json of = of_result ? result->event : any(patient.sent);
  if (!of_result && (of.contains("result") || !of.contains("modality") || of.contains("status"))) return of;
  Json event = envelope(patient, of_result ? new_id("w") : of["event_id"].get<std::string>(),
                        *parse_rfc3339(of["time"].get<std::string>()) + std::chrono::minutes(below(100)));
  if (of_result) {
    const std::size_t kind = below(100);
    int number = -1;
    if (kind < 60) number = result->highest += 1;
    else if (kind < 75) number = result->highest;
    else if (kind < 90) number = static_cast<int>(below(static_cast<std::size_t>(result->highest) + 1));
    Result told = *result;
    if (chance(0.02)) told.by_time = !told.by_time;
    event["result"] = revision(told, number);
  }
  event["status"] = chance(0.5) ? "entered_in_error" : "cancelled";
  const std::size_t what = below(3);
  if (what > 0) event["modality"] = of["modality"];
  if (what == 2 && of.contains("values")) {
    const std::vector<std::string> features = features_of(of["modality"]);
    event["values"][features[below(features.size())]] = nullptr;
  }
  return event;
}

/// Of what has not come; it may come later.
Generator::Json Generator::withdrawal_first(Patient& patient) {
  Json coming = fresh(patient);
  const bool of_result = coming.contains("result");
  if (!of_result && chance(0.7)) return coming;
  Json event = envelope(patient, of_result ? new_id("w") : coming["event_id"].get<std::string>(), patient.now);
  event["status"] = "entered_in_error";
  if (of_result) event["result"] = coming["result"];
  if (!of_result || chance(0.5)) event["modality"] = coming["modality"];
  if (!of_result && coming.contains("values")) event["values"][coming["values"].begin().key()] = nullptr;
  patient.sent.push_back(std::move(coming));
  return event;
}

/// With a part that is refused; the part is put right later.
Generator::Json Generator::spoiled(Patient& patient) {
  Json event = fresh(patient);
  if (!event.contains("values")) return event;
  patient.refused.push_back(event);
  Json& values = event["values"];
  const std::string name = values.begin().key();
  if (name != "rhythm" && name != "glucose" && chance(0.5)) values[name] = {{"value", 1e6}, {"unit", "furlong"}};
  else values[name] = name == "rhythm" ? Json("unheard") : name == "glucose" ? Json{{"value", 1e6}, {"unit", "mg/dL"}} : Json(1e6);
  return event;
}

Generator::Json Generator::repaired(Patient& patient) {
  if (patient.refused.empty()) return spoiled(patient);
  const std::size_t which = below(patient.refused.size());
  Json event = patient.refused[which];
  if (chance(0.8)) patient.refused.erase(patient.refused.begin() + static_cast<std::ptrdiff_t>(which));
  return event;
}

Message Generator::forgetting(Patient& patient) {
  Message out{patient.id, std::nullopt};
  if (chance(0.6)) {
    Json event = envelope(patient, new_id("f"), patient.now);
    event["patient"] = {{"forget", true}};
    out.text = event.dump();
  }
  const std::set<std::size_t> all = one_person(patient);
  std::erase_if(sent_, [&all](const auto& one) { return all.contains(one.first); });
  for (const std::size_t index : all) {
    Patient& forgotten = patients_[index];
    forgotten.into = kNobody;
    // What resends may go on; mostly it has been stopped.
    if (chance(0.2)) continue;
    forgotten.sent.clear();
    forgotten.refused.clear();
    forgotten.results.clear();
  }
  if (chance(0.5)) patient.now -= std::chrono::hours(24 * below(20));
  return out;
}

Message Generator::send(Patient& patient, const Json& event) {
  Message out{patient.id, event.dump()};
  sent_.emplace_back(static_cast<std::size_t>(&patient - patients_.data()), out);
  patient.sent.push_back(event);
  return out;
}

/// Of a few who may turn out to be one.
std::size_t Generator::any_kin(const Patient& patient) {
  const std::size_t begin = index_of(patient) / kKin * kKin;
  return begin + below(std::min(kKin, patients_.size() - begin));
}

/// Those who were merged with the patient, whoever into whom.
std::set<std::size_t> Generator::one_person(const Patient& patient) const {
  std::set<std::size_t> out{index_of(patient)};
  for (std::size_t before = 0; before != out.size();) {
    before = out.size();
    for (std::size_t i = 0; i < patients_.size(); ++i) {
      const std::size_t into = patients_[i].into;
      if (into == kNobody || !(out.contains(i) || out.contains(into))) continue;
      out.insert({i, into});
    }
  }
  return out;
}

/// Mostly of a person who goes on into another; at times once more, into a third or into the person, or in a circle.
Message Generator::merging() {
  Patient* patient = &any(patients_);
  for (int tries = 0; tries < 8 && patient->into != kNobody; ++tries) patient = &any(patients_);
  const std::size_t itself = index_of(*patient);
  std::size_t into = any_kin(*patient);
  for (int tries = 0; tries < 4 && into == itself; ++tries) into = any_kin(*patient);
  if (patient->into != kNobody && chance(0.6)) into = patient->into;
  if (patient->into == kNobody && into != itself) {
    patient->into = into;
    patient->now = patients_[into].now = std::max(patient->now, patients_[into].now);
    // A circle is opened where it closes.
    std::size_t last = into;
    while (patients_[last].into != kNobody && patients_[last].into != itself) last = patients_[last].into;
    patients_[last].into = kNobody;
  }
  Json event = envelope(*patient, new_id("m"), patient->now);
  event["patient"] = {{"merged_into", patients_[into].id}};
  return {patient->id, event.dump()};
}

/// What was sent of one who may turn out to be the same.
Generator::Json Generator::of_another(Patient& patient) {
  const Patient& other = patients_[any_kin(patient)];
  if (other.sent.empty() || other.id == patient.id) return fresh(patient);
  Json event = other.sent[below(other.sent.size())];
  event["patient_id"] = patient.id;
  if (!event.contains("result")) return event;
  const auto same = [&event](const Result& result) { return result.id == event["result"]["id"]; };
  const auto of = std::ranges::find_if(other.results, same);
  if (of == other.results.end() || std::ranges::any_of(patient.results, same)) return event;
  patient.results.push_back(*of);
  patient.results.back().event["patient_id"] = patient.id;
  return event;
}

Message Generator::again(Patient& patient) {
  Message out{patient.id, any(patient.sent).dump()};
  sent_.emplace_back(static_cast<std::size_t>(&patient - patients_.data()), out);
  return out;
}

Message Generator::next() {
  Patient& patient = any(patients_);
  const std::size_t kind = below(1000);
  if (kind < 5) return forgetting(patient);
  if (kind < 8) return {patient.id, "{\"schema_version\":1"};
  if (kind < 18) return merging();
  if (kind < 30) return send(patient, of_another(patient));
  if (kind < 400) return send(patient, fresh(patient));
  if (kind < 520) return patient.sent.empty() ? send(patient, fresh(patient)) : again(patient);
  if (kind < 560) return send(patient, conflict(patient));
  if (kind < 750) return send(patient, correction(patient));
  if (kind < 850) return send(patient, withdrawal(patient));
  if (kind < 870) return send(patient, withdrawal_first(patient));
  if (kind < 920) return send(patient, spoiled(patient));
  if (kind < 960) return send(patient, repaired(patient));
  return send(patient, attributes_alone(patient));
}

}  // namespace lacuna::history
