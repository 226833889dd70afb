#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "state/records/schema.h"
#include "state/records/schema_mapping.h"
#include "state/records/status.h"
#include "state/records/time.h"

namespace lacuna::daemon {

/// What is not to be learned from the past any more, since an alert says that it meant something else: of a feature whose values shifted
/// for good those from before the onset, of one whose fault was mended those from the onset to its end. Only alerts of what is held against
/// predictions count (`value`, `error`, `coverage`). Follows the alerts, so that a restart, and the same stream, give the same. A plain
/// value; not thread-safe.
class LearningMask {
 public:
  static constexpr std::size_t kSpansMax = 8;  ///< of a feature; the oldest are dropped

  /// `told`: the messages of a batch, or of a decision; `open`: what is open after them. An open one speaks for a shift that stays once it
  /// is `react_for` old: until then `alerts.on_critical` decides. `now`: clinical time.
  void follow(std::span<const Alert> told, std::span<const Alert> open, Time now, Millis react_for);
  bool empty() const { return by_feature_.empty(); }

  /// Takes out of an example what is masked: values that arrived, and what was known of the feature, by the time of its last value. False
  /// where nothing that arrived is left.
  bool apply(const Schema& schema, Example& example) const;

  std::string save() const;
  /// Left as it was when corrupt or unsupported. Under another schema it stands as it is: a feature is its name.
  Status load(std::string_view bytes, const SchemaMapping* grown = nullptr);

  friend bool operator==(const LearningMask&, const LearningMask&) = default;

 private:
  struct Span {
    Time from{}, to{};  ///< [from, to), clinical time of a value
    friend bool operator==(const Span&, const Span&) = default;
  };
  void add(const std::string& feature, Span span);
  void remove(const std::string& feature, Span span);

  std::map<std::string, std::vector<Span>, std::less<>> by_feature_;  ///< "modality.feature"
};

}  // namespace lacuna::daemon
