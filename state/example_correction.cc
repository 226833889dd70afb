#include "state/example_correction.h"

#include <algorithm>
#include <optional>

namespace lacuna::state {

bool correct_example(const Schema& schema, const ExampleCorrection& correction, Example& example) {
  if (example.before.patient_id != correction.patient_id || example.time < correction.from) return true;
  // One without arrivals stands for a restored snapshot: what it holds of this very moment is in `before`.
  if (correction.drop || (example.arrived.empty() && example.arrived_payloads.empty())) return false;
  const FeatureId feature = correction.feature;
  const std::optional<FeatureState> before = fold_before(schema.features().at(feature).likelihood, correction.history, example.time);
  if (!before) return false;
  example.before.features.at(feature) = *before;
  const auto arrived =
      std::find_if(example.arrived.begin(), example.arrived.end(), [feature](const FeatureValue& v) { return v.feature == feature; });
  if (arrived == example.arrived.end()) return true;
  const auto& window = correction.history.window;
  const auto holds = std::find_if(window.rbegin(), window.rend(), [&example](const HistoryEntry& e) { return e.time == example.time; });
  if (holds != window.rend()) {
    arrived->value = holds->value, arrived->comparator = holds->comparator;
    return true;
  }
  example.arrived.erase(arrived);
  return !example.arrived.empty() || !example.arrived_payloads.empty();
}

void correct_examples(const Schema& schema, const std::vector<ExampleCorrection>& corrections, std::vector<Example>& examples) {
  for (const ExampleCorrection& one : corrections) {
    std::erase_if(examples, [&](Example& example) { return !correct_example(schema, one, example); });
  }
}

}  // namespace lacuna::state
