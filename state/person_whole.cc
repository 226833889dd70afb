#include "state/person_whole.h"

#include <algorithm>
#include <set>

namespace lacuna::state {

namespace {

/// Numbers of one person only rise, and no other's begin where this one's do.
Told otherwise(const PersonState& known, std::uint64_t begun, std::uint64_t sequence) {
  const bool of_before = begun < known.begun || (begun == known.begun && sequence <= known.sequence);
  return of_before ? Told::earlier : Told::other;
}

bool is_pending(const PersonState& state, const PersonJournal& journal) {
  return journal.state.sequence > state.folded && journal.state.begun == state.begun;
}

Result<Told> compare_journal(const PersonWhole& whole, std::uint64_t slot, const std::optional<std::string>& value) {
  const auto held = whole.journals.find(slot);
  if (!value) {
    const bool needed = held != whole.journals.end() && (is_pending(whole.state, held->second) || held->second.state == whole.state);
    return needed ? Told::earlier : Told::same;
  }
  const Result<PersonJournal> read = decode_journal(*value);
  if (!read.ok()) return read.status();
  if (held != whole.journals.end() && held->second == *read) return Told::same;
  return otherwise(whole.state, read->state.begun, read->state.sequence);
}

Result<Told> compare_history(const PersonWhole& whole, PartKey part, const std::optional<std::string>& value) {
  const auto held = whole.histories.find(part);
  if (!value) return held == whole.histories.end() ? Told::same : Told::earlier;
  const Result<StoredHistory> read = decode_history(*value);
  if (!read.ok()) return read.status();
  if (held != whole.histories.end() && held->second == *read) return Told::same;
  return otherwise(whole.state, read->begun, read->sequence);
}

Result<Told> compare_payloads(const PersonWhole& whole, PartKey part, const std::optional<std::string>& value) {
  const auto held = whole.payloads.find(part);
  if (!value) return held == whole.payloads.end() ? Told::same : Told::earlier;
  const Result<StoredPayloads> read = decode_payloads(*value);
  if (!read.ok()) return read.status();
  if (held != whole.payloads.end() && held->second == *read) return Told::same;
  return otherwise(whole.state, read->begun, read->sequence);
}

/// The store holds the rows of all chunks together, with what came to them since: of a chunk it tells the newest hour.
Result<Told> compare_chunk(const PersonWhole& whole, std::uint64_t number, const std::optional<std::string>& value) {
  const auto held = whole.chunks.find(number);
  if (!value) return held == whole.chunks.end() ? Told::same : Told::earlier;
  const Result<DeliveryChunk> read = decode_chunk(*value);
  if (!read.ok()) return read.status();
  const Told told = otherwise(whole.state, read->begun, read->sequence);
  const bool same =
      told == Told::earlier && read->begun == whole.state.begun && held != whole.chunks.end() && held->second == read->newest_hour();
  return same ? Told::same : told;
}

}  // namespace

Result<Told> compare(const PersonWhole& whole, std::string_view key, const std::optional<std::string>& value) {
  const std::optional<PersonKey> of = parse_person_key(key);
  if (!of) return Status(Code::corrupt, "not the key of a patient's record");
  switch (of->kind) {
    case PersonRecordKind::journal: return compare_journal(whole, of->number, value);
    case PersonRecordKind::history: return compare_history(whole, static_cast<PartKey>(of->number), value);
    case PersonRecordKind::payloads: return compare_payloads(whole, static_cast<PartKey>(of->number), value);
    case PersonRecordKind::chunk: return compare_chunk(whole, of->number, value);
  }
  return Told::other;
}

PersonUpdate written_anew(std::string_view patient_id, const PersonWhole& whole) {
  PersonUpdate out;
  out.patient_id = patient_id;
  if (whole.state.sequence == 0) return out;
  std::set<std::uint64_t> pending;  // ids, without the byte that the store does not keep
  for (const auto& [slot, journal] : whole.journals) {
    if (!is_pending(whole.state, journal)) continue;
    out.journals.push_back(journal);
    for (const DeliveryRow& row : journal.rows) pending.insert(row.id >> kLostIdBits);
  }
  std::sort(out.journals.begin(), out.journals.end(),
            [](const PersonJournal& a, const PersonJournal& b) { return a.state.sequence < b.state.sequence; });
  // It alone tells where the records stand.
  if (out.journals.empty() || out.journals.back().state != whole.state) out.journals.push_back({whole.state, {}, {}});
  for (const auto& [part, history] : whole.histories) out.histories.emplace_back(part, history);
  for (const auto& [part, payloads] : whole.payloads) out.payloads.emplace_back(part, payloads);

  std::vector<DeliveryRow> rows;
  std::copy_if(whole.rows.begin(), whole.rows.end(), std::back_inserter(rows),
               [&pending](const DeliveryRow& row) { return !pending.contains(row.id >> kLostIdBits); });
  // Old ones together, so that they expire together.
  std::stable_sort(rows.begin(), rows.end(), [](const DeliveryRow& a, const DeliveryRow& b) { return a.delivery.hour < b.delivery.hour; });
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, hour] : whole.chunks) numbers.push_back(number);
  if (numbers.empty() && !rows.empty()) numbers.push_back(out.journals.back().state.chunks++);
  const std::size_t each = numbers.empty() ? 0 : (rows.size() + numbers.size() - 1) / numbers.size();
  auto from = rows.begin();
  for (const std::uint64_t number : numbers) {
    const auto to = from + std::min(static_cast<std::ptrdiff_t>(each), rows.end() - from);
    out.chunks.emplace_back(number, DeliveryChunk{whole.state.begun, whole.state.folded, {from, to}});
    from = to;
  }
  return out;
}

std::vector<std::string> folded_keys(std::string_view patient_id, const PersonWhole& whole) {
  std::vector<std::string> out;
  for (const auto& [slot, journal] : whole.journals) {
    const bool needed = is_pending(whole.state, journal) || journal.state == whole.state;
    if (!needed) out.push_back(person_record_key(patient_id, PersonRecordKind::journal, slot));
  }
  return out;
}

}  // namespace lacuna::state
