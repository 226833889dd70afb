#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "state/records/status.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// Finds the record that makes a batch fail: a failed batch comes again in halves, and a record that fails alone is condemned,
/// which Batch::decode() then refuses without looking at it. Works the same when the log gives the records again in other
/// batches. One thread.
class PoisonSearch {
 public:
  /// Records in a row that are condemned: then it is not the records' fault, and refusing the stream would lose it.
  static constexpr int kRunMax = 100;

  struct QuarantinedRecord {
    std::string stage;           ///< that failed
    bool without_value = false;  ///< its dead letter could not be written with the original bytes either
  };
  using List = std::map<SourcePosition, QuarantinedRecord>;

  explicit PoisonSearch(std::size_t batch_max) : batch_max_(batch_max), limit_(batch_max) {}

  /// Records to take into the next batch, at most.
  std::size_t limit() const { return limit_; }
  const List& list() const { return list_; }

  /// `internal`: nothing more can be done about it.
  Status failed(const std::vector<streaming::Record>& batch, const char* stage, const Status& why);
  void succeeded(const std::vector<streaming::Record>& batch);

 private:
  std::size_t batch_max_;
  std::size_t limit_;
  List list_;  ///< until they are in the dead letters
  int run_ = 0;
};

}  // namespace lacuna::daemon
