// SPDX-License-Identifier: Apache-2.0
// Webhooks: what happens to models, told to others in MLflow's format and with its signature
// (mlflow/webhooks of MLflow 3). Events come from the event log by a durable reader into an outbox,
// so each is sent at least once, in order for each model, tried again with growing pauses, also
// after a crash. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "events/woken_thread.h"
#include "net/http_client.h"
#include "storage/database.h"

namespace slipway::registry {

inline constexpr size_t kMostWebhooks = 1000;

struct Webhook {
  std::string id;
  std::string name;
  std::string url;
  std::vector<std::string> events;  // "model_version.created"
  std::string description;
  std::string secret;  // signs each message; never shown
  bool active = true;
  base::Micros created = 0;
  base::Micros updated = 0;
  base::Micros since = 0;  // active: what happened before is not told
};

struct WebhookChange {
  std::optional<std::string> name, url, description, secret;
  std::optional<std::vector<std::string>> events;
  std::optional<bool> active;
};

struct WebhookTrial {
  bool success = false;
  std::optional<int> status;
  std::string body;
  std::string error;
};

class Webhooks {
 public:
  Webhooks(storage::Database& database, events::EventLog& events, base::Clock& clock,
           const net::HttpClient& client, base::Metrics& metrics);
  ~Webhooks();  // Stop()
  void Start();
  void Stop();  // after the message under way. Idempotent.

  // kInvalidArgument naming the field; kNotFound (reason "webhook_not_found"). Events
  // webhook.created, .updated, .deleted, without the secret.
  base::Result<Webhook> Create(Webhook webhook, const events::Actor& actor);
  base::Result<Webhook> Get(const std::string& id);
  base::Result<std::vector<Webhook>> List();  // the newest first
  // One that is disabled is sent nothing from then on, not even what waits.
  base::Result<Webhook> Update(const std::string& id, const WebhookChange& change,
                               const events::Actor& actor);
  base::Status Delete(const std::string& id, const events::Actor& actor);
  // Sends an example of the event (empty: its first), once, whether it is active or not.
  base::Result<WebhookTrial> Test(const std::string& id, const std::string& event);

  // What is new becomes messages and what is due is sent; returns how many were delivered. The
  // thread does this after each event and each second.
  base::Result<int64_t> Step();

 private:
  struct Waiting;
  base::Status Queue(const events::Event& event);
  base::Result<bool> Deliver(const Waiting& waiting, base::Micros now);
  base::Result<int64_t> DeliverTo(const std::string& webhook, base::Micros now);
  base::Result<net::HttpResponse> Send(const Webhook& webhook, const std::string& delivery,
                                       const std::string& body);
  base::Status Emit(storage::Transaction& transaction, const char* type, const Webhook& webhook,
                    const events::Actor& actor);
  void StepOfThread();

  storage::Database& database_;
  events::EventLog& events_;
  base::Clock& clock_;
  const net::HttpClient& client_;
  base::Metrics& metrics_;
  events::EventReader reader_;
  std::mutex stepping_;
  events::WokenThread thread_;
};

}  // namespace slipway::registry
