#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "state/records/records.h"
#include "state/records/schema.h"
#include "state/records/status.h"
#include "streaming/hl7/decoded.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/message_decoder.h"

namespace lacuna::streaming::hl7 {

/// What would become of messages, without a log and without a store. Holds no value and no identifier of a patient. One thread.
class DryRun {
 public:
  /// The schema must outlive it. `invalid`: as MessageDecoder::make.
  static Result<DryRun> make(const Schema& schema, const FeedOptions& options, const CodecLimits& limits, Time now);

  /// Some HL7 v2 messages. `name` says in refusals where they are: a file's.
  void add(std::string_view name, std::string_view bytes);

  /// Of one feature, text or array.
  struct Target {
    std::uint64_t values = 0, limits = 0, preliminary = 0, corrected = 0;
    Time first = Time::max(), last = Time::min();
  };
  /// Of refusals that are alike but for where they are.
  struct Refused {
    std::uint64_t count = 0;
    std::string first;  ///< "file:message", 1-based
  };
  /// What the messages say of facts that they told before.
  struct Changes {
    std::uint64_t facts = 0;       ///< results with an id
    std::uint64_t replaced = 0;    ///< told again by a higher revision, or an equal one later
    std::uint64_t withdrawn = 0;   ///< taken back
    std::uint64_t superseded = 0;  ///< came after a higher revision, and do nothing
    std::uint64_t moved = 0;       ///< of those that are replaced: final before, final now, and of another time
  };
  using Counts = std::map<std::string, std::uint64_t>;

  const FeedCounts& counts() const { return counts_; }
  const std::map<std::string, Target>& targets() const { return targets_; }  ///< by "lab.glucose", or "report"
  const Counts& types() const { return types_; }                             ///< MSH-9: "ORU^R01"
  const Counts& senders() const { return senders_; }                         ///< MSH-3 and MSH-4: "LIS, HOSP"
  const Counts& identifiers() const { return identifiers_; }                 ///< authority and type in PID-3: "HOSP, MR"
  const Counts& people() const { return people_; }                           ///< what is told of persons and stays: "discharge"
  const Changes& changes() const { return changes_; }
  /// By reason, where in the message, and why.
  using RefusedKey = std::pair<std::string, std::string>;
  const std::map<RefusedKey, Refused>& refused() const { return refused_; }
  std::vector<UnmappedCode> unmapped() const { return decoder_.unmapped().by_volume(); }
  std::uint64_t unmapped_beyond() const { return decoder_.unmapped().beyond(); }
  std::uint64_t patients() const { return patients_.size(); }  ///< hashed
  std::uint64_t zoneless() const { return zoneless_; }         ///< messages whose MSH-7 tells no zone

 private:
  DryRun(const Schema& schema, MessageDecoder decoder, Time now) : schema_(schema), decoder_(std::move(decoder)), now_(now) {}
  void look_at(const Message& message);
  void take(const Event& event);
  void take_fact(const Event& event);
  void refuse(const RefusedPart& part, const std::string& at);

  struct Fact {
    Revision revision{};
    ResultStatus status = ResultStatus::final;
    Time time{};
  };
  const Schema& schema_;
  MessageDecoder decoder_;
  Time now_;
  Decoded decoded_;
  FeedCounts counts_;
  std::map<std::string, Target> targets_;
  Counts types_, senders_, identifiers_, people_;
  std::map<RefusedKey, Refused> refused_;
  std::unordered_map<std::uint64_t, Fact> facts_;
  std::unordered_map<std::uint64_t, bool> patients_;
  Changes changes_;
  std::uint64_t zoneless_ = 0;
};

/// The same of a file, or of a folder's files. `not_found`, `invalid`: it cannot be read, or is larger than kFileBytesMax.
Status add_files(DryRun& run, const std::string& path);
inline constexpr std::uint64_t kFileBytesMax = std::uint64_t{1} << 30;

}  // namespace lacuna::streaming::hl7
