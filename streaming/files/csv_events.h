#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/files/input_files.h"
#include "streaming/messages/schema_index.h"

// The cells of one patient, from rows in any order, as events. Private to streaming/files.

namespace lacuna::streaming {

/// A place in a file; the path outlives the patient.
struct Place {
  const std::string* path = nullptr;
  std::uint64_t line = 0;
  std::string text() const { return *path + ":" + std::to_string(line); }
};

/// What a row tells of, beside its values. Rows of which all of it is the same make events together.
struct Fact {
  std::uint64_t source = 0;  ///< hash of its name
  /// Where its values were taken; absent: where what the patient's rows said last in time before it.
  std::optional<std::string> site{};
  std::string result_id;
  Revision revision;
  friend bool operator==(const Fact&, const Fact&) = default;
};

struct Cell {
  Time time;
  std::uint32_t fact = 0;  ///< as note() numbers it
  bool is_attribute = false;
  std::uint32_t index = 0;  ///< of the feature or attribute
  double value = 0;
  Comparator comparator = Comparator::equal;
  std::string_view column;
  Place place{};
};

class CsvEvents {
 public:
  CsvEvents(const SchemaIndex& index, FileReport& report) : index_(index), report_(report) {}

  void begin(std::string_view patient, Time start);
  const std::string& patient() const { return patient_; }
  Time start() const { return start_; }
  /// The number of a row's fact.
  std::uint32_t note(Fact fact);
  /// Where the patient is from a time on, as the row tells whose cells come next. Facts without a site take theirs from it, by time.
  void note_site(Time time, std::string_view site) { sites_.push_back({time, cells_.size(), std::string(site)}); }
  void add(const Cell& cell) { cells_.push_back(cell); }
  /// By time, with their ids; counts values and what was there twice. An attribute rides on the first event at or after its time, and only
  /// where it says what is not known yet; what no event follows is an event of its own.
  std::vector<Event> take();

 private:
  struct Made {
    Event event;
    std::uint32_t fact = 0;
  };
  Event make_event(Time time, ModalityId modality, const Fact& fact) const;
  std::string event_id(const Event& event, const Fact& fact) const;
  void take_values(std::vector<Made>& out, std::size_t begin, std::size_t end);
  const Cell* take_attributes(std::size_t begin, std::size_t end);
  void place_cells();

  const SchemaIndex& index_;
  FileReport& report_;
  std::string patient_;
  Time start_{};
  std::vector<Fact> facts_;  // each once
  struct Site {
    Time time;
    std::size_t cells = 0;  // that were there before it was told
    std::string name;
  };
  std::vector<Site> sites_;  // as the rows tell them
  std::vector<Cell> cells_;
  std::vector<std::optional<double>> known_;    // attributes, as told
  std::vector<std::optional<double>> pending_;  // that the next event tells
};

}  // namespace lacuna::streaming
