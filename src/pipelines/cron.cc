// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": when a schedule is due.
#include "pipelines/cron.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::pipelines {

using base::InvalidArgument;
using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxCronBytes = 200;
constexpr int kSearchedDays = 5 * 366;

struct FieldRule {
  const char* name;
  int least;
  int most;
  std::span<const std::string_view> names;  // names[i] means i + least
};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
const std::array<FieldRule, 5> kFields = {{{"minute", 0, 59, {}},
                                           {"hour", 0, 23, {}},
                                           {"day of month", 1, 31, {}},
                                           {"month", 1, 12, kMonths},
                                           {"day of week", 0, 7, kWeekdays}}};

Status Bad(const FieldRule& rule, std::string_view item) {
  return InvalidArgument(
      "schedule", std::string(rule.name) + " \"" + std::string(item) +
                      "\": expected *, a number from " + std::to_string(rule.least) + " to " +
                      std::to_string(rule.most) + ", a range a-b, a list a,b or a step */k");
}

std::optional<int> ParseNumber(std::string_view text, const FieldRule& rule) {
  std::string lower;
  for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (size_t i = 0; i < rule.names.size(); ++i) {
    if (rule.names[i] == lower) return static_cast<int>(i) + rule.least;
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// One item of a list, as the values that it stands for.
Result<std::vector<int>> ParseItem(std::string_view item, const FieldRule& rule) {
  std::string_view range = item;
  int step = 1;
  if (const size_t slash = item.find('/'); slash != std::string_view::npos) {
    range = item.substr(0, slash);
    const auto parsed = ParseNumber(item.substr(slash + 1), {rule.name, 1, rule.most, {}});
    if (!parsed || *parsed < 1 || *parsed > rule.most) return Bad(rule, item);
    step = *parsed;
    if (range != "*" && range.find('-') == std::string_view::npos) return Bad(rule, item);
  }
  int first = rule.least;
  int last = rule.most;
  if (range != "*") {
    const size_t dash = range.find('-');
    const auto low = ParseNumber(range.substr(0, dash), rule);
    const auto high =
        dash == std::string_view::npos ? low : ParseNumber(range.substr(dash + 1), rule);
    if (!low || !high || *low < rule.least || *high > rule.most || *low > *high)
      return Bad(rule, item);
    first = *low;
    last = *high;
  }
  std::vector<int> values;
  for (int value = first; value <= last; value += step) values.push_back(value);
  return values;
}

Result<std::vector<int>> ParseField(std::string_view field, const FieldRule& rule) {
  std::vector<int> values;
  for (size_t start = 0; start <= field.size();) {
    const size_t comma = std::min(field.find(',', start), field.size());
    const std::vector<int> item = TRY(ParseItem(field.substr(start, comma - start), rule));
    values.insert(values.end(), item.begin(), item.end());
    start = comma + 1;
  }
  return values;
}

std::vector<std::string_view> SplitFields(std::string_view text) {
  std::vector<std::string_view> fields;
  constexpr std::string_view kBlank = " \t";
  for (size_t start = text.find_first_not_of(kBlank); start != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlank, start), text.size());
    fields.push_back(text.substr(start, end - start));
    start = text.find_first_not_of(kBlank, end);
  }
  return fields;
}

bool FiresOn(const Cron& cron, std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  if (!cron.months[static_cast<unsigned>(date.month())]) return false;
  const bool by_day = cron.days[static_cast<unsigned>(date.day())];
  const bool by_weekday = cron.weekdays[std::chrono::weekday(day).c_encoding()];
  return cron.any_day || cron.any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

}  // namespace

Result<Cron> ParseCron(std::string_view text) {
  const std::vector<std::string_view> fields = SplitFields(text);
  if (text.size() > kMaxCronBytes || fields.size() != kFields.size()) {
    return InvalidArgument(
        "schedule", "\"" + std::string(text.substr(0, kMaxCronBytes)) +
                        "\": expected five fields: minute, hour, day of month, month, day of week");
  }
  Cron cron;
  std::array<std::vector<int>, 5> values;
  for (size_t i = 0; i < fields.size(); ++i) values[i] = TRY(ParseField(fields[i], kFields[i]));
  for (const int value : values[0]) cron.minutes.set(static_cast<size_t>(value));
  for (const int value : values[1]) cron.hours.set(static_cast<size_t>(value));
  for (const int value : values[2]) cron.days.set(static_cast<size_t>(value));
  for (const int value : values[3]) cron.months.set(static_cast<size_t>(value));
  for (const int value : values[4]) cron.weekdays.set(static_cast<size_t>(value % 7));
  cron.any_day = fields[2].front() == '*';
  cron.any_weekday = fields[4].front() == '*';
  if (!NextFiring(cron, 0)) {
    return InvalidArgument("schedule", "\"" + std::string(text) + "\": no day is ever like that");
  }
  return cron;
}

std::optional<base::Micros> NextFiring(const Cron& cron, base::Micros after) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::microseconds;
  using std::chrono::minutes;
  const std::chrono::sys_time<microseconds> moment{microseconds(after)};
  const auto first = floor<minutes>(moment) + minutes(1);
  const std::chrono::sys_days first_day = floor<days>(first);
  for (int i = 0; i < kSearchedDays; ++i) {
    const std::chrono::sys_days day = first_day + days(i);
    if (!FiresOn(cron, day)) continue;
    const int64_t from = i == 0 ? (first - day).count() : 0;
    for (int64_t minute = from; minute < 24 * 60; ++minute) {
      if (!cron.hours[static_cast<size_t>(minute / 60)] ||
          !cron.minutes[static_cast<size_t>(minute % 60)])
        continue;
      return std::chrono::duration_cast<microseconds>(day.time_since_epoch()).count() +
             minute * base::kMinute;
    }
  }
  return std::nullopt;
}

}  // namespace slipway::pipelines
