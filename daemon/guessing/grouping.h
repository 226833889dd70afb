#pragma once

#include <string>
#include <vector>

#include "daemon/guessing/courses.h"

namespace lacuna::daemon {

/// A feature to be put into a modality.
struct Groupable {
  std::size_t variable = 0;  ///< in the courses; features come in the order of the table
  std::string name;
  std::string group;  ///< what it is usually looked at with; empty: unknown
};

struct Group {
  std::string name;                   ///< unique, of the schema's form
  std::vector<std::size_t> features;  ///< positions in what was given, ascending
};

/// Features that are measured together, by their moments (average linkage of moments with both over moments with either, a little nearer
/// where their names say so). A group that holds most of the table says nothing: it is parted by names, then by the order of columns. At
/// most 16 groups but for what is parted; at least two where there are two features.
std::vector<Group> group_features(const std::vector<Groupable>& features, const Courses& courses);

}  // namespace lacuna::daemon
