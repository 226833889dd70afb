#include "streaming/hl7/person.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "state/records/nearest.h"
#include "streaming/files/cell_text.h"
#include "streaming/hl7/stamp.h"

namespace lacuna::streaming::hl7 {

namespace {

constexpr std::string_view kAge = "age";
constexpr FieldPath kBirth{kPid, 7, 1};

bool read_count(std::string_view text, std::size_t& out) {
  constexpr std::size_t kMax = 100;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && out >= 1 && out <= kMax;
}

int calendar_years(std::chrono::year_month_day birth, std::chrono::year_month_day now) {
  const int years = static_cast<int>(now.year()) - static_cast<int>(birth.year());
  const bool had_birthday = now.month() > birth.month() || (now.month() == birth.month() && now.day() >= birth.day());
  return had_birthday ? years : years - 1;
}

}  // namespace

std::optional<FieldPath> FieldPath::parse(std::string_view text) {
  FieldPath out;
  if (text.size() < 5 || text[3] != '-') return std::nullopt;
  out.segment = hl7::name_of(text);
  constexpr std::uint32_t kKnown[] = {kMsh, kPid, kPd1, kPv1, kPv2};
  if (std::find(std::begin(kKnown), std::end(kKnown), out.segment) == std::end(kKnown)) return std::nullopt;
  const std::size_t dot = text.find('.');
  if (!read_count(text.substr(4, dot == std::string_view::npos ? dot : dot - 4), out.field)) return std::nullopt;
  if (dot != std::string_view::npos && !read_count(text.substr(dot + 1), out.component)) return std::nullopt;
  return out;
}

const Segment* PersonSegments::find(std::uint32_t name) const {
  for (const Segment* one : {&msh, &pid, &pd1, &pv1, &pv2}) {
    if (one->name == name) return one;
  }
  return nullptr;
}

std::string_view PersonSegments::get(const FieldPath& path, TextReader& text) const {
  const Segment* const segment = find(path.segment);
  if (segment == nullptr) return {};
  const Delimiters& d = text.delimiters();
  const std::string_view field = piece(field_of(*segment, d, path.field), d.repetition, 1);
  const std::string_view found = stripped(text.plain(piece(piece(field, d.component, path.component), d.subcomponent, 1)));
  return is_null(found) ? std::string_view() : found;
}

std::string_view choose_identifier(std::string_view field, const FeedOptions& options, const Delimiters& d) {
  bool first = true;
  std::string_view one;
  while (next_piece(field, first, d.repetition, one)) {
    const std::string_view id = stripped(piece(one, d.component, 1));
    if (id.empty() || is_null(id)) continue;
    const std::string_view authority = piece(one, d.component, 4);
    const bool assigned = options.authority.empty() || piece(authority, d.subcomponent, 1) == options.authority ||
                          piece(authority, d.subcomponent, 2) == options.authority;
    const bool of_type = options.identifier_type.empty() || piece(one, d.component, 5) == options.identifier_type;
    if (assigned && of_type) return id;
  }
  return {};
}

std::string_view patient_identifier(const Segment& pid, const FeedOptions& options, const Delimiters& d) {
  const std::string_view list = field_of(pid, d, 3);
  if (const std::string_view id = choose_identifier(list, options, d); !id.empty()) return id;
  if (!options.authority.empty() || !options.identifier_type.empty()) return {};
  return choose_identifier(field_of(pid, d, 2), options, d);
}

AttributeReader::AttributeReader(const SchemaIndex& index, const FeedOptions& options, std::vector<CodeMap::Problem>& problems) {
  std::vector<std::string> known;
  for (const Attribute& attribute : index.schema().attributes()) known.push_back(attribute.name);
  for (const auto& [name, given] : options.attributes) {
    const std::string key = "attributes." + name;
    const auto attribute = index.find_attribute(name);
    if (!attribute) {
      problems.emplace_back(key, "the schema has no attribute " + name + did_you_mean(name, known));
      continue;
    }
    Source source;
    source.attribute = static_cast<std::uint32_t>(*attribute);
    source.field = &index.attribute(*attribute);
    source.name = given.from;
    if (given.from == kAge) {
      source.name = "PID-7";
      const auto days = unit_conversion(source.field->name, "d", source.field->unit);
      if (has_categories(source.field->likelihood) || !days) {
        problems.emplace_back(key, "an age needs an attribute with a unit of time, such as a");
        continue;
      }
      source.days_to_unit = source.field->unit == "a" ? 0 : days->factor;
    } else {
      source.path = FieldPath::parse(given.from);
      if (!source.path) {
        problems.emplace_back(key, "from: expected a field of MSH, PID, PD1, PV1 or PV2 such as PID-8 or PV1-3.4, or age");
        continue;
      }
    }
    source.meanings = text_meanings(*source.field, given.missing, given.categories, key, problems);
    sources_.push_back(std::move(source));
  }
}

std::optional<ValueProblem> AttributeReader::read_one(const Source& source, std::string_view written, Time time,
                                                      const Delimiters& delimiters, double& out) const {
  if (source.path) {
    if (const auto category = source.meanings.category(written)) {
      out = *category;
      return std::nullopt;
    }
    if (has_categories(source.field->likelihood)) return source.field->from_text(written, out);
    double number = 0;
    if (!read_plain_number(written, number)) return ValueProblem{Refusal::malformed, "a number is expected"};
    return source.field->from_number(number, out);
  }
  const auto birth = read_stamp(written, delimiters);
  if (!birth) return ValueProblem{Refusal::time, "it is no date"};
  if (birth->precision < Stamp::Precision::day) return ValueProblem{Refusal::time_imprecise, "an age is counted from a day"};
  using std::chrono::floor, std::chrono::sys_days, std::chrono::days;
  const auto born = floor<days>(Time(Millis(birth->begin_millis)));
  const auto today = floor<days>(time);
  const double age = source.days_to_unit == 0 ? calendar_years(born, today) : std::floor((today - born).count() * source.days_to_unit);
  return source.field->from_number(age, out);
}

void AttributeReader::read(const PersonSegments& person, Time time, TextReader& text, std::vector<AttributeValue>& out,
                           std::vector<RefusedPart>& refused) const {
  for (const Source& source : sources_) {
    const std::string_view written = person.get(source.path.value_or(kBirth), text);
    if (written.empty() || source.meanings.is_missing(written)) continue;
    AttributeValue value{source.attribute, 0};
    if (auto problem = read_one(source, written, time, text.delimiters(), value.value)) {
      refused.push_back({problem->reason, source.name + " (" + source.field->path + ")", std::move(problem->message)});
    } else {
      out.push_back(value);
    }
  }
}

PersonReader::PersonReader(const SchemaIndex& index, const FeedOptions& options, std::size_t id_bytes_max,
                           std::vector<CodeMap::Problem>& problems)
    : options_(options), id_bytes_max_(id_bytes_max), site_(FieldPath::parse(options.site)), attributes_(index, options, problems) {
  if (!site_ && !options.site.empty()) problems.emplace_back("site", "expected a field of MSH, PID, PD1, PV1 or PV2 such as PV1-3.1");
}

void identify(const Segment& segment, const FeedOptions& options, std::size_t id_bytes_max, TextReader& text, std::string& id,
              std::vector<RefusedPart>& refused) {
  id.clear();
  const Delimiters& d = text.delimiters();
  const bool prior = segment.name == kMrg;
  const char* const what = prior ? "MRG-1" : "PID-3";
  const std::string_view found = prior ? choose_identifier(field_of(segment, d, 1), options, d) : patient_identifier(segment, options, d);
  if (found.empty()) {
    const bool asked = !options.authority.empty() || !options.identifier_type.empty();
    refused.push_back(
        {Refusal::malformed, what, asked ? "none of its identifiers is the one of hl7.identifier" : "it holds no identifier"});
    return;
  }
  const std::string_view plain = stripped(text.plain(found));
  auto problem = check_id("it", plain, id_bytes_max);
  if (!problem && !is_utf8(plain)) problem = ValueProblem{Refusal::malformed, "it is not of the character set that MSH-18 tells"};
  if (problem) refused.push_back({problem->reason, what, std::move(problem->message)});
  else id = plain;
}

void PersonReader::know(PersonContext& person, Time time, TextReader& text, std::vector<RefusedPart>& refused) const {
  if (std::exchange(person.known, true)) return;
  if (site_) {
    const std::string_view site = person.segments.get(*site_, text);
    auto problem = check_id("it", site, id_bytes_max_);
    if (!problem && !is_utf8(site)) problem = ValueProblem{Refusal::malformed, "it is not of the character set that MSH-18 tells"};
    if (problem) refused.push_back({problem->reason, options_.site, std::move(problem->message)});
    else person.site = site;
  }
  attributes_.read(person.segments, time, text, person.attributes, refused);
}

}  // namespace lacuna::streaming::hl7
