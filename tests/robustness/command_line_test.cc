// The commands as a shell sees them: what they print, where to, and how they end.
//
// Goal: an output that was not written never passes for done, a reader who leaves is no failure, and whoever mistypes is told what was
// meant. Method: the real binary in a shell, with /dev/full in place of a full disk, and a reader that reads one line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

struct Ran {
  int code = -1;
  std::string output;
};

/// In bash, with `lacuna` for the binary. The exit code of a pipeline is that of its first part which failed.
Ran shell(const std::string& line) {
  const std::string script = "set -o pipefail; lacuna() { " LACUNA_BINARY " \"$@\"; }; " + line;
  std::string quoted = "bash -c '";
  for (const char c : script) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  FILE* const pipe = popen((quoted + "' </dev/null").c_str(), "r");
  Ran ran;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) ran.output.append(part.data(), n);
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

std::string file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

/// A data folder from which a model has learned, made once.
class CommandLine : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<lacuna::testing::ScratchFolder>();
    const Ran made = shell("lacuna simulate --beds 20 --duration 12h" + with() + " && lacuna run --until-idle" + with() +
                           " --set train.examples_per_step=20 2>&1");
    ASSERT_EQ(made.code, 0) << made.output;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static std::string with() {
    return " --config configs/simulated-ward.yaml -s data_dir=" + folder_->path() + "/data -s http.enabled=false";
  }
  static std::string path(const std::string& name) { return folder_->path() + "/" + name; }

 private:
  static std::unique_ptr<lacuna::testing::ScratchFolder> folder_;
};
std::unique_ptr<lacuna::testing::ScratchFolder> CommandLine::folder_;

TEST_F(CommandLine, AFullDiskIsNoticedByEveryWriter) {
  std::ofstream(path("event.ndjson"))
      << R"({"schema_version":1,"event_id":"e","patient_id":"1","modality":"vitals","time":"2026-01-01T00:00:00Z","values":{"hr":70}})"
      << "\n";
  const std::vector<std::string> writers = {
      "lacuna --help",
      "lacuna --version",
      "lacuna run --help",
      "lacuna check --keys",
      "lacuna check --keys --format json",
      "lacuna check --config configs/simulated-ward.yaml",
      "lacuna tail events --from beginning --format json" + with(),
      "lacuna tail imputations" + with(),
      "lacuna evaluate" + with(),
      "lacuna generate --count 500" + with(),
      "lacuna generate --count 500 --format csv" + with(),
      "lacuna generate --count 20 --summary" + with(),
      "lacuna replay --dry-run " + path("event.ndjson") + with(),
      "lacuna simulate --duration 24h",
      "lacuna demo --beds 20 --hours 48 --dir " + path("demo"),
  };
  for (const std::string& writer : writers) {
    const Ran ran = shell("{ " + writer + " > /dev/full; } 2>&1");
    EXPECT_EQ(ran.code, 1) << writer;
    EXPECT_THAT(ran.output, HasSubstr("cannot write standard output: No space left on device")) << writer;
    EXPECT_THAT(ran.output, Not(HasSubstr("internal"))) << writer;
  }
  for (const std::string where : {"/dev/full", "/nonexistent/x"}) {
    const std::vector<std::string> files = {
        "lacuna evaluate --json " + where + with(),
        "lacuna generate --count 500 --output " + where + with(),
        "lacuna simulate --duration 24h --output " + where,
        "lacuna simulate --duration 24h --truth " + where,
    };
    for (const std::string& writer : files) {
      const Ran ran = shell("{ " + writer + " > /dev/null; } 2>&1");
      EXPECT_EQ(ran.code, 1) << writer;
      const std::string why = where == "/dev/full" ? "No space left on device" : "No such file or directory";
      EXPECT_THAT(ran.output, HasSubstr("cannot write " + where + ": " + why)) << writer;
    }
  }
}

TEST_F(CommandLine, AReaderWhoLeavesEndsTheCommandSilently) {
  for (const std::string& writer : {std::string("lacuna simulate --duration 96h"), "lacuna generate --count 2000 2>/dev/null" + with(),
                                    "lacuna tail events --from beginning --format json" + with(), "lacuna tail events --follow" + with()}) {
    const Ran ran = shell("{ " + writer + "; } 2>" + path("err") + " | head -1");
    EXPECT_EQ(ran.code, 128 + SIGPIPE) << writer;
    EXPECT_EQ(std::count(ran.output.begin(), ran.output.end(), '\n'), 1) << writer;
    EXPECT_EQ(file(path("err")), "") << writer;
  }
}

TEST_F(CommandLine, TheExitCodesAreWhatThePageSays) {
  const std::string help = shell("lacuna --help").output, page = file("docs/commands.md");
  const std::string codes = help.substr(help.find("Exit codes:"));
  const std::regex line("\n  (\\d[^ ]*(?: \\+ N)?)  ([^\n]+)");
  int found = 0;
  for (std::sregex_iterator it(codes.begin(), codes.end(), line), end; it != end; ++it, ++found) {
    EXPECT_THAT(page, HasSubstr("| `" + (*it)[1].str() + "` | " + (*it)[2].str() + " |"));
  }
  EXPECT_EQ(found, 6) << codes;
}

TEST_F(CommandLine, ErrorsSayWhatIsWrongAndNoMore) {
  // A port that is taken has nothing to do with the event log.
  const Ran taken = shell(
      "python3 -c 'import socket,subprocess,sys; s=socket.socket(); s.bind((\"127.0.0.1\",0)); s.listen(); "
      "sys.exit(subprocess.run([\"" LACUNA_BINARY "\",\"run\",\"--config\",\"configs/simulated-ward.yaml\",\"--set\",\"data_dir=" +
      path("other") + "\",\"--set\",\"http.port=%d\" % s.getsockname()[1]]).returncode)' 2>&1");
  EXPECT_EQ(taken.code, 1) << taken.output;
  EXPECT_THAT(taken.output, HasSubstr("cannot listen on 127.0.0.1"));
  EXPECT_THAT(taken.output, Not(HasSubstr("event log")));
}

}  // namespace
}  // namespace lacuna::daemon
