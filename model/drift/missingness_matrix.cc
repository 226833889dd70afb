#include "model/drift/missingness_matrix.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace lacuna::drift {
namespace {

constexpr const char* kNoSite = "no site";
constexpr const char* kOtherSites = "other sites";
// 1970-01-01 was a Thursday: its week began three days before.
constexpr std::int64_t kDaysIntoWeek = 3;

std::int32_t week_of(Time t) {
  const std::int64_t days = std::chrono::floor<std::chrono::days>(t).time_since_epoch().count() + kDaysIntoWeek;
  return static_cast<std::int32_t>((days >= 0 ? days : days - 6) / 7);
}
Time monday_of(std::int32_t week) { return Time(std::chrono::days(std::int64_t{week} * 7 - kDaysIntoWeek)); }

void count(std::uint32_t& n) {
  if (n < std::numeric_limits<std::uint32_t>::max()) ++n;
}

}  // namespace

MissingnessMatrix::MissingnessMatrix(std::vector<std::string> modalities) : modalities_(std::move(modalities)) {}

bool MissingnessMatrix::is_named(std::string_view site) const {
  return std::any_of(weeks_.begin(), weeks_.end(), [&](const auto& week) { return week.second.contains(site); });
}

MissingnessMatrix::PatientHours& MissingnessMatrix::patient_hours(std::string_view site, std::int32_t week) {
  Sites& sites = weeks_[week];
  if (const auto found = sites.find(site); found != sites.end()) return found->second;
  if (!is_named(site)) {
    std::set<std::string_view> names;
    for (const auto& [number, there] : weeks_) {
      for (const auto& [name, counts] : there) names.insert(name);
    }
    if (names.size() >= kSites) site = kOtherSites;
  }
  return sites.try_emplace(std::string(site), modalities_.size() + 1).first->second;
}

void MissingnessMatrix::add(std::string_view site, Time hour, std::uint64_t arrived) {
  const std::int32_t week = week_of(hour);
  if (weeks_.size() >= kWeeks && !weeks_.contains(week)) {
    if (week < weeks_.begin()->first) return;
    weeks_.erase(weeks_.begin());
  }
  PatientHours& counts = patient_hours(site.empty() ? kNoSite : site, week);
  count(counts[0]);
  for (std::size_t m = 0; m < modalities_.size() && m < 64; ++m) {
    if ((arrived >> m & 1) != 0) count(counts[m + 1]);
  }
}

std::vector<MissingnessMatrix::Row> MissingnessMatrix::rows() const {
  std::vector<Row> out;
  for (const auto& [week, sites] : weeks_) {
    for (const auto& [site, counts] : sites) {
      for (std::size_t m = 0; m < modalities_.size(); ++m) {
        out.push_back(
            {site, modalities_[m], monday_of(week), counts[0], counts[0] == 0 ? 0 : static_cast<double>(counts[m + 1]) / counts[0]});
      }
    }
  }
  return out;
}

/// A piece a week.
void MissingnessMatrix::save(PieceWriter& out) const {
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(modalities_.size()));
  out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(weeks_.size()));
  for (const auto& [week, sites] : weeks_) {
    out.cut();
    out.bytes().put(week);
    out.bytes().put<std::uint32_t>(static_cast<std::uint32_t>(sites.size()));
    for (const auto& [site, counts] : sites) {
      out.bytes().put_text(site);
      for (const std::uint32_t n : counts) out.bytes().put(n);
    }
  }
}

bool MissingnessMatrix::load(ByteReader& in, const SchemaMapping* grown) {
  std::map<std::int32_t, Sites> weeks;
  const std::size_t modalities = grown != nullptr ? grown->from_modality_count() : modalities_.size();
  if (in.get<std::uint32_t>() != modalities) return false;
  const auto week_count = in.get<std::uint32_t>();
  if (week_count > kWeeks) return false;
  for (std::uint32_t w = 0; w < week_count && in.ok(); ++w) {
    Sites& sites = weeks[in.get<std::int32_t>()];
    const auto site_count = in.get<std::uint32_t>();
    if (site_count > kSites + 1) return false;
    for (std::uint32_t s = 0; s < site_count && in.ok(); ++s) {
      PatientHours& counts = sites[in.get_text()];
      counts.resize(modalities + 1);
      for (std::uint32_t& n : counts) n = in.get<std::uint32_t>();
      if (std::any_of(counts.begin() + 1, counts.end(), [&](std::uint32_t n) { return n > counts[0]; })) return false;
      if (grown == nullptr) continue;
      PatientHours here{counts[0]};
      for (const auto& from : grown->modalities()) here.push_back(from ? counts[*from + 1] : 0);
      counts = std::move(here);
    }
  }
  if (!in.ok() || weeks.size() != week_count) return false;
  weeks_ = std::move(weeks);
  return true;
}

}  // namespace lacuna::drift
