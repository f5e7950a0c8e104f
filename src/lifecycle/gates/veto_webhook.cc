// SPDX-License-Identifier: Apache-2.0
// Gate: another system is asked and may say no. No answer is a no.
#include "lifecycle/gates.h"
#include "net/http_client.h"

namespace slipway::lifecycle {
namespace {

constexpr int kOk = 200;
constexpr size_t kShownBytes = 300;

base::Result<std::string> UrlOf(const base::Json& options) {
  TRY(base::RequireOnly(options, {"url"}));
  const std::string url = TRY(base::RequireString(options, "url"));
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return base::InvalidArgument("url", "expected http:// or https://");
  return url;
}

class VetoWebhookGate final : public registry::Gate {
 public:
  explicit VetoWebhookGate(const net::HttpClient& client) : client_(client) {}
  std::string_view name() const override { return "veto_webhook"; }
  std::string_view help() const override {
    return "Another system answers {\"allow\": true} when asked: {url}.";
  }
  bool Guards(registry::Stage) const override { return false; }
  base::Status CheckOptions(const base::Json& options) const override {
    return UrlOf(options).status();
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    verdict.outcome = registry::Outcome::kFail;
    const base::Status asked = Ask(context, verdict);
    if (!asked.ok()) verdict.summary = "there is no answer, which is a no: " + asked.message();
    return verdict;
  }

 private:
  base::Status Ask(const registry::GateContext& context, registry::Verdict& verdict) {
    net::HttpCall call;
    call.method = "POST";
    call.url = TRY(UrlOf(context.options));
    call.body = base::Json::MakeObject(
                    {{"model", context.version.model},
                     {"version", context.version.number},
                     {"from", StageName(context.version.stage)},
                     {"to", StageName(context.to)},
                     {"production",
                      context.production ? base::Json(context.production->number) : base::Json()},
                     {"digest", context.version.Digest()},
                     {"run_id", context.version.run_id},
                     {"metadata", context.version.metadata}})
                    .Dump();
    call.headers = {{"Content-Type", "application/json"}};
    const net::HttpResponse response = TRY(client_.Send(call));
    const auto answer = base::Json::Parse(response.body);
    const base::Json* allow = answer.ok() ? answer->Find("allow") : nullptr;
    if (response.status != kOk || allow == nullptr || !allow->is_bool()) {
      return base::FailedPrecondition(
          "no_answer", "HTTP " + std::to_string(response.status) +
                           ", expected {\"allow\": true or false, \"reason\": \"...\"}, got " +
                           response.body.substr(0, kShownBytes));
    }
    const std::string reason = TRY(base::OptionalString(*answer, "reason")).value_or("");
    if (allow->AsBool()) verdict.outcome = registry::Outcome::kPass;
    verdict.summary =
        std::string(allow->AsBool() ? "allowed" : "vetoed") + (reason.empty() ? "" : ": " + reason);
    verdict.evidence = base::Json::MakeObject({{"url", call.url}, {"answer", *answer}});
    return {};
  }

  const net::HttpClient& client_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeVetoWebhookGate(const net::HttpClient& client) {
  return std::make_unique<VetoWebhookGate>(client);
}

}  // namespace slipway::lifecycle
