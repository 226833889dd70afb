#include "daemon/registry/learning_mask.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "state/records/bytes.h"
#include "state/records/stored_version.h"

namespace lacuna::daemon {

namespace {

constexpr std::uint32_t kStoredVersion = 1;
constexpr std::uint32_t kFeaturesMax = 100'000;

bool is_of_predictions(const Alert& alert) { return alert.kind == "value" || alert.kind == "error" || alert.kind == "coverage"; }

}  // namespace

void LearningMask::add(const std::string& feature, Span span) {
  if (span.from >= span.to) return;
  std::vector<Span>& spans = by_feature_[feature];
  if (std::ranges::find(spans, span) != spans.end()) return;
  spans.push_back(span);
  if (spans.size() > kSpansMax) spans.erase(spans.begin());
}

void LearningMask::remove(const std::string& feature, Span span) {
  const auto found = by_feature_.find(feature);
  if (found == by_feature_.end()) return;
  std::erase(found->second, span);
  if (found->second.empty()) by_feature_.erase(found);
}

void LearningMask::follow(std::span<const Alert> told, std::span<const Alert> open, Time now, Millis react_for) {
  for (const Alert& alert : told) {
    if (!is_of_predictions(alert) || alert.state != AlertState::resolved) continue;
    const Span before{Time::min(), alert.since};
    if (alert.resolution == Resolution::accepted) {
      add(alert.subject, before);
    } else {
      remove(alert.subject, before);
      add(alert.subject, {alert.since, alert.told});
    }
  }
  for (const Alert& alert : open) {
    if (is_of_predictions(alert) && now - alert.detected >= react_for) add(alert.subject, {Time::min(), alert.since});
  }
}

bool LearningMask::apply(const Schema& schema, Example& example) const {
  for (const auto& [name, spans] : by_feature_) {
    const std::size_t dot = name.find('.');
    const ModalityId modality = schema.find_modality(name.substr(0, dot));
    const auto feature = modality == kNoModality ? std::nullopt : schema.find_feature(modality, name.substr(dot + 1));
    if (!feature) continue;  // gone with the schema
    const auto masked = [&spans](Time time) {
      return std::ranges::any_of(spans, [time](const Span& s) { return s.from <= time && time < s.to; });
    };
    if (masked(example.time)) std::erase_if(example.arrived, [&](const FeatureValue& v) { return v.feature == *feature; });
    FeatureState& known = example.before.features[*feature];
    if (known.count > 0 && masked(known.time)) known = {};
  }
  return !example.arrived.empty() || !example.arrived_payloads.empty();
}

std::string LearningMask::save() const {
  ByteWriter out;
  out.put(kStoredVersion);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(by_feature_.size()));
  for (const auto& [name, spans] : by_feature_) {
    out.put_text(name);
    out.put<std::uint32_t>(static_cast<std::uint32_t>(spans.size()));
    for (const Span& s : spans) {
      out.put<std::int64_t>(s.from.time_since_epoch().count());
      out.put<std::int64_t>(s.to.time_since_epoch().count());
    }
  }
  return out.take();
}

Status LearningMask::load(std::string_view bytes, const SchemaMapping* /*grown*/) {
  ByteReader in(bytes);
  LACUNA_RETURN_IF_ERROR(take_version(in, kStoredVersion, "learning mask"));
  const Status corrupt(Code::corrupt, "learning mask: not what was written");
  LearningMask read;
  const auto features = in.get<std::uint32_t>();
  if (features > kFeaturesMax) return corrupt;
  for (std::uint32_t i = 0; i < features && in.ok(); ++i) {
    const std::string name = in.get_text();
    const auto spans = in.get<std::uint32_t>();
    if (spans > kSpansMax) return corrupt;
    for (std::uint32_t s = 0; s < spans && in.ok(); ++s) {
      const auto from = Time(Millis(in.get<std::int64_t>())), to = Time(Millis(in.get<std::int64_t>()));
      read.add(name, {from, to});
    }
  }
  if (!in.ok() || !in.at_end()) return corrupt;
  *this = std::move(read);
  return {};
}

}  // namespace lacuna::daemon
