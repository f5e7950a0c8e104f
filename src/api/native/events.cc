// SPDX-License-Identifier: Apache-2.0
// /api/v1/events: the list of what happened, its live stream, and the check of its hash chain.
#include "api/native/answers.h"
#include "api/native/event_stream.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

base::Result<Json> ListEvents(const events::EventLog& log, const net::HttpRequest& request) {
  events::EventFilter filter;
  filter.type_prefix = request.GetQuery("type_prefix").value_or("");
  filter.subject_prefix = request.GetQuery("subject_prefix").value_or("");
  filter.after_sequence = TRY(NumberQuery(request, "after")).value_or(0);
  filter.actor = request.GetQuery("actor").value_or("");
  filter.since = TRY(TimeQuery(request, "since"));
  filter.until = TRY(TimeQuery(request, "until"));
  filter.limit = TRY(LimitOf(request));
  const std::string order = request.GetQuery("order").value_or("newest");
  if (order != "newest" && order != "oldest")
    return base::InvalidArgument("order", "expected newest or oldest");
  filter.newest_first = order == "newest";
  Json events = Json::MakeArray();
  for (const events::Event& event : TRY(log.List(filter))) events.Append(ToJson(event));
  return Json::MakeObject({{"events", std::move(events)}});
}

base::Result<Json> VerifyAudit(const events::EventLog& log, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"sequence", "hash"}));
  const std::optional<int64_t> sequence = TRY(base::OptionalInt(body, "sequence"));
  const std::optional<std::string> hash = TRY(base::OptionalString(body, "hash"));
  if (sequence.has_value() != hash.has_value())
    return base::InvalidArgument(sequence ? "hash" : "sequence",
                                 "a noted head has both: sequence and hash");
  std::optional<events::ChainHead> noted;
  if (sequence) noted = events::ChainHead{*sequence, *hash};
  const events::ChainHead head = TRY(log.VerifyChain(noted));
  return Json::MakeObject({{"intact", true}, {"events", head.sequence}, {"hash", head.hash}});
}

// Where a stream goes on: what a reconnecting EventSource says it has seen, else `?after=`.
base::Result<int64_t> ListenFrom(const net::HttpRequest& request) {
  const std::string_view seen = request.GetHeader("Last-Event-ID");
  if (seen.empty()) return TRY(NumberQuery(request, "after")).value_or(0);
  return ParseNumber("Last-Event-ID", seen);
}

}  // namespace

void RegisterEvents(net::Router& router, const Parts& parts) {
  events::EventLog& log = parts.events;
  AddJson(router, "GET", "/api/v1/events",
          [&log](net::HttpRequest& request) { return ListEvents(log, request); });
  auto stream = std::make_shared<EventStream>(log);
  router.AddBlocking("GET", "/api/v1/events/stream", [stream](net::HttpRequest& request) {
    const auto after = ListenFrom(request);
    return after.ok() ? stream->Listen(*after) : net::ErrorResponse(after.status());
  });
  AddJson(router, "GET", "/api/v1/audit",
          [&log](net::HttpRequest& request) { return ListEvents(log, request); });
  AddJson(router, "POST", "/api/v1/audit/verify",
          [&log](net::HttpRequest& request) { return VerifyAudit(log, request); });
}

}  // namespace slipway::api::native
