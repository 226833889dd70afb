#include "daemon/http/person_json.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "state/records/person_key.h"
#include "streaming/messages/schema_index.h"
#include "streaming/messages/snapshot_codec.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;
using Action = OperatorCommand::Action;

/// A topic's name at most.
constexpr std::size_t kNamespaceBytesMax = 249;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// What is wrong with the key of a person; empty when it is fine.
std::optional<std::string> problem_of(const std::string& member, const std::string& key, const streaming::CodecLimits& limits) {
  const Person person = split_person_key(key);
  if (person.id.empty()) return member + " names nobody";
  if (auto wrong = streaming::check_id(member, person.id, limits.id_bytes_max)) return wrong->message;
  const bool named = person.name_space.empty() || (is_namespace(person.name_space) && person.name_space.size() <= kNamespaceBytesMax);
  if (named && person_key(person.name_space, person.id) == key) return std::nullopt;
  return member + " is not the key of a person: the id, or namespace|id; of an id that holds | in the default namespace |id";
}

}  // namespace

std::string person_json(const Schema& schema, const Snapshot& snapshot, const KeptOfPerson& kept, Time now) {
  std::string out = streaming::encode_snapshot(schema, snapshot, now);
  const Json more{{"ids", kept.ids},
                  {"histories", kept.histories},
                  {"replay_examples", kept.replay_examples},
                  {"changelog_records", kept.changelog_records}};
  out.pop_back();
  return out + ",\"kept\":" + text_of(more) + "}";
}

Result<OperatorCommand> parse_person_command(Action action, std::string_view body, const streaming::CodecLimits& limits) {
  const auto wrong = [](const std::string& why) { return Status(Code::invalid, why); };
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return wrong("the body is not a JSON object");
  const bool merge = action == Action::merge;
  const std::string members = merge ? "person, into and confirm" : "person and confirm";
  for (const auto& [name, value] : json.items()) {
    if (name != "person" && name != "confirm" && !(merge && name == "into")) return wrong("only " + members + " are known here");
    if (!value.is_string()) return wrong(name + " is not a text");
  }
  for (const char* name : {"person", "confirm", "into"}) {
    if (!json.contains(name) && (merge || name != std::string_view("into"))) return wrong(members + " are needed");
  }
  OperatorCommand out;
  out.action = action;
  out.person = json.at("person").get<std::string>();
  if (const auto problem = problem_of("person", out.person, limits)) return wrong(*problem);
  if (json.at("confirm") != out.person) return wrong("confirm is not the same as person: nothing was done");
  if (!merge) return out;
  out.into = json.at("into").get<std::string>();
  if (const auto problem = problem_of("into", out.into, limits)) return wrong(*problem);
  if (out.into == out.person) return wrong("person and into are the same");
  if (split_person_key(out.into).name_space != split_person_key(out.person).name_space) {
    return wrong("person and into are of different namespaces");
  }
  return out;
}

std::string published_json(Action action) {
  Json out{{"status", "published"}};
  if (action == Action::merge) {
    out["effect"] = "whoever holds the person sends what is known to the partition of the other one, who goes on with it";
    return text_of(out);
  }
  out["effect"] = "every partition forgets the person, and all who were merged with this one";
  out["not_reached"] = kForgettingDoesNotReach;
  return text_of(out);
}

}  // namespace lacuna::daemon
