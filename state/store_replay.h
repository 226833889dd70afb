#pragma once

#include <rocksdb/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "state/example_correction.h"
#include "state/records/records.h"
#include "state/records/status.h"
#include "state/replay_buffer.h"
#include "state/replay_owners.h"
#include "state/schema_book.h"

namespace rocksdb {
class WriteBatch;
}

// How a batch changes the replay buffer in the store's database. Private to this folder.

namespace lacuna::state {

struct RocksDbHandles;

/// What one batch does to the slots, worked out beside the buffer as it is; nothing is written before write() and nothing taken over before
/// commit().
class ReplayChanges {
 public:
  /// All of them outlive this.
  ReplayChanges(const SchemaBook& schemas, const RocksDbHandles& handles, ReplayBuffer buffer, const ReplayOwners& owners)
      : schemas_(schemas), handles_(handles), buffer_(std::move(buffer)), owners_(owners) {}

  /// Takes out all of these patients.
  Status forget(const std::vector<std::string>& patient_ids);
  Status place(const std::vector<Example>& examples);
  /// Puts examples right, or takes them out.
  Status correct(const std::vector<ExampleCorrection>& corrections);
  /// Adds the slots to a batch, not the strata's counters.
  rocksdb::Status write(rocksdb::WriteBatch& batch) const;
  const ReplayBuffer& buffer() const { return buffer_; }
  void commit(ReplayBuffer& buffer, ReplayOwners& owners) const;

 private:
  struct Content {
    std::string bytes;
    std::uint64_t owner = 0;  ///< patient_key()
  };
  Result<Content> content(Slot slot) const;
  Status remove(Slot slot);
  Status move(Slot last, Slot hole);
  std::vector<Slot> slots_of(std::uint64_t owner) const;
  Status correct_one(const ExampleCorrection& correction);

  const SchemaBook& schemas_;
  const RocksDbHandles& handles_;
  ReplayBuffer buffer_;
  const ReplayOwners& owners_;
  std::map<Slot, std::optional<Content>> changes_;  ///< an empty entry is a slot to be deleted
};

/// Whose examples are stored. Works them out and writes them down where an earlier build has left none.
Result<ReplayOwners> load_owners(const SchemaBook& schemas, const RocksDbHandles& handles, const ReplayBuffer& buffer);

}  // namespace lacuna::state
