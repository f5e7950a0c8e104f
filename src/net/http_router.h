// SPDX-License-Identifier: Apache-2.0
// How a path finds its route. Private to net: http_router.cc fills it, http_connection.cc asks it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace slipway::net {

struct Route {
  Router::Kind kind = Router::Kind::kAsync;
  std::string method;
  std::string pattern;
  std::vector<std::string> names;  // of the {names}, in order
  AsyncHandler async;
  BlockingHandler blocking;
  KnownAnswer known;  // of a blocking route; may be empty
};

struct Router::Match {
  const Route* route = nullptr;     // null: 404, or 405 when `allow` is set
  std::vector<std::string> values;  // of the {names}, decoded, in order
  std::string allow;  // the path's methods when the method is not among them: "GET, HEAD, OPTIONS"
};

// A segment of all patterns that begin alike.
struct RouteNode {
  struct Named {
    std::string ending;  // "{name}:predict" -> ":predict"
    std::unique_ptr<RouteNode> node;
  };
  std::map<std::string, std::unique_ptr<RouteNode>, std::less<>> literals;
  std::vector<Named> named;        // longest ending first
  std::vector<Route> routes;       // of patterns that end here, by method
  std::vector<Route> rest_routes;  // of patterns that go on with "{rest...}"
};

struct Router::State {
  struct NotFound {
    std::string prefix;
    std::function<HttpResponse(const HttpRequest&)> handler;
  };
  RouteNode root;
  std::vector<NotFound> not_found;  // longest prefix first
  std::vector<std::string> list;

  void Add(Route route);
  // `raw_path`: as sent, without query; each segment is decoded on its own, so that %2F stays
  // inside one.
  Match Find(std::string_view method, std::string_view raw_path) const;
  const NotFound* FindNotFound(std::string_view path) const;
};

}  // namespace slipway::net
