// SPDX-License-Identifier: Apache-2.0
// What sinks share: an alert message read for people, and what an HTTP answer means for its
// delivery. Private to this room.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "monitoring/alert_sink.h"
#include "net/http_client.h"

namespace slipway::monitoring {

struct AlertFacts {
  std::string id, rule, endpoint, severity, summary, runbook, since, resolved;
  int64_t version = 0;
  double value = 0;
  double threshold = 0;
  std::map<std::string, std::string> labels;  // the rule's own
  base::Json data;                            // facts behind it
  bool resolved_now = false;                  // the message tells of the end
  bool acknowledged_now = false;
  std::string acknowledged_by;

  std::string Title() const;  // "[FIRING] slow on fraud-eu (critical)"
  // Name and value, for lists under the title.
  std::vector<std::pair<std::string, std::string>> Rows() const;
};
AlertFacts ReadFacts(const AlertMessage& message);

// 2xx: delivered. 408, 425, 429 (Retry-After is kept), 5xx, timeout and no connection: again later.
// Else, and when the allow-list forbids the address: rejected for good.
Delivery PostJson(const net::HttpClient& client, const std::string& url, std::string body,
                  std::vector<net::Header> headers = {});

}  // namespace slipway::monitoring
