#pragma once

#include <optional>
#include <span>

#include "state/deliveries.h"
#include "state/person_history.h"
#include "state/schema_book.h"

// What was noted of a feature's values under an earlier schema, in another unit or by other classes, and is read under the present one.
// Neither tags nor histories name their schema: each of the book's is tried.

namespace lacuna::state {

/// Whether a value of the present schema's feature may be the one that had this tag when it was noted under an earlier schema.
bool was_tagged(const SchemaBook& schemas, FeatureId feature, double value, Time time, Comparator comparator, Tag tag);
/// The same of an attribute.
bool was_tagged(const SchemaBook& schemas, const AttributeValue& attribute, Tag tag);

/// history_behind() where the unit of the feature has changed, and its classes have not (carried over, their means are the last value and
/// tell nothing): `stored` and as many of the first `changes` as explain `known` best are of one earlier schema, the others of the present
/// one. The history is of the present schema. Empty where none explains how many values there were, the last one and its time.
std::optional<FeatureHistory> carried_history(const SchemaBook& schemas, FeatureId feature, const FeatureState& known,
                                              const FeatureHistory& stored, std::span<const HistoryChange> changes);

}  // namespace lacuna::state
