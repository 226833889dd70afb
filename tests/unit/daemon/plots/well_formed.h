#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/scratch_folder.h"

namespace lacuna::daemon::testing {

/// By a parser that is not ours: the picture is XML, and has a title and a description that are not empty.
inline void expect_well_formed(const std::string& svg) {
  const lacuna::testing::ScratchFolder folder;
  const std::string path = folder.write("picture.svg", svg);
  const std::string script =
      "import sys, xml.etree.ElementTree as e; r = e.parse(sys.argv[1]).getroot(); n = \"{http://www.w3.org/2000/svg}\"; "
      "sys.exit(0 if r.tag == n + \"svg\" and r.find(n + \"title\").text and r.find(n + \"desc\") is not None else 1)";
  EXPECT_EQ(std::system((std::string(LACUNA_PYTHON) + " -c '" + script + "' " + path).c_str()), 0) << svg.substr(0, 2000);
}

/// The first groups of all matches.
inline std::vector<std::string> all_of(const std::string& text, const std::string& pattern) {
  std::vector<std::string> out;
  const std::regex wanted(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), wanted), end; it != end; ++it) out.push_back((*it)[1].str());
  return out;
}

}  // namespace lacuna::daemon::testing
