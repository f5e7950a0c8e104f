// SPDX-License-Identifier: Apache-2.0
// RuleBook: the rules in force. Every file that was in force is kept as a numbered version; the
// newest one holds, on every replica and across restarts. Private to this room.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "events/events.h"
#include "monitoring/rules/rule.h"
#include "storage/database.h"

namespace slipway::monitoring {

struct RuleSet {
  int64_t version = 0;  // 0: the rules that are built in
  std::string text;
  std::string source;  // "built in", "file", "api"
  std::vector<Rule> rules;

  const Rule* Find(const std::string& name) const;
};

// Thread-safe; all but current() block.
class RuleBook {
 public:
  // `file`: path of the rules file, empty for none. `only`: of the built-in rules, those to judge.
  RuleBook(storage::Database& database, events::EventLog& events, RuleDefaults defaults,
           std::string file, std::vector<std::string> only);

  // The newest version; a file whose text is not what was read from it last becomes a new one.
  base::Status Start(base::Micros now);
  // True when another replica or call has brought a newer version, which holds from then on.
  base::Result<bool> Refresh();
  // Checked, kept as a new version with event "alert.rules_changed" (unless it is the text in force
  // already), and in force when this returns.
  base::Status Apply(const std::string& text, const std::string& source, const events::Actor& actor,
                     const std::string& why, base::Micros now);
  // Reads the file again. kFailedPrecondition (reason "no_rules_file").
  base::Status Reload(const events::Actor& actor, const std::string& why, base::Micros now);

  std::shared_ptr<const RuleSet> current() const;
  base::Result<base::Json> Versions(int64_t limit);  // newest first

 private:
  base::Result<std::string> ReadFile() const;
  base::Status Adopt(int64_t version, const std::string& text, const std::string& source);

  storage::Database& database_;
  events::EventLog& events_;
  const RuleDefaults defaults_;
  const std::string file_;
  const std::vector<std::string> only_;
  mutable std::mutex mutex_;  // current_
  std::shared_ptr<const RuleSet> current_;
};

}  // namespace slipway::monitoring
