// SPDX-License-Identifier: Apache-2.0
// How a row of the table of commands is written, and the parts of the table that have a file of
// their own.
#pragma once

#include <string_view>
#include <vector>

#include "cli/command.h"

namespace slipway::cli {

inline Argument PathText(std::string_view name, std::string_view help) {
  return {name, Place::kPath, Kind::kText, true, help};
}
inline Argument PathNumber(std::string_view name, std::string_view help) {
  return {name, Place::kPath, Kind::kInteger, true, help};
}
inline Argument Query(std::string_view name, std::string_view help) {
  return {name, Place::kQuery, Kind::kText, false, help};
}
inline Argument Limit() {
  return {"limit", Place::kQuery, Kind::kInteger, false, "most rows to show (default 100)"};
}
inline Argument Body(std::string_view name, Kind kind, std::string_view help,
                     bool required = false) {
  return {name, Place::kBody, kind, required, help};
}

inline Argument FileBody(std::string_view name, std::string_view help) {
  return {name, Place::kFile, Kind::kText, true, help};
}

std::vector<Command> GateCommands();
std::vector<Command> HoldoutCommands();
std::vector<Command> RetentionCommands();
std::vector<Command> AuditCommands();
std::vector<Command> AlertCommands();

}  // namespace slipway::cli
