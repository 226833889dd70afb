#include "state/person_records.h"

#include <algorithm>
#include <limits>

#include "state/person_bytes.h"

// Records of persons to bytes and back. What an event says of its values stands in a journal once: the rows of its ids are told from them.

namespace lacuna::state {

namespace {

constexpr std::uint8_t kVersion = 4;       // 1: each value and each row in full; 2: no wide tags; 3: nothing censored
constexpr std::uint8_t kPlainVersion = 3;  // written where nothing is, so that an earlier build reads it
constexpr Millis kHour = std::chrono::hours(1);
constexpr std::size_t kLookBack = 16;  // rows and runs among which an equal one is looked for
constexpr int kToldByRun = 2;          // an event's id and its result's: so nothing decodes to much more than its bytes
constexpr std::int64_t kHoursEnd = 1 << 24;

template <typename T>
Result<T> checked(const PersonReader& reader, T value) {
  LACUNA_RETURN_IF_ERROR(reader.finish());
  return value;
}

Time at_hour(std::uint32_t hour) { return Time(hour * kHour); }

// Values of one event, which stand together.
struct Run {
  const ValueChange* begin = nullptr;
  const ValueChange* end = nullptr;
  const HistoryChange& change() const { return begin->change; }
  std::size_t size() const { return static_cast<std::size_t>(end - begin); }
};

bool same_run(const ValueChange& a, const ValueChange& b) {
  return a.change.kind == b.change.kind && a.change.fact == b.change.fact && a.change.time == b.change.time;
}

std::vector<Run> runs_of(const std::vector<ValueChange>& changes) {
  std::vector<Run> out;
  const ValueChange* const end = changes.data() + changes.size();
  for (const ValueChange* at = changes.data(); at != end;) {
    const ValueChange* const next = std::find_if_not(at, end, [at](const ValueChange& c) { return same_run(*at, c); });
    out.push_back({at, next});
    at = next;
  }
  return out;
}

bool same_parts(const Run& a, const Run& b) {
  return std::equal(a.begin, a.end, b.begin, b.end, [](const ValueChange& x, const ValueChange& y) { return x.part == y.part; });
}

// What an id's row holds where it tells no more than a run does; all parts stand as the first.
bool told_by(const Run& run, const Delivery& delivery) {
  const std::vector<DeliveredPart>& parts = delivery.parts;
  if (parts.size() != run.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ValueChange& c = run.begin[i];
    if (parts[i].part != c.part || parts[i].withdrawn != parts[0].withdrawn || !(parts[i].revision == parts[0].revision)) return false;
    if (parts[i].tag != value_tag(c.change.value, c.change.time, c.change.comparator)) return false;
  }
  return true;
}

bool is_plain(const DeliveredPart& part) { return !part.withdrawn && part.revision.kind == Revision::Kind::none; }

bool same_shape(const Delivery& a, const Delivery& b) {
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), [](const DeliveredPart& x, const DeliveredPart& y) {
    return x.part == y.part && x.withdrawn == y.withdrawn && x.revision == y.revision && is_wide(x.tag) == is_wide(y.tag);
  });
}

// How a row's parts are told: the lowest bits of its first number; then, kIdOfRun; then which run, or how many rows before.
constexpr std::uint64_t kInFull = 0, kShapeOfRow = 1, kOfRun = 2, kOfRunStanding = 3, kHow = 3, kIdOfRun = 4;
constexpr int kHowBits = 3;

class RowWriter {
 public:
  RowWriter(PersonWriter& out, const std::vector<Run>& runs, std::uint32_t hour)
      : out_(out), runs_(runs), told_(runs.size()), hour_(hour) {}

  void write(const std::vector<DeliveryRow>& rows) {
    out_.number(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) write(rows, i);
  }

 private:
  // An event's row comes before its result's, which is the fact of the run.
  std::size_t run_for(const DeliveryRow& row) {
    const auto at = std::find_if(runs_.begin(), runs_.end(), [&row](const Run& r) { return r.change().fact == row.id; });
    if (at == runs_.end()) return next_run_;
    next_run_ = static_cast<std::size_t>(at - runs_.begin()) + 1;
    return next_run_ - 1;
  }

  void write(const std::vector<DeliveryRow>& rows, std::size_t i) {
    const DeliveryRow& row = rows[i];
    const std::size_t run = run_for(row);
    const bool of_run = run < runs_.size() && told_[run] < kToldByRun && told_by(runs_[run], row.delivery);
    if (of_run) told_[run] += 1;
    std::size_t back = 1;
    while (!of_run && back <= std::min(i, kLookBack) && !same_shape(rows[i - back].delivery, row.delivery)) ++back;
    const bool of_row = !of_run && back <= std::min(i, kLookBack);
    const bool id_of_run = of_run && runs_[run].change().fact == row.id;
    const bool plain = of_run && is_plain(row.delivery.parts[0]);
    const std::uint64_t how = of_run ? (plain ? kOfRun : kOfRunStanding) : of_row ? kShapeOfRow : kInFull;
    out_.number((of_run ? run : of_row ? back : 0) << kHowBits | (id_of_run ? kIdOfRun : 0) | how);
    if (!id_of_run) out_.put(row.id);
    out_.difference(static_cast<std::int64_t>(row.delivery.hour) - hour_);
    hour_ = row.delivery.hour;
    if (how == kOfRunStanding) out_.standing(row.delivery.parts[0]);
    if (how == kShapeOfRow) {
      for (const DeliveredPart& p : row.delivery.parts) {
        out_.put(static_cast<std::uint16_t>(p.tag));
        if (is_wide(p.tag)) out_.rest_of(p.tag);
      }
    }
    if (how != kInFull) return;
    out_.number(row.delivery.parts.size());
    for (const DeliveredPart& p : row.delivery.parts) out_.part(p);
  }

  PersonWriter& out_;
  const std::vector<Run>& runs_;
  std::vector<int> told_;
  std::int64_t hour_;
  std::size_t next_run_ = 0;
};

class RowReader {
 public:
  RowReader(PersonReader& in, const std::vector<Run>& runs, std::uint32_t hour) : in_(in), runs_(runs), told_(runs.size()), hour_(hour) {}

  std::vector<DeliveryRow> read() {
    std::vector<DeliveryRow> out;
    const std::size_t n = in_.count(2);
    out.reserve(n);
    while (out.size() < n && in_.good()) out.push_back(read(out));
    return out;
  }

 private:
  DeliveryRow read(const std::vector<DeliveryRow>& before) {
    const std::uint64_t first = in_.number(), index = first >> kHowBits, how = first & kHow;
    const bool of_run = how >= kOfRun, id_of_run = (first & kIdOfRun) != 0;
    in_.require(of_run ? index < runs_.size() : !id_of_run);
    if (how == kShapeOfRow) in_.require(index > 0 && index <= before.size());
    if (!in_.good()) return {};
    DeliveryRow row;
    row.id = id_of_run ? runs_[index].change().fact : in_.get<std::uint64_t>();
    const std::int64_t difference = in_.difference();
    in_.require(difference > -kHoursEnd && difference < kHoursEnd);
    if (in_.good()) hour_ += difference;
    in_.require(hour_ >= 0 && hour_ < kHoursEnd);
    row.delivery.hour = static_cast<std::uint32_t>(hour_);
    std::vector<DeliveredPart>& parts = row.delivery.parts;
    if (of_run) {
      in_.require(told_[index]++ < kToldByRun);
      read_parts(runs_[index], how == kOfRunStanding, parts);
    } else if (how == kShapeOfRow) {
      parts = before[before.size() - index].delivery.parts;
      for (DeliveredPart& p : parts) {
        const bool wide = is_wide(p.tag);
        p.tag = in_.get<std::uint16_t>();
        if (wide) p.tag = in_.wide(p.tag);
      }
    } else {
      parts.resize(in_.count(5));
      for (DeliveredPart& p : parts) p = in_.part();
    }
    return row;
  }

  void read_parts(const Run& run, bool standing, std::vector<DeliveredPart>& parts) {
    DeliveredPart as;
    if (standing) in_.standing(as);
    in_.require(!is_wide(as.tag));
    if (!in_.good()) return;
    parts.reserve(run.size());
    for (const ValueChange* c = run.begin; c != run.end; ++c) {
      parts.push_back({c->part, value_tag(c->change.value, c->change.time, c->change.comparator), as.withdrawn, as.revision});
    }
  }

  PersonReader& in_;
  const std::vector<Run>& runs_;
  std::vector<int> told_;
  std::int64_t hour_;
};

// A run's first byte: its kind, and how many runs before one lies with the same parts.
constexpr int kKindBits = 2, kKind = 3;

void write_changes(PersonWriter& out, const std::vector<Run>& runs, Time from) {
  out.number(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const HistoryChange& change = runs[i].change();
    const bool withdraws = change.kind == HistoryChange::Kind::withdraw;
    std::size_t back = 1;
    while (back <= std::min(i, kLookBack) && !same_parts(runs[i - back], runs[i])) ++back;
    if (withdraws || back > std::min(i, kLookBack)) back = 0;
    out.put(static_cast<std::uint8_t>(back << kKindBits | static_cast<std::size_t>(change.kind)));
    out.put(change.fact);
    out.time(change.time, from);
    from = change.time;
    if (back == 0) out.number(runs[i].size());
    for (const ValueChange* c = runs[i].begin; c != runs[i].end; ++c) {
      if (back == 0) out.three(c->part);
      if (!withdraws) out.value(c->change.value, c->change.comparator);
    }
  }
}

std::vector<ValueChange> read_changes(PersonReader& in, Time from) {
  std::vector<ValueChange> out;
  std::vector<std::pair<std::size_t, std::size_t>> runs;  // where each begins and ends
  for (std::size_t left = in.count(11); left > 0 && in.good(); --left) {
    HistoryChange change;
    const auto first = in.get<std::uint8_t>();
    const std::size_t back = first >> kKindBits;
    const bool withdraws = (first & kKind) == static_cast<int>(HistoryChange::Kind::withdraw);
    in.require((first & kKind) <= static_cast<int>(HistoryChange::Kind::withdraw) && back <= runs.size() && (back == 0 || !withdraws));
    if (!in.good()) return out;
    change.kind = static_cast<HistoryChange::Kind>(first & kKind);
    change.fact = in.get<std::uint64_t>();
    change.time = from = in.time(from);
    const std::pair<std::size_t, std::size_t> like = back > 0 ? runs[runs.size() - back] : std::pair<std::size_t, std::size_t>{};
    const std::size_t begin = out.size(), n = back > 0 ? like.second - like.first : in.count(3);
    in.require(n > 0);
    for (std::size_t i = 0; i < n && in.good(); ++i) {
      const PartKey part = back > 0 ? out[like.first + i].part : in.part_key();
      change.comparator = Comparator::equal;
      if (!withdraws) change.value = in.value(change.comparator);
      out.push_back({part, change});
    }
    runs.emplace_back(begin, out.size());
  }
  return out;
}

void write_state(PersonWriter& out, const PersonState& state) {
  out.number(state.begun);
  out.number(state.folded - state.begun);
  out.number(state.sequence - state.folded);
  out.number(state.ids);
  out.number(state.chunks);
  out.three(state.since_hour);
  out.three(state.oldest_hour);
}

// What follows one number in the order of numbers.
std::uint64_t above(PersonReader& in, std::uint64_t from) {
  const std::uint64_t more = in.number();
  in.require(more <= std::numeric_limits<std::uint64_t>::max() - from);
  return from + more;
}

PersonState read_state(PersonReader& in) {
  PersonState out;
  out.begun = in.number();
  out.folded = above(in, out.begun);
  out.sequence = above(in, out.folded);
  out.ids = in.number();
  out.chunks = in.number();
  out.since_hour = in.three();
  out.oldest_hour = in.three();
  return out;
}

void write_feature(PersonWriter& out, const FeatureState& f) {
  out.number(f.count);
  if (f.count == 0) return;
  out.value(f.last, censoring_of(f));
  out.time(f.time);
  out.put(f.mean_short);
  out.put(f.mean_long);
  out.put(f.slope);
  out.put(f.previous);
}

FeatureState read_feature(PersonReader& in, std::uint8_t version) {
  FeatureState f;
  const std::uint64_t values = in.number();
  in.require(values <= 0xffffffffU);
  f.count = static_cast<std::uint32_t>(values);
  if (f.count == 0) return f;
  f.last = version == 1 ? in.finite<double>() : in.value(f);
  f.time = version == 1 ? in.time_in_ms() : in.time();
  f.mean_short = in.finite<float>();
  f.mean_long = in.finite<float>();
  f.slope = in.finite<float>();
  f.previous = in.finite<float>();
  return f;
}

// Version 1.

std::vector<DeliveryRow> read_rows_v1(PersonReader& in) {
  std::vector<DeliveryRow> out(in.count(12));
  for (DeliveryRow& row : out) {
    row.id = in.get<std::uint64_t>();
    row.delivery.parts.resize(in.count(5));
    row.delivery.hour = in.three();
    for (DeliveredPart& p : row.delivery.parts) p = in.part();
  }
  return out;
}

void read_changes_v1(PersonReader& in, PersonJournal& journal) {
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
    change.time = before = in.time_in_ms(before);
    for (std::size_t i = 0; i < n && in.good(); ++i) {
      const PartKey part = in.part_key();
      if (change.kind != HistoryChange::Kind::withdraw) change.value = in.finite<double>();
      journal.changes.push_back({part, change});
    }
  }
}

PersonJournal read_journal_v1(PersonReader& in) {
  PersonJournal out;
  out.state.begun = in.number();
  out.state.sequence = in.number();
  out.state.folded = in.number();
  out.state.ids = in.number();
  out.state.chunks = in.number();
  out.state.oldest_hour = in.three();
  out.state.since_hour = in.three();
  in.require(out.state.begun <= out.state.folded && out.state.folded <= out.state.sequence);
  out.rows = read_rows_v1(in);
  read_changes_v1(in, out);
  return out;
}

}  // namespace

std::string encode_journal(const PersonJournal& journal) {
  PersonWriter out;
  out.put(kPlainVersion);
  write_state(out, journal.state);
  if (journal.rows.empty() && journal.changes.empty()) return out.take(kVersion);
  const std::vector<Run> runs = runs_of(journal.changes);
  write_changes(out, runs, at_hour(journal.state.since_hour));
  RowWriter(out, runs, journal.state.since_hour).write(journal.rows);
  return out.take(kVersion);
}

Result<PersonJournal> decode_journal(std::string_view bytes) {
  PersonReader in(bytes, "journal of a patient");
  if (in.version(kVersion) == 1) return checked(in, read_journal_v1(in));
  PersonJournal out;
  out.state = read_state(in);
  if (!in.good() || in.at_end()) return checked(in, std::move(out));
  out.changes = read_changes(in, at_hour(out.state.since_hour));
  out.rows = RowReader(in, runs_of(out.changes), out.state.since_hour).read();
  return checked(in, std::move(out));
}

std::uint32_t DeliveryChunk::newest_hour() const {
  std::uint32_t out = 0;
  for (const DeliveryRow& row : rows) out = std::max(out, row.delivery.hour);
  return out;
}

std::string encode_chunk(const DeliveryChunk& chunk) {
  PersonWriter out;
  out.put(kPlainVersion);
  out.number(chunk.begun);
  out.number(chunk.sequence);
  RowWriter(out, {}, 0).write(chunk.rows);
  return out.take(kVersion);
}

Result<DeliveryChunk> decode_chunk(std::string_view bytes) {
  PersonReader in(bytes, "ids of a patient");
  const std::uint8_t version = in.version(kVersion);
  DeliveryChunk out;
  out.begun = in.number();
  out.sequence = in.number();
  out.rows = version == 1 ? read_rows_v1(in) : RowReader(in, {}, 0).read();
  return checked(in, std::move(out));
}

std::string encode_history(const StoredHistory& stored) {
  PersonWriter out;
  out.put(kPlainVersion);
  out.number(stored.begun);
  out.number(stored.sequence);
  write_feature(out, stored.history.base);
  out.number(stored.history.window.size());
  Time before = stored.history.base.time;
  for (const HistoryEntry& e : stored.history.window) {
    out.time(e.time, before);
    before = e.time;
    out.value(e.value, e.comparator);
    out.put(e.fact);
  }
  return out.take(kVersion);
}

Result<StoredHistory> decode_history(std::string_view bytes) {
  PersonReader in(bytes, "history of a feature");
  const std::uint8_t version = in.version(kVersion);
  StoredHistory out;
  out.begun = in.number();
  out.sequence = in.number();
  out.history.base = read_feature(in, version);
  out.history.window.resize(in.count(10));
  Time before = version == 1 ? Time{} : out.history.base.time;
  for (HistoryEntry& e : out.history.window) {
    const Time earliest = &e == out.history.window.data() ? out.history.base.time : before;
    e.time = before = version == 1 ? in.time_in_ms(before) : in.time(before);
    in.require(e.time >= earliest || (&e == out.history.window.data() && out.history.base.count == 0));
    e.value = version == 1 ? in.finite<double>() : in.value(e.comparator);
    e.fact = in.get<std::uint64_t>();
  }
  return checked(in, std::move(out));
}

std::string encode_delivery(const Delivery& delivery) {
  PersonWriter out;
  out.put(static_cast<std::uint16_t>(delivery.hour));
  for (const DeliveredPart& p : delivery.parts) out.part(p);
  return out.take();
}

Result<Delivery> decode_delivery(std::string_view bytes, std::uint32_t near) {
  PersonReader in(bytes, "id of a patient");
  Delivery out;
  out.hour = near + static_cast<std::uint32_t>(static_cast<std::int16_t>(in.get<std::uint16_t>() - static_cast<std::uint16_t>(near)));
  while (in.good() && !in.at_end()) out.parts.push_back(in.part());
  return checked(in, std::move(out));
}

}  // namespace lacuna::state
