// SPDX-License-Identifier: Apache-2.0
// Addresses of stores in settings: "scheme:rest". Private to this room.
#pragma once

#include <string>
#include <string_view>

namespace slipway::storage {

std::string_view SchemeOf(std::string_view address);  // "" when there is none
// "sqlite:slipway.db" in "/data" -> "sqlite:/data/slipway.db"; what begins with '/' after the ':'
// stays.
std::string ResolveAddress(std::string_view address, const std::string& data_folder);
// "file:/data/x", "file:///data/x" and "/data/x" -> "/data/x".
std::string PathOfAddress(std::string_view address, std::string_view scheme);

}  // namespace slipway::storage
