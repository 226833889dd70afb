#pragma once

#include "state/deliveries.h"
#include "state/schema_book.h"

// What was noted of a feature's values under an earlier schema, in another unit or by other classes, and is read under the present one.
// Tags do not name their schema: each of the book's is tried.

namespace lacuna::state {

/// Whether a value of the present schema's feature may be the one that had this tag when it was noted under an earlier schema.
bool was_tagged(const SchemaBook& schemas, FeatureId feature, double value, Time time, Comparator comparator, Tag tag);
/// The same of an attribute.
bool was_tagged(const SchemaBook& schemas, const AttributeValue& attribute, Tag tag);

}  // namespace lacuna::state
