// SPDX-License-Identifier: Apache-2.0
// Which keys are good. Private to this room.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace slipway::storage {

// Unfinished uploads of the local disk are kept here; not a key.
inline constexpr std::string_view kIncoming = ".incoming";

base::Status CheckKey(std::string_view key);
base::Status CheckFolder(std::string_view folder);  // a key, or "" for everything

// "a/b/c" -> "a/b" and "c"; "c" -> "" and "c".
std::string_view ParentOf(std::string_view key);
std::string_view NameOf(std::string_view key);
std::string JoinKey(std::string_view folder, std::string_view name);

}  // namespace slipway::storage
