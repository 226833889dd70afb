#pragma once

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

// A strict little reader of Prometheus' text format, independent of the library that writes it.

namespace lacuna::daemon::testing {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

struct Exposition {
  std::map<std::string, std::string> types, helps;
  std::vector<Sample> samples;

  std::vector<Sample> of(const std::string& name) const {
    std::vector<Sample> found;
    for (const Sample& s : samples) {
      if (s.name == name) found.push_back(s);
    }
    return found;
  }
  double sum(const std::string& name) const {
    double total = 0;
    for (const Sample& s : of(name)) total += s.value;
    return total;
  }
};

inline Exposition parse_exposition(const std::string& text) {
  Exposition out;
  std::istringstream in(text);
  const std::regex sample(R"rx(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+))rx");
  const std::regex label(R"rx(([a-z_]+)="((?:[^"\\\n]|\\.)*)",?)rx");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      const std::size_t space = line.find(' ', 7);
      (line[2] == 'H' ? out.helps : out.types)[line.substr(7, space - 7)] = line.substr(space + 1);
      continue;
    }
    std::smatch match;
    if (!std::regex_match(line, match, sample)) {
      ADD_FAILURE() << "not a sample: " << line;
      continue;
    }
    Sample s{match[1], {}, std::stod(match[3])};
    const std::string labels = match[2];
    std::size_t read = 0;
    for (std::sregex_iterator it(labels.begin(), labels.end(), label), end; it != end; ++it) {
      s.labels[(*it)[1]] = (*it)[2];
      read += static_cast<std::size_t>(it->length());
    }
    EXPECT_EQ(read, labels.size()) << "labels: " << labels;
    out.samples.push_back(std::move(s));
  }
  return out;
}

}  // namespace lacuna::daemon::testing
