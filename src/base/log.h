// SPDX-License-Identifier: Apache-2.0
// Structured log lines on standard error: {"time","level","room","message",fields...} or the same
// for people. Thread-safe. One call = one line, written whole.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace slipway::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kHuman, kJson };

void ConfigureLog(LogFormat format, LogLevel least);
LogLevel LeastLogLevel();
void SetLeastLogLevel(LogLevel least);  // while the server runs; the format stays
void Log(LogLevel level, std::string_view room, std::string_view message,
         std::initializer_list<std::pair<std::string_view, Json>> fields = {});

}  // namespace slipway::base
