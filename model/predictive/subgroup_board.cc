#include "model/predictive/subgroup_board.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "state/records/bytes.h"
#include "state/records/hash.h"
#include "state/records/stored_version.h"

namespace lacuna::model {
namespace {

constexpr std::uint32_t kVersion = 1;

template <typename Sums, typename Visit>
void each_sum(Sums& s, Visit&& visit) {
  visit(s.values), visit(s.scored), visit(s.covered), visit(s.error), visit(s.error_mean), visit(s.width);
}

}  // namespace

void SubgroupBoard::Row::add(const Sums& p) {
  patients += p.scored > 0 ? 1 : 0;
  sums.values += p.values, sums.scored += p.scored, sums.covered += p.covered;
  sums.error += p.error, sums.error_mean += p.error_mean, sums.width += p.width;
  scored_squared += p.scored * p.scored, covered_squared += p.covered * p.covered, covered_scored += p.covered * p.scored;
}

void SubgroupBoard::Row::remove(const Sums& p) {
  patients -= p.scored > 0 ? 1 : 0;
  sums.values -= p.values, sums.scored -= p.scored, sums.covered -= p.covered;
  sums.error -= p.error, sums.error_mean -= p.error_mean, sums.width -= p.width;
  scored_squared -= p.scored * p.scored, covered_squared -= p.covered * p.covered, covered_scored -= p.covered * p.scored;
  if (sums.values == 0) sums.error = sums.error_mean = sums.width = 0;  // what rounding left
}

SubgroupBoard::SubgroupBoard(Subgroups groups) : groups_(std::move(groups)), rows_(groups_.names().size()) {}

void SubgroupBoard::add(std::string_view patient_id, std::span<const std::optional<float>> attributes, Time time, const Score& score) {
  if (score.constant) return;
  const std::uint64_t id = hash64(patient_id);
  const auto [found, fresh] = patients_.try_emplace(id);
  Patient& p = found->second;
  by_turn_.erase(p.turn);
  if (!fresh && p.last < time - kApart) p = {};
  p.turn = ++turn_;
  by_turn_.emplace(p.turn, id);
  changed_.insert(id);
  p.last = std::max(p.last, time);
  move(p, groups_.of(attributes));
  Sums more = p.sums;
  more.scored += 1;
  more.covered += score.covered ? 1 : 0;
  if (!score.censored) {
    more.values += 1;
    more.error += score.error_model;
    more.error_mean += score.error_mean;
    more.width += score.width;
  }
  for (const std::uint16_t g : p.groups) {
    rows_[g].remove(p.sums);
    rows_[g].add(more);
  }
  p.sums = more;
  if (fresh) make_room();
}

void SubgroupBoard::place(std::string_view patient_id, std::span<const std::optional<float>> attributes) {
  const auto found = patients_.find(hash64(patient_id));
  if (found == patients_.end()) return;
  std::vector<std::uint16_t> to = groups_.of(attributes);
  if (to == found->second.groups) return;
  move(found->second, std::move(to));
  changed_.insert(found->first);
}

void SubgroupBoard::move(Patient& p, std::vector<std::uint16_t> to) {
  if (p.groups == to) return;
  for (const std::uint16_t g : p.groups) {
    if (!std::binary_search(to.begin(), to.end(), g)) rows_[g].remove(p.sums);
  }
  for (const std::uint16_t g : to) {
    if (!std::binary_search(p.groups.begin(), p.groups.end(), g)) rows_[g].add(p.sums);
  }
  p.groups = std::move(to);
}

void SubgroupBoard::forget(std::string_view patient_id) {
  const auto found = patients_.find(hash64(patient_id));
  if (found == patients_.end()) return;
  by_turn_.erase(found->second.turn);
  changed_.insert(found->first);
  patients_.erase(found);
}

void SubgroupBoard::make_room() {
  if (patients_.size() <= kPatientsMax) return;
  const auto oldest = by_turn_.begin();
  changed_.insert(oldest->second);
  patients_.erase(oldest->second);
  by_turn_.erase(oldest);
}

std::vector<SubgroupFigures> SubgroupBoard::figures() const {
  std::vector<SubgroupFigures> out;
  for (std::size_t g = 0; g < rows_.size(); ++g) {
    const Row& row = rows_[g];
    SubgroupFigures f;
    f.name = groups_.names()[g];
    f.patients = row.patients;
    f.values = row.sums.values;
    const auto values = static_cast<double>(row.sums.values), scored = static_cast<double>(row.sums.scored);
    if (row.sums.values > 0) {
      f.mae = row.sums.error / values;
      f.mae_mean = row.sums.error_mean / values;
      f.skill = f.mae_mean > 0 ? 1 - f.mae / f.mae_mean : 0;
      f.width = row.sums.width / values;
    }
    if (row.sums.scored > 0) f.coverage = static_cast<double>(row.sums.covered) / scored;
    if (row.patients > 1) {
      const double off = static_cast<double>(row.covered_squared) - 2 * f.coverage * static_cast<double>(row.covered_scored) +
                         f.coverage * f.coverage * static_cast<double>(row.scored_squared);
      const auto patients = static_cast<double>(row.patients);
      f.coverage_error = std::sqrt(std::max(off, 0.0) * patients / (patients - 1)) / scored;
    }
    out.push_back(std::move(f));
  }
  return out;
}

/// All but the patients.
void SubgroupBoard::save(PieceWriter& out) const {
  const auto put = [&out](const auto& v) { out.bytes().put(v); };
  put(kVersion);
  put(static_cast<std::uint32_t>(rows_.size()));
  for (std::size_t g = 0; g < rows_.size(); ++g) {
    const Row& row = rows_[g];
    out.cut();
    out.bytes().put_text(groups_.names()[g]);
    put(row.patients), put(row.scored_squared), put(row.covered_squared), put(row.covered_scored);
    each_sum(row.sums, put);
  }
  out.cut();
  put(turn_);
}

void SubgroupBoard::save(const Patient& p, ByteWriter& out) {
  const auto put = [&out](const auto& v) { out.put(v); };
  put(p.turn), out.put<std::int64_t>(p.last.time_since_epoch().count());
  each_sum(p.sums, put);
  out.put_all(p.groups);
}

std::string SubgroupBoard::save() const {
  PieceWriter out;
  save(out);
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(patients_.size()));
  for (const auto& [id, p] : patients_) {
    out.bytes().put(id);
    save(p, out.bytes());
  }
  return joined(out.take());
}

Pieces SubgroupBoard::pieces() const {
  PieceWriter out;
  save(out);
  out.bytes().put<std::uint32_t>(0);
  return out.take();
}

std::map<std::uint64_t, std::optional<std::string>> SubgroupBoard::take_changed() {
  std::map<std::uint64_t, std::optional<std::string>> out;
  for (const std::uint64_t id : std::exchange(changed_, {})) {
    const auto found = patients_.find(id);
    ByteWriter row;
    if (found != patients_.end()) save(found->second, row);
    out.emplace(id, found != patients_.end() ? std::optional(row.take()) : std::nullopt);
  }
  return out;
}

void SubgroupBoard::all_changed() {
  for (const auto& [id, p] : patients_) changed_.insert(id);
}

bool SubgroupBoard::load(ByteReader& in, Patient& p) const {
  const auto get = [&in]<typename T>(T& v) { v = in.get<T>(); };
  get(p.turn), p.last = Time(Millis(in.get<std::int64_t>()));
  each_sum(p.sums, get);
  for (const std::uint16_t g : in.get_all<std::uint16_t>()) {
    if (g >= loaded_groups_.size()) return false;
    if (loaded_groups_[g]) p.groups.push_back(*loaded_groups_[g]);
  }
  std::sort(p.groups.begin(), p.groups.end());
  return in.ok();
}

bool SubgroupBoard::load_row(std::uint64_t id, std::string_view bytes) {
  ByteReader in(bytes);
  Patient p;
  if (patients_.size() >= kPatientsMax || !load(in, p) || !in.at_end()) return false;
  return by_turn_.emplace(p.turn, id).second && patients_.emplace(id, std::move(p)).second;
}

bool SubgroupBoard::regrouped() const {
  if (loaded_groups_.empty()) return false;
  if (loaded_groups_.size() != rows_.size()) return true;
  for (std::size_t g = 0; g < rows_.size(); ++g) {
    if (loaded_groups_[g] != g) return true;
  }
  return false;
}

Status SubgroupBoard::load(std::string_view bytes, const SchemaMapping*) {
  const Status corrupt(Code::corrupt, "subgroups: not what was written");
  ByteReader in(bytes);
  const auto get = [&in]<typename T>(T& v) { v = in.get<T>(); };
  LACUNA_RETURN_IF_ERROR(take_version(in, kVersion, "subgroups"));
  const auto& names = groups_.names();
  SubgroupBoard loaded(groups_);
  const auto groups = in.get<std::uint32_t>();
  if (groups > kSubgroupsMax) return corrupt;
  std::vector<std::optional<std::uint16_t>>& here = loaded.loaded_groups_;
  for (std::uint32_t g = 0; g < groups && in.ok(); ++g) {
    const auto found = std::find(names.begin(), names.end(), in.get_text());
    here.push_back(found != names.end() ? std::optional(static_cast<std::uint16_t>(found - names.begin())) : std::nullopt);
    Row row;
    get(row.patients), get(row.scored_squared), get(row.covered_squared), get(row.covered_scored);
    each_sum(row.sums, get);
    if (here.back()) loaded.rows_[*here.back()] = row;
  }
  loaded.turn_ = in.get<std::uint64_t>();
  const auto patients = in.get<std::uint32_t>();
  if (patients > kPatientsMax) return corrupt;
  for (std::uint32_t i = 0; i < patients && in.ok(); ++i) {
    const auto id = in.get<std::uint64_t>();
    Patient& p = loaded.patients_[id];
    if (!loaded.load(in, p) || !loaded.by_turn_.emplace(p.turn, id).second) return corrupt;
  }
  if (!in.ok() || !in.at_end()) return corrupt;
  *this = std::move(loaded);
  return {};
}

}  // namespace lacuna::model
