// SPDX-License-Identifier: Apache-2.0
// Cross-origin requests (the Fetch standard's CORS protocol), by setting. Private to net.
#pragma once

#include <string>
#include <string_view>

#include "base/config.h"
#include "base/status.h"
#include "net/http.h"
#include "net/http_server.h"

namespace slipway::net {

void DescribeCors(base::Schema& schema, CorsSettings& settings);

// Immutable once made.
class Cors {
 public:
  Cors() = default;  // nothing is allowed
  // kInvalidArgument naming the setting at fault.
  static base::Result<Cors> Make(const CorsSettings& settings);

  bool enabled() const { return any_ || !origins_.empty(); }
  // The value of Access-Control-Allow-Origin for a request of `origin`; empty: not allowed.
  std::string AllowedOrigin(std::string_view origin) const;
  static bool IsPreflight(const HttpRequest& request);
  // To an answer: what the page's browser asks for. `allowed` as from AllowedOrigin.
  void Decorate(HttpResponse& response, const std::string& allowed) const;
  void AnswerPreflight(HttpResponse& response) const;

 private:
  bool any_ = false;
  bool credentials_ = false;
  std::vector<std::string> origins_;
  std::string methods_;
  std::string headers_;
  std::string exposed_;
  std::string max_age_;
};

// Appends to a Vary that may be there.
void AddVary(HttpResponse& response, std::string_view name);

}  // namespace slipway::net
