#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/records/records.h"
#include "streaming/hl7/code_map.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/obx_value.h"
#include "streaming/messages/refusal.h"
#include "streaming/messages/schema_index.h"

// Of whom a message tells: the identifier, and what it says of the person and the place.

namespace lacuna::streaming::hl7 {

/// A field of a message: "PV1-3.1".
struct FieldPath {
  std::uint32_t segment = 0;
  std::size_t field = 0;
  std::size_t component = 1;
  /// Of MSH, PID, PD1, PV1 and PV2. Empty for anything else.
  static std::optional<FieldPath> parse(std::string_view text);
};

/// The segments that tell of a person; those without text did not come.
struct PersonSegments {
  Segment msh, pid, pd1, pv1, pv2;
  const Segment* find(std::uint32_t name) const;
  /// The component, without escape sequences and blanks; empty where it is not there, or is HL7's null. Lives until the next call of
  /// `text`.
  std::string_view get(const FieldPath& path, TextReader& text) const;
};

/// The patient's identifier among the repetitions of PID-3 or MRG-1, as it stands; empty: none is the one that is asked for.
std::string_view choose_identifier(std::string_view field, const FeedOptions& options, const Delimiters& delimiters);
/// The same of a PID, with PID-2 where PID-3 is empty and none is asked for, as versions before 2.3 have it.
std::string_view patient_identifier(const Segment& pid, const FeedOptions& options, const Delimiters& delimiters);

/// The id of a PID, or of the prior person of an MRG, in UTF-8. `id` stays empty where there is none, and `refused` says why.
void identify(const Segment& segment, const FeedOptions& options, std::size_t id_bytes_max, TextReader& text, std::string& id,
              std::vector<RefusedPart>& refused);

/// A person of a message: a PID and what follows it.
struct PersonContext {
  std::string id;            ///< empty: none was found, or it cannot be one
  bool wanted = true;        ///< the record is about this person
  std::uint32_t number = 0;  ///< in the message
  PersonSegments segments;
  bool known = false;                        ///< what follows was read
  std::string site{};                        ///< may be empty
  std::vector<AttributeValue> attributes{};  ///< that no event has carried yet
};

/// Reads what FeedOptions::attributes names.
class AttributeReader {
 public:
  AttributeReader(const SchemaIndex& index, const FeedOptions& options, std::vector<CodeMap::Problem>& problems);
  /// What is known of the person; what cannot be taken goes to `refused`.
  void read(const PersonSegments& person, Time time, TextReader& text, std::vector<AttributeValue>& out,
            std::vector<RefusedPart>& refused) const;
  bool empty() const { return sources_.empty(); }

 private:
  struct Source {
    std::uint32_t attribute = 0;
    const SchemaField* field = nullptr;
    std::optional<FieldPath> path;  ///< none: the age
    double days_to_unit = 0;        ///< of the age; 0: calendar years
    std::string name;               ///< of where it is read: "PID-8"
    TextMeanings meanings;
  };
  std::optional<ValueProblem> read_one(const Source& source, std::string_view written, Time time, const Delimiters& delimiters,
                                       double& out) const;
  std::vector<Source> sources_;
};

/// Reads whose a message is. Const calls, one thread a TextReader.
class PersonReader {
 public:
  PersonReader(const SchemaIndex& index, const FeedOptions& options, std::size_t id_bytes_max, std::vector<CodeMap::Problem>& problems);
  void identify(const Segment& segment, TextReader& text, std::string& id, std::vector<RefusedPart>& refused) const {
    hl7::identify(segment, options_, id_bytes_max_, text, id, refused);
  }
  /// Site and attributes, once a person, when the first event of it is made. `time`: of that event.
  void know(PersonContext& person, Time time, TextReader& text, std::vector<RefusedPart>& refused) const;

 private:
  const FeedOptions& options_;
  const std::size_t id_bytes_max_;
  std::optional<FieldPath> site_;
  AttributeReader attributes_;
};

}  // namespace lacuna::streaming::hl7
