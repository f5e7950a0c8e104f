// SPDX-License-Identifier: Apache-2.0
// HttpClient: the one way out of the process. Every address is checked after DNS against the
// allow-list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "net/http.h"

namespace slipway::net {

struct HttpClientSettings {
  // Networks that may be called: CIDR ("10.0.0.0/8") or "*". Default: the loopback range only.
  std::vector<std::string> allow = {"127.0.0.0/8", "::1/128"};
  base::Duration timeout{10 * base::kSecond};
  int64_t max_response_bytes = 8LL * 1024 * 1024;
};
void Describe(base::Schema& schema, HttpClientSettings& settings);

struct HttpCall {
  std::string method = "GET";
  std::string url;  // http://host:port/path?query or https://
  std::vector<Header> headers;
  std::string body;
};

// Thread-safe; each call opens its own connection and blocks up to the timeout.
class HttpClient {
 public:
  explicit HttpClient(HttpClientSettings settings);
  ~HttpClient();
  // A response of any status is a value. kPermissionDenied (reason "address_not_allowed"),
  // kUnavailable, kDeadlineExceeded.
  base::Result<HttpResponse> Send(const HttpCall& call) const;
  const HttpClientSettings& settings() const { return settings_; }

 private:
  HttpClientSettings settings_;
};

}  // namespace slipway::net
