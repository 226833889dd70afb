#include "daemon/commands/evaluate_outcomes.h"

#include <cstdio>
#include <unordered_map>
#include <utility>

#include "streaming/files/input_files.h"

namespace lacuna::daemon {

namespace {

/// The model would read anything else before it can be known.
Status check(const Schema& schema, const Event& event) {
  if (!event.values.empty() || event.payload) return {Code::invalid, "--outcomes: the file holds values; only outcomes may come from it"};
  for (const AttributeValue& a : event.attributes) {
    const Attribute& attribute = schema.attributes()[a.attribute];
    if (!attribute.outcome) return {Code::invalid, "--outcomes: schema.attributes." + attribute.name + " is not declared `outcome: true`"};
  }
  return {};
}

}  // namespace

Status add_outcomes(const Config& config, const std::string& path, const streaming::FileMapping& mapping, std::vector<Stay>& stays) {
  std::unordered_map<std::string, std::vector<AttributeValue>> known;
  streaming::FileReport report;
  const Status read = streaming::read_patients(
      *config.schema, mapping, path, 0,
      [&](std::vector<Event> events) -> Status {
        for (Event& event : events) {
          LACUNA_RETURN_IF_ERROR(check(*config.schema, event));
          auto& of_patient = known[event.patient_id];
          of_patient.insert(of_patient.end(), event.attributes.begin(), event.attributes.end());
        }
        return {};
      },
      nullptr, report);
  if (!read.ok()) return read;
  std::size_t found = 0;
  for (Stay& stay : stays) {
    const auto outcome = stay.empty() ? known.end() : known.find(stay.front().patient_id);
    if (outcome == known.end()) continue;
    Event event;
    event.patient_id = stay.front().patient_id;
    event.event_id = "outcome";
    event.time = stay.back().time;
    event.attributes = outcome->second;
    stay.push_back(std::move(event));
    ++found;
  }
  std::fprintf(stderr, "outcomes: of %zu of %zu stays\n", found, stays.size());
  return {};
}

}  // namespace lacuna::daemon
