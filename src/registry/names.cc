// SPDX-License-Identifier: Apache-2.0
// Names at the registry's door: checked before anything is written.
#include "registry/names.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {
namespace {

constexpr size_t kMostNameBytes = 250;
constexpr size_t kMostAliasBytes = 255;
constexpr size_t kMostTagValueBytes = 100'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), Lower);
  return lower;
}

bool IsAliasCharacter(char c) {
  return IsDigit(c) || (Lower(c) >= 'a' && Lower(c) <= 'z') || c == '_' || c == '-';
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kNone:
      return "None";
    case Stage::kStaging:
      return "Staging";
    case Stage::kProduction:
      return "Production";
    case Stage::kArchived:
      return "Archived";
  }
  return "None";
}

base::Result<Stage> ParseStage(std::string_view name) {
  const std::string lower = LowerCase(name);
  for (const Stage stage : {Stage::kNone, Stage::kStaging, Stage::kProduction, Stage::kArchived}) {
    if (lower == LowerCase(StageName(stage))) return stage;
  }
  return base::InvalidArgument("stage",
                               "Invalid model version stage: '" + std::string(name) +
                                   "'. Expected one of None, Staging, Production, Archived.",
                               "invalid_stage");
}

base::Status CheckModelName(const std::string& name) {
  if (name.empty())
    return base::InvalidArgument("name", "Registered model name cannot be empty.", "invalid_name");
  if (name.size() > kMostNameBytes) {
    return base::InvalidArgument("name",
                                 "Registered model name has " + std::to_string(name.size()) +
                                     " bytes; at most " + std::to_string(kMostNameBytes) +
                                     " are allowed.",
                                 "invalid_name");
  }
  const bool bad_character =
      std::ranges::any_of(name, [](char c) { return c == '/' || c == ':' || IsControl(c); });
  if (bad_character || name == "." || name == "..") {
    return base::InvalidArgument(
        "name",
        "Invalid registered model name '" + name +
            "': it is one path segment, without '/', ':' and control characters.",
        "invalid_name");
  }
  return {};
}

base::Status CheckAlias(const std::string& alias) {
  if (alias.empty())
    return base::InvalidArgument("alias", "Registered model alias name cannot be empty.",
                                 "invalid_alias");
  if (alias.size() > kMostAliasBytes || !std::ranges::all_of(alias, IsAliasCharacter)) {
    return base::InvalidArgument("alias",
                                 "Invalid alias name: '" + alias +
                                     "'. It has letters, digits, '_' and '-' only, at most " +
                                     std::to_string(kMostAliasBytes) + ".",
                                 "invalid_alias");
  }
  const std::string lower = LowerCase(alias);
  const bool names_a_number =
      lower[0] == 'v' && lower.size() > 1 && std::all_of(lower.begin() + 1, lower.end(), IsDigit);
  if (lower == "latest") {
    return base::InvalidArgument("alias", "'latest' alias name (case insensitive) is reserved.",
                                 "invalid_alias");
  }
  if (names_a_number) {
    return base::InvalidArgument("alias", "Version alias name '" + alias + "' is reserved.",
                                 "invalid_alias");
  }
  return {};
}

base::Status CheckTag(const std::string& key, const std::string& value) {
  if (key.empty() || key.size() > kMostNameBytes) {
    return base::InvalidArgument("key",
                                 "A tag's key has 1 to " + std::to_string(kMostNameBytes) +
                                     " bytes, this one " + std::to_string(key.size()) + ".",
                                 "invalid_tag");
  }
  if (value.size() > kMostTagValueBytes) {
    return base::InvalidArgument("value",
                                 "The value of tag '" + key + "' has " +
                                     std::to_string(value.size()) + " bytes; at most " +
                                     std::to_string(kMostTagValueBytes) + " are allowed.",
                                 "invalid_tag");
  }
  return {};
}

base::Status CheckTags(const Tags& tags) {
  for (const auto& [key, value] : tags) TRY(CheckTag(key, value));
  return {};
}

}  // namespace slipway::registry
