#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/listener_config.h"
#include "daemon/config/yaml.h"

// The one table behind the configuration: what a key is called, what it takes, what it is without, what it means and where
// it goes. Unknown keys, ranges, defaults, `lacuna check --keys` and the test of configs/reference.yaml all read it.

namespace lacuna::daemon {

/// A name that the author of a file chose, where the table has <...>: a modality, a feature, a column.
struct Capture {
  std::string name;
  Place place;
};
using Captures = std::vector<Capture>;

/// A configuration being filled: Config, plus what can only be made once everything is there.
struct Draft {
  template <typename T>
  struct Named {
    Capture capture;
    T value{};
  };
  struct ModalityDraft {
    Modality modality;
    std::vector<Named<Feature>> features;
  };
  struct ColumnDraft {
    std::string to;
    streaming::ColumnTarget target;
  };

  Config config;
  ListenerConfig listener;
  std::vector<Named<ModalityDraft>> modalities;
  std::vector<Named<Attribute>> attributes;
  streaming::FileMapping mapping;
  std::vector<Named<ColumnDraft>> columns;
  std::map<std::string, Place> given;  ///< dotted paths that were set, sections too, and where
  std::set<std::string> broken;        ///< dotted paths that were complained of

  Modality& modality(const Captures& names);    ///< names[0]; made when it is not there
  Feature& feature(const Captures& names);      ///< names[0], names[1]
  Attribute& attribute(const Captures& names);  ///< names[0]
  ColumnDraft& column(const Captures& names);   ///< names[0]
};

/// Says that the value at `place` is wrong.
using Complain = std::function<void(Place place, std::string message)>;

struct Key {
  std::string path;  ///< dotted; a part in <> stands for any name
  std::string type;
  std::string range;  ///< for people; empty: anything of that type
  std::string doc;
  std::string default_value;  ///< as it would be written in the file; empty: absent
  bool takes_list = false;
  std::function<void(Draft&, const Captures&, const YamlNode&, const Complain&)> set;
  std::function<std::string(Draft&, const Captures&)> get;  ///< the present value as text; empty for a few under "input"
};

/// A place in the tree of keys.
struct KeyNode {
  std::map<std::string, KeyNode, std::less<>> children;
  std::unique_ptr<KeyNode> any;  ///< under a name that the author chooses
  const Key* leaf = nullptr;
  std::function<void(Draft&, const Captures&)> open;  ///< an author's section begins; may be empty
};

const std::vector<Key>& key_table();
const KeyNode& key_tree();

/// The value of a key as it would be written in the file: written(config, "model.fusion") is "mopoe". The path has no <name> in it.
std::string written(const Config& config, std::string_view path);

}  // namespace lacuna::daemon
