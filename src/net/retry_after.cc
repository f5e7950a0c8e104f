// SPDX-License-Identifier: Apache-2.0
// A prediction that is refused: when may it come again?
#include "net/retry_after.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace slipway::net {

int64_t RetryAfterSeconds(const base::Status& status) {
  constexpr std::string_view kBefore = "; retry in ";
  constexpr int64_t kMost = 3600;
  const std::string_view message = status.message();
  const size_t at = message.rfind(kBefore);
  if (at == std::string_view::npos) return 1;
  const std::string_view rest = message.substr(at + kBefore.size());
  int64_t seconds = 1;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
  const bool whole =
      error == std::errc() && std::string_view(end, rest.data() + rest.size()) == " s";
  return whole ? std::clamp<int64_t>(seconds, 1, kMost) : 1;
}

}  // namespace slipway::net
