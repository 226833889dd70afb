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
#include <map>
#include <regex>
#include <sstream>

#include "tests/support/scratch_folder.h"
#include "tests/support/shell.h"
#include "tests/support/small_disk.h"

namespace lacuna::daemon {
namespace {

using lacuna::testing::all_help;
using lacuna::testing::file;
using lacuna::testing::Ran;
using lacuna::testing::shell;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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
      "lacuna completion bash",
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
    const std::size_t told = ran.output.find("cannot write standard output: No space left on device");
    EXPECT_NE(told, std::string::npos) << writer << ran.output;
    EXPECT_EQ(ran.output.find("cannot write", told + 1), std::string::npos) << writer << ": told twice";
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

// A standard descriptor that is closed went to the first file that was opened (rsyslog#1526): the log to the pipe that signals come by,
// whose bytes ended the daemon with 176.
TEST_F(CommandLine, AClosedOutputIsNoFile) {
  const Ran ran = shell("lacuna tail imputations --format json" + with() + " 2>&1 >&-");
  EXPECT_EQ(ran.code, 1) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("cannot write standard output: Bad file descriptor"));
  EXPECT_EQ(shell("lacuna tail imputations --format json" + with() + " 2>&- <&- | head -n 3 | wc -l").output, "3\n");
  EXPECT_EQ(shell("lacuna run --until-idle" + with() + " >/dev/null 2>&- <&-").code, 0);
}

// A half of a file passes for the whole (aras-p/ClangBuildAnalyzer#2, opensafely-core/cohort-extractor#278), and what was there is gone.
TEST_F(CommandLine, AFileThatIsNotWholeGetsNoName) {
  lacuna::testing::ScratchFolder files;
  const std::string out = files / "samples.csv";
  const std::string generate = "lacuna generate -n 3000 --format csv -o " + out + with();
  ASSERT_EQ(shell(generate + " 2>&1").code, 0);
  const std::string before = file(out);
  const Ran ran = shell("ulimit -f 64; " + generate + " --seed 2 2>&1");
  EXPECT_EQ(ran.code, 1) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("cannot write " + out + ": File too large"));
  EXPECT_EQ(file(out), before);
  EXPECT_EQ(shell("ls " + files.path()).output, "samples.csv\n");
  EXPECT_EQ(shell("ln -s samples.csv " + (files / "link") + "; lacuna generate -n 1 --format csv -o " + files / "link" + with() +
                  "; test -L " + files / "link")
                .code,
            0);
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

std::vector<std::string> too_wide(const std::string& text, std::size_t columns) {
  std::vector<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > columns) out.push_back(line);
  }
  return out;
}

TEST_F(CommandLine, HelpFitsTheScreenAndItsExamplesFitAnyOne) {
  EXPECT_GE(all_help().size(), 20u);
  for (const auto& [command, wide] : all_help()) {
    EXPECT_THAT(too_wide(shell("COLUMNS=80 lacuna " + command + " --help").output, 80), IsEmpty()) << command;
    EXPECT_THAT(too_wide(wide, 100), IsEmpty()) << command;
    std::istringstream lines(wide);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("  lacuna ")) {
        EXPECT_LE(line.size(), 80u) << "an example that would be broken: " << line;
      }
    }
  }
}

TEST_F(CommandLine, TablesAndTheDemoFitTheScreen) {
  for (const std::string& command : {"lacuna evaluate" + with(), "lacuna tail control" + with(), "lacuna model show" + with(),
                                     "lacuna demo --beds 20 --hours 48 --dir " + path("s")}) {
    const Ran ran = shell("COLUMNS=80 " + command);
    EXPECT_THAT(too_wide(ran.output, 80), IsEmpty()) << command;
    EXPECT_NE(ran.code, 2) << command;
  }
}

TEST_F(CommandLine, WhatADaemonTellsFitsTheScreen) {
  const std::string script =
      "LACUNA run" + with() +
      " --set http.enabled=true --set http.port=0 2> LOG & daemon=$!; for i in $(seq 300); do grep -q ready: LOG && break; sleep 0.1; "
      "done; "
      "url=$(grep -o http://127.0.0.1:[0-9]* LOG); export COLUMNS=80; for what in \"inspect drift --all\" \"inspect features\" \"inspect "
      "lag\" "
      "\"inspect missingness\" \"alerts list\" \"model show\"; do lacuna $what --url $url || echo FAILED $what; done; "
      "lacuna inspect missingness --modality vitasl --url $url 2>&1; lacuna inspect drift --kind missingnes --url $url; "
      "kill $daemon; wait $daemon; echo ended $?";
  const Ran ran =
      shell(std::regex_replace(std::regex_replace(script, std::regex("LOG"), path("log")), std::regex("LACUNA"), LACUNA_BINARY));
  EXPECT_THAT(too_wide(ran.output, 80), IsEmpty());
  EXPECT_THAT(ran.output, Not(HasSubstr("FAILED")));
  EXPECT_THAT(ran.output, HasSubstr("did you mean vitals?"));
  EXPECT_THAT(ran.output, HasSubstr("did you mean missingness?"));
  EXPECT_THAT(ran.output, HasSubstr("ended 0")) << file(path("log"));
}

// Protects: what is gone up over is what was written, since no line takes two of the screen's.
TEST_F(CommandLine, TheDemoRedrawsItsOwnLinesAlone) {
  const Ran drawn = shell("COLUMNS=80 script -qec \"" LACUNA_BINARY " demo --beds 20 --hours 72 --dir " + path("drawn") + "\" /dev/null");
  if (drawn.code == 127) GTEST_SKIP() << "no script(1)";
  int redrawn = 0, lines = 0;
  std::istringstream all(drawn.output.substr(std::min(drawn.output.find("  clinical time"), drawn.output.size())));
  for (std::string line; std::getline(all, line) && line.find("Summary") == std::string::npos; ++lines) {
    if (line.ends_with('\r')) line.pop_back();
    std::smatch up;
    const std::string with_move = line;
    if (std::regex_search(with_move, up, std::regex("^\x1b\\[(\\d+)A\x1b\\[J"))) {
      EXPECT_EQ(std::stoi(up[1]), lines) << drawn.output;
      lines = 0;
      ++redrawn;
      line = up.suffix();
    }
    EXPECT_LE(line.size(), 80u) << line;
  }
  EXPECT_GT(redrawn, 0) << drawn.output;
}

TEST_F(CommandLine, WhoMistypesIsToldWhatWasMeant) {
  const std::vector<std::pair<std::string, std::string>> slips = {
      {"lacuna replya", "did you mean replay?"},
      {"lacuna frobnicate", "there are demo, run, "},
      {"lacuna alerts lst", "did you mean list?"},
      {"lacuna", "which command? there are demo, run, "},
      {"lacuna alerts", "which command? there are list, accept, "},
      {"lacuna inspect lag --url hppt:x", "expected http://host:port"},
      {"lacuna run --confg x", "did you mean --config?"},
      {"lacuna check --keyz", "did you mean --keys?"},
      {"lacuna check --config configs/simulated-ward.yaml now", "what is 'now' for?"},
      {"lacuna check --set trian.beta=1" + with(), "did you mean train?"},
      {"lacuna check --set schema.modalities.vitals.features.hr.max=1" + with(), "did you mean range: [low, high]?"},
      {"lacuna check --set log.kafka.properties.sasl.pasword=x" + with(), "did you mean sasl.password?"},
      {"lacuna check --set log.partitions=010" + with(), "leading zero"},
      {"lacuna generate --features vitals.hrr" + with(), "did you mean vitals.hr?"},
      {"lacuna generate --intervene vitals.hrr=1" + with(), "did you mean vitals.hr?"},
      {"lacuna generate --hide vitlas" + with(), "did you mean vitals?"},
  };
  for (const auto& [line, meant] : slips) {
    const Ran ran = shell("COLUMNS=200 " + line + " 2>&1");
    EXPECT_EQ(ran.code, 2) << line;
    EXPECT_THAT(ran.output, HasSubstr(meant)) << line;
  }
  const Ran topic = shell("lacuna tail imputation" + with() + " 2>&1");
  EXPECT_EQ(topic.code, 1);
  EXPECT_THAT(topic.output, HasSubstr("did you mean imputations?"));
}

// Protects: -s, --set is the configuration's and -o the output's in every command; what was called otherwise is still taken, or refused
// with the way out where it would now mean something else.
TEST_F(CommandLine, ALetterMeansOneThing) {
  for (const auto& [command, help] : all_help()) {
    for (const auto& [letter, name] : {std::pair("-s,", "-s,--set"), {"-o,", "-o,--output"}, {"-f,", "-f,--follow"}}) {
      if (help.find(letter) != std::string::npos) {
        EXPECT_THAT(help, HasSubstr(name)) << command;
      }
    }
    EXPECT_EQ(help.find("--override"), std::string::npos) << command;
  }
  for (const std::string what : {"vitals.map=50", "vitals.hr=50", "attribute.age=80"}) {
    const Ran refused = shell("lacuna generate --set " + what + with() + " 2>&1");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.output, HasSubstr("--intervene " + what)) << what;
  }
  const std::string config = " --config configs/simulated-ward.yaml";
  const Ran old = shell("lacuna generate --override data_dir=" + path("data") + " --seed 3" + config + " 2>" + path("err"));
  EXPECT_EQ(old.code, 0);
  EXPECT_EQ(old.output, shell("lacuna generate --set data_dir=" + path("data") + " --seed 3" + config + " 2>/dev/null").output);
  EXPECT_THAT(file(path("err")), HasSubstr("--override is called --set now"));
  const std::string simulate = "lacuna simulate --duration 1h 2>/dev/null ";
  EXPECT_EQ(
      shell(simulate + "-f " + path("old") + " && " + simulate + "-o " + path("new") + " && cmp " + path("old") + " " + path("new")).code,
      0);
  EXPECT_EQ(shell("lacuna check -o seed=3" + config + " 2>" + path("err")).code, 0);
  EXPECT_THAT(file(path("err")), HasSubstr("-o is called -s now"));
}

// Protects: one complete patient does not end the work on a file of many, and is not passed over in silence.
TEST_F(CommandLine, CompletePatientsAreLeftOutWithAWord) {
  const std::string complete = path("complete.ndjson"), given = path("given.ndjson");
  const Ran made = shell("lacuna generate --seed 5 2>/dev/null" + with() +
                         " | python3 -c 'import json,sys; print(json.dumps({\"time\": \"2026-01-02T00:00:00Z\", "
                         "\"values\": json.loads(sys.stdin.readline())[\"values\"]}))' > " +
                         complete);
  ASSERT_EQ(made.code, 0);
  std::ofstream(given) << file(complete) << R"({"time":"2026-01-02T00:00:00Z","values":{"vitals":{"hr":80}}})"
                       << "\n";
  const Ran some = shell("lacuna generate --given " + given + with() + " 2>" + path("err"));
  EXPECT_EQ(some.code, 0);
  EXPECT_THAT(some.output, HasSubstr("\"given\":2,"));
  EXPECT_THAT(some.output, Not(HasSubstr("\"given\":1,")));
  EXPECT_THAT(file(path("err")), HasSubstr("1 of 2 patients left out"));
  const Ran nobody = shell("lacuna generate --given " + complete + with() + " 2>&1");
  EXPECT_EQ(nobody.code, 2);
  EXPECT_THAT(nobody.output, HasSubstr("nothing is left to draw"));
}

TEST_F(CommandLine, RunSaysThatItIsReadyAndWhatItRefused) {
  std::ofstream(path("bad.ndjson")) << "not json\n"
                                    << R"({"schema_version":1,"event_id":"e","patient_id":"secret-id","modality":"vitals",)"
                                    << R"("time":"2026-01-01T00:00:00Z","values":{"hr":-12345}})"
                                    << "\n";
  const std::string other = " --config configs/simulated-ward.yaml -s http.enabled=false -s data_dir=" + path("refused");
  const Ran ran = shell("lacuna replay --raw " + path("bad.ndjson") + other + " && lacuna run --until-idle" + other + " 2>&1");
  EXPECT_THAT(ran.output, HasSubstr("ready: lacuna.events 0-"));
  EXPECT_THAT(ran.output, HasSubstr("1 malformed, 1 out_of_range"));
  EXPECT_THAT(ran.output, Not(HasSubstr("secret-id")));
  EXPECT_THAT(ran.output, Not(HasSubstr("12345")));
}

TEST_F(CommandLine, ModelShowTellsOfTheNewestCheckpoint) {
  const Ran table = shell("lacuna model show" + with());
  EXPECT_EQ(table.code, 0) << table.output;
  for (const char* part : {"gradient steps", "stratified, fused by mopoe", "learner-", "vitals.hr"}) {
    EXPECT_THAT(table.output, HasSubstr(part));
  }
  const Ran json = shell("lacuna model show --json" + with() +
                         " | python3 -c 'import json,sys; m = json.load(sys.stdin); "
                         "print(m[\"steps\"] > 0, m[\"examples\"] > 0, m[\"learned\"][\"vitals.hr\"][\"observations\"] > 0, "
                         "m[\"checkpoint\"][\"bytes\"] > 0)'");
  EXPECT_EQ(json.output, "True True True True\n");
  const Ran none = shell("lacuna model show --config configs/simulated-ward.yaml -s data_dir=" + path("nothing") + " 2>&1");
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.output, HasSubstr("no model yet"));
  EXPECT_EQ(shell("lacuna model show 2>&1").code, 2);
}

// Cases 04 to 06 and csv2db/csv2db#25: exit code 0 while rows are left out. Any loss is 1 with --strict, in a dry run as in a real one.
TEST_F(CommandLine, StrictIsOneForAnyLoss) {
  const std::string wide =
                        "{format: wide_csv, patient_column: id, time_column: t, columns: {HR: {to: vitals.hr}, Temp: {to: vitals.temp}}}",
                    units =
                        "{format: long_csv, patient_column: id, time_column: t, parameter_column: p, value_column: v, unit_column: u, "
                        "columns: {HR: {to: vitals.hr}, Temp: {to: vitals.temp}}}";
  const std::string at = "f,2026-01-01T00:0";
  const struct {
    std::string mapping, csv, said;
    int code;
  } cases[] = {
      {wide, "id,t,HR,Temp\n" + at + "0:00Z,70,37\n", "1 row with 2 values", 0},
      {wide, "id,t,HR,Temp\n" + at + "0:00Z,70,98.6\n" + at + "1:00Z,71,98.7\n" + at + "2:00Z,72,37\n",
       "2 of 3 values of \"Temp\" left out: not in the schema's range", 1},
      {wide, "id,t,HR,Temp,SpO2\n" + at + "0:00Z,70,37,99\n", "1 cell of \"SpO2\" left out: no mapping", 1},
      {wide, "id,t,HR,Temp,HR\n" + at + "0:00Z,70,37,71\n", "1 cell of \"HR\" left out: named twice", 1},
      {wide, "id,t,HR,Temp\n" + at + "0:00Z,70,warm\n", "could not be read", 1},
      {units, "id,t,p,v,u\n" + at + "0:00Z,Temp,98.6,F\n" + at + "1:00Z,HR,70,\n", "2 rows with 2 values", 0},
      {units, "id,t,p,v,u\n" + at + "0:00Z,Temp,37,mmHg\n" + at + "1:00Z,HR,70,bpm\n",
       "1 of 1 value of \"Temp\" left out: its unit does not convert", 1},
  };
  for (const auto& c : cases) {
    std::ofstream(path("strict.csv")) << c.csv;
    std::ofstream(path("strict.yaml")) << c.mapping << "\n";
    for (const char* mode : {" --dry-run", ""}) {
      const Ran ran = shell("lacuna replay --strict" + std::string(mode) + " --mapping " + path("strict.yaml") +
                            " --config configs/simulated-ward.yaml -s http.enabled=false -s data_dir=" + path("strict-data") + " " +
                            path("strict.csv") + " 2>&1");
      EXPECT_EQ(ran.code, c.code) << c.csv << ran.output;
      EXPECT_THAT(ran.output, HasSubstr(c.said));
    }
  }
}

// Protects: the embedded log on a full disk is an error like any other, and not the end of the process.
TEST_F(CommandLine, AFullDiskUnderTheEmbeddedLogIsTold) {
  if (const std::string why = lacuna::testing::mount_small_disk(path("small"), 3u << 20); !why.empty()) GTEST_SKIP() << why;
  const Ran ran = shell("lacuna simulate --duration 96h --config configs/simulated-ward.yaml -s data_dir=" + path("small/data") + " 2>&1");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("No space left on device"));
  EXPECT_THAT(ran.output, Not(HasSubstr("internal")));
}

}  // namespace
}  // namespace lacuna::daemon
