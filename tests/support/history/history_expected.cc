#include <algorithm>
#include <cmath>

#include "state/records/time.h"
#include "tests/support/history/history_model.h"

// What must be known of a person, from the values that hold.

namespace lacuna::history {

namespace {

double hours(Time from, Time to) { return std::chrono::duration<double, std::ratio<3600>>(to - from).count(); }

double scaled(Likelihood likelihood, double value) {
  return likelihood == Likelihood::log_normal ? std::log(1 + std::max(value, 0.0)) : value;
}

}  // namespace

bool close(double a, double b) { return std::abs(a - b) <= 2e-4 * (1 + std::abs(b)); }

FeatureState Model::feature(const Person& person, FeatureId id) const {
  const Feature& feature = schema_.features()[id];
  const Part part = schema_.qualified_name(id);
  std::vector<Holding> values;
  if (const auto held = person.values.find(part); held != person.values.end()) {
    for (const auto& [fact, holding] : held->second) values.push_back(holding);
  }
  std::sort(values.begin(), values.end(),
            [](const Holding& a, const Holding& b) { return std::tie(a.time, a.order) < std::tie(b.time, b.order); });
  FeatureState out;
  double mean_short = 0, mean_long = 0, slope = 0, previous = 0;
  for (const Holding& h : values) {
    const auto category = std::find(feature.categories.begin(), feature.categories.end(), h.category);
    const double value = feature.categories.empty() ? h.value : static_cast<double>(category - feature.categories.begin());
    const double x = scaled(feature.likelihood, value);
    out.count += 1;
    if (out.count > 1 && h.time < out.time) continue;
    if (out.count == 1 || (out.count == 2 && h.time == out.time)) {
      mean_short = mean_long = previous = x;  // of the only moment there is, the last value
      slope = 0;
    } else if (h.time > out.time) {
      const double passed = hours(out.time, h.time), before = scaled(feature.likelihood, out.last);
      const auto towards = [passed](double mean, double to, double tau) { return to + (mean - to) * std::exp(-passed / tau); };
      mean_short = towards(mean_short, x, 2);
      mean_long = towards(mean_long, x, 24);
      slope = towards(slope, (x - before) / passed, 6);
      previous = before;
    }
    out.last = value;
    out.time = h.time;
  }
  out.mean_short = static_cast<float>(mean_short);
  out.mean_long = static_cast<float>(mean_long);
  out.slope = static_cast<float>(slope);
  out.previous = static_cast<float>(previous);
  return out;
}

bool Model::holds(const Person& person, FeatureId id, Time time, double value) const {
  const auto held = person.values.find(schema_.qualified_name(id));
  if (held == person.values.end()) return false;
  const auto& categories = schema_.features()[id].categories;
  return std::any_of(held->second.begin(), held->second.end(), [&](const auto& one) {
    const Holding& h = one.second;
    const auto at = std::find(categories.begin(), categories.end(), h.category);
    return h.time == time && (categories.empty() ? close(h.value, value) : static_cast<double>(at - categories.begin()) == value);
  });
}

ExpectedImputation Model::imputation(const std::string& key, const Person& person) const {
  ExpectedImputation out{key, false, key.starts_with("|") ? key.substr(1) : key, person.source, person.last, {}, {}};
  for (ModalityId m = 0; m < schema_.modality_count(); ++m) {
    const Modality& modality = schema_.modalities()[m];
    bool based = false;
    const auto judge_one = [&](const std::string& name, bool measured, Time time, Millis limit) {
      const bool stale = measured && person.last - time > limit;
      if (!measured || stale) out.missing[name] = measured ? "stale" : "never_measured";
      else based = true;
    };
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      const FeatureState known = feature(person, f);
      judge_one(schema_.qualified_name(f), known.count > 0, known.time, schema_.stale_after(f));
    }
    if (modality.kind != ModalityKind::tabular) {
      const HeldPayload* const held = person.payload(modality.name);
      judge_one(modality.name, held != nullptr, held != nullptr ? held->time : Time{}, modality.stale_after);
    }
    if (based) out.based_on.push_back(modality.name);
  }
  return out;
}

std::string Model::feature_differs(const std::string& key, const Person& person, FeatureId id, const FeatureState& found) const {
  const Part part = schema_.qualified_name(id);
  if (person.beyond.contains(part)) return "";
  const FeatureState expected = feature(person, id);
  const auto says = [](const FeatureState& s) {
    return std::to_string(s.count) + " values, last " + std::to_string(s.last) + " at " + format_rfc3339(s.time) + ", means " +
           std::to_string(s.mean_short) + " " + std::to_string(s.mean_long) + ", slope " + std::to_string(s.slope) + ", before " +
           std::to_string(s.previous);
  };
  bool same = found.count == expected.count;
  if (same && expected.count > 0) {
    const auto near = [](float a, float b) { return close(static_cast<double>(a), static_cast<double>(b)); };
    same = close(found.last, expected.last) && found.time == expected.time;
    if (!person.carried.contains(part)) {
      same = same && near(found.mean_short, expected.mean_short) && near(found.mean_long, expected.mean_long) &&
             near(found.slope, expected.slope) && near(found.previous, expected.previous);
    }
  }
  return same ? "" : key + ", " + part + ": found " + says(found) + "; expected " + says(expected);
}

std::string Model::differs(const std::string& key, const Snapshot& found) const {
  const Person& person = persons_.at(key);
  const auto times = [](Time a, Time b) { return "found " + format_rfc3339(a) + ", expected " + format_rfc3339(b); };
  if (found.event_count != person.events) {
    return key + ": found " + std::to_string(found.event_count) + " events, expected " + std::to_string(person.events);
  }
  if (found.merged_into != person.merged_into) {
    return key + ": found merged into '" + found.merged_into + "', expected '" + person.merged_into + "'";
  }
  const std::set<std::string> merged_from(found.merged_from.begin(), found.merged_from.end());
  if (merged_from != person.merged_from) {
    return key + ": found " + nlohmann::json(merged_from).dump() + " merged into it, expected " + nlohmann::json(person.merged_from).dump();
  }
  if (found.first_time != person.first) return key + ", first time: " + times(found.first_time, person.first);
  if (found.last_time != person.last) return key + ", last time: " + times(found.last_time, person.last);
  if (found.source != person.source) {
    return key + ", source: found " + found.source.topic + "@" + std::to_string(found.source.offset) + ", expected " + person.source.topic +
           "@" + std::to_string(person.source.offset);
  }
  if (found.site != person.site) return key + ", site: found '" + found.site + "', expected '" + person.site + "'";
  for (std::size_t a = 0; a < schema_.attributes().size(); ++a) {
    const Attribute& attribute = schema_.attributes()[a];
    std::optional<double> expected;
    if (const auto number = person.numbers.find(attribute.name); number != person.numbers.end()) expected = number->second;
    if (const auto name = person.categories.find(attribute.name); name != person.categories.end()) {
      const auto at = std::find(attribute.categories.begin(), attribute.categories.end(), name->second);
      expected = static_cast<double>(at - attribute.categories.begin());
    }
    const auto& known = found.attributes.at(a);
    if (known.has_value() != expected.has_value() || (known && !close(static_cast<double>(*known), *expected))) {
      return key + ", " + attribute.name + ": found " + (known ? std::to_string(*known) : "none") + ", expected " +
             (expected ? std::to_string(*expected) : "none");
    }
  }
  for (FeatureId f = 0; f < schema_.feature_count(); ++f) {
    if (const std::string what = feature_differs(key, person, f, found.features.at(f)); !what.empty()) return what;
  }
  for (ModalityId m = 0; m < schema_.modality_count(); ++m) {
    const Modality& modality = schema_.modalities()[m];
    const HeldPayload* const expected = person.payload(modality.name);
    const ModalityState& known = found.modalities.at(m);
    if (modality.kind == ModalityKind::tabular) continue;
    const bool there = expected != nullptr;
    if (static_cast<bool>(known.payload) != there)
      return key + ", " + modality.name + (there ? ": missing" : ": there, although nothing holds");
    if (there && (known.payload->text != expected->data || known.last_time != expected->time)) {
      return key + ", " + modality.name + ": found '" + known.payload->text + "', expected '" + expected->data + "'; " +
             times(known.last_time, expected->time);
    }
  }
  return "";
}

}  // namespace lacuna::history
