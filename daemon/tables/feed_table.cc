#include "daemon/tables/feed_table.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "daemon/tables/screen.h"
#include "daemon/tables/text_table.h"
#include "state/records/units.h"

namespace lacuna::daemon {

namespace hl7 = streaming::hl7;
using hl7::DryRun;

namespace {

constexpr std::size_t kCodesShown = 40, kRefusalsShown = 40, kNamesShown = 8;

using Rows = std::vector<std::vector<std::string>>;

std::vector<std::pair<std::string, std::uint64_t>> by_count(const DryRun::Counts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::string listed(const DryRun::Counts& counts) {
  std::string out;
  std::size_t shown = 0;
  for (const auto& [name, count] : by_count(counts)) {
    if (shown++ == kNamesShown) return out + "; " + std::to_string(counts.size() - kNamesShown) + " more";
    out += (out.empty() ? "" : "; ") + name + " " + std::to_string(count);
  }
  return out.empty() ? "-" : out;
}

/// "mg/dL, mmol/L", the most frequent first; "-" for none.
std::string units_of(const hl7::UnmappedCode& code) {
  std::string out;
  for (const auto& [unit, count] : by_count(code.units)) out += (out.empty() ? "" : ", ") + (unit.empty() ? std::string("-") : unit);
  return out;
}

std::string lower_words(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) out.push_back(static_cast<char>(std::tolower(byte)));
    else if (!out.empty() && out.back() != '_') out.push_back('_');
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

std::string csv(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

std::string yaml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

void add_counts(std::string& out, const hl7::FeedCounts& c) {
  Rows rows{{"OBX", "", ""}};
  const auto add = [&rows](const char* what, std::uint64_t count, const char* means) {
    if (count > 0) rows.push_back({what, std::to_string(count), means});
  };
  add("taken", c.taken, "become values, texts or arrays");
  add("joined", c.joined, "are further lines of a text");
  add("withdrawn", c.withdrawn, "take back what was told (OBX-11 D, W, X)");
  add("no result", c.no_result, "tell of none, or of none yet (OBX-11 I, N, O)");
  add("empty", c.empty, "have nothing in OBX-5");
  add("missing", c.missing, "say that nothing was measured");
  add("unmapped", c.unmapped, "have a code that hl7.codes does not lead anywhere");
  add("ignored", c.ignored, "are left out on purpose");
  add("refused", c.refused, "cannot be taken: the reasons are below");
  if (rows.size() > 1) out += text_table(std::move(rows), "lrl") + "\n";
}

void add_targets(std::string& out, const DryRun& run) {
  if (run.targets().empty()) return;
  Rows rows{{"where to", "values", "limits", "preliminary", "corrected", "from", "to"}};
  for (const auto& [name, t] : run.targets()) {
    rows.push_back({name, std::to_string(t.values), std::to_string(t.limits), std::to_string(t.preliminary), std::to_string(t.corrected),
                    format_rfc3339(t.first), format_rfc3339(t.last)});
  }
  out += text_table(std::move(rows), "lrrrrll") + "\n";
}

void add_changes(std::string& out, const DryRun& run) {
  const DryRun::Changes& c = run.changes();
  const auto say = [&out](const std::string& text) { out += wrapped(text + "\n", screen_columns()); };
  if (c.facts > 0) {
    say(counted(c.facts, "result", "results") + ": " + std::to_string(c.replaced) + " told again, " + std::to_string(c.withdrawn) +
        " withdrawn, " + std::to_string(c.superseded) + " came after a newer report of themselves and do nothing");
  }
  if (c.moved > 0) {
    say(std::to_string(c.moved) +
        " of those that are told again are final as before, and of another time: the sender may give one order number and code to several "
        "results, of "
        "which only the last would stay (docs/hospital-feeds.md#which-fact-an-obx-reports)");
  }
  if (!run.people().empty()) say("persons and stays: " + listed(run.people()));
  const hl7::FeedCounts& f = run.counts();
  if (f.refined > 0) say(counted(f.refined, "time", "times") + " coarser than a minute, found by OBR-22 or MSH-7");
  if (f.clocks_twice + f.clocks_never > 0) {
    say(std::to_string(f.clocks_twice) + " times that a clock showed twice (the earlier is taken), " + std::to_string(f.clocks_never) +
        " that no clock showed");
  }
  out += "\n";
}

void add_refusals(std::string& out, const DryRun& run) {
  if (run.refused().empty()) return;
  std::vector<std::pair<DryRun::RefusedKey, DryRun::Refused>> all(run.refused().begin(), run.refused().end());
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  Rows rows{{"refused", "reason", "where and why", "first"}};
  for (const auto& [key, refused] : all) {
    if (rows.size() > kRefusalsShown) break;
    rows.push_back({std::to_string(refused.count), key.first, key.second, refused.first});
  }
  out += text_table(std::move(rows), "rlll");
  if (all.size() > kRefusalsShown) out += std::to_string(all.size() - kRefusalsShown) + " more kinds of refusal\n";
  out += "\n";
}

void add_unmapped(std::string& out, const DryRun& run, const std::vector<hl7::UnmappedCode>& codes) {
  if (codes.empty()) return;
  Rows rows{{"unmapped", "code", "system", "name", "types", "units"}};
  for (const hl7::UnmappedCode& code : codes) {
    if (rows.size() > kCodesShown) break;
    std::string types;
    for (const auto& [type, count] : by_count(code.types)) types += (types.empty() ? "" : ", ") + type;
    rows.push_back({std::to_string(code.values), code.code, code.system, code.name, types, units_of(code)});
  }
  out += text_table(std::move(rows), "rlllll");
  if (codes.size() > kCodesShown) out += std::to_string(codes.size() - kCodesShown) + " more codes (--draft FILE has all)\n";
  if (run.unmapped_beyond() > 0)
    out += std::to_string(run.unmapped_beyond()) + " values of codes beyond the " + std::to_string(codes.size()) + " that are told apart\n";
  out += "\n";
}

/// Of authority and type, a medical record's number before a patient's internal one, and that before all others; then the most frequent.
std::pair<std::string, std::string> likeliest_identifier(const DryRun::Counts& identifiers) {
  const auto all = by_count(identifiers);
  for (const std::string type : {"MR", "PI", "PT"}) {
    for (const auto& [name, count] : all) {
      if (name.ends_with(", " + type)) return {name.substr(0, name.size() - type.size() - 2), type};
    }
  }
  const std::string& first = all.front().first;
  const std::size_t comma = first.find(", ");
  return {first.substr(0, comma), comma == std::string::npos ? "" : first.substr(comma + 2)};
}

/// What would go into the configuration, as it is known from the messages.
void add_draft(std::string& out, const DryRun& run, const Schema& schema, const hl7::FeedOptions& options,
               const std::vector<hl7::UnmappedCode>& codes) {
  std::string draft;
  if (options.authority.empty() && options.identifier_type.empty() && run.identifiers().size() > 1) {
    draft += "  # PID-3 holds (authority, type): " + listed(run.identifiers()) + "\n";
    const auto [authority, type] = likeliest_identifier(run.identifiers());
    draft += "  identifier: {" + (authority == "-" ? "" : "authority: " + yaml(authority)) +
             (authority == "-" || type.empty() ? "" : ", ") + (type.empty() ? "" : "type: " + yaml(type)) + "}\n";
  }
  if (options.time_zone.empty() && run.zoneless() > 0) {
    draft += "  # " + counted(run.zoneless(), "message tells", "messages tell") + " no zone in MSH-7\n  # time_zone: Europe/Berlin\n";
  }
  std::string lines;
  std::size_t shown = 0;
  for (const hl7::UnmappedCode& code : codes) {
    if (code.code.empty()) continue;
    if (shown++ == kCodesShown) break;
    const std::string to = feature_of(code, schema);
    const std::string key = code.code + (code.system.empty() ? "" : "^" + code.system);
    lines += (to.empty() ? "    # " : "    ") + yaml(key) + ": {to: " + (to.empty() ? "MODALITY.FEATURE" : to) + "}  # " + code.name +
             "; " + counted(code.values, "value", "values") + " in " + units_of(code) + "\n";
  }
  if (!lines.empty()) draft += "  codes:\n" + lines;
  if (!draft.empty()) out += "draft of a configuration:\n\nhl7:\n" + draft;
}

}  // namespace

std::string feature_of(const hl7::UnmappedCode& code, const Schema& schema) {
  const std::string by_name = lower_words(code.name), by_code = lower_words(code.code);
  std::string found;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    const Feature& feature = schema.features()[f];
    if (feature.name != by_name && feature.name != by_code) continue;
    const bool fits = std::all_of(code.units.begin(), code.units.end(), [&feature](const auto& unit) {
      return !unit.first.empty() && unit_conversion(feature.name, unit.first, feature.unit).has_value();
    });
    if (!fits || is_discrete(feature.likelihood)) continue;
    if (!found.empty()) return {};
    found = schema.qualified_name(f);
  }
  return found;
}

std::string feed_table(const DryRun& run, const Schema& schema, const hl7::FeedOptions& options) {
  const hl7::FeedCounts& counts = run.counts();
  std::string out = counted(counts.messages, "message", "messages") + " with " + std::to_string(counts.observations) +
                    " OBX; something is taken of " + counted(run.patients(), "patient", "patients") + "\n";
  out += wrapped("kinds: " + listed(run.types()) + "\n", screen_columns());
  out += wrapped("senders: " + listed(run.senders()) + "\n\n", screen_columns());
  add_counts(out, counts);
  add_targets(out, run);
  add_changes(out, run);
  add_refusals(out, run);
  const std::vector<hl7::UnmappedCode> codes = run.unmapped();
  add_unmapped(out, run, codes);
  add_draft(out, run, schema, options, codes);
  return out;
}

std::string codes_draft(const DryRun& run, const Schema& schema) {
  std::string out = "code,system,to,unit,name,values,units\n";
  for (const hl7::UnmappedCode& code : run.unmapped()) {
    const std::string row[] = {code.code,     code.system, feature_of(code, schema), "", code.name, std::to_string(code.values),
                               units_of(code)};
    for (std::size_t i = 0; i < std::size(row); ++i) out += (i == 0 ? "" : ",") + csv(row[i]);
    out += "\n";
  }
  return out;
}

}  // namespace lacuna::daemon
