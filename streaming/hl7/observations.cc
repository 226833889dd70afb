#include "streaming/hl7/observations.h"

#include <array>
#include <charconv>
#include <utility>

#include "state/records/digest.h"

namespace lacuna::streaming::hl7 {

namespace {

std::string hex(std::uint64_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i > 0; --i, number >>= 4) out[i - 1] = kDigits[number & 15U];
  return out;
}

void append_integer(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}

/// Whether it can be an identifier as it stands.
bool is_plain_id(std::string_view text, std::size_t bytes_max) {
  unsigned char lowest = 0xff;
  for (const char c : text) lowest = std::min(lowest, static_cast<unsigned char>(c));
  return text.size() <= bytes_max && lowest >= 0x20 && text.find('\x7f') == std::string_view::npos && is_utf8(text);
}

}  // namespace

std::optional<ValueProblem> check_time(Time time, Time now, const CodecLimits& limits) {
  if (now - time > limits.past_max) {
    return ValueProblem{Refusal::time, "the time is more than " + format_duration(limits.past_max) + " back (limits.past_max)"};
  }
  if (time - now > limits.future_max) {
    return ValueProblem{Refusal::time,
                        "the time is more than " + format_duration(limits.future_max) + " in the future (limits.future_max)"};
  }
  return std::nullopt;
}

ValueProblem moment_problem(const Moment& moment) {
  const std::string field(moment.field);
  switch (moment.problem) {
    case Moment::Problem::absent: return {Refusal::time, field + " is empty, and so are the fields that stand in for it"};
    case Moment::Problem::unreadable: return {Refusal::time, field + " is no HL7 time"};
    case Moment::Problem::no_zone: return {Refusal::time, field + " tells no zone, nor does MSH-7, and hl7.time_zone is not set"};
    case Moment::Problem::imprecise:
      return {Refusal::time_imprecise, field + " is coarser than a minute, and no other time of the message lies within it"};
    case Moment::Problem::none: break;
  }
  return {Refusal::time, field};
}

void Observations::begin(const MessageContext& context, Decoded& out) {
  context_ = &context;
  out_ = &out;
  ordinal_ = 0;
  pending_.row = nullptr;
  begin_person();
}

void Observations::begin_person() {
  flush();
  obr_.fill({});
  orc_ = {};
  new_group();
  told_.clear();
}

void Observations::new_group() {
  specimen_known_ = false;
  order_.clear();
  moment_.reset();
  reported_.reset();
}

void Observations::take_order(const Segment& segment, std::size_t index) {
  flush();
  new_group();
  if (segment.name == kOrc) {
    orc_ = segment;
    return;
  }
  split_fields(segment, context_->message->delimiters(), obr_);
  obr_index_ = index;
}

void Observations::pass(std::uint64_t FeedCounts::*fate) {
  ordinal_ += 1;
  out_->counts.observations += 1;
  out_->counts.*fate += 1;
}

void Observations::refuse(const CodeRow* row, ValueProblem problem, std::uint64_t ordinal, std::uint64_t observations) {
  out_->counts.refused += observations;
  std::string what(context_->label);
  what += "OBX[";
  append_integer(what, ordinal);
  what += ']';
  if (row != nullptr) what += " (" + (row->field != nullptr ? row->field->path : schema_.modalities()[row->modality].name) + ")";
  const bool names_field = problem.message.size() > 4 && problem.message[3] == '-';
  out_->refused.push_back({problem.reason, std::move(what), (names_field ? "" : "OBX-5: ") + problem.message});
}

/// Of the OBX, else of its OBR, else final. Empty: it is in no table.
std::optional<ObxStatus> Observations::status_of(bool& told) const {
  const std::string_view own = stripped(obx_[11]);
  told = !own.empty() && !is_null(own);
  if (told) return obx_status(own);
  const std::string_view of_group = stripped(obr_[25]);
  if (const auto status = obx_status(of_group); status && !status->no_result) return status;
  return ObxStatus{};
}

CodeRow* Observations::find_row(std::string_view unit) {
  const char component = context_->message->delimiters().component;
  constexpr std::array<std::size_t, 3> kCodes = {1, 4, 10};  // the sender's code, the other one, and from 2.7 on a third
  for (const std::size_t n : kCodes) {
    const std::string_view written = stripped(piece(obx_[3], component, n));
    if (written.empty()) continue;
    const std::string_view code = context_->text->plain(written);
    if (code.data() != written.data()) code_ = code;
    const bool escaped = code.data() != written.data();
    CodeRow* const row = codes_.find(escaped ? std::string_view(code_) : written, stripped(piece(obx_[3], component, n + 2)), unit);
    if (row != nullptr) return row;
  }
  return nullptr;
}

void Observations::count_unmapped(std::string_view unit) {
  out_->counts.unmapped += 1;
  TextReader& text = *context_->text;
  const std::string code(text.component(obx_[3], 1)), system(text.component(obx_[3], 3)), name(text.component(obx_[3], 2));
  if (!code.empty()) return unmapped_.add(code, system, name, unit, obx_[2]);
  const std::string other(text.component(obx_[3], 4));
  unmapped_.add(other, text.component(obx_[3], 6), text.component(obx_[3], 5), unit, obx_[2]);
}

void Observations::take(const Segment& segment, PersonContext* person) {
  FeedCounts& counts = out_->counts;
  if (person != nullptr && !person->wanted) return pass(&FeedCounts::elsewhere);
  if (person != nullptr && person->id.empty()) return pass(&FeedCounts::refused);  // the PID was refused, with its reason
  ordinal_ += 1;
  counts.observations += 1;
  if (person == nullptr) return refuse(nullptr, {Refusal::malformed, "PID-3: no PID stands before it"});
  const Delimiters& d = context_->message->delimiters();
  split_fields(segment, d, obx_);
  bool told = false;
  const std::optional<ObxStatus> status = status_of(told);
  const bool is_withdrawn = status && withdraws(status->status);
  if (status && status->no_result) {
    counts.no_result += 1;
    return;
  }
  if (!is_withdrawn && is_empty_value(obx_[5], d)) {
    counts.empty += 1;
    return;
  }
  const std::string_view unit = unit_code(obx_[6], d);
  CodeRow* const row = find_row(unit);
  if (row == nullptr) return count_unmapped(unit);
  if (row->ignored) {
    counts.ignored += 1;
    return;
  }
  if (!status) return refuse(row, {Refusal::malformed, "OBX-11 is not in HL7's table 0085"});
  if (is_withdrawn) return withdraw(*row, status->status, *person);
  take_value(*row, status->status, *person);
}

/// When the specimen was taken: SPM stands behind the observations of its order, or before the order.
std::string_view Observations::specimen_time() {
  if (std::exchange(specimen_known_, true)) return specimen_time_;
  specimen_time_ = {};
  const auto segments = context_->message->segments();
  const auto read = [&](const Segment& one) {
    const Delimiters& d = context_->message->delimiters();
    specimen_time_ = piece(field_of(one, d, 17), d.component, 1);  // a range: its beginning
    return specimen_time_;
  };
  if (obr_[0].empty()) return {};
  for (std::size_t i = obr_index_ + 1; i < segments.size(); ++i) {
    const std::uint32_t name = segments[i].name;
    if (name == kSpm) return read(segments[i]);
    if (name == kObr || name == kPid || name == kOrc) break;
  }
  for (std::size_t i = obr_index_; i > 0 && segments[i].name != kPid; --i) {
    if (segments[i].name == kSpm) return read(segments[i]);
  }
  return {};
}

Moment Observations::find_moment() {
  const Delimiters& d = context_->message->delimiters();
  const NamedStamp plain[] = {{"OBX-14", obx_[14]}, {"OBR-7", obr_[7]}};
  const Moment found = moment_of(plain, {}, d, context_->zones);
  if (found.problem != Moment::Problem::absent && found.problem != Moment::Problem::imprecise) return found;
  const NamedStamp all[] = {plain[0], plain[1], {"SPM-17", specimen_time()}};
  const NamedStamp later[] = {{"OBR-22", obr_[22]}, {"MSH-7", context_->sent}};
  return moment_of(all, later, d, context_->zones);
}

Moment Observations::time_of(bool withdraws) {
  if (!moment_ || timed_by_ != obx_[14]) {  // most of a group are of one time
    moment_ = find_moment();
    timed_by_ = obx_[14];
  }
  Moment found = *moment_;
  if (!withdraws || found.problem == Moment::Problem::none) return found;
  // What is withdrawn has no time of its own: any that the message tells will do, and its beginning.
  const NamedStamp later[] = {{"OBR-22", obr_[22]}, {"MSH-7", context_->sent}};
  if (found.problem != Moment::Problem::imprecise) found = moment_of(later, {}, context_->message->delimiters(), context_->zones);
  if (found.problem == Moment::Problem::imprecise) found.problem = Moment::Problem::none;
  return found;
}

Revision Observations::revision_of(std::string_view text) const {
  const auto stamp = text.empty() ? std::nullopt : read_stamp(text, context_->message->delimiters());
  const auto read = stamp && !stamp->is_coarse() ? begin_of(*stamp, context_->zones) : std::nullopt;
  if (!read) return {};
  return {Revision::Kind::time, static_cast<double>(read->time.time_since_epoch().count())};
}

Revision Observations::revision() {
  const Revision own = revision_of(obx_[19]);
  if (own.kind != Revision::Kind::none) return own;
  if (!reported_) reported_ = revision_of(obr_[22]);
  if (reported_->kind == Revision::Kind::none) reported_ = revision_of(context_->sent);
  return *reported_;
}

/// By its filler, else by its placer.
void Observations::append_order() {
  const Delimiters& d = context_->message->delimiters();
  const auto of_orc = [&](std::size_t field) { return orc_.text.empty() ? std::string_view() : field_of(orc_, d, field); };
  const std::pair<char, std::string_view> numbers[] = {{'F', obr_[3]}, {'F', of_orc(3)}, {'P', obr_[2]}, {'P', of_orc(2)}};
  for (const auto& [kind, field] : numbers) {
    const std::string_view number = piece(field, d.component, 1), giver = piece(field, d.component, 2);
    if (number.empty() || is_null(number)) continue;
    order_.push_back(kind);
    order_ += stripped(number);
    if (!giver.empty()) order_.append("^").append(stripped(giver));
    return;
  }
}

/// The order, and where there is none the time of observation; then the code and OBX-4.
std::string Observations::result_id(bool withdraws) {
  const Delimiters& d = context_->message->delimiters();
  if (order_.empty()) append_order();
  std::string out;
  out.reserve(order_.size() + obx_[3].size() + obx_[4].size() + 24);
  if (!order_.empty()) out = order_;
  else out.append("@").append(!obx_[14].empty() ? obx_[14] : !obr_[7].empty() ? obr_[7] : specimen_time());
  out.push_back('|');
  std::string_view code;
  for (const std::size_t n : {1, 4, 2}) {
    if (code.empty()) code = stripped(piece(obx_[3], d.component, n));
  }
  out.append(code).append("|").append(stripped(obx_[4]));
  const std::uint64_t fact = digest64(out);
  const std::uint32_t nth = told_.note(fact, withdraws);
  constexpr std::size_t kNumber = 12;
  if (!is_plain_id(out, limits_.id_bytes_max - std::min(limits_.id_bytes_max, kNumber))) out = "#" + hex(fact);
  if (nth > 1) {
    out.push_back('|');
    append_integer(out, nth);
  }
  return out;
}

void Observations::note_clock(const Moment& moment) {
  if (moment.clock == TimeZone::Clock::twice) out_->counts.clocks_twice += 1;
  if (moment.clock == TimeZone::Clock::never) out_->counts.clocks_never += 1;
}

void Observations::fill(Event& event, PersonContext& person, const Moment& moment, ResultStatus status) {
  note_clock(moment);
  persons_.know(person, moment.time, *context_->text, out_->refused);
  event.event_id.reserve(context_->id.size() + 8);
  event.event_id.append(context_->id).push_back('-');
  append_integer(event.event_id, ordinal_);
  event.patient_id = person.id;
  event.site = person.site;
  event.time = moment.time;
  event.status = status;
  event.revision = revision();
  event.result_id = result_id(withdraws(status));
}

void Observations::withdraw(const CodeRow& row, ResultStatus status, PersonContext& person) {
  flush();
  const Moment moment = time_of(true);
  if (moment.problem != Moment::Problem::none) return refuse(&row, moment_problem(moment));
  if (auto problem = check_time(moment.time, context_->now, limits_)) return refuse(&row, std::move(*problem));
  fill(out_->events.emplace_back(), person, moment, status);
  out_->counts.withdrawn += 1;
}

bool Observations::find_time(const CodeRow& row, Moment& moment) {
  moment = time_of(false);
  if (moment.problem != Moment::Problem::none) {
    refuse(&row, moment_problem(moment));
    return false;
  }
  if (auto problem = check_time(moment.time, context_->now, limits_)) {
    refuse(&row, {problem->reason, std::string(moment.field) + ": " + problem->message});
    return false;
  }
  if (moment.field != "OBX-14" && moment.field != "OBR-7" && moment.field != "SPM-17") out_->counts.refined += 1;
  return true;
}

void Observations::take_value(CodeRow& row, ResultStatus status, PersonContext& person) {
  const ObxValue value{stripped(obx_[2]), obx_[5], obx_[6]};
  const Modality& modality = schema_.modalities()[row.modality];
  if (modality.kind == ModalityKind::text) return take_text(row, status, person, value);
  flush();
  ReadValue read;
  PayloadRef payload;
  if (row.field != nullptr) read = read_feature(row, value, *context_->text);
  else read.problem = read_array(modality, value, *context_->text, payload);
  if (read.missing) {
    out_->counts.missing += 1;
    return;
  }
  Moment moment;
  if (read.problem) return refuse(&row, std::move(*read.problem));
  if (!find_time(row, moment)) return;
  Event& event = out_->events.emplace_back();
  fill(event, person, moment, status);
  event.modality = row.modality;
  event.attributes = std::exchange(person.attributes, {});
  if (payload) event.payload = std::move(payload);
  else event.values.push_back(read.value);
  out_->counts.taken += 1;
}

void Observations::take_text(const CodeRow& row, ResultStatus status, PersonContext& person, const ObxValue& value) {
  std::string line;
  const bool continues = pending_.row == &row && pending_.event.status == status;
  if (!continues) flush();
  if (auto problem = read_text(value, *context_->text, line)) return refuse(&row, std::move(*problem));
  if (row.meanings.is_missing(line)) {
    out_->counts.missing += 1;
    return;
  }
  if (continues) {
    if (pending_.text.size() <= limits_.payload_bytes_max) pending_.text.append("\n").append(line);
    pending_.lines += 1;
    return;
  }
  Moment moment;
  if (!find_time(row, moment)) return;
  pending_ = {&row, Event{}, std::move(line), 1, ordinal_};
  fill(pending_.event, person, moment, status);
  pending_.event.modality = row.modality;
  pending_.event.attributes = std::exchange(person.attributes, {});
}

void Observations::flush() {
  const CodeRow* const row = std::exchange(pending_.row, nullptr);
  if (row == nullptr) return;
  if (pending_.text.size() > limits_.payload_bytes_max) {
    return refuse(row, {Refusal::too_large, "OBX-5: the text has more than " + std::to_string(limits_.payload_bytes_max) + " bytes"},
                  pending_.first, pending_.lines);
  }
  Payload payload;
  payload.text = std::move(pending_.text);
  const Modality& modality = schema_.modalities()[row->modality];
  if (const Status fits = check_payload(modality.kind, modality.payload, payload); !fits.ok()) {
    return refuse(row, {Refusal::out_of_range, fits.message()}, pending_.first, pending_.lines);
  }
  pending_.event.payload = PayloadRef(std::move(payload));
  out_->events.push_back(std::move(pending_.event));
  out_->counts.taken += 1;
  out_->counts.joined += pending_.lines - 1;
}

}  // namespace lacuna::streaming::hl7
