#include "streaming/files/csv_events.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "state/records/hash.h"

namespace lacuna::streaming {

namespace {

// One part of what a hash is made of; nothing that a part holds can end it.
void add_part(std::string& to, std::string_view part) { to.append(std::to_string(part.size())).append(":").append(part); }

void add_number(std::string& to, double value) {
  char digits[32];
  add_part(to, {digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits)});
}

void add_value(std::string& to, const SchemaField& field, double value) {
  add_part(to, field.path);
  if (has_categories(field.likelihood)) add_part(to, field.categories[static_cast<std::size_t>(value)]);
  else add_number(to, value);
}

std::string hex(std::uint64_t hash) {
  std::string digits(16, '0');
  for (std::size_t i = 16; hash != 0; hash >>= 4) digits[--i] = "0123456789abcdef"[hash & 15];
  return digits;
}

void note_loss(Losses& losses, const Cell& cell) {
  Loss& loss = losses[std::string(cell.column)];
  if (loss.count++ == 0) loss.first = cell.place.text();
}

}  // namespace

void CsvEvents::begin(std::string_view patient, Time start) {
  patient_ = patient;
  start_ = start;
  facts_.clear();
  sites_.clear();
  cells_.clear();
  known_.assign(index_.schema().attributes().size(), std::nullopt);
  pending_ = known_;
}

std::uint32_t CsvEvents::note(Fact fact) {
  // Rows of a result stand near one another, and a patient's results may be many.
  constexpr std::size_t kLookBack = 64;
  for (std::size_t i = facts_.size(); i > 0 && facts_.size() - i < kLookBack; --i) {
    if (facts_[i - 1] == fact) return static_cast<std::uint32_t>(i - 1);
  }
  facts_.push_back(std::move(fact));
  return static_cast<std::uint32_t>(facts_.size() - 1);
}

/// What says no site was taken where the rows told last, at or before its time; of those of one time the last that is not behind it in the
/// file. Rows need not come by time, and what a later one tells is not known earlier.
void CsvEvents::place_cells() {
  if (std::ranges::all_of(facts_, [](const Fact& f) { return f.site.has_value(); })) return;
  std::stable_sort(sites_.begin(), sites_.end(), [](const Site& a, const Site& b) { return a.time < b.time; });
  std::map<std::pair<std::uint32_t, std::string_view>, std::uint32_t> placed;  // a fact at a site
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    Cell& cell = cells_[i];
    if (facts_[cell.fact].site) continue;
    const auto later = [i](Time time, const Site& site) { return time < site.time || (time == site.time && i < site.cells); };
    const auto site = std::upper_bound(sites_.begin(), sites_.end(), cell.time, later);
    const std::string_view name = site == sites_.begin() ? std::string_view() : std::string_view(std::prev(site)->name);
    const auto [at, is_new] = placed.try_emplace({cell.fact, name}, static_cast<std::uint32_t>(facts_.size()));
    if (is_new) {
      Fact fact = facts_[cell.fact];
      fact.site = name;
      facts_.push_back(std::move(fact));
    }
    cell.fact = at->second;
  }
}

/// The file, the patient, the time as the file tells it and the values: whatever of these differs is another event, and the same row read
/// again is the same one. Only their hash, since an id goes into logs of others.
std::string CsvEvents::event_id(const Event& event, const Fact& fact) const {
  std::string content;
  add_part(content, event.patient_id);
  add_part(content, event.site);
  add_part(content, std::to_string((event.time - start_).count()));
  add_part(content, fact.result_id);
  if (fact.revision.kind != Revision::Kind::none) add_number(content, fact.revision.value);
  for (const FeatureValue& v : event.values) {
    add_value(content, index_.feature(v.feature), v.value);
    if (is_censored(v.comparator)) add_part(content, to_string(v.comparator));
  }
  // Which attributes ride on an event depends on what stands before it, which another export may not have.
  if (!event.values.empty()) return "csv-" + hex(fact.source) + "-" + hex(hash64(content));
  for (const AttributeValue& a : event.attributes) add_value(content, index_.attribute(a.attribute), a.value);
  return "csv-" + hex(fact.source) + "-" + hex(hash64(content));
}

Event CsvEvents::make_event(Time time, ModalityId modality, const Fact& fact) const {
  Event event;
  event.patient_id = patient_;
  event.site = fact.site.value_or("");
  event.modality = modality;
  event.time = time;
  event.result_id = fact.result_id;
  event.revision = fact.revision;
  return event;
}

/// Of cells of one time, in order.
void CsvEvents::take_values(std::vector<Made>& out, std::size_t begin, std::size_t end) {
  const auto& features = index_.schema().features();
  std::size_t group = out.size();    // the first event of this modality and fact
  std::vector<FeatureValue> values;  // of this feature, in the group
  const Cell* before = nullptr;
  for (std::size_t i = begin; i < end; ++i) {
    const Cell& cell = cells_[i];
    const ModalityId modality = features[cell.index].modality;
    const bool begins = before == nullptr || before->fact != cell.fact || features[before->index].modality != modality;
    if (begins) group = out.size();
    if (begins || before->index != cell.index) values.clear();
    before = &cell;
    const std::size_t at = group + values.size();  // a feature's second value is the second event's
    const FeatureValue value{cell.index, cell.value, cell.comparator};
    if (std::ranges::find(values, value) != values.end()) {
      ++report_.duplicates;
      continue;
    }
    values.push_back(value);
    if (at > group) note_loss(report_.twice, cell);
    if (at == out.size()) out.push_back({make_event(cell.time, modality, facts_[cell.fact]), cell.fact});
    out[at].event.values.push_back(value);
    ++report_.values;
    report_.censored += is_censored(cell.comparator) ? 1 : 0;
  }
}

/// Of cells of one time, in order: the last of the file counts. The last that says something new; null: none does.
const Cell* CsvEvents::take_attributes(std::size_t begin, std::size_t end) {
  const Cell* told = nullptr;
  for (std::size_t i = begin; i < end; ++i) {
    const Cell& cell = cells_[i];
    const bool again = i + 1 < end && cells_[i + 1].index == cell.index;
    if (again && cells_[i + 1].value != cell.value) {
      note_loss(report_.repeated, cell);
    } else if (again || known_[cell.index] == cell.value) {
      ++report_.duplicates;
    } else {
      known_[cell.index] = pending_[cell.index] = cell.value;
      ++report_.values;
      told = &cell;
    }
  }
  return told;
}

std::vector<Event> CsvEvents::take() {
  place_cells();
  const auto& features = index_.schema().features();
  // This order puts each event's values side by side; being stable it keeps the order of the file among those that are the same.
  const auto place = [&features](const Cell& c) {
    return std::tuple(c.time, c.is_attribute, c.is_attribute ? 0 : features[c.index].modality, c.is_attribute ? 0 : c.fact, c.index);
  };
  std::stable_sort(cells_.begin(), cells_.end(), [&place](const Cell& a, const Cell& b) { return place(a) < place(b); });
  std::vector<Made> made;
  const auto tell = [&](Event& event) {
    for (std::uint32_t a = 0; a < pending_.size(); ++a) {
      if (pending_[a]) event.attributes.push_back({a, *pending_[a]});
      pending_[a].reset();
    }
  };
  const Cell* told = nullptr;  // the attribute that waits
  for (std::size_t begin = 0; begin < cells_.size();) {
    const auto of_time = [&](const Cell& c) { return c.time == cells_[begin].time; };
    const auto from = cells_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = std::find_if_not(from, cells_.end(), of_time);
    const auto middle = std::find_if(from, to, [](const Cell& c) { return c.is_attribute; });
    const auto end = static_cast<std::size_t>(to - cells_.begin()), half = static_cast<std::size_t>(middle - cells_.begin());
    const std::size_t first = made.size();
    take_values(made, begin, half);
    if (const Cell* const last = take_attributes(half, end)) told = last;
    if (made.size() > first) {
      tell(made[first].event);
      told = nullptr;
    }
    begin = end;
  }
  if (told != nullptr && std::ranges::any_of(pending_, [](const auto& a) { return a.has_value(); })) {
    made.push_back({make_event(told->time, kNoModality, facts_[told->fact]), told->fact});
    tell(made.back().event);
  }
  std::vector<Event> events;
  for (Made& one : made) {
    one.event.event_id = event_id(one.event, facts_[one.fact]);
    events.push_back(std::move(one.event));
  }
  cells_.clear();
  return events;
}

}  // namespace lacuna::streaming
