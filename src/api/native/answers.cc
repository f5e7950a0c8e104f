// SPDX-License-Identifier: Apache-2.0
// Decoding and encoding that every native route shares.
#include "api/native/answers.h"

#include <charconv>

#include "base/clock.h"

namespace slipway::api::native {

base::Result<int64_t> ParseNumber(std::string_view name, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return base::InvalidArgument(std::string(name),
                                 "expected a whole number, got '" + std::string(text) + "'");
  }
  return number;
}

void AddJson(net::Router& router, std::string_view method, std::string_view pattern,
             JsonHandler handler) {
  router.AddBlocking(method, pattern, [handler = std::move(handler)](net::HttpRequest& request) {
    const base::Result<base::Json> answer = handler(request);
    if (!answer.ok()) return net::ErrorResponse(answer.status());
    return net::HttpResponse::Json(200, answer->Dump());
  });
}

base::Result<base::Json> ReadBody(const net::HttpRequest& request,
                                  std::initializer_list<std::string_view> known) {
  if (request.body.empty()) return base::Json::MakeObject();
  auto body = base::Json::Parse(request.body);
  if (!body.ok()) return std::move(body).TakeStatus().Annotate("body");
  if (!body->is_object()) {
    return base::InvalidArgument("body",
                                 "expected a JSON object, got " + std::string(body->TypeName()));
  }
  TRY(base::RequireOnly(*body, known));
  return body;
}

base::Result<int64_t> LimitOf(const net::HttpRequest& request) {
  const std::optional<int64_t> limit = TRY(NumberQuery(request, "limit"));
  if (!limit) return kDefaultLimit;
  if (*limit < 1 || *limit > kMostRows) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMostRows));
  }
  return *limit;
}

base::Result<int64_t> NumberParam(const net::HttpRequest& request, std::string_view name) {
  return ParseNumber(name, request.GetParam(name));
}

base::Result<std::optional<int64_t>> NumberQuery(const net::HttpRequest& request,
                                                 std::string_view name) {
  const std::optional<std::string> text = request.GetQuery(name);
  if (!text) return std::optional<int64_t>();
  return std::optional<int64_t>(TRY(ParseNumber(name, *text)));
}

base::Result<std::optional<int64_t>> TimeQuery(const net::HttpRequest& request,
                                               std::string_view name) {
  const std::optional<std::string> text = request.GetQuery(name);
  if (!text) return std::optional<int64_t>();
  const auto time = base::ParseTime(*text);
  if (!time.ok()) return base::InvalidArgument(std::string(name), time.status().message());
  return std::optional<int64_t>(*time);
}

events::Actor ActorOf(const net::HttpRequest& request) {
  events::Actor actor;
  const std::string_view name = request.GetHeader("X-Slipway-Actor");
  if (!name.empty()) actor.name = std::string(name.substr(0, 200));
  actor.source = "http " + request.remote_address;
  actor.reason = std::string(request.GetHeader("X-Slipway-Reason").substr(0, 2000));
  return actor;
}

}  // namespace slipway::api::native
