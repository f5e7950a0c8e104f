// SPDX-License-Identifier: Apache-2.0
// Settings: the first thing that starting the server does. Defaults < YAML < environment < flags,
// checked before anything is changed. How a YAML file is read is in config_yaml.cc.
#include "base/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <variant>

#include "base/config_yaml.h"
#include "base/nearest.h"

namespace slipway::base {

namespace {

using Commit = std::function<void()>;

std::string EnvironmentName(std::string_view key) {
  std::string name = "SLIPWAY_";
  for (const char c : key)
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string FlagName(std::string_view key) {
  std::string name = "--";
  for (const char c : key) name += c == '.' || c == '_' ? '-' : c;
  return name;
}

Status Expected(std::string_view what, std::string_view got) {
  return InvalidArgument("", "expected " + std::string(what) + ", got \"" + std::string(got) + "\"",
                         "bad_setting");
}

template <typename T>
std::optional<T> ReadNumber(std::string_view text) {
  T value{};
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string NumberText(double value) {
  std::string text;
  AppendJsonNumber(text, value);
  return text;
}

std::string ListText(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    items.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

}  // namespace

struct Schema::State {
  struct Entry {
    std::string key;
    std::string type;
    std::string help;
    std::string default_value;
    Json json_schema;
    std::function<Result<Commit>(const Given&)> convert;
    std::function<std::string()> show;
    Origin origin = Origin::kDefault;
    std::string where;
  };
  struct Staged {
    Commit commit;
    Origin origin;
    std::string where;
  };

  std::vector<Entry> entries;

  // Most settings are one piece of text; this turns `parse` of text into a conversion.
  template <typename T>
  void AddText(std::string_view key, T* value, std::string_view help, std::string type,
               Json json_schema, std::function<Result<T>(const std::string&)> parse,
               std::function<std::string(const T&)> show) {
    Entry entry;
    entry.convert = [value, parse](const Given& given) -> Result<Commit> {
      const auto* text = std::get_if<std::string>(&given);
      if (text == nullptr) return InvalidArgument("", "expected a single value", "bad_setting");
      T parsed = TRY(parse(*text));
      return Commit([value, parsed] { *value = parsed; });
    };
    entry.show = [value, show] { return show(*value); };
    AddEntry(key, help, std::move(type), std::move(json_schema), std::move(entry));
  }

  void AddEntry(std::string_view key, std::string_view help, std::string type, Json json_schema,
                Entry entry) {
    for (const Entry& other : entries)
      CHECK(other.key != key, "a setting is described once: " + other.key);
    entry.key = key;
    entry.type = std::move(type);
    entry.help = help;
    entry.default_value = entry.show();
    json_schema.Set("description", help);
    entry.json_schema = std::move(json_schema);
    entries.push_back(std::move(entry));
  }

  std::vector<std::string_view> Keys() const {
    std::vector<std::string_view> keys;
    for (const Entry& entry : entries) keys.push_back(entry.key);
    return keys;
  }

  Status Stage(std::string_view key, const Given& given, Origin origin, const std::string& where,
               std::map<size_t, Staged>& staged) const {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].key != key) continue;
      Result<Commit> commit = entries[i].convert(given);
      if (!commit.ok()) {
        return InvalidArgument(std::string(key),
                               where + ": " + std::string(key) + ": " + commit.status().message(),
                               "bad_setting");
      }
      staged[i] = Staged{std::move(commit).value(), origin, where};
      return Status::Ok();
    }
    return InvalidArgument(
        std::string(key),
        where + ": unknown setting \"" + std::string(key) + "\"" + DidYouMean(key, Keys()),
        "unknown_setting");
  }

  Status StageEnvironment(const ConfigInput& input, std::map<size_t, Staged>& staged) const {
    for (const auto& [name, text] : input.environment) {
      if (!name.starts_with("SLIPWAY_")) continue;
      const auto entry = std::find_if(entries.begin(), entries.end(), [&](const Entry& one) {
        return EnvironmentName(one.key) == name;
      });
      if (entry == entries.end()) {
        std::vector<std::string> names;
        for (const Entry& one : entries) names.push_back(EnvironmentName(one.key));
        return InvalidArgument(
            name,
            "unknown setting in the environment: " + name +
                DidYouMean(name, std::vector<std::string_view>(names.begin(), names.end())),
            "unknown_setting");
      }
      TRY(Stage(entry->key, text, Origin::kEnvironment, name, staged));
    }
    return Status::Ok();
  }
};

Schema::Schema() : state_(std::make_unique<State>()) {}
Schema::~Schema() = default;

void Schema::Add(std::string_view key, std::string* value, std::string_view help) {
  state_->AddText<std::string>(
      key, value, help, "string", Json::MakeObject({{"type", "string"}}),
      [](const std::string& text) -> Result<std::string> { return text; },
      [](const std::string& text) { return text; });
}

void Schema::Add(std::string_view key, bool* value, std::string_view help) {
  state_->AddText<bool>(
      key, value, help, "boolean", Json::MakeObject({{"type", "boolean"}}),
      [](const std::string& text) -> Result<bool> {
        if (text == "true") return true;
        if (text == "false") return false;
        return Expected("true or false", text);
      },
      [](const bool& on) { return std::string(on ? "true" : "false"); });
}

void Schema::Add(std::string_view key, int64_t* value, std::string_view help, int64_t least,
                 int64_t most) {
  state_->AddText<int64_t>(
      key, value, help, "integer",
      Json::MakeObject({{"type", "integer"}, {"minimum", least}, {"maximum", most}}),
      [least, most](const std::string& text) -> Result<int64_t> {
        const auto number = ReadNumber<int64_t>(text);
        if (number && *number >= least && *number <= most) return *number;
        return Expected("an integer from " + std::to_string(least) + " to " + std::to_string(most),
                        text);
      },
      [](const int64_t& number) { return std::to_string(number); });
}

void Schema::Add(std::string_view key, double* value, std::string_view help, double least,
                 double most) {
  state_->AddText<double>(
      key, value, help, "number",
      Json::MakeObject({{"type", "number"}, {"minimum", least}, {"maximum", most}}),
      [least, most](const std::string& text) -> Result<double> {
        const auto number = ReadNumber<double>(text);
        if (number && *number >= least && *number <= most) return *number;
        return Expected("a number from " + NumberText(least) + " to " + NumberText(most), text);
      },
      [](const double& number) { return NumberText(number); });
}

void Schema::Add(std::string_view key, Duration* value, std::string_view help, Duration least,
                 Duration most) {
  state_->AddText<Duration>(
      key, value, help, "duration",
      Json::MakeObject({{"type", "string"}, {"pattern", "^([0-9.]+(us|ms|s|m|h|d))+$"}}),
      [least, most](const std::string& text) -> Result<Duration> {
        const Result<Micros> micros = ParseDuration(text);
        if (micros.ok() && *micros >= least.micros && *micros <= most.micros)
          return Duration{*micros};
        return Expected("a duration from " + FormatDuration(least.micros) + " to " +
                            FormatDuration(most.micros) + " such as 250ms, 5s, 10m, 2h or 1h30m",
                        text);
      },
      [](const Duration& duration) { return FormatDuration(duration.micros); });
}

void Schema::Add(std::string_view key, std::vector<std::string>* value, std::string_view help) {
  State::Entry entry;
  entry.convert = [value](const Given& given) -> Result<Commit> {
    std::vector<std::string> items;
    if (const auto* text = std::get_if<std::string>(&given)) {
      items = SplitList(*text);
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&given)) {
      items = *list;
    } else {
      return InvalidArgument("", "expected a list of strings", "bad_setting");
    }
    return Commit([value, items] { *value = items; });
  };
  entry.show = [value] { return ListText(*value); };
  Json json_schema =
      Json::MakeObject({{"type", "array"}, {"items", Json::MakeObject({{"type", "string"}})}});
  state_->AddEntry(key, help, "list of strings", std::move(json_schema), std::move(entry));
}

void Schema::AddJson(std::string_view key, Json* value, std::string_view help) {
  State::Entry entry;
  entry.convert = [value](const Given& given) -> Result<Commit> {
    Json tree;
    if (const auto* text = std::get_if<std::string>(&given)) {
      tree = TRY(Json::Parse(*text));
    } else if (const auto* json = std::get_if<Json>(&given)) {
      tree = *json;
    } else {
      return InvalidArgument("", "expected JSON", "bad_setting");
    }
    return Commit([value, tree] { *value = tree; });
  };
  entry.show = [value] { return value->Dump(); };
  state_->AddEntry(key, help, "json", Json::MakeObject(), std::move(entry));
}

void Schema::AddChoice(std::string_view key, std::string* value, std::string_view help,
                       std::vector<std::string> choices) {
  Json listed = Json::MakeArray();
  for (const std::string& choice : choices) listed.Append(choice);
  state_->AddText<std::string>(
      key, value, help, "string", Json::MakeObject({{"type", "string"}, {"enum", listed}}),
      [choices](const std::string& text) -> Result<std::string> {
        if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
        return Expected("one of " + ListText(choices), text);
      },
      [](const std::string& text) { return text; });
}

Status Schema::Apply(const ConfigInput& input) {
  std::map<size_t, State::Staged> staged;  // a later origin replaces an earlier one
  std::map<std::string, std::string> types;
  for (const State::Entry& entry : state_->entries) types[entry.key] = entry.type;
  const std::vector<YamlSetting> rows = TRY(ReadYamlSettings(input.yaml, input.yaml_name, types));
  for (const YamlSetting& row : rows)
    TRY(state_->Stage(row.key, row.given, Origin::kFile, row.where, staged));
  TRY(state_->StageEnvironment(input, staged));
  for (const auto& [key, text] : input.flags)
    TRY(state_->Stage(key, text, Origin::kFlag, FlagName(key), staged));
  for (auto& [index, one] : staged) {
    one.commit();
    state_->entries[index].origin = one.origin;
    state_->entries[index].where = one.where;
  }
  return Status::Ok();
}

std::vector<SettingRow> Schema::Rows() const {
  std::vector<SettingRow> rows;
  for (const State::Entry& entry : state_->entries) {
    rows.push_back({entry.key, entry.type, entry.help, entry.default_value, entry.show(),
                    entry.origin, entry.where});
  }
  return rows;
}

namespace {

// Puts `leaf` at the dotted `key`, making the objects on the way.
void PlaceInSchema(Json& object, std::string_view key, const Json& leaf) {
  Json& properties = *object.Find("properties");
  const size_t dot = key.find('.');
  if (dot == std::string_view::npos) {
    properties.Set(key, leaf);
    return;
  }
  const std::string_view head = key.substr(0, dot);
  if (properties.Find(head) == nullptr) {
    properties.Set(head, Json::MakeObject({{"type", "object"},
                                           {"additionalProperties", false},
                                           {"properties", Json::MakeObject()}}));
  }
  PlaceInSchema(*properties.Find(head), key.substr(dot + 1), leaf);
}

}  // namespace

std::string Schema::ToJsonSchema() const {
  Json root = Json::MakeObject({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                                {"title", "Slipway settings"},
                                {"type", "object"},
                                {"additionalProperties", false},
                                {"properties", Json::MakeObject()}});
  for (const State::Entry& entry : state_->entries)
    PlaceInSchema(root, entry.key, entry.json_schema);
  return root.Dump(2);
}

}  // namespace slipway::base
