// SPDX-License-Identifier: Apache-2.0
// At the start: where the settings say that data lives.
#include "storage/address.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace slipway::storage {

std::string_view SchemeOf(std::string_view address) {
  const size_t colon = address.find(':');
  return colon == std::string_view::npos ? std::string_view() : address.substr(0, colon);
}

std::string ResolveAddress(std::string_view address, const std::string& data_folder) {
  const size_t start = SchemeOf(address).size() + 1;
  if (start >= address.size() || address[start] == '/') return std::string(address);
  return std::string(address.substr(0, start)) + data_folder + "/" +
         std::string(address.substr(start));
}

std::string PathOfAddress(std::string_view address, std::string_view scheme) {
  if (SchemeOf(address) == scheme) address.remove_prefix(scheme.size() + 1);
  if (address.starts_with("//")) address.remove_prefix(2);
  return std::string(address);
}

}  // namespace slipway::storage
