// SPDX-License-Identifier: Apache-2.0
#include "registry/webhooks.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "net/http_client.h"
#include "registry/webhook_messages.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr base::Micros kLongestPause = 10 * base::kMinute;
constexpr base::Micros kGiveUpAfter = 3 * base::kDay;
constexpr int64_t kMostInStep = 100;
constexpr size_t kMostNameBytes = 63;
constexpr size_t kMostUrlBytes = 2048;
constexpr size_t kShownBytes = 1000;
constexpr int kFirstError = 400;
constexpr const char* kReader = "webhooks";
constexpr std::string_view kColumns =
    "SELECT id, name, url, events, description, secret, active, created, updated, "
    "since FROM registry_webhooks";

Webhook FromRow(const storage::Row& row) {
  Webhook webhook{row.Text(0), row.Text(1),     row.Text(2), {},         row.Text(4),
                  row.Text(5), row.Int(6) != 0, row.Int(7),  row.Int(8), row.Int(9)};
  std::string_view rest = row.Text(3);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    webhook.events.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return webhook;
}

std::string Joined(const std::vector<std::string>& events) {
  std::string text;
  for (const std::string& event : events) text += (text.empty() ? "" : ",") + event;
  return text;
}

base::Status NoSuch(const std::string& id) {
  return base::NotFound("webhook_not_found", "Webhook with ID " + id + " not found.");
}

base::Status Check(const Webhook& webhook) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const std::string& name = webhook.name;
  const bool named = !name.empty() && name.size() <= kMostNameBytes && plain(name.front()) &&
                     plain(name.back()) && std::ranges::all_of(name, [&](char c) {
                       return plain(c) || c == '.' || c == '_' || c == '-';
                     });
  if (!named)
    return base::InvalidArgument(
        "name", "Webhook name '" + name +
                    "' is invalid. It must start and end with a letter or digit, be less than 63 "
                    "characters long, and contain only letters, digits, dots (.), underscores (_), "
                    "and hyphens (-).");
  const bool http = webhook.url.starts_with("http://") || webhook.url.starts_with("https://");
  if (!http || webhook.url.size() > kMostUrlBytes)
    return base::InvalidArgument("url", "Invalid webhook URL '" + webhook.url +
                                            "': expected http:// or https://, at most 2048 bytes");
  if (webhook.events.empty())
    return base::InvalidArgument("events", "Webhook events cannot be empty");
  for (const std::string& event : webhook.events) TRY(CheckWebhookEvent(event));
  return {};
}

base::Result<Webhook> Load(storage::Transaction& transaction, const std::string& id) {
  const storage::Rows rows = TRY(transaction.Query(std::string(kColumns) + " WHERE id = $1", {id}));
  if (rows.empty()) return NoSuch(id);
  return FromRow(rows.front());
}

std::vector<Webhook> FromRows(const storage::Rows& rows) {
  std::vector<Webhook> webhooks;
  for (const storage::Row& row : rows) webhooks.push_back(FromRow(row));
  return webhooks;
}

std::vector<Webhook> Wanting(std::vector<Webhook> webhooks, const std::string& event,
                             base::Micros time) {
  std::erase_if(webhooks, [&](const Webhook& webhook) {
    return !webhook.active || webhook.since > time ||
           std::ranges::find(webhook.events, event) == webhook.events.end();
  });
  return webhooks;
}

// Worth another try: as MLflow's own sender has it, and whatever gives no answer.
bool IsTransient(const base::Result<net::HttpResponse>& response) {
  if (!response.ok()) return true;
  constexpr int kTooMany = 429, kServerError = 500;
  return response->status == kTooMany || response->status >= kServerError;
}

}  // namespace

struct Webhooks::Waiting {
  std::string webhook;
  int64_t sequence = 0;
  std::string model;
  std::string body;
  std::string delivery;
  base::Micros created = 0;
  int64_t attempts = 0;
};

Webhooks::Webhooks(storage::Database& database, events::EventLog& events, base::Clock& clock,
                   const net::HttpClient& client, base::Metrics& metrics)
    : database_(database),
      events_(events),
      clock_(clock),
      client_(client),
      metrics_(metrics),
      reader_(events, database, kReader),
      thread_(events, [this] { StepOfThread(); }) {}

Webhooks::~Webhooks() { Stop(); }

base::Status Webhooks::Emit(storage::Transaction& transaction, const char* type,
                            const Webhook& webhook, const events::Actor& actor) {
  events::Event event;
  event.type = type;
  event.subject = "webhook/" + webhook.id;
  event.actor = actor;
  event.data = base::Json::MakeObject({{"name", webhook.name},
                                       {"url", webhook.url},
                                       {"events", Joined(webhook.events)},
                                       {"active", webhook.active}});
  return events_.Append(transaction, std::move(event));
}

base::Result<Webhook> Webhooks::Create(Webhook webhook, const events::Actor& actor) {
  TRY(Check(webhook));
  webhook.id = base::RandomHex32();
  webhook.created = webhook.updated = webhook.since = clock_.Now();
  const int64_t happened = events_.LastSequence();
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows count = TRY(transaction.Query("SELECT COUNT(*) FROM registry_webhooks"));
    if (count.front().Int(0) >= static_cast<int64_t>(kMostWebhooks))
      return base::ResourceExhausted("too_many_webhooks", "there are 1000 webhooks already");
    // While there was none, no one read the log; what is in it is not told.
    if (count.front().Int(0) == 0) TRY(events_.SavePosition(transaction, kReader, happened));
    TRY(transaction.Execute(
        "INSERT INTO registry_webhooks (id, name, url, events, description, secret, active, "
        "created, updated, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)",
        {webhook.id, webhook.name, webhook.url, Joined(webhook.events), webhook.description,
         webhook.secret, static_cast<int64_t>(webhook.active), webhook.created}));
    return Emit(transaction, "webhook.created", webhook, actor);
  }));
  return webhook;
}

base::Result<Webhook> Webhooks::Get(const std::string& id) {
  const storage::Rows rows = TRY(database_.Query(std::string(kColumns) + " WHERE id = $1", {id}));
  if (rows.empty()) return NoSuch(id);
  return FromRow(rows.front());
}

base::Result<std::vector<Webhook>> Webhooks::List() {
  return FromRows(TRY(database_.Query(std::string(kColumns) + " ORDER BY created DESC, id")));
}

base::Result<Webhook> Webhooks::Update(const std::string& id, const WebhookChange& change,
                                       const events::Actor& actor) {
  Webhook webhook;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    webhook = TRY(Load(transaction, id));
    if (change.name) webhook.name = *change.name;
    if (change.url) webhook.url = *change.url;
    if (change.description) webhook.description = *change.description;
    if (change.secret) webhook.secret = *change.secret;
    if (change.events) webhook.events = *change.events;
    webhook.updated = clock_.Now();
    if (change.active == true && !webhook.active) webhook.since = webhook.updated;
    if (change.active) webhook.active = *change.active;
    TRY(Check(webhook));
    TRY(transaction.Execute(
        "UPDATE registry_webhooks SET name = $2, url = $3, events = $4, description = $5, "
        "secret = $6, active = $7, updated = $8, since = $9 WHERE id = $1",
        {id, webhook.name, webhook.url, Joined(webhook.events), webhook.description, webhook.secret,
         static_cast<int64_t>(webhook.active), webhook.updated, webhook.since}));
    if (!webhook.active)
      TRY(transaction.Execute("DELETE FROM registry_webhook_outbox WHERE webhook = $1", {id}));
    return Emit(transaction, "webhook.updated", webhook, actor);
  }));
  return webhook;
}

base::Status Webhooks::Delete(const std::string& id, const events::Actor& actor) {
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const Webhook webhook = TRY(Load(transaction, id));
    TRY(transaction.Execute("DELETE FROM registry_webhook_outbox WHERE webhook = $1", {id}));
    TRY(transaction.Execute("DELETE FROM registry_webhooks WHERE id = $1", {id}));
    return Emit(transaction, "webhook.deleted", webhook, actor);
  });
}

base::Result<net::HttpResponse> Webhooks::Send(const Webhook& webhook, const std::string& delivery,
                                               const std::string& body) {
  const std::string timestamp = std::to_string(clock_.Now() / base::kSecond);
  net::HttpCall call;
  call.method = "POST";
  call.url = webhook.url;
  call.body = body;
  call.headers = {{"Content-Type", "application/json"},
                  {"X-MLflow-Delivery-Id", delivery},
                  {"X-MLflow-Timestamp", timestamp}};
  if (!webhook.secret.empty()) {
    const std::string signature =
        base::HmacSha256(webhook.secret, delivery + "." + timestamp + "." + body);
    call.headers.push_back({"X-MLflow-Signature", "v1," + base::Base64Encode(signature)});
  }
  return client_.Send(call);
}

base::Result<WebhookTrial> Webhooks::Test(const std::string& id, const std::string& event) {
  const Webhook webhook = TRY(Get(id));
  const std::string which = event.empty() ? webhook.events.front() : event;
  TRY(CheckWebhookEvent(which));
  const auto response = Send(webhook, base::RandomHex32(), BodyOf(ExampleOf(which), clock_.Now()));
  WebhookTrial trial;
  if (!response.ok()) {
    trial.error = response.status().message();
    return trial;
  }
  trial.success = response->status < kFirstError;
  trial.status = response->status;
  trial.body = response->body.substr(0, kShownBytes);
  return trial;
}

// At the event's second coming (a crash before the reader's position was kept) its rows are there.
base::Status Webhooks::Queue(const events::Event& event) {
  const std::optional<WebhookMessage> bare = MessageOf(event);
  if (!bare || Wanting(TRY(List()), bare->event, event.time).empty()) return {};
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    // Once more, now that no one can disable it meanwhile.
    const std::vector<Webhook> wanting =
        Wanting(FromRows(TRY(transaction.Query(std::string(kColumns)))), bare->event, event.time);
    if (wanting.empty()) return {};
    const WebhookMessage message = TRY(Completed(transaction, event));
    const std::string body = BodyOf(message, event.time);
    for (const Webhook& webhook : wanting) {
      TRY(transaction.Execute(
          "INSERT INTO registry_webhook_outbox (webhook, sequence, model, body, delivery, created, "
          "attempts, next_attempt, detail) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '') "
          "ON CONFLICT (webhook, sequence) DO NOTHING",
          {webhook.id, event.sequence, message.model, body, base::RandomHex32(), event.time}));
    }
    return {};
  });
}

// True: done with it. Whether it still waits (a webhook that is disabled or deleted takes its rows
// along) is asked right before sending.
base::Result<bool> Webhooks::Deliver(const Waiting& waiting, base::Micros now) {
  const storage::Rows wanted = TRY(database_.Query(
      std::string(kColumns) + " WHERE id = $1 AND EXISTS (SELECT 1 FROM registry_webhook_outbox "
                              "WHERE webhook = $1 AND sequence = $2)",
      {waiting.webhook, waiting.sequence}));
  if (wanted.empty()) return true;
  const auto response = Send(FromRow(wanted.front()), waiting.delivery, waiting.body);
  const bool again = IsTransient(response) && now - waiting.created < kGiveUpAfter;
  const std::string detail =
      response.ok() ? "HTTP " + std::to_string(response->status) : response.status().message();
  const bool delivered = response.ok() && response->status < kFirstError;
  const std::string outcome = delivered ? "delivered" : again ? "retry" : "rejected";
  metrics_
      .GetCounter("slipway_registry_webhook_deliveries", "Messages sent to webhooks.",
                  {{"outcome", outcome}})
      .Add();
  if (!delivered) {
    base::Log(base::LogLevel::kWarning, "registry", "a webhook was not told",
              {{"webhook", waiting.webhook}, {"again", again}, {"why", detail}});
  }
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    if (!again) {
      TRY(transaction.Execute(
          "DELETE FROM registry_webhook_outbox WHERE webhook = $1 AND sequence = $2",
          {waiting.webhook, waiting.sequence}));
      return {};
    }
    base::Micros pause = base::kSecond;
    for (int64_t i = 0; i < waiting.attempts && pause < kLongestPause; ++i) pause *= 2;
    TRY(transaction.Execute(
        "UPDATE registry_webhook_outbox SET attempts = attempts + 1, next_attempt = $3, "
        "detail = $4 WHERE webhook = $1 AND sequence = $2",
        {waiting.webhook, waiting.sequence, now + std::min(pause, kLongestPause), detail}));
    return {};
  }));
  return !again;
}

// What waits for one webhook, in order; one that gives no answer is left alone until its next turn.
// Only a model's first message ever has a time to wait for: the rest waits behind it.
base::Result<int64_t> Webhooks::DeliverTo(const std::string& webhook, base::Micros now) {
  int64_t delivered = 0;
  for (const storage::Row& row : TRY(database_.Query(
           "SELECT webhook, sequence, model, body, delivery, created, attempts "
           "FROM registry_webhook_outbox WHERE webhook = $1 AND model NOT IN (SELECT model FROM "
           "registry_webhook_outbox WHERE webhook = $1 AND next_attempt > $2) "
           "ORDER BY sequence LIMIT $3",
           {webhook, now, kMostInStep}))) {
    const Waiting waiting{row.Text(0), row.Int(1), row.Text(2), row.Text(3),
                          row.Text(4), row.Int(5), row.Int(6)};
    if (thread_.stopping()) return delivered;
    if (!TRY(Deliver(waiting, now))) return delivered;
    ++delivered;
  }
  return delivered;
}

base::Result<int64_t> Webhooks::Step() {
  const std::lock_guard step(stepping_);
  const std::vector<Webhook> webhooks = TRY(List());
  if (webhooks.empty()) return 0;
  while (TRY(reader_.ProcessBatch([this](const events::Event& event) { return Queue(event); })) >
         0) {
  }
  int64_t delivered = 0;
  for (const Webhook& webhook : webhooks) delivered += TRY(DeliverTo(webhook.id, clock_.Now()));
  return delivered;
}

void Webhooks::Start() {
  thread_.Start();
  thread_.Wake();  // for what waits from before the start
}

void Webhooks::Stop() { thread_.Stop(); }

void Webhooks::StepOfThread() {
  const auto delivered = Step();
  if (!delivered.ok()) {
    base::Log(base::LogLevel::kError, "registry", "webhooks could not be told",
              {{"error", delivered.status().ToString()}});
  } else if (*delivered > 0) {
    thread_.Wake();
  }
}

}  // namespace slipway::registry
