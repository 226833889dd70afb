#pragma once

#include <map>
#include <string>
#include <vector>

// What the messages of a hospital mean here. Filled from YAML by daemon/config (`hl7`); docs/hospital-feeds.md says what follows.

namespace lacuna::streaming::hl7 {

/// Where the values of a code go.
struct CodeTarget {
  std::string to;                                 ///< "modality.feature", or a modality of payloads
  std::string unit;                               ///< of numbers whose OBX-6 is empty; empty: the schema's
  std::vector<std::string> missing;               ///< texts that mean "not measured"
  std::map<std::string, std::string> categories;  ///< code or text of OBX-5 -> the category; absent: as written
};

/// Where an attribute is read.
struct AttributeSource {
  std::string from;                               ///< a field ("PID-8", "PV1-10"), or "age", which is counted from PID-7
  std::vector<std::string> missing;               ///< texts that mean "not known"
  std::map<std::string, std::string> categories;  ///< the field's text -> the category; absent: as written
};

struct FeedOptions {
  std::string time_zone;                            ///< IANA's name; of stamps without a zone in messages whose MSH-7 has none
  std::map<std::string, std::string> sender_zones;  ///< the same of one sender: its MSH-3.1, else its MSH-4.1
  std::string authority;         ///< PID-3.4 (namespace or universal id) of the identifier that is the patient's; empty: any
  std::string identifier_type;   ///< PID-3.5 of it; empty: any
  std::string site = "PV1-3.1";  ///< the field that is an event's site
  std::string character_set;     ///< of messages without MSH-18, as MSH-18 would say it; empty: UTF-8
  /// By code of OBX-3, "code^system" or "code^system^unit": of several that fit the one that says most is taken.
  std::map<std::string, CodeTarget> codes;
  std::map<std::string, AttributeSource> attributes;  ///< by attribute of the schema
  std::vector<std::string> ignored_codes;             ///< left out on purpose, written as the keys of `codes`
  std::vector<std::string> ignored_messages;          ///< the same of messages: "SIU", "ADT^A15"
};

}  // namespace lacuna::streaming::hl7
