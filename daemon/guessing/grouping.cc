#include "daemon/guessing/grouping.h"

#include <algorithm>
#include <map>
#include <set>

#include "daemon/guessing/known_names.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kGroupsMax = 16;
constexpr std::size_t kLinkedMax = 600;  // features that are linked by all pairs; a wider table goes by names alone
constexpr std::size_t kLargeMin = 8;     // more features say that a group is large
constexpr std::size_t kChunk = 6;        // neighbours among the columns
constexpr double kTogether = 0.5, kSameName = 0.1, kOtherName = -0.15;

using Members = std::vector<std::size_t>;

double nearness(const Groupable& a, const Groupable& b, const Courses& courses) {
  const double together = courses.together(a.variable, b.variable);
  if (a.group.empty() || b.group.empty()) return together;
  return together + (a.group == b.group ? kSameName : kOtherName);
}

/// Average linkage: the two nearest groups are joined while they are nearer than `nearest`, or are too many.
class Linkage {
 public:
  Linkage(const std::vector<Groupable>& features, const Courses& courses) {
    for (std::size_t i = 0; i < features.size(); ++i) groups_.push_back({i});
    near_.assign(features.size(), std::vector<double>(features.size(), 0));
    for (std::size_t i = 0; i < features.size(); ++i) {
      for (std::size_t j = 0; j < features.size(); ++j) near_[i][j] = nearness(features[i], features[j], courses);
    }
  }

  std::vector<Members> link() {
    while (groups_.size() > 1) {
      std::size_t a = 0, b = 1;
      double best = -2;
      for (std::size_t i = 0; i < groups_.size(); ++i) {
        for (std::size_t j = i + 1; j < groups_.size(); ++j) {
          if (near_[i][j] <= best) continue;
          best = near_[a = i][b = j];
        }
      }
      if (best < kTogether && groups_.size() <= kGroupsMax) break;
      join(a, b);
    }
    return groups_;
  }

 private:
  void join(std::size_t a, std::size_t b) {
    const double of_a = static_cast<double>(groups_[a].size()), of_b = static_cast<double>(groups_[b].size());
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      near_[a][i] = near_[i][a] = (of_a * near_[a][i] + of_b * near_[b][i]) / (of_a + of_b);
    }
    groups_[a].insert(groups_[a].end(), groups_[b].begin(), groups_[b].end());
    groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(b));
    near_.erase(near_.begin() + static_cast<std::ptrdiff_t>(b));
    for (auto& row : near_) row.erase(row.begin() + static_cast<std::ptrdiff_t>(b));
  }

  std::vector<Members> groups_;
  std::vector<std::vector<double>> near_;
};

/// By name; what has none, by its place among the columns.
std::vector<Members> part(const Members& members, const std::vector<Groupable>& features, std::size_t chunk) {
  std::map<std::string, Members> named;
  Members unnamed;
  for (const std::size_t m : members) (features[m].group.empty() ? unnamed : named[features[m].group]).push_back(m);
  std::vector<Members> out;
  for (auto& [name, of_name] : named) out.push_back(std::move(of_name));
  const std::size_t parts = (unnamed.size() + chunk - 1) / chunk;
  for (std::size_t p = 0; p < parts; ++p) {
    out.emplace_back(unnamed.begin() + static_cast<std::ptrdiff_t>(p * unnamed.size() / parts),
                     unnamed.begin() + static_cast<std::ptrdiff_t>((p + 1) * unnamed.size() / parts));
  }
  return out;
}

/// What most of its features are looked at with; empty: nothing.
std::string usual_of(const Members& members, const std::vector<Groupable>& features) {
  std::map<std::string, std::size_t> counts;
  for (const std::size_t m : members) ++counts[features[m].group];
  const auto most = std::ranges::max_element(counts, {}, [](const auto& c) { return c.first.empty() ? 0 : c.second; });
  return 2 * most->second >= members.size() ? most->first : "";
}

/// Of each kind, the largest group.
std::map<std::string, std::size_t> largest_of(const std::vector<Members>& groups, const std::vector<Groupable>& features) {
  std::map<std::string, std::size_t> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto [at, is_new] = out.try_emplace(usual_of(groups[g], features), g);
    if (groups[g].size() > groups[at->second].size()) at->second = g;
  }
  return out;
}

/// The largest group of a kind has its name; others are called by their first feature.
std::vector<std::string> names_of(const std::vector<Members>& groups, const std::vector<Groupable>& features) {
  const auto largest = largest_of(groups, features);
  std::vector<std::string> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string usual = usual_of(groups[g], features), &first = features[groups[g].front()].name;
    if (!usual.empty() && largest.at(usual) == g) out.push_back(usual);
    else if (groups[g].size() == 1) out.push_back(first);
    else out.push_back((usual.empty() ? first : usual + "_" + first) + (usual.empty() ? "_group" : ""));
  }
  return out;
}

}  // namespace

std::vector<Group> group_features(const std::vector<Groupable>& features, const Courses& courses) {
  std::vector<Members> linked;
  if (features.size() <= kLinkedMax) {
    linked = Linkage(features, courses).link();
  } else {
    Members& all = linked.emplace_back();
    for (std::size_t i = 0; i < features.size(); ++i) all.push_back(i);
  }
  std::vector<Members> parts;
  const std::size_t chunk = std::max(kChunk, features.size() / kGroupsMax + 1);
  for (Members& members : linked) {
    std::ranges::sort(members);
    const bool large = members.size() > kLargeMin || 5 * members.size() > 3 * features.size();
    if (!large || features.size() < 2) {
      parts.push_back(std::move(members));
      continue;
    }
    // A small table in one piece is parted in halves, so that one can tell the other.
    std::vector<Members> smaller = part(members, features, std::min(chunk, std::max<std::size_t>(1, (members.size() + 1) / 2)));
    std::ranges::move(smaller, std::back_inserter(parts));
  }
  for (Members& members : parts) std::ranges::sort(members);
  std::ranges::sort(parts, {}, [](const Members& m) { return m.front(); });
  const std::vector<std::string> names = names_of(parts, features);
  std::vector<Group> out;
  std::set<std::string> used;
  for (std::size_t g = 0; g < parts.size(); ++g) {
    std::string name = names[g];
    for (int i = 2; !used.insert(name).second; ++i) name = names[g] + "_" + std::to_string(i);
    out.push_back({name, std::move(parts[g])});
  }
  return out;
}

}  // namespace lacuna::daemon
