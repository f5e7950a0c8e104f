// SPDX-License-Identifier: Apache-2.0
// Routes: the second step of a request's walk, from method and path to the handler of a protocol.
#include "net/http_router.h"

#include <algorithm>
#include <set>

namespace slipway::net {

namespace {

constexpr size_t kMostSegments = 64;

std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (segments.size() < kMostSegments) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

RouteNode& LiteralChild(RouteNode& node, std::string_view text) {
  auto& child = node.literals[std::string(text)];
  if (!child) child = std::make_unique<RouteNode>();
  return *child;
}

RouteNode& NamedChild(RouteNode& node, std::string_view ending) {
  for (RouteNode::Named& named : node.named) {
    if (named.ending == ending) return *named.node;
  }
  node.named.push_back({std::string(ending), std::make_unique<RouteNode>()});
  RouteNode& made = *node.named.back().node;
  std::stable_sort(node.named.begin(), node.named.end(),
                   [](const auto& a, const auto& b) { return a.ending.size() > b.ending.size(); });
  return made;
}

class Search {
 public:
  Search(std::string_view method, std::string_view raw_path) : method_(method) {
    if (raw_path.starts_with('/')) raw_path.remove_prefix(1);
    path_ = raw_path;
  }

  Router::Match Run(const RouteNode& root) {
    Router::Match match;
    if (Descend(root, path_, false)) {
      match.route = found_;
      match.values = std::move(values_);
    } else if (!methods_.empty()) {
      if (methods_.contains("GET")) methods_.insert("HEAD");
      methods_.insert("OPTIONS");
      for (const std::string& method : methods_)
        match.allow += (match.allow.empty() ? "" : ", ") + method;
    }
    return match;
  }

 private:
  // `rest`: what is left of the path; `ended`: nothing is.
  bool Descend(const RouteNode& node, std::string_view rest, bool ended) {
    if (ended) return Pick(node.routes);
    const size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    const std::string_view next = last ? std::string_view() : rest.substr(slash + 1);
    std::string decoded;
    std::string_view text = segment;
    if (segment.find('%') != std::string_view::npos) text = decoded = PercentDecode(segment, false);
    const auto literal = node.literals.find(text);
    if (literal != node.literals.end() && Descend(*literal->second, next, last)) return true;
    for (const RouteNode::Named& named : node.named) {
      if (text.size() <= named.ending.size() || !text.ends_with(named.ending)) continue;
      values_.emplace_back(text.substr(0, text.size() - named.ending.size()));
      if (Descend(*named.node, next, last)) return true;
      values_.pop_back();
    }
    if (node.rest_routes.empty() || !Pick(node.rest_routes)) return false;
    values_.push_back(PercentDecode(rest, false));
    return true;
  }

  bool Pick(const std::vector<Route>& routes) {
    const Route* get = nullptr;
    for (const Route& route : routes) {
      if (route.method == method_) {
        found_ = &route;
        return true;
      }
      if (route.method == "GET") get = &route;
      methods_.insert(route.method);
    }
    if (method_ == "HEAD" && get != nullptr) {
      found_ = get;
      return true;
    }
    return false;
  }

  std::string_view method_;
  std::string_view path_;
  const Route* found_ = nullptr;
  std::vector<std::string> values_;
  std::set<std::string> methods_;
};

}  // namespace

void Router::State::Add(Route route) {
  CHECK(route.pattern.starts_with('/'), "a route begins with /: " + route.pattern);
  list.push_back(route.method + " " + route.pattern);
  RouteNode* node = &root;
  const std::string pattern = route.pattern;
  const std::vector<std::string_view> segments = Split(pattern);
  std::vector<Route>* routes = nullptr;
  for (size_t i = 0; i < segments.size(); ++i) {
    const std::string_view segment = segments[i];
    if (!segment.starts_with('{')) {
      node = &LiteralChild(*node, segment);
      continue;
    }
    const size_t close = segment.find('}');
    CHECK(close != std::string_view::npos, "a name ends with }: " + pattern);
    std::string_view name = segment.substr(1, close - 1);
    if (name.ends_with("...")) {
      CHECK(i + 1 == segments.size(), "only the last segment takes the rest: " + pattern);
      name.remove_suffix(3);
      routes = &node->rest_routes;
    } else {
      node = &NamedChild(*node, segment.substr(close + 1));
    }
    route.names.emplace_back(name);
  }
  if (routes == nullptr) routes = &node->routes;
  for (const Route& other : *routes) {
    CHECK(other.method != route.method, "two routes are " + other.method + " " + pattern);
  }
  routes->push_back(std::move(route));
}

Router::Match Router::State::Find(std::string_view method, std::string_view raw_path) const {
  if (static_cast<size_t>(std::count(raw_path.begin(), raw_path.end(), '/')) > kMostSegments)
    return {};
  return Search(method, raw_path).Run(root);
}

const Router::State::NotFound* Router::State::FindNotFound(std::string_view path) const {
  for (const NotFound& one : not_found) {
    if (path.starts_with(one.prefix)) return &one;
  }
  return nullptr;
}

Router::Router() : state_(std::make_unique<State>()) {}
Router::~Router() = default;

void Router::Add(std::string_view method, std::string_view pattern, AsyncHandler handler) {
  state_->Add({Kind::kAsync,
               std::string(method),
               std::string(pattern),
               {},
               std::move(handler),
               nullptr,
               nullptr});
}

void Router::AddBlocking(std::string_view method, std::string_view pattern, BlockingHandler handler,
                         KnownAnswer known) {
  state_->Add({Kind::kBlocking,
               std::string(method),
               std::string(pattern),
               {},
               nullptr,
               std::move(handler),
               std::move(known)});
}

void Router::AddStreaming(std::string_view method, std::string_view pattern,
                          BlockingHandler handler) {
  state_->Add({Kind::kStreaming,
               std::string(method),
               std::string(pattern),
               {},
               nullptr,
               std::move(handler),
               nullptr});
}

void Router::OnNotFound(std::string_view prefix,
                        std::function<HttpResponse(const HttpRequest&)> handler) {
  state_->not_found.push_back({std::string(prefix), std::move(handler)});
  std::stable_sort(state_->not_found.begin(), state_->not_found.end(),
                   [](const auto& a, const auto& b) { return a.prefix.size() > b.prefix.size(); });
}

std::vector<std::string> Router::List() const { return state_->list; }

}  // namespace slipway::net
