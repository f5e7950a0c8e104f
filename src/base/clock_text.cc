// SPDX-License-Identifier: Apache-2.0
// Moments and durations as text: RFC 3339, and "1h30m".
#include <array>
#include <chrono>
#include <cstdio>

#include "base/clock.h"

namespace slipway::base {

namespace {

struct Unit {
  std::string_view name;
  Micros micros;
};
// Longest names first where one is the start of another, so that "5ms" is not five minutes.
constexpr std::array<Unit, 6> kUnits = {
    {{"ms", kMillisecond}, {"us", 1}, {"d", kDay}, {"h", kHour}, {"m", kMinute}, {"s", kSecond}}};
constexpr std::array<Unit, 6> kUnitsFalling = {
    {{"d", kDay}, {"h", kHour}, {"m", kMinute}, {"s", kSecond}, {"ms", kMillisecond}, {"us", 1}}};
constexpr Micros kLongestDuration = 100 * 365 * kDay;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly `count` digits off the front.
bool TakeDigits(std::string_view& text, size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!IsDigit(text[i])) return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeDate(std::string_view& text, Micros& time) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!TakeDigits(text, 4, year) || !TakeChar(text, "-") || !TakeDigits(text, 2, month) ||
      !TakeChar(text, "-") || !TakeDigits(text, 2, day)) {
    return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  time += std::chrono::sys_days(date).time_since_epoch().count() * kDay;
  return true;
}

bool TakeTimeOfDay(std::string_view& text, Micros& time) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!TakeDigits(text, 2, hour) || !TakeChar(text, ":") || !TakeDigits(text, 2, minute) ||
      !TakeChar(text, ":") || !TakeDigits(text, 2, second)) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 60)
    return false;  // 60: a leap second, folded into the next one
  time += hour * kHour + minute * kMinute + second * kSecond;
  if (!TakeChar(text, ".")) return true;
  Micros scale = kSecond / 10;
  if (text.empty() || !IsDigit(text[0])) return false;
  while (!text.empty() && IsDigit(text[0])) {
    time += (text[0] - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return true;
}

bool TakeOffset(std::string_view& text, Micros& time) {
  if (TakeChar(text, "Zz")) return true;
  const bool behind = !text.empty() && text[0] == '-';
  int hour = 0;
  int minute = 0;
  if (!TakeChar(text, "+-") || !TakeDigits(text, 2, hour) || !TakeChar(text, ":") ||
      !TakeDigits(text, 2, minute) || hour > 23 || minute > 59) {
    return false;
  }
  const Micros offset = hour * kHour + minute * kMinute;
  time += behind ? offset : -offset;
  return true;
}

// One "1.5h": number and unit.
bool TakeDurationTerm(std::string_view& text, Micros& total) {
  __int128 whole = 0;
  __int128 scale = 1;
  bool fraction = false;
  size_t digits = 0;
  while (!text.empty() && (IsDigit(text[0]) || (text[0] == '.' && !fraction && digits > 0))) {
    if (text[0] == '.') {
      fraction = true;
    } else {
      if (++digits > 18) return false;
      whole = whole * 10 + (text[0] - '0');
      if (fraction) scale *= 10;
    }
    text.remove_prefix(1);
  }
  if (digits == 0) return false;
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    const __int128 sum = total + whole * unit.micros / scale;
    if (sum > kLongestDuration) return false;
    total = static_cast<Micros>(sum);
    return true;
  }
  return false;
}

}  // namespace

std::string FormatTime(Micros time) {
  const std::chrono::sys_time<std::chrono::microseconds> moment{std::chrono::microseconds(time)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::microseconds> clock(moment - day);
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return {text.data(), static_cast<size_t>(size)};
}

Result<Micros> ParseTime(std::string_view text) {
  std::string_view rest = text;
  Micros time = 0;
  if (TakeDate(rest, time) && TakeChar(rest, "Tt ") && TakeTimeOfDay(rest, time) &&
      TakeOffset(rest, time) && rest.empty()) {
    return time;
  }
  return InvalidArgument(
      "", "\"" + std::string(text) + "\" is not an RFC 3339 time such as 2013-03-12T00:00:00Z",
      "bad_time");
}

Result<Micros> ParseDuration(std::string_view text) {
  if (text == "0") return Micros{0};
  std::string_view rest = text;
  Micros total = 0;
  bool good = !text.empty();
  while (good && !rest.empty()) good = TakeDurationTerm(rest, total);
  if (good) return total;
  return InvalidArgument(
      "",
      "\"" + std::string(text) + "\" is not a duration such as 250ms, 5s, 10m, 2h, 14d or 1h30m",
      "bad_duration");
}

std::string FormatDuration(Micros duration) {
  if (duration == 0) return "0s";
  std::string text = duration < 0 ? "-" : "";
  uint64_t rest =
      duration < 0 ? ~static_cast<uint64_t>(duration) + 1 : static_cast<uint64_t>(duration);
  for (const Unit& unit : kUnitsFalling) {
    const uint64_t count = rest / static_cast<uint64_t>(unit.micros);
    if (count == 0) continue;
    rest %= static_cast<uint64_t>(unit.micros);
    text += std::to_string(count);
    text += unit.name;
  }
  return text;
}

}  // namespace slipway::base
