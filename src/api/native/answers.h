// SPDX-License-Identifier: Apache-2.0
// What every native route shares: JSON in, JSON out, errors as
// {"error":{"code","reason","message","field"}}.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "net/http.h"

namespace slipway::api::native {

inline constexpr int64_t kDefaultLimit = 100;
inline constexpr int64_t kMostRows = 1000;

// A handler's work: the answer's JSON (200) or a Status.
using JsonHandler = std::function<base::Result<base::Json>(net::HttpRequest&)>;
// A blocking route around a JsonHandler.
void AddJson(net::Router& router, std::string_view method, std::string_view pattern,
             JsonHandler handler);

// The body as an object with only these keys; an empty body is {}.
base::Result<base::Json> ReadBody(const net::HttpRequest& request,
                                  std::initializer_list<std::string_view> known);
// `?limit=`: 1 to kMostRows.
base::Result<int64_t> LimitOf(const net::HttpRequest& request);
// A whole number; kInvalidArgument naming `name`.
base::Result<int64_t> ParseNumber(std::string_view name, std::string_view text);
base::Result<int64_t> NumberParam(const net::HttpRequest& request, std::string_view name);
base::Result<std::optional<int64_t>> NumberQuery(const net::HttpRequest& request,
                                                 std::string_view name);
base::Result<std::optional<int64_t>> TimeQuery(const net::HttpRequest& request,
                                               std::string_view name);
// Who asks: header X-Slipway-Actor, else "anonymous"; why: X-Slipway-Reason; and from where.
events::Actor ActorOf(const net::HttpRequest& request);

}  // namespace slipway::api::native
