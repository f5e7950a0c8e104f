// SPDX-License-Identifier: Apache-2.0
// Where alerts can be sent, beside the webhook: each sink is one file in sinks/ and one row in
// app/assembly.cc. docs/alerts.md says what each receiver gets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "monitoring/alert_sink.h"
#include "net/http_client.h"

namespace slipway::monitoring {

// Settings alerts.pagerduty.*
struct PagerDutySettings {
  std::string routing_key_secret;  // the integration's key; empty: no PagerDuty
  std::string url = "https://events.pagerduty.com/v2/enqueue";
};
void Describe(base::Schema& schema, PagerDutySettings& settings);
std::unique_ptr<AlertSink> MakePagerDutySink(const PagerDutySettings& settings,
                                             const net::HttpClient& client);

// Settings alerts.alertmanager.*
struct AlertmanagerSettings {
  std::string url;  // "http://alertmanager:9093"; empty: none
  base::Duration repeat{base::kMinute};
};
void Describe(base::Schema& schema, AlertmanagerSettings& settings);
std::unique_ptr<AlertSink> MakeAlertmanagerSink(const AlertmanagerSettings& settings,
                                                const net::HttpClient& client);

// Settings alerts.slack.* and alerts.teams.*
struct ChatSettings {
  std::string slack_url;
  std::string teams_url;
};
void Describe(base::Schema& schema, ChatSettings& settings);
std::unique_ptr<AlertSink> MakeSlackSink(const ChatSettings& settings,
                                         const net::HttpClient& client);
std::unique_ptr<AlertSink> MakeTeamsSink(const ChatSettings& settings,
                                         const net::HttpClient& client);

// Settings alerts.command.*
struct CommandSettings {
  std::vector<std::string> argv;  // no shell; empty: none
  base::Duration timeout{10 * base::kSecond};
  int64_t memory_mb = 512;
};
void Describe(base::Schema& schema, CommandSettings& settings);
std::unique_ptr<AlertSink> MakeCommandSink(const CommandSettings& settings);

// Settings alerts.email.*
struct EmailSettings {
  std::string server;                 // "host:port"; empty: no e-mail
  std::string security = "starttls";  // "starttls" | "tls" | "none"
  std::string username;               // empty: not asked for
  std::string password;
  std::string from;
  std::vector<std::string> to;
};
void Describe(base::Schema& schema, EmailSettings& settings);
std::unique_ptr<AlertSink> MakeEmailSink(const EmailSettings& settings,
                                         const net::HttpClient& client);

}  // namespace slipway::monitoring
