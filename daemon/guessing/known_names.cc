#include "daemon/guessing/known_names.h"

#include <cctype>

namespace lacuna::daemon {

namespace {

// Plausible and typical ranges of adults in hospital. Where two units could be meant, the median decides.
constexpr KnownName kKnown[] = {
    {"hr heartrate pulse puls hrt pulserate", "vitals", {{"/min", 1, 300, 40, 150}}},
    {"resp rr resprate respiratoryrate respirationrate breathingrate atemfrequenz", "vitals", {{"/min", 1, 100, 8, 40}}},
    {"temp temperature bodytemp bodytemperature tempc tempf temperaturec temperaturef coretemp temperatur",
     "vitals",
     {{"Cel", 25, 45, 34, 40}, {"[degF]", 77, 113, 93, 105}}},
    {"sbp sysabp nisysabp sys systolic systolicbp bpsys sysbp trestbps trtbps nibpsystolic systolicbloodpressure rrsys",
     "vitals",
     {{"mm[Hg]", 1, 350, 80, 190}}},
    {"dbp diasabp nidiasabp dia diastolic diastolicbp bpdia diasbp nibpdiastolic diastolicbloodpressure rrdia",
     "vitals",
     {{"mm[Hg]", 1, 300, 35, 115}}},
    {"map nimap meanbp mbp meanarterialpressure meanabp mapni nibpmean meanbloodpressure", "vitals", {{"mm[Hg]", 1, 300, 50, 135}}},
    {"spo2 o2sat sat oxygensaturation pulseox", "vitals", {{"%", 10, 100, 80, 100}, {"", 0.1, 1, 0.8, 1}}},
    {"thalach thalachh maxhr maxheartrate", "vitals", {{"/min", 30, 250, 100, 190}}},
    {"cvp", "vitals", {{"mm[Hg]", -10, 50, 0, 20}}},
    {"weight bodyweight weightkg gewicht", "body", {{"kg", 0.3, 350, 2, 130}, {"[lb_av]", 1, 770, 131, 300}}},
    {"height bodyheight heightcm groesse", "body", {{"cm", 20, 250, 100, 210}, {"m", 0.2, 2.5, 1, 2.1}, {"[in_i]", 8, 98, 50, 80}}},
    {"bmi bodymassindex", "body", {{"kg/m2", 5, 100, 15, 50}}},
    {"ph arterialph phart", "blood_gas", {{"[pH]", 6.5, 8, 7.1, 7.6}}},
    {"paco2 pco2", "blood_gas", {{"mm[Hg]", 1, 200, 20, 90}, {"kPa", 0.2, 27, 2.6, 12}}},
    {"pao2 po2", "blood_gas", {{"mm[Hg]", 10, 700, 35, 400}, {"kPa", 1.3, 93, 4.6, 34}}},
    {"sao2", "blood_gas", {{"%", 10, 100, 80, 100}, {"", 0.1, 1, 0.8, 1}}},
    {"fio2", "blood_gas", {{"", 0.15, 1, 0.2, 1}, {"%", 15, 100, 20, 100}}},
    {"pafi pao2fio2 pfratio", "blood_gas", {{"mm[Hg]", 10, 1500, 60, 550}}},
    {"lactate lact lac laktat", "blood_gas", {{"mmol/L", 0.1, 50, 0.4, 8}, {"mg/dL", 1, 450, 8.1, 80}}},
    {"be baseexcess", "blood_gas", {{"mmol/L", -50, 50, -12, 12}}},
    {"methb methemoglobin", "blood_gas", {{"%", 0, 100, 0, 5}}},
    {"na sodium sod natrium", "chemistry", {{"mmol/L", 90, 200, 125, 155}}},
    {"k potassium pot kalium", "chemistry", {{"mmol/L", 1, 15, 3, 6}}},
    {"cl chloride chlorid", "chemistry", {{"mmol/L", 50, 160, 85, 125}}},
    {"hco3 bicar bicarb bicarbonate", "chemistry", {{"mmol/L", 2, 60, 12, 40}}},
    {"aniongap", "chemistry", {{"mmol/L", -20, 80, 2, 25}}},
    {"mg magnesium", "chemistry", {{"mg/dL", 0.3, 25, 1.4, 3.5}, {"mmol/L", 0.1, 10, 0.5, 1.39}}},
    {"ca calcium", "chemistry", {{"mg/dL", 2, 25, 6, 12}, {"mmol/L", 0.5, 6, 1.5, 3}}},
    {"cai ionizedcalcium calciumionized", "chemistry", {{"mmol/L", 0.2, 5, 0.8, 1.5}, {"mg/dL", 1, 20, 3.2, 6}}},
    {"phos phosphate phosphorus", "chemistry", {{"mg/dL", 0.2, 30, 1.7, 8}, {"mmol/L", 0.1, 10, 0.5, 1.69}}},
    {"bun ureanitrogen", "chemistry", {{"mg/dL", 1, 300, 7.5, 80}, {"mmol/L", 0.3, 110, 2, 7.4}}},
    {"urea harnstoff", "chemistry", {{"mg/dL", 2, 650, 15.1, 170}, {"mmol/L", 0.3, 110, 2, 15}}},
    {"creatinine crea creat kreatinin", "chemistry", {{"mg/dL", 0.05, 50, 0.3, 8}, {"umol/L", 8, 3600, 26, 700}}},
    {"glucose glu gluc bloodglucose glukose", "chemistry", {{"mg/dL", 1, 3000, 55, 300}, {"mmol/L", 0.5, 110, 3, 17}}},
    {"cholesterol chol totalcholesterol", "chemistry", {{"mg/dL", 20, 2000, 80, 500}, {"mmol/L", 0.5, 50, 2, 13}}},
    {"triglycerides trig triglyceride tg", "chemistry", {{"mg/dL", 5, 10000, 40, 500}, {"mmol/L", 0.05, 110, 0.4, 6}}},
    {"crp creactiveprotein", "chemistry", {{"mg/L", 0, 1000, 0, 400}}},
    {"uricacid", "chemistry", {{"mg/dL", 0.1, 40, 2, 12}, {"umol/L", 5, 2500, 100, 700}}},
    {"fbs", "chemistry", {}},
    {"albumin alb", "liver", {{"g/dL", 0.2, 10, 1, 6}, {"g/L", 2, 100, 10, 60}}},
    {"totalprotein protein", "liver", {{"g/dL", 1, 15, 3, 10}, {"g/L", 10, 150, 30, 100}}},
    {"alp alkphos alkalinephos alkalinephosphatase", "liver", {{"U/L", 1, 30000, 20, 3000}}},
    {"alt sgpt alat gpt", "liver", {{"U/L", 1, 40000, 5, 1000}}},
    {"ast sgot asat got", "liver", {{"U/L", 1, 60000, 5, 1000}}},
    {"ggt gammagt", "liver", {{"U/L", 1, 20000, 5, 1000}}},
    {"bilirubin bili totalbilirubin bilirubintotal tbil bilitotal",
     "liver",
     {{"mg/dL", 0.05, 100, 0.1, 4.9}, {"umol/L", 0.8, 1700, 5, 400}}},
    {"bilidir directbilirubin bilirubindirect dbil", "liver", {{"mg/dL", 0, 80, 0.05, 4.9}, {"umol/L", 0, 1400, 5, 400}}},
    {"hct hematocrit haematocrit", "haematology", {{"%", 5, 75, 15, 60}, {"", 0.05, 0.75, 0.15, 0.6}}},
    {"hgb hb hemoglobin haemoglobin", "haematology", {{"g/dL", 1, 25, 5, 20}, {"g/L", 10, 250, 50, 200}}},
    {"plt platelet platelets plateletcount plateletsx1000 thrombozyten",
     "haematology",
     {{"10*3/uL", 1, 3000, 30, 600}, {"/uL", 1000, 3e6, 30000, 600000}}},
    {"wbc wblc wbcx1000 leukocytes leucocytes whitebloodcells leukozyten",
     "haematology",
     {{"10*3/uL", 0.01, 500, 1, 60}, {"/uL", 50, 500000, 1000, 60000}}},
    {"rbc redbloodcells erythrocytes", "haematology", {{"10*6/uL", 0.5, 10, 1.5, 8}}},
    {"mcv", "haematology", {{"fL", 40, 160, 60, 120}}},
    {"mch", "haematology", {{"pg", 10, 60, 18, 45}}},
    {"mchc", "haematology", {{"g/dL", 15, 50, 25, 40}, {"g/L", 150, 500, 250, 400}}},
    {"rdw", "haematology", {{"%", 5, 50, 10, 30}}},
    {"neut neutrophils neuts polys", "haematology", {{"%", 0, 100, 20, 98}}},
    {"lymph lymphocytes lymphs", "haematology", {{"%", 0, 100, 1, 70}}},
    {"bnd bands", "haematology", {{"%", 0, 100, 0, 60}}},
    {"monos monocytes", "haematology", {{"%", 0, 100, 0, 30}}},
    {"eos eosinophils", "haematology", {{"%", 0, 100, 0, 30}}},
    {"basos basophils", "haematology", {{"%", 0, 100, 0, 30}}},
    {"inr inrpt ptinr", "coagulation", {{"", 0.3, 50, 0.7, 6}}},
    {"ptt aptt", "coagulation", {{"s", 5, 400, 18, 150}}},
    {"pt protime prothrombintime", "coagulation", {{"s", 5, 300, 8, 60}}},
    {"fgn fibrinogen", "coagulation", {{"mg/dL", 5, 3000, 60, 1000}, {"g/L", 0.05, 30, 0.6, 10}}},
    {"troponini tropi tni", "cardiac", {{"ug/L", 0, 2000, 0, 60}}},
    {"troponint tropt tnt", "cardiac", {{"ug/L", 0, 500, 0, 30}}},
    {"ck creatinekinase cpk", "cardiac", {{"U/L", 1, 500000, 10, 20000}}},
    {"ckmb", "cardiac", {{"ug/L", 0, 3000, 0, 400}}},
    {"gcs glasgowcomascale gcstotal", "neuro", {{"", 3, 15, 3, 15}}},
    {"urine urineoutput diuresis", "support", {{"mL", 0, 20000, 10, 6000}}},
    {"mechvent ventilated ventilation", "support", {}},
    {"age alter ageyears", "person", {{"a", 0, 120, 1, 110}}},
    {"sex gender male female geschlecht", "person", {}},
    {"race ethnicity ethnic", "person", {}},
    {"edu education income marital maritalstatus insurance", "person", {}},
    {"sps aps saps sapsii sapsi sofa apache apacheii apachescore avtisst scoma charlson qsofa", "scores", {}},
    {"adlp adls adlsc adl sfdm2", "function", {}},
    {"slos los lengthofstay hday charges totcst totmcst cost costs", "stay", {}},
    {"death died dead hospdead status futime dtime survival surv2m surv6m prg2m prg6m dnr dnrday mortality expired inhospitaldeath event "
     "outcome output target num",
     "outcome",
     {}},
};

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// German letters as they are spelled out; anything else that is not ASCII is left out.
std::string spelled_out(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kLetters[] = {{"ä", "ae"}, {"ö", "oe"}, {"ü", "ue"}, {"ß", "ss"},
                                                                        {"Ä", "Ae"}, {"Ö", "Oe"}, {"Ü", "Ue"}, {"µ", "u"}};
  std::string out;
  while (!name.empty()) {
    std::size_t taken = 1;
    if (static_cast<unsigned char>(name.front()) < 0x80) out += name.front();
    for (const auto& [letter, text] : kLetters) {
      if (!name.starts_with(letter)) continue;
      out += text;
      taken = letter.size();
    }
    name.remove_prefix(taken);
  }
  return out;
}

}  // namespace

std::string key_of(std::string_view name) {
  std::string out;
  for (const char c : spelled_out(name)) {
    if (is_upper(c)) out += static_cast<char>(c - 'A' + 'a');
    else if (is_lower(c) || is_digit(c)) out += c;
  }
  return out;
}

bool is_among(std::string_view name, std::string_view keys) {
  const std::string key = key_of(name);
  while (!key.empty() && !keys.empty()) {
    const std::size_t end = std::min(keys.find(' '), keys.size());
    if (keys.substr(0, end) == key) return true;
    keys.remove_prefix(std::min(end + 1, keys.size()));
  }
  return false;
}

const KnownName* find_known(std::string_view name) {
  for (const KnownName& known : kKnown) {
    if (is_among(name, known.names)) return &known;
  }
  return nullptr;
}

std::string schema_name(std::string_view name) {
  constexpr std::size_t kShort = 5, kLongest = 48;  // "PaCO2" is one word
  const std::string text = spelled_out(name);
  const bool parted = key_of(text).size() > kShort;
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < kLongest; ++i) {
    const char c = text[i];
    const bool after_lower = i > 0 && (is_lower(text[i - 1]) || is_digit(text[i - 1]));
    const bool ends_capitals = i > 0 && is_upper(text[i - 1]) && i + 1 < text.size() && is_lower(text[i + 1]);
    if (is_upper(c) && parted && (after_lower || ends_capitals) && !out.ends_with('_')) out += '_';
    if (is_upper(c)) out += static_cast<char>(c - 'A' + 'a');
    else if (is_lower(c) || is_digit(c)) out += c;
    else if (!out.empty() && !out.ends_with('_')) out += '_';
  }
  while (out.ends_with('_')) out.pop_back();
  if (out.empty() || !is_lower(out.front())) out = out.empty() ? "unnamed" : "x_" + out;
  return out;
}

}  // namespace lacuna::daemon
