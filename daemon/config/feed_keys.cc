#include "daemon/config/feed_keys.h"

#include "daemon/config/values.h"
#include "streaming/hl7/code_map.h"
#include "streaming/hl7/message_decoder.h"

namespace lacuna::daemon {

namespace {

using namespace values;

bool is_any(std::string_view) { return true; }
bool is_not_empty(std::string_view text) { return !text.empty(); }

#define FEED(member) \
  [](Draft & d, const Captures&) -> auto& { return d.config.hl7.member; }
#define CODE(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.config.hl7.codes[names[0].name].member; }
#define ATTRIBUTE(member) \
  [](Draft & d, const Captures& names) -> auto& { return d.config.hl7.attributes[names[0].name].member; }

void add_code_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(text(
      "hl7.codes_file", "a file", is_any,
      "CSV with more codes: a header with code and to, and where they are wanted system, when_unit, unit, missing (parted by |) and "
      "categories (text=category, parted by |). Rows without `to` are passed over.",
      [](Draft & d, const Captures&) -> auto& { return d.config.hl7_codes_file; }));
  const std::string code = "hl7.codes.<code>.";
  add(text(code + "to", "modality.feature, or a modality of payloads", is_not_empty,
           "Where the values of this code of OBX-3 go; written as code, code^system, or code^system^unit, of which the one that says "
           "most is taken.",
           CODE(to)));
  add(text(code + "unit", "a unit", is_any, "Unit of its numbers where OBX-6 is empty. Absent: the schema's.", CODE(unit)));
  add(texts(code + "missing", "", is_any, "Texts in OBX-5 that mean: not measured.", CODE(missing)));
  add(text(
      code + "categories.<text>", "a category", is_not_empty,
      "Which category a code or a text of OBX-5 means; of a bernoulli feature true or false. One that is not listed is taken as the "
      "category's name.",
      [](Draft & d, const Captures& names) -> auto& { return d.config.hl7.codes[names[0].name].categories[names[1].name]; }));
  add(texts("hl7.ignored_codes", "", is_not_empty, "Codes left out on purpose, written as the names under codes; any other is counted.",
            FEED(ignored_codes)));
}

}  // namespace

void add_feed_keys(std::vector<Key>& keys) {
  const auto add = [&keys](Key key) { keys.push_back(std::move(key)); };
  add(text("hl7.time_zone", "a name such as Europe/Berlin", is_any,
           "Zone of times that tell none, in messages whose MSH-7 tells none. Absent: such times are refused.", FEED(time_zone)));
  add(text(
      "hl7.senders.<sender>.time_zone", "a name such as Europe/Berlin", is_not_empty,
      "The same for the messages of one sender, by its MSH-3, else its MSH-4.",
      [](Draft & d, const Captures& names) -> auto& { return d.config.hl7.sender_zones[names[0].name]; }));
  add(text("hl7.identifier.authority", "a namespace or a universal id", is_any,
           "Which of the identifiers in PID-3 and MRG-1 is the patient's, by its assigning authority (component 4). Absent: any; without "
           "one that "
           "fits, a message is refused.",
           FEED(authority)));
  add(text("hl7.identifier.type", "such as MR", is_any, "The same by its type (component 5). With neither the first identifier is taken.",
           FEED(identifier_type)));
  add(text("hl7.site", "a field of MSH, PID, PD1, PV1 or PV2", is_any, "The field that is the site of an event, and of a stay.",
           FEED(site)));
  add(text("hl7.character_set", "as MSH-18 would say it", is_any, "Of messages whose MSH-18 is empty. Absent: UTF-8.",
           FEED(character_set)));
  add_code_keys(keys);
  const std::string attribute = "hl7.attributes.<attribute>.";
  add(text(attribute + "from", "a field such as PID-8 or PV1-10, or age", is_not_empty,
           "Where an attribute of the schema is read; an age is counted from PID-7.", ATTRIBUTE(from)));
  add(texts(attribute + "missing", "", is_any, "Texts in it that mean: not known.", ATTRIBUTE(missing)));
  add(text(
      attribute + "categories.<text>", "a category", is_not_empty, "Which category a text in it means.",
      [](Draft & d, const Captures& names) -> auto& { return d.config.hl7.attributes[names[0].name].categories[names[1].name]; }));
  add(texts("hl7.ignored_messages", "types such as SIU, or ADT^A15", is_not_empty,
            "Messages left out on purpose; others that hold nothing that is taken go to the dead letters.", FEED(ignored_messages)));
}
#undef FEED
#undef CODE
#undef ATTRIBUTE

std::vector<std::pair<std::string, std::function<void(Draft&, const Captures&)>>> feed_sections() {
  return {{"hl7.codes.<code>", [](Draft& d, const Captures& names) { d.config.hl7.codes[names[0].name]; }},
          {"hl7.attributes.<attribute>", [](Draft& d, const Captures& names) { d.config.hl7.attributes[names[0].name]; }}};
}

void finish_feed(Draft& draft, const Schema& schema, const ComplainAt& complain) {
  Config& config = draft.config;
  const auto place = [&draft](const std::string& path) { return draft.given.contains(path) ? draft.given[path] : draft.given["hl7"]; };
  const std::string file = "hl7.codes_file";
  if (!config.hl7_codes_file.empty()) {
    const Status read = streaming::hl7::read_codes(config.hl7_codes_file, config.hl7.codes);
    if (!read.ok()) return complain(file, place(file), read.message());
  }
  for (const auto& [key, message] : streaming::hl7::MessageDecoder::check(schema, config.hl7)) {
    const std::string path = "hl7." + key;
    if (draft.given.contains(path)) complain(path, draft.given[path], message);
    else if (key.starts_with("codes.")) complain(file, place(file), key.substr(sizeof "codes") + ": " + message);
    else complain("hl7", draft.given["hl7"], key + ": " + message);
  }
}

}  // namespace lacuna::daemon
