// SPDX-License-Identifier: Apache-2.0
// SignedUrls: addresses that let whoever has them do one thing for a while: what they name is
// signed (HMAC-SHA256) together with when that ends. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::mlflow {

class SignedUrls {
 public:
  // `secret`: the same on every replica; empty: one of this process. `public_url`: where clients
  // reach this server ("https://models.example.org"); empty: http:// and the request's Host.
  SignedUrls(std::string secret, std::string public_url);

  // "<server><path>?expires=...&signature=..." for `method` on `path`, which is percent-encoded as
  // it is to be sent.
  [[nodiscard]] std::string Make(const net::HttpRequest& from, std::string_view method,
                                 const std::string& path, base::Micros now) const;
  // kPermissionDenied (reason "bad_signature", "url_expired").
  [[nodiscard]] base::Status Check(const net::HttpRequest& request, base::Micros now) const;
  // 32 hex digits over a text, for ids that must come from here.
  [[nodiscard]] std::string Mark(std::string_view text) const;

 private:
  const std::string secret_;
  const std::string public_url_;
};

}  // namespace slipway::api::mlflow
