#pragma once

#include <string>
#include <vector>

#include "state/person_history.h"
#include "state/records/records.h"

// What a correction or a withdrawal does to the examples that were learned from a patient. Pure.

namespace lacuna::state {

/// A feature of a patient whose values changed at `from` or later.
struct ExampleCorrection {
  std::string patient_id;
  FeatureId feature = 0;
  Time from{};               ///< the earliest clinical time at which something changed
  bool drop = false;         ///< what changed cannot be told apart any more, or is a payload: examples from then on go
  FeatureHistory history{};  ///< afterwards, not trimmed; unused with `drop`
};

/// Puts the example right. False: it has to go, since it holds what cannot be told apart or nothing of it is left. Examples of other
/// patients, and from before, stay as they are.
bool correct_example(const Schema& schema, const ExampleCorrection& correction, Example& example);
/// All of them, in order; those that have to go are taken out.
void correct_examples(const Schema& schema, const std::vector<ExampleCorrection>& corrections, std::vector<Example>& examples);

}  // namespace lacuna::state
