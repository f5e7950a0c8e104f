// SPDX-License-Identifier: Apache-2.0
// The bytes of a response's status line and headers. Private to net.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace slipway::net {

struct Framing {
  std::optional<int64_t> length;  // Content-Length
  bool chunked = false;
  bool close = false;
  bool keep_alive_1_0 = false;  // an HTTP/1.0 client asked for keep-alive and gets it
};

// Appends to `out`. The server's own headers in `response` are left out; control characters in
// values become spaces.
void AppendHead(std::string& out, const HttpResponse& response, const Framing& framing,
                std::string_view date);
// "Mon, 23 Nov 2026 21:17:00 GMT"
std::string HttpDate(int64_t unix_seconds);

}  // namespace slipway::net
