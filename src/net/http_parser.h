// SPDX-License-Identifier: Apache-2.0
// HttpParser: bytes of one connection -> requests. Private to net; the one place that knows
// Boost.Beast (http_parser.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/http.h"

namespace slipway::net {

// One request at a time; not thread-safe.
class HttpParser {
 public:
  struct Limits {
    int64_t header_bytes;
    int64_t headers;
    int64_t target_bytes;
  };
  explicit HttpParser(const Limits& limits);
  ~HttpParser();

  // Begins a request. ParseHead writes method, target, path, query and headers into `request`,
  // which must stay where it is until head_done().
  void Reset(HttpRequest* request);
  // Reads of `bytes` what it can and says how many; the rest is to be given again, with more behind
  // it. Errors: bad_request, headers_too_large, target_too_long, expectation_failed, unsupported
  // coding (kUnimplemented).
  base::Result<size_t> ParseHead(std::string_view bytes);
  bool head_done() const;
  // As ParseHead, for the body: what is decoded is appended to `body`.
  base::Result<size_t> ParseBody(std::string_view bytes, std::string& body);
  bool done() const;

  // Valid once head_done().
  std::string_view raw_path()
      const;  // not decoded, without query; a view into the request's target
  bool keep_alive() const;
  bool http_1_0() const;
  bool expects_continue() const;
  std::optional<uint64_t> content_length() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
