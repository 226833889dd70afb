#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"

// A store looked at from outside: beside the process that has it open, or without one.

namespace lacuna::state {

/// A patient as the store in `path` has it, read beside a process that has it open, or without one; writes nothing into the store.
/// not_found when there is no such patient, or no store; else as Store::open().
Result<Snapshot> read_snapshot(const Schema& schema, const std::string& path, std::string_view patient_id);

/// All patients of the store in `path`, read and failing as read_snapshot() does, in the order of their keys. Ends early with what `visit`
/// returns.
Status read_snapshots(const Schema& schema, const std::string& path, const std::function<Status(Snapshot)>& visit);

/// What opening the store in `path` under this schema would change: writes nothing, and works beside a process that has it open.
/// not_found: there is no store, or nothing in it; else as Store::open().
struct StoreGrowth {
  std::vector<SchemaChange> changes;  ///< since it was last opened; empty: the schema is the same
  std::uint64_t patients = 0;
};
Result<StoreGrowth> read_growth(const Schema& schema, const std::string& path);

}  // namespace lacuna::state
