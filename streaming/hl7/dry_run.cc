#include "streaming/hl7/dry_run.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>

#include "state/records/hash.h"
#include "streaming/files/file_list.h"
#include "streaming/hl7/stamp.h"

namespace lacuna::streaming::hl7 {

namespace {

constexpr std::size_t kNamesMax = 1000;         // of each kind that is counted
constexpr std::size_t kNameBytesMax = 64;       // of one
constexpr std::size_t kRemembered = 2'000'000;  // facts and patients

/// Names of systems, never of persons; bounded, and without control characters.
void count(DryRun::Counts& counts, std::string_view name) {
  std::string key(name.substr(0, kNameBytesMax));
  for (char& c : key) {
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) c = '?';
  }
  if (!counts.contains(key) && counts.size() >= kNamesMax) key = "...";
  counts[key] += 1;
}

std::string pair(std::string_view first, std::string_view second) {
  if (second.empty()) return first.empty() ? "-" : std::string(first);
  return std::string(first.empty() ? "-" : first) + ", " + std::string(second);
}

/// "message 2: OBX[3] (lab.glucose)" as "OBX (lab.glucose)".
std::string without_numbers(std::string what) {
  if (what.starts_with("message ")) what.erase(0, what.find(": ") + 2);
  const std::size_t open = what.find('['), close = what.find(']');
  if (open != std::string::npos && close != std::string::npos && close > open) what.erase(open, close - open + 1);
  return what;
}

const char* name_of_change(const Event& event) {
  if (event.person == PersonChange::merge) return "merge";
  if (event.stay_ends) return "discharge";
  return event.stay_site.empty() ? "attributes" : "arrival at a site";
}

}  // namespace

Result<DryRun> DryRun::make(const Schema& schema, const FeedOptions& options, const CodecLimits& limits, Time now) {
  Result<MessageDecoder> decoder = MessageDecoder::make(schema, options, limits);
  if (!decoder.ok()) return decoder.status();
  return DryRun(schema, std::move(*decoder), now);
}

/// What the header and the identifiers say, for the draft of a configuration.
void DryRun::look_at(const Message& message) {
  const Delimiters& d = message.delimiters();
  const Segment& msh = message.segments().front();
  const auto first = [&d](std::string_view field) { return piece(field, d.component, 1); };
  const std::string_view type = field_of(msh, d, 9);
  const std::string_view trigger = piece(type, d.component, 2);
  count(types_, trigger.empty() ? std::string(first(type)) : std::string(first(type)) + "^" + std::string(trigger));
  count(senders_, pair(first(field_of(msh, d, 3)), first(field_of(msh, d, 4))));
  const auto sent = read_stamp(field_of(msh, d, 7), d);
  if (!sent || !sent->east) zoneless_ += 1;
  for (const Segment& segment : message.segments()) {
    if (segment.name != kPid) continue;
    std::string_view left = field_of(segment, d, 3), one;
    for (bool begins = true; next_piece(left, begins, d.repetition, one);) {
      if (first(one).empty()) continue;
      const std::string_view authority = piece(one, d.component, 4);
      std::string_view name = piece(authority, d.subcomponent, 1);
      if (name.empty()) name = piece(authority, d.subcomponent, 2);
      count(identifiers_, pair(name, piece(one, d.component, 5)));
    }
  }
}

void DryRun::take_fact(const Event& event) {
  const std::uint64_t key = hash64(event.result_id, hash64(event.patient_id));
  const auto found = facts_.find(key);
  const Fact now{event.revision, event.status, event.time};
  if (found == facts_.end()) {
    changes_.facts += 1;
    if (withdraws(event.status)) changes_.withdrawn += 1;
    if (facts_.size() < kRemembered) facts_.emplace(key, now);
    return;
  }
  Fact& before = found->second;
  const bool comparable = before.revision.kind != Revision::Kind::none && event.revision.kind != Revision::Kind::none;
  if (comparable && event.revision.value < before.revision.value) {
    changes_.superseded += 1;
    return;
  }
  if (withdraws(event.status)) {
    changes_.withdrawn += 1;
  } else {
    changes_.replaced += 1;
    if (before.status == ResultStatus::final && event.status == ResultStatus::final && before.time != event.time) changes_.moved += 1;
  }
  before = now;
}

void DryRun::take(const Event& event) {
  if (patients_.size() < kRemembered) patients_[hash64(event.patient_id)] = true;
  if (!event.result_id.empty()) take_fact(event);
  if (event.person != PersonChange::none || (event.result_id.empty() && !event.payload && event.values.empty())) {
    count(people_, name_of_change(event));
    return;
  }
  if (event.modality == kNoModality) return;  // a withdrawal
  const bool is_payload = event.values.empty();
  Target& target = targets_[is_payload ? schema_.modalities()[event.modality].name : schema_.qualified_name(event.values.front().feature)];
  target.values += 1;
  if (!is_payload && is_censored(event.values.front().comparator)) target.limits += 1;
  if (event.status == ResultStatus::preliminary) target.preliminary += 1;
  if (event.status == ResultStatus::corrected) target.corrected += 1;
  target.first = std::min(target.first, event.time);
  target.last = std::max(target.last, event.time);
}

void DryRun::refuse(const RefusedPart& part, const std::string& at) {
  RefusedKey key{std::string(to_string(part.reason)), without_numbers(part.what) + ": " + part.message};
  if (!refused_.contains(key) && refused_.size() >= kNamesMax) key = {key.first, "..."};
  Refused& refused = refused_[key];
  refused.count += 1;
  if (refused.first.empty()) refused.first = at;
}

void DryRun::add(std::string_view name, std::string_view bytes) {
  MessageReader reader(bytes);
  Message message;
  std::uint64_t number = 0;
  while (reader.next(message)) {
    number += 1;
    const std::string at = std::string(name) + ":" + std::to_string(number);
    if (message.problem().empty()) look_at(message);
    decoder_.decode(message.bytes(), {{}, {}, true}, now_, decoded_);
    counts_ += decoded_.counts;
    for (const Event& event : decoded_.events) take(event);
    for (const RefusedPart& part : decoded_.refused) refuse(part, at);
  }
  const std::string at(name);
  if (number == 0) {  // UTF-16, or none
    decoder_.decode(bytes, {{}, {}, true}, now_, decoded_);
    counts_ += decoded_.counts;
    for (const Event& event : decoded_.events) take(event);
    for (const RefusedPart& part : decoded_.refused) refuse(part, at);
  } else if (reader.stray_lines() > 0) {
    refuse({Refusal::malformed, "file", "lines stand before its first MSH"}, at);
  }
  if (reader.wrong_batches() > 0) {
    refuse({Refusal::malformed, "BTS-1", "a batch tells another number of messages than it holds"}, at);
  }
}

Status add_files(DryRun& run, const std::string& path) {
  const Result<std::vector<InputFile>> files = list_files(path);
  if (!files.ok()) return files.status();
  for (const InputFile& file : *files) {
    if (file.bytes > kFileBytesMax) return {Code::invalid, file.path + ": is larger than 1 GiB: split it"};
    std::ifstream in(file.path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) return {Code::not_found, file.path + ": cannot be read"};
    run.add(file.name, bytes);
  }
  return {};
}

}  // namespace lacuna::streaming::hl7
