// SPDX-License-Identifier: Apache-2.0
// Bytes of a server -> HttpResponse, for the outbound client. Private to net.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "net/http.h"

namespace slipway::net {

class HttpAnswer {
 public:
  // `to_head`: the answer to a HEAD request has no body.
  HttpAnswer(bool to_head, int64_t most_body_bytes);
  ~HttpAnswer();
  base::Status Take(std::string_view bytes);
  base::Status End();  // the server closed
  bool done() const;
  HttpResponse TakeResponse();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
