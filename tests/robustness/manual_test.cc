// Man pages, completions and --version, as whoever installed Lacuna meets them.
//
// Goal: what --help says is in the man page and completed, by each shell itself; what is printed to be typed works where `lacuna` is on no
// PATH; the commit is that of our own tree or unknown. Method: the real binary, and bash, zsh, fish and man.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/scratch_folder.h"
#include "tests/support/shell.h"

namespace lacuna::daemon {
namespace {

using lacuna::testing::all_help;
using lacuna::testing::bash;
using lacuna::testing::file;
using lacuna::testing::Ran;
using lacuna::testing::shell;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using Words = std::set<std::string>;

bool missing(const std::string& program) { return bash("command -v " + program).code != 0; }

/// "-c" and "--config" of the lines "  -c,--config TEXT:FILE REQUIRED".
Words options_in(const std::string& help) {
  Words out;
  std::istringstream lines(help);
  const std::regex line("^  +(-[^ ]+)");
  std::smatch found;
  for (std::string text; std::getline(lines, text);) {
    if (!std::regex_search(text, found, line)) continue;
    std::istringstream names(found[1].str());
    for (std::string name; std::getline(names, name, ',');) out.insert(name);
  }
  return out;
}

Words commands_in(const std::string& help) {
  Words out;
  std::istringstream lines(help.substr(std::min(help.find("Subcommands:\n"), help.size())));
  std::string text;
  std::getline(lines, text);
  for (; std::getline(lines, text) && !text.empty();) {
    if (text[2] != ' ') out.insert(text.substr(2, text.find(' ', 2) - 2));
  }
  return out;
}

/// First words of lines.
Words first_words(const std::string& lines) {
  Words out;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) out.insert(line.substr(0, line.find_first_of(" \t")));
  }
  return out;
}

class Manual : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string name : {"bash", "zsh", "fish"}) {
      ASSERT_EQ(shell("lacuna completion " + name + " > " + path(name)).code, 0);
    }
    ASSERT_EQ(shell("lacuna man " + path("man")).code, 0);
  }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  /// What bash offers for the last of `words`; '' for one that was not begun.
  Words by_bash(const std::string& words) const {
    return first_words(bash("source " + path("bash") + "; COMP_WORDS=(" + words +
                            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lacuna; printf '%s\\n' \"${COMPREPLY[@]}\"")
                           .output);
  }
  Words by_fish(const std::string& line) const {
    return first_words(
        bash("HOME=" + folder_.path() + " fish --no-config -c 'source " + path("fish") + "; complete -C \"" + line + "\"'").output);
  }

  lacuna::testing::ScratchFolder folder_;
};

// Protects: an option or a command that is in --help and nowhere else.
TEST_F(Manual, WhatHelpSaysIsInThePagesAndCompleted) {
  std::size_t options = 0;
  for (const auto& [command, help] : all_help()) {
    std::string page = "lacuna" + (command.empty() ? "" : "-" + command);
    std::ranges::replace(page, ' ', '-');
    const std::string text = file(path("man/" + page + ".1"));
    EXPECT_THAT(text, HasSubstr(".SH SYNOPSIS")) << page;
    const Words names = options_in(help), below = commands_in(help);
    EXPECT_THAT(names, ::testing::Contains("--help")) << help;
    options += names.size();
    for (const std::string& name : names) {
      EXPECT_THAT(text, HasSubstr("\\fB" + std::regex_replace(name, std::regex("-"), "\\-") + "\\fR")) << page;
    }
    for (const std::string& name : below) EXPECT_THAT(text, HasSubstr("\\-" + name + "\\fR(1)")) << page;
    EXPECT_EQ(by_bash("lacuna " + command + " -"), names) << command;
    if (!below.empty()) {
      EXPECT_EQ(by_bash("lacuna " + command + " ''"), below) << command;
    }
    if (missing("fish")) continue;
    EXPECT_THAT(by_fish("lacuna " + command + " -"), IsSupersetOf(names)) << command;
    if (!below.empty()) {
      EXPECT_EQ(by_fish("lacuna " + command + (command.empty() ? "" : " ")), below) << command;
    }
  }
  EXPECT_GT(options, 150u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("man")), {}), static_cast<std::ptrdiff_t>(all_help().size()));
}

TEST_F(Manual, BashCompletesCommandsAndValues) {
  EXPECT_THAT(by_bash("lacuna imp"), UnorderedElementsAre("impute"));
  EXPECT_THAT(by_bash("build/release/daemon/lacuna alerts unm"), UnorderedElementsAre("unmute"));
  EXPECT_THAT(by_bash("lacuna check --format ''"), UnorderedElementsAre("text", "json"));
  EXPECT_THAT(by_bash("lacuna check --format = j"), UnorderedElementsAre("json")) << "--format=j";
  EXPECT_THAT(by_bash("lacuna check --format ="), UnorderedElementsAre("text", "json")) << "--format=";
  EXPECT_THAT(by_bash("lacuna completion ''"), UnorderedElementsAre("bash", "zsh", "fish"));
  EXPECT_THAT(by_bash("lacuna check --config x --form"), UnorderedElementsAre("--format"));
  EXPECT_THAT(by_bash("lacuna check --config ''"), IsEmpty()) << "files, which readline completes by itself";
  EXPECT_THAT(bash("source " + path("bash") + "; complete -p lacuna").output, HasSubstr("-o default"));
  // A word that is no command does not lead away: `alerts` is a topic here.
  EXPECT_THAT(by_bash("lacuna tail alerts --foll"), UnorderedElementsAre("--follow"));
}

TEST_F(Manual, FishCompletesCommandsAndValues) {
  if (missing("fish")) GTEST_SKIP() << "no fish";
  EXPECT_THAT(by_fish("lacuna imp"), UnorderedElementsAre("impute"));
  EXPECT_THAT(by_fish("lacuna check --format "), UnorderedElementsAre("text", "json"));
  EXPECT_THAT(by_fish("lacuna tail alerts --foll"), UnorderedElementsAre("--follow"));
  EXPECT_THAT(by_fish("lacuna check --config README."), UnorderedElementsAre("README.md"));
}

// In a terminal of its own: zsh completes nowhere else.
TEST_F(Manual, ZshCompletesCommandsAndValues) {
  if (missing("zsh")) GTEST_SKIP() << "no zsh";
  EXPECT_EQ(bash("zsh -n " + path("zsh")).code, 0);
  // What follows the word that was typed comes from the completion alone.
  std::ofstream(path("drive")) << "zmodload zsh/zpty\nzpty z 'TERM=vt100 zsh -f -i'\n"
                                  "zpty -w z 'PS1=; autoload -U compinit; compinit -u -D; source "
                               << path("zsh") << R"(; echo re""ady'
zpty -r z out '*ready*'
for line whole in 'lacuna imp' impute 'lacuna alerts unm' unmute 'lacuna check --aga' against 'lacuna check --format j' json \
    'lacuna completion f' fish; do
  zpty -w -n z "$line"$'\t'; zpty -r z out "*$whole*"; print -r -- "$line: $whole"; zpty -w -n z $'\x15'
done
zpty -d z
)";
  const Ran ran = bash("timeout 60 zsh -f " + path("drive") + " 2>&1");
  EXPECT_EQ(ran.code, 0) << "never came what the next line waits for: " << ran.output;
  EXPECT_EQ(std::ranges::count(ran.output, '\n'), 5) << ran.output;
}

// Protects: roff that man cannot read, and a page that whatis does not find.
TEST_F(Manual, ManReadsEachPageWithoutAWarning) {
  if (missing("man") || missing("lexgrog")) GTEST_SKIP() << "no man-db";
  for (const auto& page : std::filesystem::directory_iterator(path("man"))) {
    const std::string name = page.path().string();
    EXPECT_EQ(bash("MANWIDTH=80 man --warnings -E UTF-8 -l " + name + " 2>&1 >/dev/null").output, "") << name;
    EXPECT_EQ(bash("lexgrog " + name).code, 0) << name;
  }
  const std::string shown = bash("MANWIDTH=80 man -E UTF-8 -l " + path("man/lacuna-tail.1") + " | col -b").output;
  EXPECT_THAT(shown, HasSubstr("lacuna tail --config ward.yaml alerts --follow")) << "to be copied";
}

// Protects: a command that is printed to be typed, and is not found.
TEST_F(Manual, WhatIsPrintedToBeTypedWorks) {
  const std::string lacuna = LACUNA_BINARY, in = "cd " + folder_.path() + " && ";
  ASSERT_NE(bash("command -v lacuna").code, 0) << "a lacuna on PATH would hide it";
  const auto typed = [](const std::string& output) {
    std::string out;
    std::istringstream lines(output);
    bool goes_on = false;
    for (std::string line; std::getline(lines, line);) {
      if (!goes_on && !std::regex_search(line, std::regex("^  [^ ]*lacuna "))) continue;
      goes_on = line.ends_with('\\');
      out += line + (goes_on ? "\n" : " 2>&1 || echo FAILED $?\n");
    }
    return out;
  };
  const Ran demo = bash(in + "COLUMNS=80 " + lacuna + " demo --beds 20 --hours 48 --dir 'my demo'");
  ASSERT_EQ(demo.code, 0) << demo.output;
  const Ran tails = bash(in + typed(demo.output));
  EXPECT_THAT(tails.output, Not(HasSubstr("FAILED"))) << typed(demo.output);
  EXPECT_THAT(tails.output, HasSubstr("imputed")) << typed(demo.output);
  const Ran init = bash(in + lacuna + " simulate --beds 20 --duration 12h -o 'a ward.ndjson' 2>/dev/null && " + lacuna +
                        " init 'a ward.ndjson' -o my.yaml 2>&1");
  ASSERT_EQ(init.code, 0) << init.output;
  EXPECT_EQ(std::ranges::count(typed(init.output), '|'), 8) << init.output << "check, impute, replay, run";
  const Ran steps = bash(in + typed(init.output));
  EXPECT_THAT(steps.output, Not(HasSubstr("FAILED"))) << typed(init.output) << steps.output;
  EXPECT_TRUE(std::filesystem::exists(path("imputed.csv")));
}

TEST_F(Manual, VersionSaysCommitAndLibraries) {
  const Ran ran = shell("lacuna --version");
  EXPECT_TRUE(std::regex_match(
      ran.output,
      std::regex("lacuna \\d+\\.\\d+\\.\\d+, commit [0-9a-z-]+\nLibTorch \\d[\\d.]+, .*librdkafka \\d[\\d.]+, RocksDB \\d[\\d.]+\n")))
      << ran.output;
}

// Protects: the commit of a tree that is not ours, and a header that is written anew in each build.
TEST_F(Manual, TheCommitIsOfOurTreeOrUnknown) {
  if (missing("git") || missing("cmake")) GTEST_SKIP() << "no git, or no cmake";
  const auto commit = [&](const std::string& tree, const std::string& before = "") {
    const Ran ran = bash("cd / && " + before + " cmake -DSOURCE=" + path(tree) + " -DOUTPUT=" + path("commit.h") +
                         " -P $OLDPWD/daemon/commands/commit.cmake");
    EXPECT_EQ(ran.code, 0) << ran.output;
    std::smatch found;
    const std::string text = file(path("commit.h"));
    return std::regex_search(text, found, std::regex("kCommit = \"(.*)\"")) ? found[1].str() : text;
  };
  ASSERT_EQ(bash("cd " + folder_.path() +
                 " && mkdir -p tree/inner && cd tree && git init -q . && echo a > a && git add a && "
                 "git -c user.name=a -c user.email=a@b commit -qm a")
                .code,
            0);
  std::string head = bash("git -C " + path("tree") + " rev-parse HEAD").output.substr(0, 12);
  EXPECT_EQ(commit("tree"), head);
  const auto written = std::filesystem::last_write_time(path("commit.h"));
  EXPECT_EQ(commit("tree"), head);
  EXPECT_EQ(std::filesystem::last_write_time(path("commit.h")), written) << "a rebuild for nothing";
  EXPECT_EQ(commit("tree/inner"), "unknown") << "a tarball inside another repository";
  std::ofstream(path("tree/a")) << "b";
  EXPECT_EQ(commit("tree"), head + "-dirty");
  EXPECT_EQ(commit("tree", "LACUNA_COMMIT=0123abc"), "0123abc");
  EXPECT_EQ(commit("tree", "PATH=$(dirname $(command -v cmake)) GIT_DIR=/nonexistent"), "unknown");
  EXPECT_EQ(commit("tree", "LACUNA_COMMIT='\"; }'"), "unknown") << "no code";
}

}  // namespace
}  // namespace lacuna::daemon
