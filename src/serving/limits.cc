// SPDX-License-Identifier: Apache-2.0
// A prediction, before all else: has its caller had its share?
#include "serving/limits.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace slipway::serving {
namespace {

base::Status Bad(const std::string& line, const std::string& expected) {
  return base::InvalidArgument("serving.rate_limits", "'" + line + "': expected " + expected);
}

template <typename T>
bool Read(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

constexpr double kMostRate = 1e9;

bool ReadWord(std::string_view name, std::string_view value, LimitRule& rule) {
  if (name == "endpoint") {
    rule.endpoint = value;
    return !value.empty();
  }
  if (name == "per") {
    rule.per_caller = value == "caller";
    rule.per_endpoint = value == "endpoint";
    return value == "caller" || value == "endpoint" || value == "server";
  }
  if (name == "rate") return Read(value, rule.rate) && rule.rate > 0 && rule.rate <= kMostRate;
  if (name == "burst") return Read(value, rule.burst) && rule.burst >= 1 && rule.burst <= kMostRate;
  return name == "at_once" && Read(value, rule.at_once) && rule.at_once > 0;
}

base::Result<LimitRule> ParseLimit(const std::string& line) {
  LimitRule rule;
  std::string_view rest = line;
  while (!rest.empty()) {
    const size_t space = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, space);
    rest.remove_prefix(std::min(space + 1, rest.size()));
    if (word.empty()) continue;
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos ||
        !ReadWord(word.substr(0, equals), word.substr(equals + 1), rule)) {
      return Bad(line,
                 "endpoint=NAME, per=server|endpoint|caller, rate=N, burst=N or at_once=N, "
                 "not '" +
                     std::string(word) + "'");
    }
  }
  if (rule.rate == 0 && rule.at_once == 0) return Bad(line, "a rate or at_once");
  if (rule.burst == 0) rule.burst = std::max(rule.rate, 1.0);
  return rule;
}

}  // namespace

base::Result<std::vector<LimitRule>> ParseLimits(const std::vector<std::string>& lines) {
  std::vector<LimitRule> rules;
  rules.reserve(lines.size());
  for (const std::string& line : lines) rules.push_back(TRY(ParseLimit(line)));
  return rules;
}

struct Limits::State {
  struct Account {
    double tokens = 0;
    int64_t last_ns = 0;
    std::shared_ptr<int64_t> under_way = std::make_shared<int64_t>(0);  // guarded by mutex
  };
  using Accounts = std::map<std::string, Account, std::less<>>;

  explicit State(std::vector<LimitRule> given) : rules(std::move(given)), accounts(rules.size()) {}

  static double TokensAt(const LimitRule& rule, const Account& account, int64_t now_ns) {
    const double seconds =
        static_cast<double>(std::max<int64_t>(now_ns - account.last_ns, 0)) * 1e-9;
    return std::min(rule.burst, account.tokens + rule.rate * seconds);
  }

  // Those that could not be told from new ones are forgotten when there are too many.
  Account& Find(size_t index, const std::string& key, int64_t now_ns) {
    Accounts& mine = accounts[index];
    const LimitRule& rule = rules[index];
    auto found = mine.find(key);
    if (found == mine.end() && mine.size() >= kMostAccounts) {
      std::erase_if(mine, [&](const auto& one) {
        return *one.second.under_way == 0 && TokensAt(rule, one.second, now_ns) >= rule.burst;
      });
      if (mine.size() >= kMostAccounts) found = mine.find(kOthers);
    }
    if (found == mine.end()) {
      Account fresh;
      fresh.tokens = rule.burst;
      fresh.last_ns = now_ns;
      found = mine.emplace(mine.size() >= kMostAccounts ? kOthers : key, std::move(fresh)).first;
    }
    return found->second;
  }

  static constexpr const char* kOthers = "\n";  // no name holds it
  const std::vector<LimitRule> rules;
  std::mutex mutex;
  std::vector<Accounts> accounts;  // by rule; guarded by mutex
};

Limits::Limits(std::vector<LimitRule> rules)
    : empty_(rules.empty()), state_(std::make_shared<State>(std::move(rules))) {}
Limits::~Limits() = default;

Limits::Pass::~Pass() {
  if (under_way_.empty()) return;
  std::lock_guard lock(static_cast<State*>(limits_.get())->mutex);
  for (const auto& count : under_way_) --*count;
}

base::Result<Limits::Pass> Limits::Enter(std::string_view endpoint, std::string_view caller,
                                         int64_t now_ns) {
  Pass pass;
  std::vector<std::pair<const LimitRule*, State::Account*>> taken;
  std::lock_guard lock(state_->mutex);
  for (size_t i = 0; i < state_->rules.size(); ++i) {
    const LimitRule& rule = state_->rules[i];
    if (rule.endpoint != "*" && rule.endpoint != endpoint) continue;
    const std::string key(rule.per_caller ? caller : rule.per_endpoint ? endpoint : "");
    State::Account& account = state_->Find(i, key, now_ns);
    const std::string whose =
        rule.per_caller ? "this caller" : "endpoint '" + std::string(endpoint) + "'";
    if (rule.at_once > 0 && *account.under_way >= rule.at_once) {
      return base::ResourceExhausted("too_many_at_once",
                                     whose + " already has " + std::to_string(rule.at_once) +
                                         " requests under way (serving.rate_limits); retry in 1 s");
    }
    if (rule.rate > 0) {
      account.tokens = State::TokensAt(rule, account, now_ns);
      account.last_ns = now_ns;
      if (account.tokens < 1) {
        const auto wait_s = static_cast<int64_t>(std::ceil((1 - account.tokens) / rule.rate));
        return base::ResourceExhausted(
            "rate_limited", whose +
                                " has sent more requests than serving.rate_limits allows; "
                                "retry in " +
                                std::to_string(std::max<int64_t>(wait_s, 1)) + " s");
      }
    }
    taken.emplace_back(&rule, &account);
  }
  for (auto& [rule, account] : taken) {
    if (rule->rate > 0) account->tokens -= 1;
    if (rule->at_once == 0) continue;
    ++*account->under_way;
    pass.under_way_.push_back(account->under_way);
  }
  if (!pass.under_way_.empty()) pass.limits_ = state_;
  return pass;
}

}  // namespace slipway::serving
