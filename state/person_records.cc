#include "state/person_records.h"

#include <array>
#include <charconv>

namespace lacuna::state {

namespace {

constexpr std::string_view kJournalSuffix = "/journal-", kChunkSuffix = "/ids-", kHistorySuffix = "/history-",
                           kPayloadsSuffix = "/payloads-";

std::string hex(PartKey part) {
  std::array<char, 8> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), part, 16).ptr;
  return {text.data(), end};
}

// What follows the suffix, as a number; empty when the key has none.
std::optional<std::uint64_t> number_after(std::string_view key, std::string_view suffix, int base) {
  const std::size_t at = key.rfind('/');
  if (at == std::string_view::npos || !key.substr(at).starts_with(suffix)) return std::nullopt;
  const std::string_view text = key.substr(at + suffix.size());
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

std::string person_record_key(std::string_view patient_id, PersonRecordKind kind, std::uint64_t number) {
  const std::string patient(patient_id);
  switch (kind) {
    case PersonRecordKind::journal: return patient + std::string(kJournalSuffix) + std::to_string(number);
    case PersonRecordKind::history: return patient + std::string(kHistorySuffix) + hex(static_cast<PartKey>(number));
    case PersonRecordKind::payloads: return patient + std::string(kPayloadsSuffix) + hex(static_cast<PartKey>(number));
    case PersonRecordKind::chunk: return patient + std::string(kChunkSuffix) + std::to_string(number);
  }
  return patient;
}

void encode(PersonUpdate& update) {
  update.journal_bytes.clear();
  update.history_bytes.clear();
  for (const PersonJournal& journal : update.journals) update.journal_bytes.push_back(encode_journal(journal));
  for (const auto& [part, history] : update.histories) update.history_bytes.push_back(encode_history(history));
}

std::vector<PersonRecord> to_records(const PersonUpdate& update) {
  std::vector<PersonRecord> out;
  const auto add = [&](PersonRecordKind kind, std::uint64_t number, std::optional<std::string> value) {
    out.push_back({person_record_key(update.patient_id, kind, number), std::move(value)});
  };
  for (const auto& [number, chunk] : update.chunks) add(PersonRecordKind::chunk, number, encode_chunk(chunk));
  for (std::size_t i = 0; i < update.histories.size(); ++i) {
    const auto& [part, history] = update.histories[i];
    add(PersonRecordKind::history, part, update.history_bytes.empty() ? encode_history(history) : update.history_bytes[i]);
  }
  for (const auto& [part, payloads] : update.payloads) add(PersonRecordKind::payloads, part, encode_payloads(payloads));
  if (update.expiry) {
    for (const std::uint64_t number : update.expiry->chunks) add(PersonRecordKind::chunk, number, std::nullopt);
  }
  for (std::size_t i = 0; i < update.journals.size(); ++i) {
    const PersonJournal& journal = update.journals[i];
    add(PersonRecordKind::journal, journal_slot(journal.state.sequence),
        update.journal_bytes.empty() ? encode_journal(journal) : update.journal_bytes[i]);
  }
  return out;
}

std::optional<PersonKey> parse_person_key(std::string_view key) {
  const auto as = [key](PersonRecordKind kind, std::string_view suffix, int base) {
    const std::optional<std::uint64_t> number = number_after(key, suffix, base);
    return number ? std::optional(PersonKey{key.substr(0, key.rfind('/')), kind, *number}) : std::nullopt;
  };
  if (const auto journal = as(PersonRecordKind::journal, kJournalSuffix, 10)) return journal;
  if (const auto chunk = as(PersonRecordKind::chunk, kChunkSuffix, 10)) return chunk;
  if (const auto payloads = as(PersonRecordKind::payloads, kPayloadsSuffix, 16)) return payloads;
  return as(PersonRecordKind::history, kHistorySuffix, 16);
}

namespace {

enum class Whose : std::uint8_t { known, next, earlier };

/// Of a person who began at `begun`. The next one's first record makes `known` theirs, and what was read of the one before goes.
Whose whose(std::uint64_t begun, PersonState& known, PersonUpdate& update) {
  if (begun == known.begun) return Whose::known;
  if (begun < known.begun) return Whose::earlier;
  const bool next = known.sequence > 0;
  known = {};
  known.begun = known.sequence = known.folded = begun;
  if (next) update = {update.patient_id, {}};
  return next ? Whose::next : Whose::known;
}

}  // namespace

Result<bool> add_record(std::string_view key, const std::optional<std::string>& value, PersonState& known, PersonUpdate& update) {
  const std::optional<std::uint64_t> chunk = number_after(key, kChunkSuffix, 10);
  if (!value) {
    if (!chunk) return false;
    if (!update.expiry) update.expiry.emplace();
    update.expiry->chunks.push_back(*chunk);
    return false;
  }
  if (chunk) {
    Result<DeliveryChunk> decoded = decode_chunk(*value);
    if (!decoded.ok()) return decoded.status();
    const Whose of = whose(decoded->begun, known, update);
    if (of == Whose::earlier || decoded->sequence <= known.sequence) return false;
    if (update.expiry) std::erase(update.expiry->chunks, *chunk);
    update.rows.insert(update.rows.end(), decoded->rows.begin(), decoded->rows.end());
    update.chunks.emplace_back(*chunk, std::move(*decoded));
    return of == Whose::next;
  }
  if (const auto part = number_after(key, kHistorySuffix, 16)) {
    Result<StoredHistory> decoded = decode_history(*value);
    if (!decoded.ok()) return decoded.status();
    const Whose of = whose(decoded->begun, known, update);
    if (of == Whose::earlier || decoded->sequence <= known.folded) return false;
    update.histories.emplace_back(static_cast<PartKey>(*part), std::move(*decoded));
    return of == Whose::next;
  }
  if (const auto part = number_after(key, kPayloadsSuffix, 16)) {
    Result<StoredPayloads> decoded = decode_payloads(*value);
    if (!decoded.ok()) return decoded.status();
    const Whose of = whose(decoded->begun, known, update);
    if (of == Whose::earlier || decoded->sequence <= known.sequence) return false;
    update.payloads.emplace_back(static_cast<PartKey>(*part), std::move(*decoded));
    return of == Whose::next;
  }
  Result<PersonJournal> decoded = decode_journal(*value);
  if (!decoded.ok()) return decoded.status();
  const Whose of = whose(decoded->state.begun, known, update);
  if (of == Whose::earlier || decoded->state.sequence <= known.sequence) return false;
  update.rows.insert(update.rows.end(), decoded->rows.begin(), decoded->rows.end());
  update.journals.push_back(std::move(*decoded));
  return of == Whose::next;
}

}  // namespace lacuna::state
