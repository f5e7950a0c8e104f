// SPDX-License-Identifier: Apache-2.0
// Settings from a YAML file, with the line and column of each. The one place that knows yaml-cpp.
#include "base/config_yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

#include "base/nearest.h"
#include "base/yaml.h"

namespace slipway::base {

namespace {

constexpr int kMostNodes = 100'000;  // aliases can make a small file a huge tree
constexpr int kMostDepth = 64;

class Reader {
 public:
  Reader(const std::string& name, const std::map<std::string, std::string>& types)
      : name_(name), types_(types) {}

  Status ReadMap(const YAML::Node& node, const std::string& prefix) {
    if (node.IsNull()) return Status::Ok();
    if (!node.IsMap()) return At(node, prefix, "expected a mapping of settings");
    std::set<std::string> seen;
    for (const auto& pair : node) {
      if (!pair.first.IsScalar())
        return At(pair.first, prefix, "a setting's name must be plain text");
      const std::string key =
          prefix.empty() ? pair.first.Scalar() : prefix + "." + pair.first.Scalar();
      if (!seen.insert(key).second) return At(pair.first, key, "this setting stands twice");
      TRY(ReadEntry(pair.first, pair.second, key));
    }
    return Status::Ok();
  }

  std::vector<YamlSetting> Take() { return std::move(rows_); }

  Result<YamlTree> ReadTree(const YAML::Node& node) {
    YamlTree tree;
    tree.tree = TRY(ToJson(node, "", 0));
    tree.places = std::move(places_);
    return tree;
  }

  std::string Where(const YAML::Mark& mark) const {
    return name_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
  }

 private:
  Status At(const YAML::Node& node, const std::string& key, const std::string& why) const {
    return InvalidArgument(key, Where(node.Mark()) + ": " + (key.empty() ? "" : key + ": ") + why,
                           "bad_setting");
  }

  Status ReadEntry(const YAML::Node& name, const YAML::Node& value, const std::string& key) {
    const auto type = types_.find(key);
    if (type != types_.end()) {
      Given given = TRY(ToGiven(value, key, type->second));
      rows_.push_back(
          {key, std::move(given), Where(value.Mark().is_null() ? name.Mark() : value.Mark())});
      return Status::Ok();
    }
    const auto below = types_.lower_bound(key + ".");
    if (below != types_.end() && below->first.starts_with(key + ".")) return ReadMap(value, key);
    std::vector<std::string_view> keys;
    for (const auto& [known, unused] : types_) keys.push_back(known);
    return InvalidArgument(
        key, Where(name.Mark()) + ": unknown setting \"" + key + "\"" + DidYouMean(key, keys),
        "unknown_setting");
  }

  Result<Given> ToGiven(const YAML::Node& node, const std::string& key, const std::string& type) {
    if (type == "json") {
      Json tree = TRY(ToJson(node, key, 0));
      places_.clear();
      return Given(std::move(tree));
    }
    if (type == "list of strings" && node.IsSequence()) {
      std::vector<std::string> items;
      for (const YAML::Node& item : node) {
        if (!item.IsScalar()) return At(item, key, "expected a list of strings");
        items.push_back(item.Scalar());
      }
      return Given(std::move(items));
    }
    if (node.IsScalar()) return Given(node.Scalar());
    if (type == "string" && node.IsNull()) return Given(std::string());
    return At(node, key,
              type == "list of strings" ? "expected a list of strings"
                                        : "expected one value (" + type + ")");
  }

  // `key`: the path to the node.
  Result<Json> ToJson(const YAML::Node& node, const std::string& key, int depth) {
    if (++nodes_ > kMostNodes || depth > kMostDepth) return At(node, key, "too large or too deep");
    places_.emplace(key, Where(node.Mark()));
    if (node.IsScalar()) return ScalarToJson(node);
    Json tree;
    if (node.IsSequence()) {
      tree = Json::MakeArray();
      for (const YAML::Node& item : node) {
        const std::string at = key + "[" + std::to_string(tree.AsArray().size()) + "]";
        tree.Append(TRY(ToJson(item, at, depth + 1)));
      }
    } else if (node.IsMap()) {
      tree = Json::MakeObject();
      for (const auto& pair : node) {
        if (!pair.first.IsScalar()) return At(pair.first, key, "a name must be plain text");
        if (tree.Find(pair.first.Scalar()) != nullptr)
          return At(pair.first, key, "\"" + pair.first.Scalar() + "\" stands twice");
        const std::string at = (key.empty() ? "" : key + ".") + pair.first.Scalar();
        places_.emplace(at, Where(pair.first.Mark()));
        tree.Set(pair.first.Scalar(), TRY(ToJson(pair.second, at, depth + 1)));
      }
    }
    return tree;
  }

  // Quoted text stays text (yaml-cpp tags it "!"); plain text is what YAML 1.2's core schema says.
  static Json ScalarToJson(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() == "!") return text;
    if (text == "true") return true;
    if (text == "false") return false;
    if (text == "null" || text == "~" || text.empty()) return {};
    int64_t integer = 0;
    const char* end = text.data() + text.size();
    const auto as_integer = std::from_chars(text.data(), end, integer);
    if (as_integer.ec == std::errc() && as_integer.ptr == end) return integer;
    double number = 0;
    const auto as_number = std::from_chars(text.data(), end, number);
    const bool spelled =
        text.find_first_of("0123456789") == std::string::npos;  // "inf", "nan" are words here
    if (!spelled && as_number.ec == std::errc() && as_number.ptr == end) return number;
    return text;
  }

  const std::string& name_;
  const std::map<std::string, std::string>& types_;
  std::vector<YamlSetting> rows_;
  std::map<std::string, std::string> places_;
  int nodes_ = 0;
};

Result<Json> TextsOf(const YAML::Node& node, int depth, int& nodes) {
  if (++nodes > kMostNodes || depth > kMostDepth)
    return InvalidArgument("", "too large or too deep", "bad_yaml");
  if (node.IsScalar()) return Json(node.Scalar());
  Json tree;
  if (node.IsSequence()) {
    tree = Json::MakeArray();
    for (const YAML::Node& item : node) tree.Append(TRY(TextsOf(item, depth + 1, nodes)));
  } else if (node.IsMap()) {
    tree = Json::MakeObject();
    for (const auto& pair : node)
      tree.Set(pair.first.Scalar(), TRY(TextsOf(pair.second, depth + 1, nodes)));
  }
  return tree;
}

}  // namespace

Result<Json> ParseYamlTexts(const std::string& text, const std::string& name) {
  int nodes = 0;
  try {
    return TextsOf(YAML::Load(text), 0, nodes);
  } catch (const YAML::Exception& error) {
    return InvalidArgument("", name + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg,
                           "bad_yaml");
  }
}

Result<std::vector<YamlSetting>> ReadYamlSettings(const std::string& text, const std::string& name,
                                                  const std::map<std::string, std::string>& types) {
  Reader reader(name, types);
  try {
    TRY(reader.ReadMap(YAML::Load(text), ""));
  } catch (const YAML::Exception& error) {
    return InvalidArgument("", reader.Where(error.mark) + ": " + error.msg, "bad_yaml");
  }
  return reader.Take();
}

std::string YamlTree::PlaceOf(std::string path) const {
  while (true) {
    const auto place = places.find(path);
    if (place != places.end()) return place->second;
    const size_t end = path.find_last_of(".[");
    if (end == std::string::npos) break;
    path.resize(end);
  }
  const auto root = places.find("");
  return root == places.end() ? "" : root->second;
}

Status YamlTree::Refuse(const std::string& path, const std::string& why) const {
  return InvalidArgument(path, PlaceOf(path) + ": " + (path.empty() ? "" : path + ": ") + why,
                         "bad_setting");
}

Result<YamlTree> ReadYaml(const std::string& text, const std::string& name) {
  const std::map<std::string, std::string> none;
  Reader reader(name, none);
  try {
    return reader.ReadTree(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return InvalidArgument("", reader.Where(error.mark) + ": " + error.msg, "bad_yaml");
  }
}

}  // namespace slipway::base
