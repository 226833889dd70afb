#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "state/records/schema.h"
#include "state/records/time.h"

// What a hospital sends, drawn from a seed: results of many patients over several modalities, sent again, repaired, in conflict, corrected
// in any order, withdrawn before and after they come, forgotten and begun anew, merged into one another.

namespace lacuna::history {

inline constexpr Millis kLateMax{std::chrono::hours(72)};

/// Of the schema at the beginning; grown(n) is what it becomes, in an order of its own for each seed.
struct Schemas {
  explicit Schemas(std::mt19937_64& random);
  Schema current() const;
  bool grow();  ///< false: it has grown as far as it can
  bool has(const std::string& modality, const std::string& feature = "") const;
  bool has_attribute(const std::string& name) const;

 private:
  std::vector<Schema::ModalitySpec> modalities_;
  std::vector<Attribute> attributes_;
  std::vector<int> edits_;
};

struct Message {
  std::string patient_id;
  std::optional<std::string> text;  ///< none: a tombstone
};

class Generator {
 public:
  /// `schemas`: what is sent is mostly of the present one.
  Generator(std::mt19937_64& random, int patients, const Schemas& schemas);
  Message next();
  /// All that was sent and still counts, in order: since each person was last forgotten.
  const std::vector<std::pair<std::size_t, Message>>& sent() const { return sent_; }

 private:
  using Json = nlohmann::json;
  struct Result {
    std::string id;
    bool by_time = false;  ///< its revisions are times
    int highest = 0;
    Json event;  ///< the newest report
  };
  struct Patient {
    std::string id;
    Time now{};
    std::vector<Json> sent;
    std::vector<Json> refused;  ///< with a bad part
    std::vector<Result> results;
    std::size_t into = kNobody;  ///< index of whom the person was merged into
  };
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1.0p-53 < p; }
  template <typename T>
  T& any(std::vector<T>& of) {
    return of[below(of.size())];
  }
  std::string new_id(const char* kind) { return kind + std::to_string(++number_); }
  Time clinical_time(Patient& patient);
  Json value_of(const std::string& feature);
  std::vector<std::string> features_of(const std::string& modality);
  Json values_of(const std::string& modality);
  void fill(Json& event);
  Json envelope(const Patient& patient, const std::string& id, Time time) const;
  Json revision(const Result& result, int number) const;

  Json fresh(Patient& patient);
  Json conflict(Patient& patient);
  Json correction(Patient& patient);
  Json withdrawal(Patient& patient);
  Json withdrawal_first(Patient& patient);
  Json spoiled(Patient& patient);
  Json repaired(Patient& patient);
  Json attributes_alone(Patient& patient);
  Message forgetting(Patient& patient);
  std::size_t index_of(const Patient& patient) const { return static_cast<std::size_t>(&patient - patients_.data()); }
  std::size_t any_kin(const Patient& patient);
  std::set<std::size_t> one_person(const Patient& patient) const;
  Message merging();
  Json of_another(Patient& patient);
  Message send(Patient& patient, const Json& event);
  Message again(Patient& patient);

  std::mt19937_64& random_;
  const Schemas& schemas_;
  std::vector<Patient> patients_;
  std::vector<std::pair<std::size_t, Message>> sent_;
  std::uint64_t number_ = 0;
};

}  // namespace lacuna::history
