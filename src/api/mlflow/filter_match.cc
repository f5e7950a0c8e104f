// SPDX-License-Identifier: Apache-2.0
// MLflow's filter language, where what is searched is in memory: the registry's models and
// versions.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "api/mlflow/filter.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

// Clients add `tags.mlflow.prompt.is_prompt != 'true'` to what they search, and mean those without
// the tag too.
constexpr std::string_view kPromptTag = "mlflow.prompt.is_prompt";

using tracking::Condition;

std::string LowerOf(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

// LIKE: '%' is anything, '_' one character. Greedy with one step back, so linear in practice and
// quadratic at worst.
bool Like(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

}  // namespace

base::Result<bool> MatchesText(const Condition& condition,
                               const std::optional<std::string>& actual) {
  constexpr std::array<std::string_view, 6> kTextOps = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"};
  const std::string& op = condition.op;
  if (op == "IS NULL") return !actual.has_value();
  if (op == "IS NOT NULL") return actual.has_value();
  if (condition.texts.empty()) {
    return base::InvalidArgument(
        "filter", "The value of '" + condition.key + "' must be a string in quotes.");
  }
  if (std::ranges::find(kTextOps, op) == kTextOps.end()) {
    return base::InvalidArgument("filter", "Invalid comparator '" + op + "' for '" + condition.key +
                                               "'. Expected =, !=, LIKE, ILIKE, IN or NOT IN.");
  }
  if (!actual) return condition.key == kPromptTag && op == "!=";
  if (op == "LIKE") return Like(condition.texts.front(), *actual);
  if (op == "ILIKE") return Like(LowerOf(condition.texts.front()), LowerOf(*actual));
  const bool among = std::ranges::find(condition.texts, *actual) != condition.texts.end();
  return among == (op == "=" || op == "IN");
}

base::Result<bool> MatchesNumber(const Condition& condition, double actual) {
  double wanted = condition.number;
  if (!condition.texts.empty()) {  // version_number = '3'
    const std::optional<double> number = ParseDouble(condition.texts.front());
    if (!number)
      return base::InvalidArgument("filter",
                                   "The value of '" + condition.key + "' must be a number.");
    wanted = *number;
  }
  const std::string& op = condition.op;
  if (op == "=") return actual == wanted;
  if (op == "!=") return actual != wanted;
  if (op == "<") return actual < wanted;
  if (op == "<=") return actual <= wanted;
  if (op == ">") return actual > wanted;
  if (op == ">=") return actual >= wanted;
  return base::InvalidArgument(
      "filter", "Invalid comparator '" + op + "' for the number '" + condition.key + "'.");
}

}  // namespace slipway::api::mlflow
