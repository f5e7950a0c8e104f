// SPDX-License-Identifier: Apache-2.0
// Silences: for a time, alerts with certain labels are not told of. They go on being judged, and
// one that still fires when its silence ends is told of then.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "storage/database.h"

namespace slipway::monitoring {

inline constexpr size_t kMaxSilences = 1000;  // in force at once

struct Silence {
  std::string id;                              // ULID
  std::map<std::string, std::string> matcher;  // label -> pattern; all must match
  base::Micros starts = 0;
  base::Micros ends = 0;
  std::string who;
  std::string why;
};
base::Json ToJson(const Silence& silence, base::Micros now);

// The first of them that matches; nullptr when none does.
const Silence* FindSilence(const std::vector<Silence>& silences,
                           const std::map<std::string, std::string>& labels);
// {"label": "pattern"}: kInvalidArgument naming `field`.
base::Result<std::map<std::string, std::string>> ReadMatcher(const base::Json& json,
                                                             const std::string& field);

// Thread-safe; blocks. Events "alert.silenced" and "alert.unsilenced".
class Silences {
 public:
  Silences(storage::Database& database, events::EventLog& events);
  // kInvalidArgument: nothing to match, no reason, an end that is not after `now`.
  base::Result<Silence> Add(Silence silence, const events::Actor& actor, base::Micros now);
  // It ends now. kNotFound; kFailedPrecondition (reason "silence_over").
  base::Status End(const std::string& id, const events::Actor& actor, base::Micros now);
  base::Result<std::vector<Silence>> List(bool ended, base::Micros now);  // newest first
  static base::Result<std::vector<Silence>> Active(storage::Transaction& transaction,
                                                   base::Micros now);

 private:
  storage::Database& database_;
  events::EventLog& events_;
};

}  // namespace slipway::monitoring
