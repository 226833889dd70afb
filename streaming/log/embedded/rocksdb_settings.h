#pragma once

#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <atomic>
#include <memory>
#include <string_view>

#include "state/records/status.h"

// How the embedded log sets RocksDB up, and what its statuses mean. For database.cc alone.

namespace lacuna::streaming::embedded {

/// Knows of a full disk, and leaves RocksDB's writing ended until the database is opened again: its own recovery would have a write wait
/// inside, where nobody can tell why.
struct FullDiskListener final : rocksdb::EventListener {
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override { *auto_recovery = false; }
  std::atomic<bool> full = false;
};

rocksdb::Options rocksdb_options(std::shared_ptr<FullDiskListener> listener);

/// No space, or none that this user may take.
bool is_full_disk(const rocksdb::Status& status);
Status failed(std::string_view what, const rocksdb::Status& status);

}  // namespace lacuna::streaming::embedded
