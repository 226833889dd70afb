#include "state/person_records.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "state/records/bytes.h"

namespace lacuna::state {

namespace {

// Not Protocol Buffers: there are as many of these as events, and each byte of them counts. The first byte is the version, but for rows of
// single ids: another form of these would be another column family.
constexpr std::uint8_t kVersion = 1;
constexpr std::uint32_t kPartFlag = PartKeys::kEnd;  // more follows: withdrawn, a revision
constexpr std::int64_t kTimeMsMax = 100'000'000'000'000;
constexpr std::string_view kJournalSuffix = "/journal-", kChunkSuffix = "/ids-", kHistorySuffix = "/history-";

std::int64_t to_ms(Time time) { return time.time_since_epoch().count(); }

// Numbers of few bytes where they are small, and of three where they always fit.
class Writer {
 public:
  enum class Version : bool { without, with };
  explicit Writer(Version version = Version::with) {
    if (version == Version::with) bytes_.put(kVersion);
  }
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.put(static_cast<std::uint8_t>(value | 0x80));
    bytes_.put(static_cast<std::uint8_t>(value));
  }
  void difference(std::int64_t value) { number((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63)); }
  void three(std::uint32_t value) {
    bytes_.put(static_cast<std::uint16_t>(value));
    bytes_.put(static_cast<std::uint8_t>(value >> 16));
  }
  template <typename T>
  void put(T value) {
    bytes_.put(value);
  }
  void part(const DeliveredPart& p) {
    const bool more = p.withdrawn || p.revision.kind != Revision::Kind::none;
    three(p.part | (more ? kPartFlag : 0));
    put(p.tag);
    if (!more) return;
    put(static_cast<std::uint8_t>((p.withdrawn ? 1 : 0) | static_cast<int>(p.revision.kind) << 1));
    if (p.revision.kind != Revision::Kind::none) put(p.revision.value);
  }
  void rows(const std::vector<DeliveryRow>& rows) {
    number(rows.size());
    for (const DeliveryRow& row : rows) {
      put(row.id);
      number(row.delivery.parts.size());
      three(row.delivery.hour);
      for (const DeliveredPart& p : row.delivery.parts) part(p);
    }
  }
  void feature(const FeatureState& f) {
    number(f.count);
    if (f.count == 0) return;
    put(f.last);
    difference(to_ms(f.time));
    put(f.mean_short);
    put(f.mean_long);
    put(f.slope);
    put(f.previous);
  }
  std::string take() { return bytes_.take(); }

 private:
  ByteWriter bytes_;
};

class Reader {
 public:
  Reader(std::string_view bytes, const char* what, bool with_version = true) : bytes_(bytes), left_(bytes.size()), what_(what) {
    if (!with_version) return;
    const auto version = get<std::uint8_t>();
    newer_ = bytes_.ok() && version > kVersion;
    if (version == 0) good_ = false;
  }
  std::uint64_t number() {
    std::uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = get<std::uint8_t>();
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return out;
    }
    good_ = false;
    return 0;
  }
  std::int64_t difference() {
    const std::uint64_t n = number();
    return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
  }
  std::uint32_t three() {
    const std::uint32_t low = get<std::uint16_t>();
    return low | static_cast<std::uint32_t>(get<std::uint8_t>()) << 16;
  }
  template <typename T>
  T get() {
    left_ -= std::min(left_, sizeof(T));
    return bytes_.get<T>();
  }
  double finite() {
    const auto value = get<double>();
    require(std::isfinite(value));
    return value;
  }
  float finite_float() {
    const auto value = get<float>();
    require(std::isfinite(value));
    return value;
  }
  Time time(Time from = {}) {
    const std::int64_t ms = difference();
    require(ms >= -2 * kTimeMsMax && ms <= 2 * kTimeMsMax);
    const std::int64_t at = good() ? to_ms(from) + ms : 0;
    require(at >= -kTimeMsMax && at <= kTimeMsMax);
    return Time(Millis(good_ ? at : 0));
  }
  // How many items follow, each of at least `bytes`.
  std::size_t count(std::size_t bytes) {
    const std::uint64_t n = number();
    require(n <= left_ / bytes);
    return good() ? static_cast<std::size_t>(n) : 0;
  }
  PartKey part_key() {
    const PartKey key = three();
    require(key < PartKeys::kEnd);
    return key;
  }
  DeliveredPart part() {
    DeliveredPart out;
    const std::uint32_t key = three();
    out.part = key & ~kPartFlag;
    out.tag = get<std::uint16_t>();
    if ((key & kPartFlag) == 0) return out;
    const auto flags = get<std::uint8_t>();
    require(flags > 0 && flags < 6);
    out.withdrawn = (flags & 1) != 0;
    out.revision.kind = static_cast<Revision::Kind>((flags >> 1) % 3);
    if (out.revision.kind != Revision::Kind::none) out.revision.value = finite();
    return out;
  }
  std::vector<DeliveryRow> rows() {
    std::vector<DeliveryRow> out(count(12));
    for (DeliveryRow& row : out) {
      row.id = get<std::uint64_t>();
      row.delivery.parts.resize(count(5));
      row.delivery.hour = three();
      for (DeliveredPart& p : row.delivery.parts) p = part();
    }
    return out;
  }
  FeatureState feature() {
    FeatureState f;
    const std::uint64_t values = number();
    require(values <= 0xffffffffU);
    f.count = static_cast<std::uint32_t>(values);
    if (f.count == 0) return f;
    f.last = finite();
    f.time = time();
    f.mean_short = finite_float();
    f.mean_long = finite_float();
    f.slope = finite_float();
    f.previous = finite_float();
    return f;
  }
  void require(bool holds) { good_ = good_ && holds; }
  bool good() const { return good_ && bytes_.ok(); }
  bool at_end() const { return bytes_.at_end(); }
  Status finish() const {
    if (newer_) return {Code::unsupported, std::string(what_) + ": a newer format: use a newer build"};
    if (!good() || !at_end()) return {Code::corrupt, std::string(what_) + ": not a record of this kind"};
    return {};
  }

 private:
  ByteReader bytes_;
  std::size_t left_;
  const char* what_;
  bool good_ = true;
  bool newer_ = false;
};

template <typename T>
Result<T> checked(const Reader& reader, T value) {
  LACUNA_RETURN_IF_ERROR(reader.finish());
  return value;
}

// Values of one event stand together, so that its id and its time are written once.
bool same_run(const ValueChange& a, const ValueChange& b) {
  return a.change.kind == b.change.kind && a.change.fact == b.change.fact && a.change.time == b.change.time;
}

void write_changes(Writer& out, const PersonJournal& journal) {
  Time before{};
  for (auto at = journal.changes.begin(); at != journal.changes.end();) {
    const auto end = std::find_if_not(at, journal.changes.end(), [at](const ValueChange& c) { return same_run(*at, c); });
    const auto row = std::find_if(journal.rows.begin(), journal.rows.end(), [&](const DeliveryRow& r) { return r.id == at->change.fact; });
    out.number(static_cast<std::uint64_t>(end - at));
    out.put(static_cast<std::uint8_t>(at->change.kind));
    out.number(row == journal.rows.end() ? 0 : static_cast<std::uint64_t>(row - journal.rows.begin()) + 1);
    if (row == journal.rows.end()) out.put(at->change.fact);
    out.difference(to_ms(at->change.time) - to_ms(before));
    before = at->change.time;
    for (; at != end; ++at) {
      out.three(at->part);
      if (at->change.kind != HistoryChange::Kind::withdraw) out.put(at->change.value);
    }
  }
}

void read_changes(Reader& in, PersonJournal& journal) {
  Time before{};
  while (in.good() && !in.at_end()) {
    const std::size_t n = in.count(3);
    HistoryChange change;
    const auto kind = in.get<std::uint8_t>();
    in.require(n > 0 && kind <= static_cast<std::uint8_t>(HistoryChange::Kind::withdraw));
    change.kind = static_cast<HistoryChange::Kind>(kind % 3);
    const std::uint64_t row = in.number();
    in.require(row <= journal.rows.size());
    if (!in.good()) return;
    change.fact = row == 0 ? in.get<std::uint64_t>() : journal.rows[row - 1].id;
    change.time = before = in.time(before);
    for (std::size_t i = 0; i < n && in.good(); ++i) {
      const PartKey part = in.part_key();
      if (change.kind != HistoryChange::Kind::withdraw) change.value = in.finite();
      journal.changes.push_back({part, change});
    }
  }
}

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

std::string encode_journal(const PersonJournal& journal) {
  Writer out;
  out.number(journal.state.begun);
  out.number(journal.state.sequence);
  out.number(journal.state.folded);
  out.number(journal.state.ids);
  out.number(journal.state.chunks);
  out.three(journal.state.oldest_hour);
  out.three(journal.state.since_hour);
  out.rows(journal.rows);
  write_changes(out, journal);
  return out.take();
}

Result<PersonJournal> decode_journal(std::string_view bytes) {
  Reader in(bytes, "journal of a patient");
  PersonJournal out;
  out.state.begun = in.number();
  out.state.sequence = in.number();
  out.state.folded = in.number();
  out.state.ids = in.number();
  out.state.chunks = in.number();
  out.state.oldest_hour = in.three();
  out.state.since_hour = in.three();
  in.require(out.state.begun <= out.state.folded && out.state.folded <= out.state.sequence);
  out.rows = in.rows();
  read_changes(in, out);
  return checked(in, std::move(out));
}

std::uint32_t DeliveryChunk::newest_hour() const {
  std::uint32_t out = 0;
  for (const DeliveryRow& row : rows) out = std::max(out, row.delivery.hour);
  return out;
}

std::string encode_chunk(const DeliveryChunk& chunk) {
  Writer out;
  out.number(chunk.begun);
  out.number(chunk.sequence);
  out.rows(chunk.rows);
  return out.take();
}

Result<DeliveryChunk> decode_chunk(std::string_view bytes) {
  Reader in(bytes, "ids of a patient");
  DeliveryChunk out;
  out.begun = in.number();
  out.sequence = in.number();
  out.rows = in.rows();
  return checked(in, std::move(out));
}

std::string encode_history(const StoredHistory& stored) {
  Writer out;
  out.number(stored.begun);
  out.number(stored.sequence);
  out.feature(stored.history.base);
  out.number(stored.history.window.size());
  Time before{};
  for (const HistoryEntry& e : stored.history.window) {
    out.difference(to_ms(e.time) - to_ms(before));
    before = e.time;
    out.put(e.value);
    out.put(e.fact);
  }
  return out.take();
}

Result<StoredHistory> decode_history(std::string_view bytes) {
  Reader in(bytes, "history of a feature");
  StoredHistory out;
  out.begun = in.number();
  out.sequence = in.number();
  out.history.base = in.feature();
  out.history.window.resize(in.count(17));
  Time before{};
  for (HistoryEntry& e : out.history.window) {
    const Time earliest = &e == out.history.window.data() ? out.history.base.time : before;
    e.time = before = in.time(before);
    in.require(e.time >= earliest || (&e == out.history.window.data() && out.history.base.count == 0));
    e.value = in.finite();
    e.fact = in.get<std::uint64_t>();
  }
  return checked(in, std::move(out));
}

std::string encode_delivery(const Delivery& delivery) {
  Writer out(Writer::Version::without);
  out.put(static_cast<std::uint16_t>(delivery.hour));
  for (const DeliveredPart& p : delivery.parts) out.part(p);
  return out.take();
}

Result<Delivery> decode_delivery(std::string_view bytes, std::uint32_t near) {
  Reader in(bytes, "id of a patient", false);
  Delivery out;
  out.hour = near + static_cast<std::uint32_t>(static_cast<std::int16_t>(in.get<std::uint16_t>() - static_cast<std::uint16_t>(near)));
  while (in.good() && !in.at_end()) out.parts.push_back(in.part());
  return checked(in, std::move(out));
}

std::string person_record_key(std::string_view patient_id, PersonRecordKind kind, std::uint64_t number) {
  const std::string patient(patient_id);
  switch (kind) {
    case PersonRecordKind::journal: return patient + std::string(kJournalSuffix) + std::to_string(number);
    case PersonRecordKind::history: return patient + std::string(kHistorySuffix) + hex(static_cast<PartKey>(number));
    case PersonRecordKind::chunk: return patient + std::string(kChunkSuffix) + std::to_string(number);
  }
  return patient;
}

std::vector<PersonRecord> to_records(const PersonUpdate& update) {
  std::vector<PersonRecord> out;
  const auto add = [&](PersonRecordKind kind, std::uint64_t number, std::optional<std::string> value) {
    out.push_back({person_record_key(update.patient_id, kind, number), std::move(value)});
  };
  for (const auto& [number, chunk] : update.chunks) add(PersonRecordKind::chunk, number, encode_chunk(chunk));
  for (const auto& [part, history] : update.histories) add(PersonRecordKind::history, part, encode_history(history));
  if (update.expiry) {
    for (const std::uint64_t number : update.expiry->chunks) add(PersonRecordKind::chunk, number, std::nullopt);
  }
  for (const PersonJournal& journal : update.journals) {
    add(PersonRecordKind::journal, journal.state.sequence % kJournalSlots, encode_journal(journal));
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
  Result<PersonJournal> decoded = decode_journal(*value);
  if (!decoded.ok()) return decoded.status();
  const Whose of = whose(decoded->state.begun, known, update);
  if (of == Whose::earlier || decoded->state.sequence <= known.sequence) return false;
  update.rows.insert(update.rows.end(), decoded->rows.begin(), decoded->rows.end());
  update.journals.push_back(std::move(*decoded));
  return of == Whose::next;
}

}  // namespace lacuna::state
