// Goal: the situations of docs/situations.md that are files come out as that page says. Method: each on made-up patients, as a small file;
// what became of it as a line an event, and what was lost by kind and name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <sstream>

#include "streaming/files/input_files.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::ElementsAreArray;

Schema ward() {
  Schema::ModalitySpec vitals, chemistry;
  vitals.modality.name = "vitals";
  vitals.features = {feature("hr", "/min", Likelihood::normal, 20, 250), feature("temp", "Cel", Likelihood::normal, 28, 44),
                     feature("sbp", "mm[Hg]", Likelihood::normal, 30, 280), feature("fio2", "%", Likelihood::normal, 21, 100)};
  chemistry.modality.name = "chemistry";
  chemistry.features = {
      feature("glucose", "mg/dL", Likelihood::log_normal, 15, 1200),   feature("creatinine", "mg/dL", Likelihood::log_normal, 0.1, 20),
      feature("urea", "mmol/L", Likelihood::log_normal, 0.5, 80),      feature("bun", "mg/dL", Likelihood::log_normal, 1, 250),
      feature("hba1c", "mmol/mol", Likelihood::normal, 10, 200),       feature("ketones", "mmol/L", Likelihood::normal, 0, 30),
      feature("albumin", "g/dL", Likelihood::normal, 0.5, 8),          feature("factor", "[iU]/mL", Likelihood::log_normal, 0, 10'000),
      feature("egfr", "mL/min/{1.73_m2}", Likelihood::normal, 1, 200), feature("crp", "mg/L", Likelihood::log_normal, 0, 600),
      feature("excess", "mmol/L", Likelihood::normal, -40, 40),        feature("aptt", "s", Likelihood::log_normal, 5, 300)};
  Attribute weight;
  weight.name = "weight";
  weight.low = 0.3;
  weight.high = 400;
  return Schema::make({vitals, chemistry}, {weight}).value();
}

/// A line an event: "p ED hr 80, weight 70". Numbers in five digits.
std::string told(const Schema& schema, const Event& e) {
  std::ostringstream out;
  out << std::setprecision(5) << e.patient_id << (e.site.empty() ? "" : " " + e.site);
  const char* separator = " ";
  for (const FeatureValue& v : e.values) {
    out << separator << schema.features()[v.feature].name << " ";
    if (is_censored(v.comparator)) out << to_string(v.comparator);
    out << v.value;
    separator = ", ";
  }
  for (const AttributeValue& a : e.attributes) {
    out << separator << schema.attributes()[a.attribute].name << " " << a.value;
    separator = ", ";
  }
  return out.str();
}

/// "unit ketones 1": what was lost, by kind and name.
std::vector<std::string> lost(const FileReport& report) {
  std::vector<std::string> out;
  const auto add = [&out](const char* kind, const Losses& losses) {
    for (const auto& [name, loss] : losses) out.push_back(kind + (" " + name) + " " + std::to_string(loss.count));
  };
  add("range", report.out_of_range);
  add("unit", report.units);
  add("unreadable", report.unreadable);
  add("unmapped", report.unmapped);
  add("repeated", report.repeated);
  return out;
}

struct Situation {
  const char* name;  ///< kind of docs/situations.md, and what it is about
  void (*say)(FileMapping&);
  std::string text;
  std::vector<std::string> events;
  std::vector<std::string> losses;
};

FileMapping mapping() {
  FileMapping m;
  m.format = FileFormat::long_csv;
  m.patient_column = "id";
  m.time_column = "t";
  m.time_form = FileMapping::TimeForm::minutes;
  m.parameter_column = "test";
  m.value_column = "result";
  for (const char* name :
       {"glucose", "creatinine", "urea", "bun", "hba1c", "ketones", "albumin", "factor", "egfr", "crp", "excess", "aptt"}) {
    m.columns[name] = {"chemistry", name, 1, 0, {}};
  }
  for (const char* name : {"hr", "temp", "sbp", "fio2"}) m.columns[name] = {"vitals", name, 1, 0, {}};
  return m;
}

/// One column a feature.
void wide(FileMapping& m, const std::map<std::string, ColumnTarget>& columns) {
  m.format = FileFormat::wide_csv;
  m.parameter_column = m.value_column = std::nullopt;
  m.columns = columns;
}
ColumnTarget vital(const char* name) { return {"vitals", name, 1, 0, {}}; }

void with_units(FileMapping& m) { m.unit_column = "unit"; }
void with_operators(FileMapping& m) { m.comparator_column = "op"; }
void with_commas(FileMapping& m) {
  m.separator = ';';
  m.decimal = ',';
}
void plain(FileMapping&) {}

const std::string kUnits = "id,t,test,result,unit\n", kLong = "id,t,test,result\n", kCommas = "id;t;test;result\n";

std::vector<Situation> units() {
  return {
      {"03_urea_by_its_own_weight", with_units, kUnits + "p,0,urea,360,mg/L\np,1,bun,6,mmol/L\n", {"p urea 5.9944", "p bun 16.808"}, {}},
      {"03_ketones_have_no_factor_of_glucose",
       with_units,
       kUnits + "p,0,ketones,18,mg/dL\np,1,ketones,1,mmol/L\n",
       {"p ketones 1"},
       {"unit ketones 1"}},
      {"03_hba1c_by_the_master_equation",
       with_units,
       kUnits + "p,0,hba1c,6.0,%\np,1,hba1c,0.06,1\np,2,hba1c,42,mmol/mol\n",
       {"p hba1c 42.064", "p hba1c 42.064", "p hba1c 42"},
       {}},
      {"03_a_mole_of_albumin_is_not_agreed_on",
       with_units,
       kUnits + "p,0,albumin,600,umol/L\np,1,albumin,40,g/L\n",
       {"p albumin 4"},
       {"unit albumin 1"}},
      {"04_a_fraction_is_called_torr", with_units, kUnits + "p,0,fio2,0.5,torr\n", {}, {"unit fio2 1"}},
      {"04_until_somebody_says_what_torr_means",
       [](FileMapping& m) {
         with_units(m);
         m.units["torr"] = "1";
       },
       kUnits + "p,0,fio2,0.5,torr\n",
       {"p fio2 50"},
       {}},
      {"04_no_unit_and_two_are_in_use",
       with_units,
       kUnits + "p,0,creatinine,88,umol/L\np,1,creatinine,0.9,\np,2,creatinine,130,\n",
       {"p creatinine 0.99546", "p creatinine 0.9"},
       {"range creatinine 1"}},
      {"04_units_of_double_width",
       with_units,
       kUnits + "p,0,crp,5,ｍｇ／Ｌ\np,1,glucose,90,ｍｇ／ｄＬ\np,2,factor,15,ＩＵ／ｍＬ\np,3,crp,5,ｍｇ／\n",
       {"p crp 5", "p glucose 90", "p factor 15"},
       {"unit crp 1"}},
  };
}

std::vector<Situation> columns() {
  const auto pressures = [](FileMapping& m) {
    wide(m, {{"ABPs", vital("sbp")}, {"NBPs", vital("sbp")}, {"ManL", vital("sbp")}, {"ManR", vital("sbp")}});
  };
  const auto names = [](FileMapping& m) { m.columns = {{"APTT (bloed)", {"chemistry", "aptt", 1, 0, {}}}}; };
  const auto both = [](FileMapping& m) {
    m.columns = {{"APTT (bloed)", {"chemistry", "aptt", 1, 0, {}}}, {"APTT  (bloed)", {"chemistry", "aptt", 1, 0, {}}}};
  };
  const std::string aptt = kLong + "p,0,APTT (bloed),31\np,0,APTT  (bloed),33\np,1,APTT  (bloed),34\np,1,APTT (bloed),34\n";
  return {
      {"05_two_pressures_of_one_moment", pressures, "id,t,ABPs,NBPs\np,0,92,131\np,1,95,\n", {"p sbp 92", "p sbp 131", "p sbp 95"}, {}},
      {"05_four_sources_of_one_pressure",
       pressures,
       "id,t,ABPs,NBPs,ManL,ManR\np,0,92,131,128,92\np,1,,,120,120\n",
       {"p sbp 92", "p sbp 131", "p sbp 128", "p sbp 120"},
       {}},
      {"05_names_that_differ_by_a_blank", names, aptt, {"p aptt 31", "p aptt 34"}, {"unmapped APTT  (bloed) 2"}},
      {"05_both_names_are_mapped", both, aptt, {"p aptt 31", "p aptt 33", "p aptt 34"}, {}},
      {"06_fractions_among_percents",
       [](FileMapping& m) {
         wide(m, {{"FiO2", vital("fio2")}});
       },
       "id,t,FiO2\np,0,0.4\np,1,40\np,2,1000\np,3,1\np,4,100\n",
       {"p fio2 40", "p fio2 100"},
       {"range FiO2 3"}},
      {"06_a_lost_point_and_the_other_scale",
       [](FileMapping& m) {
         wide(m, {{"T", vital("temp")}});
       },
       "id,t,T\np,0,98.6\np,1,560\np,2,37.2\n",
       {"p temp 37.2"},
       {"range T 2"}},
      {"06_impossible_values_of_devices",
       [](FileMapping& m) {
         wide(m, {{"HR", vital("hr")}});
       },
       "id,t,HR\np,0,0\np,1,7000400\np,2,-1\np,3,70\n",
       {"p hr 70"},
       {"range HR 3"}},
  };
}

std::vector<Situation> numbers() {
  return {
      {"09_a_limit_with_a_unit_of_cerner",
       plain,
       kLong + "p,0,factor,<10 IntlUnit/mL\np,1,factor,12 IntlUnit/mL\n",
       {"p factor <10", "p factor 12"},
       {}},
      {"09_comparators_are_numbers_of_omop",
       with_operators,
       "id,t,test,result,op\np,0,crp,5,4171756\np,1,crp,5,4171754.0\np,2,crp,5,4172703\np,3,crp,5,4171755\np,4,crp,5,4172704\np,5,crp,6,0\n"
       "p,6,crp,7,\np,7,crp,8,4171757\np,8,crp,<9,4172704\n",
       {"p crp <5", "p crp <=5", "p crp 5", "p crp >=5", "p crp >5", "p crp 6", "p crp 7"},
       {"unreadable crp 2"}},
      {"09_comparators_are_letters",
       plain,
       kLong + "p,0,egfr,GT 45\np,1,crp,LT 5\np,2,crp,lt5\n",
       {"p egfr >45", "p crp <5"},
       {"unreadable crp 1"}},
      {"09_signs_as_a_web_page_escapes_them",
       plain,
       kLong + "p,0,crp,&lt;0.5\np,1,egfr,&gt;=32\np,2,crp,&amp;lt;5\n",
       {"p crp <0.5", "p egfr >=32"},
       {"unreadable crp 1"}},
      {"09_signs_of_double_width",
       plain,
       kLong + "p,0,crp,＜5\np,1,egfr,≧60\np,2,egfr,＞ 90\np,3,crp,≦0.3\n",
       {"p crp <5", "p egfr >=60", "p egfr >90", "p crp <=0.3"},
       {}},
      {"13_points_group_and_a_comma_parts",
       with_commas,
       kCommas + "p;0;glucose;1.099,5\np;1;crp;12,5\np;2;crp;<0,5\n",
       {"p glucose 1099.5", "p crp 12.5", "p crp <0.5"},
       {}},
      {"13_the_same_unsaid",
       [](FileMapping& m) { m.separator = ';'; },
       kCommas + "p;0;glucose;1.099,5\np;1;crp;12,5\np;2;crp;<0,5\n",
       {},
       {"unreadable crp 2", "unreadable glucose 1"}},
      {"13_a_minus_behind_the_number",
       with_commas,
       kCommas + "p;0;excess;5,2-\np;1;excess;-5,2\np;2;excess;−5,2\n",
       {"p excess -5.2", "p excess -5.2"},
       {"unreadable excess 1"}},
      {"13_an_apostrophe_before_a_minus",
       with_commas,
       kCommas + "p;0;excess;'-0,5\np;1;excess;-0,5\n",
       {"p excess -0.5"},
       {"unreadable excess 1"}},
  };
}

std::vector<Situation> places() {
  const auto at_a_place = [](FileMapping& m) {
    wide(m, {{"HR", vital("hr")}, {"W", {"", "weight", 1, 0, {}}}});
    m.site_column = "unit";
  };
  return {
      {"29_who_has_no_place_gets_no_neighbours",
       at_a_place,
       "id,unit,t,HR,W\na,ED,0,80,\na,,1,81,\nb,,0,90,\nb,,1,91,\nc,WARD,0,70,\n",
       {"a ED hr 80", "a ED hr 81", "b hr 90", "b hr 91", "c WARD hr 70"},
       {}},
      {"29_rows_that_are_not_in_the_order_of_time",
       at_a_place,
       "id,unit,t,HR,W\nc,WARD,180,70,\nc,ED,60,72,\nc,,120,71,\nc,MICU,170,69,\nc,,175,68,\n",
       {"c ED hr 72", "c ED hr 71", "c MICU hr 69", "c MICU hr 68", "c WARD hr 70"},
       {}},
      {"29_one_name_for_a_stay_in_two_places",
       at_a_place,
       "id,unit,t,HR,W\nd,MC,0,80,\nd,IC&MC,60,81,\nd,MC,120,82,\n",
       {"d MC hr 80", "d IC&MC hr 81", "d MC hr 82"},
       {}},
      {"29_a_weight_of_later",
       at_a_place,
       "id,unit,t,HR,W\ne,ED,0,80,\ne,ED,90,81,240\ne,ED,120,82,70\n",
       {"e ED hr 80", "e ED hr 81, weight 240", "e ED hr 82, weight 70"},
       {}},
  };
}

/// Each on a folder of its own.
void hold(const std::vector<Situation>& situations) {
  const Schema schema = ward();
  for (const Situation& s : situations) {
    SCOPED_TRACE(s.name);
    const lacuna::testing::ScratchFolder scratch;
    FileMapping m = mapping();
    s.say(m);
    std::vector<std::string> events;
    FileReport report;
    const Status status = read_patients(
        schema, m, scratch.write("situation.csv", s.text), 0,
        [&](const std::vector<Event>& some) {
          for (const Event& e : some) events.push_back(told(schema, e));
          return Status();
        },
        {}, report);
    EXPECT_TRUE(status.ok()) << status.to_string();
    EXPECT_THAT(events, ElementsAreArray(s.events));
    EXPECT_THAT(lost(report), ElementsAreArray(s.losses));
    EXPECT_EQ(report.lossless(), s.losses.empty());
  }
}

TEST(MetElsewhere, Units) { hold(units()); }
TEST(MetElsewhere, ColumnsAndRanges) { hold(columns()); }
TEST(MetElsewhere, LimitsAndNumbers) { hold(numbers()); }
TEST(MetElsewhere, Places) { hold(places()); }

}  // namespace
}  // namespace lacuna::streaming
