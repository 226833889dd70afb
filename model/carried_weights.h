#pragma once

#include <cstdint>
#include <vector>

#include "model/encoding.h"
#include "model/options.h"
#include "state/records/schema_mapping.h"

// A network under a schema that has grown keeps what it learned under the one before.

namespace lacuna::model {

/// By position in the flat tensor of a network under `to` (Network::parameter_count): the position in that of one under `from`, of the
/// same options, where the same number lay; kNewWeight: it is new; kZeroWeight: it is new, and multiplies what the network did not read
/// of a feature that stays: at 0 nothing changes. `mapping` leads from the one to the other. Numbers that belong to a modality, a
/// feature, a class, an attribute or a payload are found by these; all others lie in layers that every schema has. Padding that nothing
/// reads is new, unless the schemas are the same. A cut point of an ordinal feature stays where the class below it and the one below that
/// stand together as before.
/// `columns`: InputLayout::columns of the one before.
std::vector<std::int64_t> carried_weights(const Schema& from, const Schema& to, const SchemaMapping& mapping, const ModelOptions& options,
                                          std::int64_t columns = kPastColumns);
inline constexpr std::int64_t kNewWeight = -1, kZeroWeight = -2;

}  // namespace lacuna::model
