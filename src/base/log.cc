// SPDX-License-Identifier: Apache-2.0
// Log lines: what every room says while it works. One write() a line, so that lines of threads
// never mix.
#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "base/clock.h"

namespace slipway::base {

namespace {

std::atomic<LogFormat> g_format{LogFormat::kHuman};
std::atomic<LogLevel> g_least{LogLevel::kInfo};

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};

std::string JsonLine(std::string_view time, std::string_view level, std::string_view room,
                     std::string_view message,
                     std::initializer_list<std::pair<std::string_view, Json>> fields) {
  Json line =
      Json::MakeObject({{"time", time}, {"level", level}, {"room", room}, {"message", message}});
  for (const auto& [key, value] : fields) line.Set(key, value);
  return line.Dump() + "\n";
}

// A message or value of outside origin must not start a line of its own.
void AppendOneLine(std::string& out, std::string_view text) {
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
}

std::string HumanLine(std::string_view time, std::string_view level, std::string_view room,
                      std::string_view message,
                      std::initializer_list<std::pair<std::string_view, Json>> fields) {
  std::string line(time);
  line += ' ';
  line += level;
  line.append(level.size() < 8 ? 8 - level.size() : 1, ' ');
  line += room;
  line += ": ";
  AppendOneLine(line, message);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    line += value.Dump();
  }
  return line + "\n";
}

}  // namespace

void ConfigureLog(LogFormat format, LogLevel least) {
  g_format.store(format, std::memory_order_relaxed);
  g_least.store(least, std::memory_order_relaxed);
}

LogLevel LeastLogLevel() { return g_least.load(std::memory_order_relaxed); }

void SetLeastLogLevel(LogLevel least) { g_least.store(least, std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view room, std::string_view message,
         std::initializer_list<std::pair<std::string_view, Json>> fields) {
  if (level < g_least.load(std::memory_order_relaxed)) return;
  const std::string time = FormatTime(SystemClock().Now());
  const std::string_view name = kLevelNames[static_cast<size_t>(level)];
  const std::string line = g_format.load(std::memory_order_relaxed) == LogFormat::kJson
                               ? JsonLine(time, name, room, message, fields)
                               : HumanLine(time, name, room, message, fields);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace slipway::base
